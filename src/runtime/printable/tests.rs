use super::*;

#[test]
fn escapes_what_is_not_seen() {
    let hidden = [
        0x061c, 0x00ad, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2028, 0x2029,
        0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2060, 0x2066, 0x2067, 0x2068, 0x2069, 0x2800,
        0x3164, 0xfe0f, 0xfeff, 0xe000, 0xe0041, 0xfff9,
    ];
    for code in hidden {
        let character = char::from_u32(code).unwrap();
        let shown = printable(&format!("a{character}b"));
        assert_eq!(shown, format!("a\\u{{{code:x}}}b"));
    }
}

#[test]
fn control_characters_are_spaces_and_the_rest_stays() {
    assert_eq!(printable("a\u{1b}[31m\r\n\tb\u{85}\u{7f}"), "a [31m   b  ");
    let text = "it's \"fine\" \\ 100 % Größe 日本語 עברית ελ 🙂";
    assert_eq!(printable(text), text);
}

/// `Default_Ignorable_Code_Point` of Unicode 16 (`DerivedCoreProperties.txt`):
/// what a font draws as nothing, Hangul fillers and selectors of variants among it.
#[test]
fn escapes_all_that_unicode_calls_ignorable() {
    let ignorable = [
        0xad..=0xad,
        0x034f..=0x034f,
        0x061c..=0x061c,
        0x115f..=0x1160,
        0x17b4..=0x17b5,
        0x180b..=0x180f,
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x206f,
        0x3164..=0x3164,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xffa0..=0xffa0,
        0xfff0..=0xfff8,
        0x1bca0..=0x1bca3,
        0x1d173..=0x1d17a,
        0xe0000..=0xe0fff,
    ];
    for code in ignorable.into_iter().flatten() {
        let character = char::from_u32(code).unwrap();
        assert!(is_hidden(character), "U+{code:04X}");
        assert_eq!(
            printable(&character.to_string()),
            format!("\\u{{{code:x}}}")
        );
    }
}

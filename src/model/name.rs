//! What a name of a virtual service or a real server is made of, and the name that a misspelt one
//! stands for.

/// The longest name that a virtual service or a real server may have, in bytes.
pub(crate) const LONGEST_NAME: usize = 63;

/// Whether a name may contain the byte.
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The word that was probably meant by the text. The comparison of two costs the product of their
/// lengths, so the caller bounds both.
pub(crate) fn resembling<'w>(
    text: &str,
    words: impl IntoIterator<Item = &'w str>,
) -> Option<&'w str> {
    let length = text.chars().count();
    let near = words.into_iter().filter_map(|word| {
        let part = text.len() >= 4 && (word.contains(text) || text.contains(word));
        let farthest = (word.len() / 3).max(1);
        if !part && length.abs_diff(word.len()) > farthest {
            return None;
        }
        let distance = strsim::damerau_levenshtein(text, word);
        (distance <= farthest || part).then_some((distance, word))
    });
    near.min().map(|(_, word)| word)
}

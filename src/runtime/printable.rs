//! Text from elsewhere as a log, a terminal or a page may show it.

/// The text on one line: control characters are spaces; what is not seen, or
/// changes how what is beside it is seen (marks of the direction of writing, of
/// zero width, separators of lines, tags), is written as its escape, like
/// `\u{202e}`.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.push(' ');
        } else if is_hidden(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a reader does not see it.
pub(crate) fn is_hidden(character: char) -> bool {
    match character {
        // All of ASCII that is no control character is seen, and most text is no other.
        ' '..='~' => false,
        // Fillers and a blank, which Unicode has among letters and symbols.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{2800}' | '\u{3164}'
        | '\u{ffa0}' => true,
        // It escapes what Unicode has among separators, formats and unassigned
        // characters, and marks that stand on the character before them.
        _ => character.escape_debug().len() > 1,
    }
}

#[cfg(test)]
mod tests;

//! Numbers as people read them.

/// A number with a comma before every three digits: `1,200`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 problem`, `1,200 problems`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_nouns_and_commas() {
        for (number, text) in [
            (0, "0 problems"),
            (1, "1 problem"),
            (999, "999 problems"),
            (1_200, "1,200 problems"),
            (1_234_567, "1,234,567 problems"),
        ] {
            assert_eq!(counted(number, "problem"), text);
        }
    }
}

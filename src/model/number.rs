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

/// A number with its noun, for tables and terminals: `1 problem`, `1,200 problems`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), plural(number))
}

/// The same without commas, for the log and for answers: `1200 problems`.
pub(crate) fn with_noun(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", plural(number))
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
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
            assert_eq!(with_noun(number, "problem"), text.replace(',', ""));
        }
    }
}

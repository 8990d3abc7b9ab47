//! Whole numbers as YAML 1.2 writes them (section 10.3.2), with binary ones besides.

/// A whole number within `i128`: decimal, or with `0x`, `0o` or `0b` before it.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let radices = [("0x", 16), ("0o", 8), ("0b", 2)];
    let (digits, radix) = radices
        .into_iter()
        .find_map(|(prefix, radix)| Some((digits.strip_prefix(prefix)?, radix)))
        .unwrap_or((digits, 10));
    if digits.starts_with(['+', '-']) || (radix == 10 && has_leading_zero(digits)) {
        return None;
    }
    let number = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

/// `007` is a text: for some readers of YAML it is octal, and for others decimal.
pub(super) fn has_leading_zero(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;

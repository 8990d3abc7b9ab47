//! What is sent and what is awaited.

use super::super::declaration::{BYTES, EXPECTED_BODY, HEX, PATTERN, REGEX, SOME_TEXT};
use super::super::fields::Fields;
use super::super::node::Content;
use super::super::problem::{Parsed, Problems, shown};
use super::super::scalar::Value;
use super::super::unexpanded;
use super::pattern::{ExpectedBody, Expression, Matched, Pattern};

const PATTERN_FORMS: &str = "a text, `{ regex: \"…\" }` or `{ hex: \"…\" }`";
const BODY_FORMS: &str = "a text, `{ regex: \"…\" }`, `{ hex: \"…\" }` or `{ not: … }`";

impl Value<'_> {
    /// A text, or `{ hex: … }` for bytes that are no text.
    pub(super) fn bytes(self, problems: &mut Problems) -> Parsed<Vec<u8>> {
        let wanted = "a text, or `{ hex: \"…\" }`";
        let hint = "write it like `\"PING\\r\\n\"`, in double quotes where it has `\\r` or `\\n`";
        match self.node.content() {
            Content::Text(text) => {
                unexpanded::escapes(text, self.node.location, problems);
                unexpanded::sent(text, self.node.location, problems);
                Ok(text.as_bytes().to_vec())
            }
            Content::Mapping(_) => {
                let fields = Fields::read(self.node, &BYTES, problems)?;
                fields.value("hex", problems)?.hexadecimal(problems)
            }
            _ => Err(self.wrong(wanted, hint, problems)),
        }
    }

    /// A text, `{ regex: … }` or `{ hex: … }`; not empty. What every datagram has is a
    /// pattern as well: then the check asks for an answer, whatever it is.
    pub(super) fn pattern(self, problems: &mut Problems) -> Parsed<Pattern> {
        let pattern = self.any_pattern(problems)?;
        if pattern.matched() == Matched::None {
            self.decides(&pattern, false, problems)?;
        }
        Ok(pattern)
    }

    /// The same of a stream, in which nothing at all has a match of such a pattern.
    pub(super) fn pattern_of_stream(self, problems: &mut Problems) -> Parsed<Pattern> {
        let pattern = self.any_pattern(problems)?;
        self.decides(&pattern, false, problems)?;
        Ok(pattern)
    }

    /// Refuses an expectation that no answer, or every answer, fulfils; with `not` it is that
    /// the pattern is absent.
    fn decides(self, pattern: &Pattern, not: bool, problems: &mut Problems) -> Parsed<()> {
        let (found, never) = match (pattern.matched(), not) {
            (Matched::Some, _) => return Ok(()),
            (Matched::All, false) => ("every answer has", "fails"),
            (Matched::All, true) => ("every answer has", "passes"),
            (Matched::None, false) => ("no answer has", "passes"),
            (Matched::None, true) => ("no answer has", "fails"),
        };
        let message = format!(
            "{found} a match of {}, so this never {never}",
            shown(&pattern.to_string())
        );
        let hint = "write what only a good answer has, such as `{ regex: \"^ok\" }`, or remove \
                    the expectation";
        Err(problems.add(self.node.location, message, hint))
    }

    fn any_pattern(self, problems: &mut Problems) -> Parsed<Pattern> {
        let Content::Mapping(_) = self.node.content() else {
            return self.text_pattern(PATTERN_FORMS, problems);
        };
        let fields = Fields::read(self.node, &PATTERN, problems)?;
        let one = fields.exactly_one(&["regex", "hex"], SOME_TEXT.hint, problems)?;
        one.pattern_of_kind(problems)
    }

    /// What a body must have, or must not have with `{ not: … }`.
    pub(super) fn expected_body(self, problems: &mut Problems) -> Parsed<ExpectedBody> {
        let Content::Mapping(_) = self.node.content() else {
            let text = self.text_pattern(BODY_FORMS, problems);
            return text.map(ExpectedBody::With);
        };
        let fields = Fields::read(self.node, &EXPECTED_BODY, problems)?;
        let one = fields.exactly_one(&["regex", "hex", "not"], SOME_TEXT.hint, problems)?;
        if one.name == "not" {
            let pattern = one.any_pattern(problems)?;
            one.decides(&pattern, true, problems)?;
            Ok(ExpectedBody::Without(pattern))
        } else {
            let pattern = one.pattern_of_kind(problems)?;
            one.decides(&pattern, false, problems)?;
            Ok(ExpectedBody::With(pattern))
        }
    }

    fn text_pattern(self, wanted: &str, problems: &mut Problems) -> Parsed<Pattern> {
        match self.node.content() {
            Content::Text(text) if !text.is_empty() => {
                unexpanded::escapes(text, self.node.location, problems);
                Ok(Pattern::Text(text.to_string()))
            }
            _ => Err(self.wrong(wanted, SOME_TEXT.hint, problems)),
        }
    }

    /// The value of `regex` or `hex`.
    fn pattern_of_kind(self, problems: &mut Problems) -> Parsed<Pattern> {
        if self.name == "hex" {
            let bytes = self.hexadecimal(problems)?;
            if bytes.is_empty() {
                return Err(self.wrong("at least one byte", HEX.hint, problems));
            }
            return Ok(Pattern::Bytes(bytes));
        }
        let text = self.text(REGEX, |_| true, problems)?;
        Expression::new(text).map(Pattern::Regex).map_err(|error| {
            // The last line says what is wrong; those above show where.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default();
            let reason = reason.trim_start_matches("error: ");
            let message = format!("`regex` cannot be read: {}", shown(reason));
            let hint = "put it in single quotes, and a `\\` before a character \
                        that is to stand for itself";
            problems.add(self.node.location, message, hint)
        })
    }

    fn hexadecimal(self, problems: &mut Problems) -> Parsed<Vec<u8>> {
        self.read(HEX, hexadecimal, problems)
    }
}

/// Two digits a byte, with blanks between bytes or without.
fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

//! What is sent and what is awaited.

use super::super::declaration::{BYTES, PATTERN, STEP};
use super::super::fields::Fields;
use super::super::literal;
use super::super::node::Content;
use super::super::problem::{Parsed, Problems, shown};
use super::super::scalar::Value;
use super::{Expression, Pattern, Step};

impl Value<'_> {
    /// A text, or `{ hex: … }` for bytes that are no text.
    pub(super) fn bytes(self, problems: &mut Problems) -> Parsed<Vec<u8>> {
        let wanted = "a text, or `{ hex: \"…\" }`";
        let hint = "write it like `\"PING\\r\\n\"`, in double quotes where it has `\\r` or `\\n`";
        match self.node.content() {
            Content::Text(text) => {
                literal::escapes(text, self.node.location, problems);
                literal::sent(text, self.node.location, problems);
                Ok(text.as_bytes().to_vec())
            }
            Content::Mapping(_) => {
                let fields = Fields::read(self.node, &BYTES, problems)?;
                let wanted = "bytes in hexadecimal, two digits each";
                let hint = "write it like `hex: \"00 ff\"`, in quotes";
                let value = fields.value("hex", problems)?;
                let text = value.text(wanted, hint, problems)?;
                hexadecimal(text).ok_or_else(|| value.wrong(wanted, hint, problems))
            }
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Sequence(_) => {
                Err(self.wrong(wanted, hint, problems))
            }
        }
    }

    /// A text, or `{ regex: … }`; not empty.
    pub(super) fn pattern(self, problems: &mut Problems) -> Parsed<Pattern> {
        let wanted = "a text, or `{ regex: \"…\" }`";
        let hint = "write what the answer must have, like `\"220 \"`";
        match self.node.content() {
            Content::Text(text) if !text.is_empty() => {
                literal::escapes(text, self.node.location, problems);
                Ok(Pattern::Text(text.to_string()))
            }
            Content::Mapping(_) => {
                let fields = Fields::read(self.node, &PATTERN, problems)?;
                let value = fields.value("regex", problems)?;
                let text = value.text("a regular expression", "put it in quotes", problems)?;
                Expression::new(text).map(Pattern::Regex).map_err(|error| {
                    // The last line says what is wrong; those above show where.
                    let said = error.to_string();
                    let reason = said.lines().last().unwrap_or_default();
                    let reason = reason.trim_start_matches("error: ");
                    let message = format!("`regex` cannot be read: {}", shown(reason));
                    let hint = "put it in single quotes, and a `\\` before a character \
                                that is to stand for itself";
                    problems.add(value.node.location, message, hint)
                })
            }
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Sequence(_) => Err(self.wrong(wanted, hint, problems)),
        }
    }

    /// A list of `{ send: … }` and `{ expect: … }`.
    pub(super) fn steps(self, problems: &mut Problems) -> Parsed<Vec<Step>> {
        let hint = "write a list like `[{ expect: \"220 \" }, { send: \"QUIT\\r\\n\" }]`";
        let Content::Sequence(nodes) = self.node.content() else {
            return Err(self.wrong("a list of steps", hint, problems));
        };
        let mut steps = Vec::with_capacity(nodes.len());
        let mut all = Ok(());
        for node in nodes {
            let step = Fields::read(node, &STEP, problems);
            let step = step.and_then(|fields| {
                match (fields.optional("send")?, fields.optional("expect")?) {
                    (Some(entry), None) => Value::of(entry).bytes(problems).map(Step::Send),
                    (None, Some(entry)) => Value::of(entry).pattern(problems).map(Step::Expect),
                    (Some(_), Some(entry)) => Err(problems.add(
                        entry.key.location,
                        "a step either sends or expects, and this one does both",
                        "make two steps of it, in the order in which they happen",
                    )),
                    (None, None) => Err(problems.add(node.location, "a step is empty", hint)),
                }
            });
            match step {
                Ok(step) => steps.push(step),
                Err(reported) => all = Err(reported),
            }
        }
        all.map(|()| steps)
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

//! Statements of keepalived.conf: words, and a block where one follows.

use super::super::ImportError;
use super::super::note::{Notes, SourceLocation};
use super::lines::Line;

/// How deep blocks are nested at most.
const DEEPEST: usize = 32;

/// A keyword, its arguments, and the block after them.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) location: SourceLocation,
    /// Without quotes; not empty.
    words: Vec<String>,
    block: Option<Vec<Statement>>,
}

impl Statement {
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The argument with this index; empty if there is none.
    pub(super) fn argument(&self, index: usize) -> &str {
        self.words.get(index + 1).map_or("", String::as_str)
    }

    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// All arguments, with a blank between.
    pub(super) fn rest(&self) -> String {
        self.arguments().join(" ")
    }

    pub(super) fn block(&self) -> &[Statement] {
        self.block.as_deref().unwrap_or_default()
    }

    /// A line that depends on the host or makes others; a note says so.
    pub(super) fn is_template(&self, notes: &mut Notes) -> bool {
        let keyword = self.keyword();
        if keyword.starts_with('@') {
            let text = format!(
                "`{keyword} {}` is left out: it depends on keepalived's config-id, which is \
                 not known here; write what holds on this host without the condition",
                self.rest()
            );
            notes.add(self.location, text);
            true
        } else if keyword.starts_with('~') {
            let text = format!(
                "`{keyword} {}` is left out: it makes several lines of one; write the lines \
                 themselves, or import what keepalived makes of them",
                self.rest()
            );
            notes.add(self.location, text);
            true
        } else {
            false
        }
    }

    /// A keyword that its block does not have; a note says so.
    pub(super) fn note_unsupported(&self, notes: &mut Notes) {
        if !self.is_template(notes) {
            notes.note_unsupported(self.location, self.keyword(), &self.rest());
        }
    }
}

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
}

/// A block that is not closed yet.
struct OpenBlock {
    head: Option<(SourceLocation, Vec<String>)>,
    statements: Vec<Statement>,
}

pub(super) fn parse(lines: &[Line], notes: &mut Notes) -> Result<Vec<Statement>, ImportError> {
    let mut open = vec![OpenBlock {
        head: None,
        statements: Vec::new(),
    }];
    for Line { location, text } in lines {
        let location = *location;
        let mut words = Vec::new();
        for token in tokens(text, location, notes) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    end_statement(&mut open, location, &mut words);
                    open_block(&mut open, location, notes)?;
                }
                Token::Close => {
                    end_statement(&mut open, location, &mut words);
                    close_block(&mut open, location, notes)?;
                }
            }
        }
        end_statement(&mut open, location, &mut words);
    }
    let last = open.pop();
    let Some(OpenBlock { head, statements }) = last else {
        return Ok(Vec::new());
    };
    match head {
        None => Ok(statements),
        Some((location, words)) => {
            let keyword = words.first().map_or("", String::as_str);
            let message = format!("the block of `{keyword}` is not closed: add the missing `}}`");
            Err(notes.not_understood(location, message))
        }
    }
}

fn end_statement(open: &mut [OpenBlock], location: SourceLocation, words: &mut Vec<String>) {
    if let (Some(block), false) = (open.last_mut(), words.is_empty()) {
        block.statements.push(Statement {
            location,
            words: std::mem::take(words),
            block: None,
        });
    }
}

/// The block belongs to the statement before it, which may be on a line before.
fn open_block(
    open: &mut Vec<OpenBlock>,
    location: SourceLocation,
    notes: &Notes,
) -> Result<(), ImportError> {
    if open.len() > DEEPEST {
        let message = format!("blocks are nested more than {DEEPEST} deep");
        return Err(notes.not_understood(location, message));
    }
    let statements = open.last_mut().map(|block| &mut block.statements);
    let head =
        statements.and_then(|statements| statements.pop_if(|statement| statement.block.is_none()));
    let Some(head) = head else {
        let message = "a `{` follows no keyword: write what block it opens";
        return Err(notes.not_understood(location, message));
    };
    open.push(OpenBlock {
        head: Some((head.location, head.words)),
        statements: Vec::new(),
    });
    Ok(())
}

fn close_block(
    open: &mut Vec<OpenBlock>,
    location: SourceLocation,
    notes: &Notes,
) -> Result<(), ImportError> {
    let closed = open.pop_if(|block| block.head.is_some());
    let Some((
        OpenBlock {
            head: Some((head, words)),
            statements,
        },
        parent,
    )) = closed.zip(open.last_mut())
    else {
        let message = "this `}` closes no block: remove it, or open the block before";
        return Err(notes.not_understood(location, message));
    };
    parent.statements.push(Statement {
        location: head,
        words,
        block: Some(statements),
    });
    Ok(())
}

/// Words without their quotes, and braces that stand by themselves.
fn tokens(text: &str, location: SourceLocation, notes: &mut Notes) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, was_quoted, after) = word(rest);
        let Some(after) = after else {
            notes.add(
                location,
                "a quote is not closed: it is read up to the end of the line",
            );
            tokens.push(Token::Word(word));
            break;
        };
        if was_quoted {
            tokens.push(Token::Word(word));
        } else {
            push_braces(&word, &mut tokens);
        }
        rest = after.trim_start();
    }
    tokens
}

/// Braces at both ends of a word are marks of a block, but for those of `${NAME}`.
fn push_braces(mut word: &str, tokens: &mut Vec<Token>) {
    let braces = word.chars().all(|c| matches!(c, '{' | '}'));
    if braces {
        let marks = word.chars();
        tokens.extend(marks.map(|c| if c == '{' { Token::Open } else { Token::Close }));
        return;
    }
    while let Some(rest) = word.strip_prefix('}') {
        tokens.push(Token::Close);
        word = rest;
    }
    let inner = word
        .strip_suffix('{')
        .filter(|inner| !inner.contains(['{', '$']));
    let closing = word.strip_suffix('}').filter(|inner| !inner.contains('{'));
    match (inner, closing) {
        (Some(inner), _) => tokens.extend([Token::Word(inner.to_owned()), Token::Open]),
        (None, Some(inner)) => tokens.extend([Token::Word(inner.to_owned()), Token::Close]),
        (None, None) => tokens.push(Token::Word(word.to_owned())),
    }
}

/// The first word, whether a part of it was in quotes, and what follows it;
/// `None` where a quote is not closed.
fn word(text: &str) -> (String, bool, Option<&str>) {
    let mut word = String::new();
    let (mut quote, mut was_quoted) = (None, false);
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (character, quote) {
            ('\\', _) => {
                let escaped = characters.next().map_or('\\', |(_, escaped)| escaped);
                push_escaped(escaped, &mut characters, &mut word);
            }
            (_, Some(open)) if character == open => quote = None,
            ('"', None) => (quote, was_quoted) = (Some('"'), true),
            ('\'', None) if word.is_empty() => (quote, was_quoted) = (Some('\''), true),
            (_, None) if character.is_whitespace() => {
                return (word, was_quoted, text.get(at..));
            }
            _ => word.push(character),
        }
    }
    (word, was_quoted, quote.is_none().then_some(""))
}

/// What a `\` and this character stand for, keepalived.conf(5).
fn push_escaped(escaped: char, rest: &mut std::str::CharIndices<'_>, word: &mut String) {
    let plain = match escaped {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => {
            let mut digits = String::new();
            let mut ahead = rest.clone();
            while let Some((_, digit)) = ahead.next().filter(|(_, c)| c.is_ascii_hexdigit()) {
                digits.push(digit);
                *rest = ahead.clone();
            }
            let value = u8::from_str_radix(&digits, 16);
            value.map_or('x', char::from)
        }
        other => other,
    };
    word.push(plain);
}

#[cfg(test)]
mod tests;

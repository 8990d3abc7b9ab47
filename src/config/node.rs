//! The file as a tree in which everything knows its position.

use std::rc::Rc;

use super::whole_number;

/// A position in a file: where a value starts, and how far it goes on that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    /// 0 is the file that was named, and the rest those that it includes.
    pub(super) file: u16,
    line: u32,
    column: u32,
    width: u16,
}

impl Location {
    /// In the file that was named; all count from 1, columns and width in characters.
    pub(super) fn new(line: usize, column: usize, width: usize) -> Self {
        Self {
            file: 0,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            width: u16::try_from(width.max(1)).unwrap_or(u16::MAX),
        }
    }

    pub(super) fn in_file(self, file: u16) -> Self {
        Self { file, ..self }
    }

    /// From 1.
    pub(super) fn line(self) -> usize {
        self.line as usize
    }

    /// From 1, in characters.
    pub(super) fn column(self) -> usize {
        self.column as usize
    }

    /// In characters; at least 1.
    pub(super) fn width(self) -> usize {
        self.width.into()
    }
}

/// For what has no position of its own.
pub(super) const START: Location = Location {
    file: 0,
    line: 1,
    column: 1,
    width: 1,
};

/// A value and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) location: Location,
}

/// A value as YAML has it. An alias is at the position of its anchor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) location: Location,
    value: NodeValue,
}

#[derive(Debug, Clone, PartialEq)]
enum NodeValue {
    Own(Content),
    /// Of an anchor and its aliases: the aliases take no memory.
    Shared(Rc<Content>),
}

impl Node {
    pub(super) const fn new(location: Location, content: Content) -> Self {
        let value = NodeValue::Own(content);
        Self { location, value }
    }

    /// A node that aliases repeat.
    pub(super) fn anchored(location: Location, content: Content) -> Self {
        let value = NodeValue::Shared(Rc::new(content));
        Self { location, value }
    }

    pub(super) fn content(&self) -> &Content {
        match &self.value {
            NodeValue::Own(content) => content,
            NodeValue::Shared(content) => content,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        if let Content::Text(text) = self.content() {
            Some(text)
        } else {
            None
        }
    }

    /// The entries, if it is a mapping.
    pub(super) fn mapping(&self) -> Option<&[Entry]> {
        if let Content::Mapping(entries) = self.content() {
            Some(entries)
        } else {
            None
        }
    }

    /// The entries of a list, or this node alone if it is `single`.
    pub(super) fn one_or_many(&self, single: impl FnOnce(&Self) -> bool) -> Option<&[Self]> {
        if let Content::Sequence(nodes) = self.content() {
            Some(nodes)
        } else {
            single(self).then(|| std::slice::from_ref(self))
        }
    }

    /// The whole number, if it is one within `i128`.
    pub(super) fn integer(&self) -> Option<i128> {
        if let Content::Number(text) = self.content() {
            whole_number::integer(text)
        } else {
            None
        }
    }
}

/// What YAML can say, as far as a configuration needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Null,
    Bool(bool),
    /// As it is written: `1e3` for 1000.
    Number(Box<str>),
    Text(Box<str>),
    Sequence(Vec<Node>),
    /// In the file's order, duplicates included.
    Mapping(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Located<Box<str>>,
    pub(super) value: Node,
}

//! The file as a tree in which everything knows its place.

/// A place in a file: where it starts, and how far it goes on that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location {
    /// 0 is the file that was named, and the rest those that it includes.
    pub(super) file: u16,
    /// From 1.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    /// In characters; at least 1.
    pub(super) width: usize,
}

/// For what is nowhere in particular.
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

/// A value as YAML has it. What an alias stands for is placed at its anchor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) location: Location,
    pub(super) content: Content,
    /// What the file says where `content` is a number: `1e3` for 1000.
    pub(super) written: Option<Box<str>>,
}

impl Node {
    /// Says of this node and all within it which file they are from.
    pub(super) fn set_file(&mut self, file: u16) {
        self.location.file = file;
        match &mut self.content {
            Content::Sequence(nodes) => nodes.iter_mut().for_each(|node| node.set_file(file)),
            Content::Mapping(entries) => {
                for entry in entries {
                    entry.key.location.file = file;
                    entry.value.set_file(file);
                }
            }
            Content::Null
            | Content::Bool(_)
            | Content::Integer(_)
            | Content::Float(_)
            | Content::Text(_) => {}
        }
    }
}

/// What YAML can say, as far as a configuration needs it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Null,
    Bool(bool),
    /// Saturates at the ends of `i128`; no value of ours comes near.
    Integer(i128),
    Float(f64),
    Text(String),
    Sequence(Vec<Node>),
    /// In the file's order, duplicates included.
    Mapping(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Located<String>,
    pub(super) value: Node,
}

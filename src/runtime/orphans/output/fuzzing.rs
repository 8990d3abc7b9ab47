//! What a program writes, for `tests/fuzz`.

use super::{FirstLine, LINE, LastLine};

/// In pieces of this length; gives the first line.
pub(crate) fn lines(bytes: &[u8], piece: usize) -> Vec<u8> {
    let (mut first, mut last) = (FirstLine::default(), LastLine::default());
    for piece in bytes.chunks(piece.max(1)) {
        first.push(piece);
        last.push(piece);
    }
    assert!(first.bytes.len() <= LINE && last.whole.len() <= LINE && last.begun.len() <= LINE);
    drop(last.text());
    first.bytes
}

//! The body of an answer, taken out of the bytes that carry it. Pure.

use std::ops::Range;

use thiserror::Error;

use super::head::BodyLength;

/// The most bytes of all extensions of chunks.
const MAX_EXTENSIONS: usize = 16 * 1024;
/// The most bytes of all trailers.
const MAX_TRAILERS: usize = 16 * 1024;
/// The most trailers.
const MAX_TRAILER_LINES: usize = 256;

/// Bytes that are no body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the body is not valid HTTP")]
pub(super) struct InvalidBody;

/// Finds the end of a body.
#[derive(Debug)]
pub(super) enum Decoder {
    /// So many bytes are still to come.
    Known(u64),
    Chunked(Chunks),
    UntilClose,
}

/// Where in a chunked body the next byte belongs (RFC 9112, section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first digit of the size of a chunk.
    FirstDigit,
    Size,
    SpaceAfterSize,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    /// The first byte of a trailer, or of the end.
    LineAfterLast,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    End,
}

/// The decoder of a body in chunks.
#[derive(Debug)]
pub(super) struct Chunks {
    place: Place,
    /// What is left of the chunk.
    size: u64,
    extensions: usize,
    trailers: Vec<u8>,
}

/// The next part of the bytes that were given.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// How many of the bytes are done with.
    pub(super) taken: usize,
    /// Where the data of the body are in them.
    pub(super) data: Range<usize>,
}

impl Decoder {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Known(length) => Self::Known(length),
            BodyLength::Chunked => Self::Chunked(Chunks {
                place: Place::FirstDigit,
                size: 0,
                extensions: 0,
                trailers: Vec::new(),
            }),
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// Whether the body has come to its end.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Known(left) => *left == 0,
            Self::Chunked(chunks) => chunks.place == Place::End,
            Self::UntilClose => false,
        }
    }

    /// Whether the end of the connection is the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self, Self::UntilClose)
    }

    /// Takes the next data out of `bytes`. All bytes are taken if there are none.
    pub(super) fn decode(&mut self, bytes: &[u8]) -> Result<Part, InvalidBody> {
        let taken = match self {
            Self::Known(left) => take(left, bytes),
            Self::Chunked(chunks) => return chunks.decode(bytes),
            Self::UntilClose => bytes.len(),
        };
        let data = 0..taken;
        Ok(Part { taken, data })
    }
}

impl Chunks {
    fn decode(&mut self, bytes: &[u8]) -> Result<Part, InvalidBody> {
        let mut taken = 0;
        while let Some(rest @ [byte, ..]) = bytes.get(taken..) {
            if self.place == Place::End {
                break;
            }
            if self.place == Place::Data {
                let start = taken;
                taken += take(&mut self.size, rest);
                if self.size == 0 {
                    self.place = Place::DataReturn;
                }
                let data = start..taken;
                return Ok(Part { taken, data });
            }
            self.place = self.after(*byte)?;
            taken += 1;
        }
        let data = taken..taken;
        Ok(Part { taken, data })
    }

    /// The place after a byte that is no data.
    fn after(&mut self, byte: u8) -> Result<Place, InvalidBody> {
        Ok(match (self.place, byte) {
            (Place::Size | Place::SpaceAfterSize, b' ' | b'\t') => Place::SpaceAfterSize,
            (Place::Size | Place::SpaceAfterSize, b';') => Place::Extension,
            (Place::Size | Place::SpaceAfterSize | Place::Extension, b'\r') => Place::SizeLineFeed,
            (Place::FirstDigit | Place::Size, byte) => self.digit(byte)?,
            (Place::Extension, byte) if byte != b'\n' => {
                self.extensions += 1;
                if self.extensions >= MAX_EXTENSIONS {
                    return Err(InvalidBody);
                }
                Place::Extension
            }
            (Place::SizeLineFeed, b'\n') if self.size == 0 => Place::LineAfterLast,
            (Place::SizeLineFeed, b'\n') => Place::Data,
            (Place::DataReturn, b'\r') => Place::DataLineFeed,
            (Place::DataLineFeed, b'\n') => Place::FirstDigit,
            (Place::LineAfterLast, b'\r') => self.trailer(byte, Place::LastLineFeed)?,
            (Place::Trailer, b'\r') => self.trailer(byte, Place::TrailerLineFeed)?,
            (Place::LineAfterLast | Place::Trailer, _) => self.trailer(byte, Place::Trailer)?,
            (Place::TrailerLineFeed, b'\n') => self.trailer(byte, Place::LineAfterLast)?,
            (Place::LastLineFeed, b'\n') => {
                let end = self.trailer(byte, Place::End)?;
                self.check_trailers()?;
                end
            }
            _ => return Err(InvalidBody),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<Place, InvalidBody> {
        let digit = char::from(byte).to_digit(16).ok_or(InvalidBody)?;
        let size = self.size.checked_mul(16);
        let size = size.and_then(|size| size.checked_add(digit.into()));
        self.size = size.ok_or(InvalidBody)?;
        Ok(Place::Size)
    }

    fn trailer(&mut self, byte: u8, next: Place) -> Result<Place, InvalidBody> {
        self.trailers.push(byte);
        if self.trailers.len() < MAX_TRAILERS {
            Ok(next)
        } else {
            Err(InvalidBody)
        }
    }

    /// Trailers have to be header lines, though nothing is read from them.
    fn check_trailers(&self) -> Result<(), InvalidBody> {
        let mut lines = [httparse::EMPTY_HEADER; MAX_TRAILER_LINES];
        match httparse::parse_headers(&self.trailers, &mut lines) {
            Ok(httparse::Status::Complete(_)) => Ok(()),
            Ok(httparse::Status::Partial) | Err(_) => Err(InvalidBody),
        }
    }
}

/// Takes at most `left` of the bytes; how many.
fn take(left: &mut u64, bytes: &[u8]) -> usize {
    let taken = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
    *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
    taken
}

#[cfg(test)]
mod tests;

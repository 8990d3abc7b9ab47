//! Where the text of an answer is put, and compressed if the client wants that.

use std::io::{self, BufWriter, IntoInnerError, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// JSON comes in words, which are compressed together.
const PIECE: usize = 32 * 1024;

/// The value of `Content-Encoding`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
}

/// Takes a text piece by piece. With gzip, the whole text never is in memory.
pub(super) enum Sink {
    Plain(Vec<u8>),
    Gzip(Box<BufWriter<GzEncoder<Vec<u8>>>>),
}

impl Sink {
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Plain(Vec::new()),
            // Series differ in little: the fastest level makes a twentieth of them.
            Encoding::Gzip => {
                let encoder = GzEncoder::new(Vec::new(), Compression::fast());
                Self::Gzip(Box::new(BufWriter::with_capacity(PIECE, encoder)))
            }
        }
    }

    pub(super) fn put_all(&mut self, pieces: impl Iterator<Item = String>) -> io::Result<()> {
        for piece in pieces {
            self.write_all(piece.as_bytes())?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        let mut bytes = match self {
            Self::Plain(bytes) => bytes,
            Self::Gzip(encoder) => {
                let encoder = encoder.into_inner().map_err(IntoInnerError::into_error)?;
                encoder.finish()?
            }
        };
        bytes.shrink_to_fit();
        Ok(bytes)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(plain) => plain.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.flush(),
            Self::Gzip(encoder) => encoder.flush(),
        }
    }
}

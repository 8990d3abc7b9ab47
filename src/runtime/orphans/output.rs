//! The output of a program: the first and the last line are kept.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;

use std::io;
use std::process::ExitStatus;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;

use super::Group;

/// How much is kept of a line, in bytes.
const LINE: usize = 1024;
/// How much is read after the end of the program: a pipe holds no more unless
/// it is told to (pipe(7)).
const PIPE: usize = 64 * 1024;

/// What a program writes: all of it is taken, and some of it is kept.
pub(crate) struct Output {
    out: Source,
    error: Option<Source>,
    first: FirstLine,
}

impl Output {
    /// `error` is standard error where it is apart from standard output.
    pub(crate) fn new(out: Receiver, error: Option<Receiver>) -> Self {
        Self {
            out: Source::new(out),
            error: error.map(Source::new),
            first: FirstLine::default(),
        }
    }

    /// Reads until the program has ended, whoever else may hold its output.
    pub(crate) async fn read_until_end(&mut self, group: &mut Group) -> io::Result<ExitStatus> {
        let status = loop {
            tokio::select! {
                status = group.wait() => break status?,
                piece = self.out.read(), if self.out.open => self.first.push(&piece?),
                piece = read(self.error.as_mut()), if self.error_is_open() => drop(piece?),
            }
        };
        self.first.push(&self.out.rest());
        if let Some(error) = &mut self.error {
            error.rest();
        }
        Ok(status)
    }

    fn error_is_open(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.open)
    }

    /// The first line of standard output.
    pub(crate) fn first_line(&self) -> &[u8] {
        &self.first.bytes
    }

    /// The last line that is not blank: of standard error, where it is apart
    /// and says something.
    pub(crate) fn last_line(&self) -> String {
        let error = self.error.as_ref().map(|error| error.last.text());
        let error = error.filter(|error| !error.is_empty());
        error.unwrap_or_else(|| self.out.last.text())
    }
}

async fn read(source: Option<&mut Source>) -> io::Result<Vec<u8>> {
    match source {
        Some(source) => source.read().await,
        None => std::future::pending().await,
    }
}

/// One pipe.
struct Source {
    receiver: Receiver,
    /// Until all who could write have closed it.
    open: bool,
    last: LastLine,
}

impl Source {
    fn new(receiver: Receiver) -> Self {
        Self {
            receiver,
            open: true,
            last: LastLine::default(),
        }
    }

    async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut piece = Vec::with_capacity(4096);
        self.open = self.receiver.read_buf(&mut piece).await? > 0;
        self.last.push(&piece);
        Ok(piece)
    }

    /// What is in the pipe now.
    fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let mut piece = [0; 4096];
        while self.open && rest.len() < PIPE {
            match self.receiver.try_read(&mut piece) {
                Ok(length @ 1..) => rest.extend_from_slice(piece.get(..length).unwrap_or_default()),
                // Nobody can write any more, or nobody has.
                Ok(0) | Err(_) => self.open = false,
            }
        }
        self.last.push(&rest);
        rest
    }
}

/// As far as it is kept.
#[derive(Default)]
struct FirstLine {
    bytes: Vec<u8>,
    ended: bool,
}

impl FirstLine {
    fn push(&mut self, piece: &[u8]) {
        if self.ended {
            return;
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        append(&mut self.bytes, piece.get(..end.unwrap_or(piece.len())));
        self.ended = end.is_some();
    }
}

/// The last line that is not blank.
#[derive(Default)]
struct LastLine {
    /// Of those that have ended.
    whole: Vec<u8>,
    /// What came after it.
    begun: Vec<u8>,
}

impl LastLine {
    fn push(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            append(&mut self.begun, part.strip_suffix(b"\n").or(Some(part)));
            if part.ends_with(b"\n") {
                if !is_blank(&self.begun) {
                    self.whole.clone_from(&self.begun);
                }
                self.begun.clear();
            }
        }
    }

    fn text(&self) -> String {
        let line = if is_blank(&self.begun) {
            &self.whole
        } else {
            &self.begun
        };
        String::from_utf8_lossy(line).into_owned()
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}

/// Up to the length that is kept.
fn append(line: &mut Vec<u8>, piece: Option<&[u8]>) {
    let room = LINE.saturating_sub(line.len());
    let piece = piece.unwrap_or_default();
    line.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

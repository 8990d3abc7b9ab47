//! The messages of one answer, up to its end.

use neli::consts::nl::{NlmF, Nlmsg};
use neli::types::Buffer;

use super::Failure;

/// The length of `struct nlmsghdr`.
const HEAD: usize = 16;

/// One message where it lies in the buffer (netlink(7)): neli copies each more than once, and
/// a dump of a large table has tens of thousands.
#[derive(Debug)]
pub(super) struct Message<'a> {
    kind: u16,
    flags: u16,
    pub(super) sequence: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message, and how many bytes it takes; `None` where none is whole.
    pub(super) fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (sequence, _) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        let message = Self {
            kind: u16::from_ne_bytes(*kind),
            flags: u16::from_ne_bytes(*flags),
            sequence: u32::from_ne_bytes(*sequence),
            payload: bytes.get(HEAD..length)?,
        };
        // The last message may lack its padding.
        let taken = length.next_multiple_of(4).min(bytes.len());
        Some((message, taken))
    }
}

/// The messages that answer one request, up to the end of the answer.
#[derive(Default)]
pub(super) struct Answer {
    parts: Vec<Buffer>,
    interrupted: bool,
    finished: bool,
}

impl Answer {
    /// Adds a message. Fails with the first message that reports a failure.
    pub(super) fn take(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        self.interrupted |= message.flags & NlmF::DUMP_INTR.bits() != 0;
        match Nlmsg::from(message.kind) {
            // The end of a dump has its result, and an acknowledgement is error 0.
            Nlmsg::Done | Nlmsg::Error => match result(message.payload) {
                Some(0) => self.finished = true,
                Some(error) => return Err(Failure::Errno(error.saturating_neg())),
                None => return Err(Failure::truncated("its end is missing")),
            },
            Nlmsg::Noop => {}
            Nlmsg::Overrun => return Err(Failure::truncated("the kernel has lost a part")),
            Nlmsg::UnrecognizedConst(_) => self.parts.push(Buffer::from(message.payload)),
        }
        Ok(())
    }

    /// The end has come.
    pub(super) const fn is_over(&self) -> bool {
        self.finished
    }

    /// The parts, if they are complete and of one state of the kernel.
    pub(super) fn finish(self) -> Result<Vec<Buffer>, Failure> {
        if self.interrupted {
            Err(Failure::Interrupted)
        } else if self.finished {
            Ok(self.parts)
        } else {
            Err(Failure::truncated("its end is missing"))
        }
    }
}

/// The error number at the beginning of the payload, which is negative or 0.
fn result(payload: &[u8]) -> Option<i32> {
    let bytes = payload.first_chunk()?;
    Some(i32::from_ne_bytes(*bytes))
}

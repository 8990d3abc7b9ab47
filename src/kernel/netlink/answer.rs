//! The messages of one answer, up to its end.

use neli::consts::nl::NlmF;
use neli::nl::{NlPayload, Nlmsghdr};
use neli::types::Buffer;

use super::Failure;

/// The messages that answer one request, up to the end of the answer.
#[derive(Default)]
pub(super) struct Answer {
    parts: Vec<Buffer>,
    interrupted: bool,
    finished: bool,
}

impl Answer {
    /// Adds a message. Fails with the first message that reports a failure.
    pub(super) fn take(&mut self, mut message: Nlmsghdr<u16, Buffer>) -> Result<(), Failure> {
        self.interrupted |= message.nl_flags().contains(NlmF::DUMP_INTR);
        if let Some(refusal) = message.get_err() {
            return Err(Failure::Errno(refusal.error().saturating_neg()));
        }
        match message.nl_payload() {
            NlPayload::Payload(part) => self.parts.push(part.clone()),
            NlPayload::DumpExtAck(end) if *end.error() != 0 => {
                return Err(Failure::Errno(end.error().saturating_neg()));
            }
            NlPayload::DumpExtAck(_) | NlPayload::Ack(_) => self.finished = true,
            // The end of a dump without a result.
            NlPayload::Empty | NlPayload::Err(_) => {
                return Err(Failure::truncated("its end is missing"));
            }
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

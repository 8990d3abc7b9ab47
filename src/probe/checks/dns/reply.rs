//! Which messages answer a question: the same id, the QR bit and the same
//! question (RFC 5452, section 9.1). A socket that is connected keeps out what
//! comes from elsewhere.

use hickory_proto::op::{Header, Message, MessageType, Query, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use crate::probe::exchange_result::Failure;

/// What to do about an answer whose records cannot be read.
const UNREADABLE: &str = "see in the server's log why its answer is damaged, and with `ss -lntup` \
                          whether the right server has the check's port";

/// What a message is to a question.
#[derive(Debug)]
pub(super) enum Reply {
    /// Its answer.
    Answer(Message),
    /// Its answer, but for what did not fit.
    Truncated,
    /// No answer to this question, for this reason.
    Ignored(&'static str),
}

/// Reads a message that came while the answer to `question` was awaited.
///
/// # Errors
///
/// The message is the answer, but its records cannot be read.
pub(super) fn read(bytes: &[u8], id: u16, question: &Query) -> Result<Reply, Failure> {
    let mut decoder = BinDecoder::new(bytes);
    let Ok(header) = Header::read(&mut decoder) else {
        return Ok(Reply::Ignored("no DNS message"));
    };
    if header.metadata.id != id {
        return Ok(Reply::Ignored("an answer with another id"));
    }
    if header.metadata.message_type != MessageType::Response {
        return Ok(Reply::Ignored("a question"));
    }
    // A server that could not read the question may leave it out.
    let unread = header.counts.queries == 0
        && matches!(
            header.metadata.response_code,
            ResponseCode::FormErr
                | ResponseCode::ServFail
                | ResponseCode::NotImp
                | ResponseCode::Refused
        );
    let mut is_same = || Query::read(&mut decoder).is_ok_and(|query| query == *question);
    if !unread && (header.counts.queries != 1 || !is_same()) {
        return Ok(Reply::Ignored("an answer to another question"));
    }
    // The last record of it may be cut anywhere.
    if header.metadata.truncation {
        return Ok(Reply::Truncated);
    }
    let answer = Message::from_vec(bytes)
        .map_err(|_| Failure::protocol("the records of the DNS answer cannot be read"))
        .map_err(|failure| failure.with_real_server_fix(UNREADABLE))?;
    Ok(Reply::Answer(answer))
}

use neli::consts::nl::Nlmsg;
use neli::err::{Nlmsgerr, NlmsgerrBuilder, NlmsghdrAckBuilder, NlmsghdrErrBuilder};
use neli::nl::NlmsghdrBuilder;

use super::*;

#[test]
fn a_dump_is_whole_when_its_end_was_seen() {
    let answer = answer([part(b"one"), part(b"two"), done(0)]);
    assert_eq!(texts(answer), Ok(vec![b"one".to_vec(), b"two".to_vec()]));
}

#[test]
fn an_empty_dump_is_empty_and_not_an_error() {
    assert_eq!(texts(answer([done(0)])), Ok(vec![]));
}

#[test]
fn a_dump_without_its_end_is_not_a_table() {
    for messages in [vec![], vec![part(b"one")], vec![part(b"one"), bare_done()]] {
        let failure = texts(answer(messages)).unwrap_err();
        assert!(
            matches!(failure, Failure::Other(Cause::Truncated(_))),
            "{failure:?}"
        );
    }
}

#[test]
fn a_dump_that_ends_in_an_error_is_that_error() {
    let failure = texts(answer([part(b"one"), done(-EPERM)])).unwrap_err();
    assert_eq!(failure, Failure::Errno(EPERM));
    assert_eq!(failure.cause(Cause::Errno), Cause::NotPermitted);
}

#[test]
fn a_dump_that_changed_half_way_is_not_a_table() {
    for flagged in 0..3 {
        let messages = [part(b"one"), part(b"two"), done(0)];
        let messages = messages.into_iter().enumerate().map(|(i, whole)| {
            let flags = if i == flagged {
                NlmF::MULTI | NlmF::DUMP_INTR
            } else {
                NlmF::MULTI
            };
            message(*whole.nl_type(), flags, whole.nl_payload().clone())
        });
        let failure = texts(answer(messages)).unwrap_err();
        assert!(
            matches!(failure, Failure::Other(Cause::Truncated(_))),
            "{failure:?}"
        );
    }
}

#[test]
fn a_write_needs_its_acknowledgement() {
    assert_eq!(texts(answer([ack()])), Ok(vec![]));
    assert_eq!(
        texts(answer([refusal(-ENOENT)])),
        Err(Failure::Errno(ENOENT))
    );
}

#[test]
fn the_lowest_error_number_does_not_overflow() {
    assert_eq!(
        texts(answer([done(i32::MIN)])),
        Err(Failure::Errno(i32::MAX))
    );
}

#[test]
fn a_missing_family_is_a_kernel_without_ipvs() {
    assert_eq!(Failure::NoFamily.cause(Cause::Errno), Cause::NoIpvs);
}

type Untyped = Nlmsghdr<u16, Buffer>;

fn answer(messages: impl IntoIterator<Item = Untyped>) -> Result<Vec<Buffer>, Failure> {
    let mut answer = Answer::default();
    for message in messages {
        answer.take(message)?;
    }
    answer.finish()
}

fn texts(parts: Result<Vec<Buffer>, Failure>) -> Result<Vec<Vec<u8>>, Failure> {
    Ok(parts?.into_iter().map(Vec::from).collect())
}

fn message(message_type: u16, flags: NlmF, payload: NlPayload<u16, Buffer>) -> Untyped {
    NlmsghdrBuilder::default()
        .nl_type(message_type)
        .nl_flags(flags)
        .nl_payload(payload)
        .build()
        .unwrap()
}

fn part(bytes: &[u8]) -> Untyped {
    message(0x20, NlmF::MULTI, NlPayload::Payload(Buffer::from(bytes)))
}

fn done(error: i32) -> Untyped {
    let end: Nlmsgerr<()> = NlmsgerrBuilder::default()
        .error(error)
        .nlmsg(())
        .build()
        .unwrap();
    message(Nlmsg::Done.into(), NlmF::MULTI, NlPayload::DumpExtAck(end))
}

fn bare_done() -> Untyped {
    message(Nlmsg::Done.into(), NlmF::MULTI, NlPayload::Empty)
}

fn ack() -> Untyped {
    let of = NlmsghdrAckBuilder::default()
        .nl_len(16)
        .nl_type(0x20)
        .nl_flags(NlmF::ACK)
        .nl_seq(1)
        .nl_pid(1)
        .build()
        .unwrap();
    let ack = NlmsgerrBuilder::default().nlmsg(of).build().unwrap();
    message(Nlmsg::Error.into(), NlmF::empty(), NlPayload::Ack(ack))
}

fn refusal(error: i32) -> Untyped {
    let of = NlmsghdrErrBuilder::default()
        .nl_type(0x20)
        .nl_payload(Buffer::new())
        .build()
        .unwrap();
    let refusal = NlmsgerrBuilder::default()
        .error(error)
        .nlmsg(of)
        .build()
        .unwrap();
    message(Nlmsg::Error.into(), NlmF::empty(), NlPayload::Err(refusal))
}

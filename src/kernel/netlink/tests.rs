use std::io::Cursor;

use futures_util::FutureExt as _;
use neli::consts::nl::Nlmsg;
use neli::err::{Nlmsgerr, NlmsgerrBuilder, NlmsghdrAckBuilder, NlmsghdrErrBuilder};
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use proptest::prelude::*;

use super::answer::{Answer, Message};
use super::*;

#[test]
fn a_dump_is_whole_when_its_end_was_seen() {
    let answer = answer([part(b"one."), part(b"two."), done(0)]);
    assert_eq!(texts(answer), Ok(vec![b"one.".to_vec(), b"two.".to_vec()]));
}

#[test]
fn an_empty_dump_is_empty_and_not_an_error() {
    assert_eq!(texts(answer([done(0)])), Ok(vec![]));
}

#[test]
fn a_dump_without_its_end_is_not_a_table() {
    for messages in [
        vec![],
        vec![part(b"one.")],
        vec![part(b"one."), bare_done()],
    ] {
        let failure = texts(answer(messages)).unwrap_err();
        assert!(
            matches!(failure, Failure::Other(Cause::Truncated(_))),
            "{failure:?}"
        );
    }
}

#[test]
fn a_dump_that_ends_in_an_error_is_that_error() {
    let failure = texts(answer([part(b"one."), done(-EPERM)])).unwrap_err();
    assert_eq!(failure, Failure::Errno(EPERM));
    assert_eq!(failure.cause(Cause::Errno), Cause::NotPermitted);
}

#[test]
fn a_dump_that_changed_half_way_is_not_a_table() {
    for flagged in 0..3 {
        let messages = [part(b"one."), part(b"two."), done(0)];
        let messages = messages.into_iter().enumerate().map(|(i, whole)| {
            let flags = if i == flagged {
                NlmF::MULTI | NlmF::DUMP_INTR
            } else {
                NlmF::MULTI
            };
            message(*whole.nl_type(), flags, whole.nl_payload().clone())
        });
        let failure = texts(answer(messages)).unwrap_err();
        assert_eq!(failure, Failure::Interrupted);
        assert!(matches!(failure.cause(Cause::Errno), Cause::Truncated(_)));
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

#[tokio::test]
async fn a_family_that_the_kernel_lacks_is_found_missing_every_time() {
    let mut netlink = Netlink::new(Protocol::Generic("NO_SUCH_FAMILY"));
    for _ in 0..2 {
        assert_eq!(netlink.get(empty()).await, Err(Failure::NoFamily));
        let writes = [Ok(empty()), Ok(empty())].into_iter();
        let results = netlink.write_all(writes).await;
        assert_eq!(results, [Err(Failure::NoFamily), Err(Failure::NoFamily)]);
    }
}

#[tokio::test]
async fn what_cannot_be_encoded_does_not_stop_the_rest() {
    let unencodable = || Failure::Other(Cause::Unencodable("too long".to_owned()));
    // The controller of generic netlink, which every kernel has, refuses the
    // command 0.
    let mut netlink = Netlink::new(Protocol::Generic("nlctrl"));
    let writes = [Err(unencodable()), Ok(empty()), Err(unencodable())].into_iter();
    let results = netlink.write_all(writes).await;
    let refused = Failure::Errno(Errno::OPNOTSUPP.raw_os_error());
    assert_eq!(
        results,
        [Err(unencodable()), Err(refused), Err(unencodable())]
    );
}

/// More than one system call sends, and unaligned.
#[tokio::test]
async fn each_of_many_writes_has_its_own_result() {
    let mut netlink = Netlink::new(Protocol::Generic("nlctrl"));
    // The controller lacks the command 0, and asks for the name of the family that
    // the command 3 is to find.
    let refusals = [(0, Errno::OPNOTSUPP), (3, Errno::INVAL)];
    let writes = (0..3 * WINDOW).map(|number| {
        let (command, _) = refusals[number % 2];
        let mut body = vec![command, 1, 0, 0];
        // An attribute that nobody knows.
        let length = u16::try_from(4 + number).unwrap();
        body.extend(length.to_ne_bytes());
        body.extend([0xff, 0x3f]);
        body.resize(body.len() + number, 0);
        Ok(Request {
            body: Buffer::from(body),
            ..empty()
        })
    });
    let results = netlink.write_all(writes).await;
    assert_eq!(results.len(), 3 * WINDOW);
    for (number, result) in results.into_iter().enumerate() {
        let (_, refusal) = refusals[number % 2];
        let refusal = Failure::Errno(refusal.raw_os_error());
        assert_eq!(result, Err(refusal), "number {number}");
    }
}

/// A probe through a VIP counts connections before and after its own, between which
/// no other task may run.
#[tokio::test]
async fn answers_are_read_in_the_poll_that_asks() {
    let mut netlink = Netlink::new(Protocol::Generic("nlctrl"));
    let families = Request {
        body: Buffer::from(vec![3, 1, 0, 0]),
        ..empty()
    };
    let parts = netlink.dump(families).now_or_never();
    let parts = parts.expect("no wait").expect("the families");
    assert!(!parts.is_empty());
    let refused = Err(Failure::Errno(Errno::OPNOTSUPP.raw_os_error()));
    assert_eq!(netlink.write(empty()).now_or_never(), Some(refused));
}

/// Answers to refused writes hold the writes, and all of these together are
/// more than the socket receives into: the kernel drops some, and says so.
#[tokio::test]
async fn after_dropped_answers_a_new_socket_is_opened() {
    const SIZE: usize = 32 * 1024;
    let mut netlink = Netlink::new(Protocol::Generic("nlctrl"));
    let mut body = vec![0, 1, 0, 0];
    body.resize(SIZE, 0);
    let writes = (0..WINDOW).map(|_| {
        Ok(Request {
            body: Buffer::from(body.clone()),
            ..empty()
        })
    });
    let results = netlink.write_all(writes).await;
    assert_eq!(results.len(), WINDOW);
    let Some(Err(Failure::Other(Cause::Transport(why)))) = results.last() else {
        panic!("not told of: {results:?}");
    };
    assert!(why.contains("No buffer space available"), "{why}");
    assert!(netlink.connection.is_none(), "the socket is given up");

    let refused = Failure::Errno(Errno::OPNOTSUPP.raw_os_error());
    assert_eq!(netlink.write(empty()).await, Err(refused));
}

/// A header of generic netlink with command 0 and version 1, and nothing else.
fn empty() -> Request<Buffer> {
    Request {
        message_type: MessageType::Family,
        flags: NlmF::empty(),
        body: Buffer::from(vec![0, 1, 0, 0]),
    }
}

type Untyped = Nlmsghdr<u16, Buffer>;

fn answer(messages: impl IntoIterator<Item = Untyped>) -> Result<Vec<Buffer>, Failure> {
    let mut answer = Answer::default();
    for message in messages {
        let bytes = bytes(&message);
        let (message, taken) = first(&bytes);
        assert_eq!(taken, bytes.len());
        answer.take(&message)?;
    }
    answer.finish()
}

/// A message as neli writes it.
fn bytes(message: &Untyped) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    message.to_bytes(&mut bytes).unwrap();
    bytes.into_inner()
}

fn first(bytes: &[u8]) -> (Message<'_>, usize) {
    Message::first(bytes).unwrap()
}

proptest! {
    #[test]
    fn no_bytes_make_reading_of_a_message_panic(bytes: Vec<u8>) {
        if let Some((message, taken)) = Message::first(&bytes) {
            prop_assert!(taken > 0 && taken <= bytes.len());
            let _ = Answer::default().take(&message);
        }
    }

    #[test]
    fn message_that_is_cut_is_none(payload in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut bytes = Cursor::new(Vec::new());
        part(&payload).to_bytes(&mut bytes).unwrap();
        let bytes = bytes.into_inner();
        // neli counts the padding as part of the message.
        for length in 0..bytes.len() {
            prop_assert!(Message::first(&bytes[..length]).is_none(), "{} bytes", length);
        }
        prop_assert!(Message::first(&bytes).is_some());
    }
}

#[test]
fn two_messages_in_one_piece_are_read_one_after_the_other() {
    let mut bytes = Cursor::new(Vec::new());
    for message in [part(b"one."), done(0)] {
        message.to_bytes(&mut bytes).unwrap();
    }
    let bytes = bytes.into_inner();
    let mut answer = Answer::default();
    let (first, taken) = Message::first(&bytes).unwrap();
    answer.take(&first).unwrap();
    let (second, _) = Message::first(&bytes[taken..]).unwrap();
    answer.take(&second).unwrap();
    assert_eq!(texts(answer.finish()), Ok(vec![b"one.".to_vec()]));
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

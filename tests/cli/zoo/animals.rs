//! The kinds of hostile servers, and the check that visits each.

mod framed;

/// The answer to a datagram.
type Answering = fn(&[u8]) -> Vec<u8>;

/// One kind.
pub(super) struct Animal {
    pub(super) name: String,
    /// With `PORT` for the port.
    pub(super) check: &'static str,
    pub(super) being: Being,
}

pub(super) enum Being {
    /// What is done on each connection, in turn; then it is closed.
    Tcp(Vec<Act>),
    /// The same within TLS.
    Tls(Vec<Act>),
    /// Each datagram is answered so often.
    Udp {
        answer: Answering,
        times: usize,
    },
    /// Nobody accepts, and the queue is full.
    FullQueue,
    Nobody,
}

#[derive(Clone)]
pub(super) enum Act {
    /// Waits until something came.
    Read,
    Say(Vec<u8>),
    /// Says it again and again, as fast as it is taken.
    Flood(Vec<u8>),
    /// The same byte by byte with pauses.
    Drip(Vec<u8>),
    /// Says nothing until the client goes.
    Hold,
    HalfClose,
    /// Closes with a reset.
    Reset,
}
use Act::{Drip, Flood, HalfClose, Hold, Read, Reset};

const HTTP: &str = "http: { port: PORT }";
const BODY: &str = "http: { port: PORT, expect: { body: never } }";
const HTTPS: &str = "https: { port: PORT, verify: false }";
const HTTPS_BODY: &str = "https: { port: PORT, verify: false, expect: { body: never } }";
const TLS: &str = "tls: { port: PORT, verify: false, steps: [{ expect: never }] }";
const STEPS: &str = "tcp: { port: PORT, steps: [{ expect: { regex: '(a|x)+never' } }] }";
const TALK: &str = "tcp: { port: PORT, steps: [{ expect: x }, { send: y }, { expect: never }] }";
const GRPC: &str = "grpc: { port: PORT }";
const GRPC_TLS: &str = "grpc: { port: PORT, tls: true, verify: false }";
const HAPROXY: &str = "haproxy_agent: { port: PORT }";
const AGENT: &str = "agent: { port: PORT }";
const DNS: &str = "dns: { port: PORT, name: example.com, type: A }";
const UDP: &str = "udp: { port: PORT, send: x, expect: never }";

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn say(text: impl AsRef<[u8]>) -> Act {
    Act::Say(text.as_ref().to_vec())
}

fn flood(text: impl AsRef<[u8]>) -> Act {
    Flood(text.as_ref().to_vec())
}

/// What every server does to somebody: of one check, by what it does.
pub(super) fn all() -> Vec<Animal> {
    let mut all = Vec::new();
    let mut add = |check: &'static str, kind: &str, being| {
        let (of, _) = check.split_once(':').unwrap();
        let name = format!("{of} {kind}");
        all.push(Animal { name, check, being });
    };
    // Whatever is asked.
    for check in [HTTP, HTTPS, STEPS, GRPC, HAPROXY, AGENT] {
        add(check, "silence", Being::Tcp(vec![Hold]));
        add(check, "reset at once", Being::Tcp(vec![Reset]));
        add(
            check,
            "reset after the question",
            Being::Tcp(vec![Read, Reset]),
        );
        add(check, "half-close", Being::Tcp(vec![HalfClose]));
        add(check, "noise", Being::Tcp(vec![flood(b"\x00x\xff ")]));
        add(
            check,
            "drops of noise",
            Being::Tcp(vec![Drip(b"x".to_vec())]),
        );
    }
    add(HTTP, "full queue", Being::FullQueue);
    add(HTTP, "nobody", Being::Nobody);
    heads(&mut add);
    bodies(&mut add);
    framed::tls(&mut add);
    framed::grpc(&mut add);
    lines(&mut add);
    datagrams(&mut add);
    all
}

fn heads(add: &mut impl FnMut(&'static str, &str, Being)) {
    let heads: [(&str, &[u8], &[u8]); 8] = [
        ("endless 1xx", b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        ("endless 100", b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("endless reason", b"HTTP/1.1 200 ", b"OK"),
        ("endless headers", OK.as_bytes(), b"a: b\r\n"),
        ("endless name", OK.as_bytes(), b"a"),
        ("endless value", b"HTTP/1.1 200 OK\r\na: ", b"a"),
        ("endless folding", b"HTTP/1.1 200 OK\r\na: b\r\n", b" c\r\n"),
        ("endless blank lines", b"", b"\r\n"),
    ];
    for (kind, first, then) in heads {
        for check in [HTTP, AGENT] {
            add(check, kind, Being::Tcp(vec![Read, say(first), flood(then)]));
        }
        add(HTTPS, kind, Being::Tls(vec![Read, say(first), flood(then)]));
    }
}

fn bodies(add: &mut impl FnMut(&'static str, &str, Being)) {
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let bodies = [
        ("endless body", format!("{OK}\r\n"), "x"),
        ("endless chunks", chunked.clone(), "1\r\nx\r\n"),
        ("endless chunk extension", format!("{chunked}1;"), "a=b;"),
        ("endless chunk size", chunked.clone(), "0"),
        ("huge chunk", format!("{chunked}ffffffffffffff\r\n"), "x"),
        (
            "chunk beyond 64 bits",
            format!("{chunked}fffffffffffffffff\r\n"),
            "x",
        ),
        (
            "endless trailers",
            format!("{chunked}1\r\nx\r\n0\r\n"),
            "a: b\r\n",
        ),
        (
            "huge length",
            format!("{OK}Content-Length: 9223372036854775807\r\n\r\n"),
            "x",
        ),
        (
            "length beyond 64 bits",
            format!("{OK}Content-Length: 99999999999999999999\r\n\r\n"),
            "x",
        ),
        (
            "negative length",
            format!("{OK}Content-Length: -1\r\n\r\n"),
            "x",
        ),
        (
            "two lengths",
            format!("{OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
            "x",
        ),
        (
            "length and chunks",
            format!("{OK}Content-Length: 1\r\n{}", &chunked[OK.len()..]),
            "x",
        ),
        (
            "gzip bomb",
            format!("{OK}Content-Encoding: gzip\r\n\r\n\x1f"),
            "\0\0\0",
        ),
        (
            "redirect",
            "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".into(),
            "x",
        ),
        (
            "switch of protocols",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".into(),
            "x",
        ),
        ("version 9", "HTTP/9.9 200 OK\r\n\r\n".into(), "x"),
        ("no version", "200 OK\r\n\r\n".into(), "x"),
    ];
    for (kind, first, then) in &bodies {
        add(BODY, kind, Being::Tcp(vec![Read, say(first), flood(then)]));
        add(
            HTTPS_BODY,
            kind,
            Being::Tls(vec![Read, say(first), flood(then)]),
        );
    }
    let slow = format!("{OK}Content-Length: 1000\r\n\r\n");
    add(HTTP, "slow head", Being::Tcp(vec![Read, Drip(OK.into())]));
    add(
        BODY,
        "slow body",
        Being::Tcp(vec![Read, say(&slow), Drip(b"x".to_vec())]),
    );
    add(
        BODY,
        "reset in the body",
        Being::Tcp(vec![Read, say(&slow), Reset]),
    );
    add(
        BODY,
        "short body",
        Being::Tcp(vec![Read, say(&slow), HalfClose]),
    );
    let deep = format!("{OK}\r\n{{\"mode\":");
    add(
        AGENT,
        "endless nesting",
        Being::Tcp(vec![Read, say(&deep), flood("[")]),
    );
    add(
        AGENT,
        "endless text",
        Being::Tcp(vec![Read, say(deep + "\""), flood("x")]),
    );
}

fn lines(add: &mut impl FnMut(&'static str, &str, Being)) {
    for (kind, piece) in [
        ("a word without end", "x"),
        ("blanks", " "),
        ("words", "up? "),
        ("NULs", "\0"),
        ("control characters", "\x1b[2J"),
        ("lines", "nonsense\n"),
    ] {
        add(HAPROXY, kind, Being::Tcp(vec![flood(piece)]));
        add(STEPS, kind, Being::Tcp(vec![flood(piece)]));
        add(TALK, kind, Being::Tcp(vec![say("x"), Read, flood(piece)]));
    }
    add(
        HAPROXY,
        "down",
        Being::Tcp(vec![say("down # \x1b]0;x\x07\n")]),
    );
    add(
        TALK,
        "silence after the banner",
        Being::Tcp(vec![say("x"), Hold]),
    );
    add(
        TALK,
        "reset after the banner",
        Being::Tcp(vec![say("x"), Read, Reset]),
    );
}

/// As the question is, but for its id, and an answer.
fn of_another(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    if let [high, _, flags, ..] = answer.as_mut_slice() {
        *high ^= 0xff;
        *flags |= 0x80;
    }
    answer
}

/// An answer whose name points to itself (RFC 1035, section 4.1.4).
fn loop_of_names(question: &[u8]) -> Vec<u8> {
    let id = question.get(..2).unwrap_or_default();
    [id, b"\x81\x80\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"].concat()
}

/// It says that it has 65,535 records, and has none.
fn of_many(question: &[u8]) -> Vec<u8> {
    let id = question.get(..2).unwrap_or_default();
    [id, b"\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff"].concat()
}

/// To be asked for over TCP, where nobody listens.
fn truncated(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    if let Some(flags) = answer.get_mut(2) {
        *flags |= 0x82;
    }
    answer
}

fn datagrams(add: &mut impl FnMut(&'static str, &str, Being)) {
    let answers: [(&str, Answering); 5] = [
        ("answers of another", of_another),
        ("loops of names", loop_of_names),
        ("many records", of_many),
        ("truncated answers", truncated),
        ("noise", |_| vec![b'x'; 1200]),
    ];
    for (kind, answer) in answers {
        for times in [1, 1000] {
            let kind = format!("{kind} {times}");
            add(DNS, &kind, Being::Udp { answer, times });
        }
    }
    let silence = Being::Udp {
        answer: |_| Vec::new(),
        times: 0,
    };
    add(DNS, "silence", silence);
    add(DNS, "nobody", Being::Nobody);
    add(UDP, "nobody", Being::Nobody);
    let largest: Answering = |_| vec![b'x'; 60_000];
    for (kind, answer, times) in [
        ("silence", largest, 0),
        ("flood", (|_| b"x".to_vec()) as Answering, 2000),
        ("empty datagrams", |_| Vec::new(), 2000),
        ("largest datagrams", largest, 50),
    ] {
        add(UDP, kind, Being::Udp { answer, times });
    }
}

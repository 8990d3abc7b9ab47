//! Servers that speak in records of TLS and in frames of HTTP/2.

use super::Act::{Drip, HalfClose, Hold, Read};
use super::{Being, GRPC, GRPC_TLS, HTTPS, TLS, flood, say};

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head, payload].concat()
}

/// A record of TLS 1.2 (RFC 5246, section 6.2.1).
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 3, 3], &length[..], payload].concat()
}

/// A `ServerHello` of TLS 1.2, without extensions.
fn server_hello() -> Vec<u8> {
    let hello = [&[3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0, 0, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    record(22, &[&[2, 0, 0, length][..], &hello].concat())
}

/// Records of TLS, before and after the handshake.
pub(super) fn tls(add: &mut impl FnMut(&'static str, &str, Being)) {
    let floods = [
        ("empty records", Vec::new(), record(22, b"")),
        (
            "parts of a message",
            Vec::new(),
            record(22, b"\x02\0\xff\xff\0"),
        ),
        ("alerts", Vec::new(), record(21, b"\x01\x5a")),
        (
            "alerts of unknown kind",
            Vec::new(),
            record(21, b"\x01\xff"),
        ),
        ("changes of cipher", Vec::new(), record(20, b"\x01")),
        ("application data", Vec::new(), record(23, b"xxxx")),
        ("heartbeats", Vec::new(), record(24, b"\x01\xff\xff")),
        ("hello requests", Vec::new(), record(22, b"\0\0\0\0")),
        ("hellos", server_hello(), server_hello()),
        (
            "certificate",
            [server_hello(), record(22, b"\x0b\xff\xff\xff\xff\xff\xfc")].concat(),
            record(22, &[0; 16_000]),
        ),
        (
            "tiny certificate records",
            [server_hello(), record(22, b"\x0b\xff\xff\xff\xff\xff\xfc")].concat(),
            record(22, b"\0"),
        ),
        (
            "hello, then alerts",
            server_hello(),
            record(21, b"\x01\x5a"),
        ),
        (
            "records beyond the largest",
            Vec::new(),
            b"\x16\x03\x03\xff\xff".to_vec(),
        ),
    ];
    for (kind, first, then) in floods {
        for check in [HTTPS, TLS, GRPC_TLS] {
            add(
                check,
                kind,
                Being::Tcp(vec![Read, say(&first), flood(&then)]),
            );
        }
    }
    let slow = [record(22, b"\x02\0\xff\xff"), record(22, &[0; 100])].concat();
    add(TLS, "slow handshake", Being::Tcp(vec![Read, Drip(slow)]));
    add(
        TLS,
        "no answer to the handshake",
        Being::Tcp(vec![Read, Hold]),
    );
    add(
        TLS,
        "end in the handshake",
        Being::Tcp(vec![Read, say(server_hello()), HalfClose]),
    );
    add(TLS, "endless text within", Being::Tls(vec![flood("x")]));
    add(TLS, "silence within", Being::Tls(vec![Hold]));
    add(TLS, "end within", Being::Tls(vec![HalfClose]));
}

/// Frames of HTTP/2, without TLS and within it.
pub(super) fn grpc(add: &mut impl FnMut(&'static str, &str, Being)) {
    let settings = frame(4, 0, 0, b"");
    let no_window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let head = frame(1, 4, 1, b"\x88");
    let frames = [
        ("SETTINGS", Vec::new(), settings.clone()),
        ("acknowledged SETTINGS", Vec::new(), frame(4, 1, 0, b"")),
        (
            "SETTINGS that change",
            Vec::new(),
            frame(4, 0, 0, &[0, 4, 0, 0, 0, 1, 0, 4, 0, 0, 0, 2]),
        ),
        ("PING", Vec::new(), frame(6, 0, 0, b"12345678")),
        ("WINDOW_UPDATE", Vec::new(), frame(8, 0, 0, &[0, 0, 0, 1])),
        (
            "WINDOW_UPDATE beyond the largest",
            Vec::new(),
            frame(8, 0, 0, &[0x7f, 255, 255, 255]),
        ),
        (
            "CONTINUATION",
            frame(1, 0, 1, b"\x88"),
            frame(9, 0, 1, b"\x88"),
        ),
        (
            "empty CONTINUATION",
            frame(1, 0, 1, b"\x88"),
            frame(9, 0, 1, b""),
        ),
        ("RST_STREAM", Vec::new(), frame(3, 0, 1, &[0, 0, 0, 8])),
        (
            "RST_STREAM of others",
            Vec::new(),
            frame(3, 0, 2, &[0, 0, 0, 8]),
        ),
        (
            "GOAWAY",
            Vec::new(),
            frame(7, 0, 0, &[127, 255, 255, 255, 0, 0, 0, 0]),
        ),
        ("PRIORITY", Vec::new(), frame(2, 0, 1, &[0, 0, 0, 0, 1])),
        (
            "PUSH_PROMISE",
            Vec::new(),
            frame(5, 4, 1, &[0, 0, 0, 2, 0x88]),
        ),
        ("unknown frames", Vec::new(), frame(0xee, 0, 0, b"x")),
        ("interim heads", Vec::new(), frame(1, 4, 1, b"\x08\x03103")),
        ("heads", head.clone(), head.clone()),
        ("empty DATA", head.clone(), frame(0, 0, 1, b"")),
        ("padded DATA", head.clone(), frame(0, 8, 1, &[100; 101])),
        (
            "messages",
            head.clone(),
            frame(0, 0, 1, b"\0\0\0\0\x02\x08\x01"),
        ),
        (
            "a huge message",
            [head, frame(0, 0, 1, b"\0\xff\xff\xff\xff")].concat(),
            frame(0, 0, 1, &[8; 1000]),
        ),
        (
            "frames beyond the largest",
            Vec::new(),
            b"\xff\xff\xff\0\0\0\0\0\x01".to_vec(),
        ),
    ];
    // 4,000 bytes that the table keeps, and a byte for each time more (RFC 7541).
    let kept = [
        &b"\x88\x40\x01a\x7f\xa1\x1e"[..],
        &[b'x'; 4000],
        &[0xbe; 8000],
    ]
    .concat();
    let bomb = vec![Read, say(&settings), flood(frame(1, 4, 1, &kept))];
    add(GRPC, "a bomb of headers", Being::Tcp(bomb));
    for (kind, first, then) in frames {
        let acts = vec![Read, say(&settings), say(first), flood(then)];
        add(GRPC, kind, Being::Tcp(acts.clone()));
        add(GRPC_TLS, kind, Being::Tls(acts));
    }
    add(
        GRPC,
        "no window",
        Being::Tcp(vec![Read, say(no_window), Hold]),
    );
    add(
        GRPC,
        "silence after SETTINGS",
        Being::Tcp(vec![Read, say(settings), Hold]),
    );
}

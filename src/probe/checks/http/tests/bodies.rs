//! Bodies that do not end, or not in time.

use super::*;
use crate::probe::fixture;

/// A time-out that is met by each of these probes whose body does not end.
const LIMIT: Duration = Duration::from_millis(700);

const OPEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const LONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";

/// Says these, one write each, and keeps the connection open.
fn open(parts: &'static [&'static [u8]]) -> SocketAddr {
    fixture::serve(move |mut stream| {
        read_request(&mut stream);
        for part in parts {
            stream.set_nodelay(true).unwrap();
            stream.write_all(part).unwrap();
            #[expect(
                clippy::disallowed_methods,
                reason = "the slow server of this test, on a thread of its own"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = stream.read(&mut [0]);
    })
}

fn expecting(pattern: Pattern) -> HttpCheck {
    HttpCheck {
        expected_body: Some(ExpectedBody::With(pattern)),
        ..check()
    }
}

fn text(text: &str) -> Pattern {
    Pattern::Text(text.to_owned())
}

fn regex(regex: &str) -> Pattern {
    Pattern::Regex(Expression::new(regex).unwrap())
}

#[tokio::test]
async fn the_status_decides_where_a_body_does_not_end() {
    for parts in [
        [OPEN, b"data: hello\n\n"].as_slice(),
        &[OPEN],
        &[CHUNKED, b"5\r\nhello\r\n"],
        &[CHUNKED],
        &[LONG, b"not so long"],
        &[LONG],
    ] {
        let parts: &'static [&'static [u8]] = Box::leak(parts.to_vec().into_boxed_slice());
        let outcome = probe(open(parts), &check(), LIMIT).await;
        assert_eq!(
            (outcome.result, outcome.detail.as_str()),
            (
                ProbeResult::Ok,
                "HTTP 200, whose body had not ended after 700ms"
            ),
            "{outcome:?}"
        );
    }
    let refusing = open(&[b"HTTP/1.1 503 Busy\r\n\r\n"]);
    let outcome = probe(refusing, &check(), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
    assert!(outcome.duration < AMPLE / 4, "{outcome:?}");
}

/// A long time-out does not make the probe of an event stream long.
#[tokio::test]
async fn a_body_without_end_is_not_waited_for_longer_than_a_second() {
    let outcome = probe(open(&[OPEN]), &check(), AMPLE).await;
    assert_eq!(
        outcome.detail,
        "HTTP 200, whose body had not ended after 1s"
    );
    assert!(outcome.duration < AMPLE / 2, "{outcome:?}");
}

#[tokio::test]
async fn an_expected_body_passes_as_soon_as_it_has_come() {
    for (parts, pattern) in [
        ([OPEN, b"data: we", b"ll\n\n"].as_slice(), text("well")),
        (&[CHUNKED, b"2\r\nwe\r\n", b"2\r\nll\r\n"], text("well")),
        (&[LONG, b"all is well"], text("well")),
        (&[LONG, b"all is well"], regex("w[e]ll")),
        (&[OPEN, b"all is well"], regex("^all .* well")),
    ] {
        let parts: &'static [&'static [u8]] = Box::leak(parts.to_vec().into_boxed_slice());
        let outcome = probe(open(parts), &expecting(pattern), AMPLE).await;
        assert_eq!(outcome.detail, "HTTP 200", "{outcome:?}");
        assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
        assert!(outcome.duration < AMPLE / 4, "{outcome:?}");
    }
}

/// What may still change with the next byte is judged at the end.
#[tokio::test]
async fn an_expression_that_looks_at_the_end_waits_for_it() {
    let ending = |body: [&'static [u8]; 2]| {
        fixture::serve(move |mut stream| {
            read_request(&mut stream);
            stream.set_nodelay(true).unwrap();
            for part in [b"HTTP/1.1 200 OK\r\n\r\n".as_slice()].iter().chain(&body) {
                stream.write_all(part).unwrap();
                #[expect(
                    clippy::disallowed_methods,
                    reason = "the slow server of this test, on a thread of its own"
                )]
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    };
    for (body, pattern, result) in [
        (
            [b"queue: 17".as_slice(), b"0"],
            "queue: [0-9]{1,2}$",
            ProbeResult::Body,
        ),
        (
            [b"queue: 1".as_slice(), b"7"],
            "queue: [0-9]{1,2}$",
            ProbeResult::Ok,
        ),
        (
            [b"all is well".as_slice(), b"intended"],
            r"well\b",
            ProbeResult::Body,
        ),
        (
            [b"all is well".as_slice(), b", thanks"],
            r"well\b",
            ProbeResult::Ok,
        ),
    ] {
        let outcome = probe(ending(body), &expecting(regex(pattern)), AMPLE).await;
        assert_eq!(outcome.result, result, "{pattern}: {outcome:?}");
    }
    // Where there is no end, what has come in time is looked at.
    let stream = open(&[OPEN, b"queue: 17"]);
    let outcome = probe(stream, &expecting(regex("queue: [0-9]+$")), LIMIT).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
}

#[tokio::test]
async fn an_expected_body_that_does_not_come_fails_and_says_what_did() {
    let outcome = probe(
        open(&[OPEN, b"data: bad\n\n"]),
        &expecting(text("well")),
        LIMIT,
    )
    .await;
    assert_eq!(
        (outcome.result, outcome.detail.as_str()),
        (
            ProbeResult::Body,
            "HTTP 200, without \"well\" in the 11 bytes of its body that came within 700ms"
        )
    );
    let outcome = probe(open(&[OPEN]), &expecting(text("well")), LIMIT).await;
    assert_eq!(
        (outcome.result, outcome.detail.as_str()),
        (
            ProbeResult::Timeout,
            "HTTP 200, but nothing of its body came within 700ms; expected \"well\" in it"
        )
    );
    let (result, detail) = with_body("x".repeat(BODY_LIMIT + 1).leak(), text("well")).await;
    assert_eq!(
        (result, detail.as_str()),
        (
            ProbeResult::Body,
            "HTTP 200, without \"well\" in the first 64 KiB of its body"
        )
    );
}

fn excluding(pattern: Pattern) -> HttpCheck {
    HttpCheck {
        expected_body: Some(ExpectedBody::Without(pattern)),
        ..check()
    }
}

#[tokio::test]
async fn a_body_that_must_not_have_something_passes_with_its_end() {
    let in_time = AMPLE / 4;
    for (parts, pattern, result, detail) in [
        (
            [CHUNKED, b"5\r\nhello\r\n0\r\n\r\n"].as_slice(),
            text("maintenance"),
            ProbeResult::Ok,
            "HTTP 200",
        ),
        (
            &[CHUNKED, b"5\r\nmaint\r\n", b"6\r\nenance\r\n"],
            text("maintenance"),
            ProbeResult::Body,
            "HTTP 200, with \"maintenance\" in its body, which must not be there",
        ),
        (
            &[OPEN, b"in maintenance"],
            regex("main.*e"),
            ProbeResult::Body,
            "HTTP 200, with /main.*e/ in its body, which must not be there",
        ),
        (
            &[OPEN, b"\x00\xff"],
            Pattern::Bytes(vec![0, 255]),
            ProbeResult::Body,
            "HTTP 200, with the bytes 00 ff in its body, which must not be there",
        ),
    ] {
        let parts: &'static [&'static [u8]] = Box::leak(parts.to_vec().into_boxed_slice());
        let outcome = probe(open(parts), &excluding(pattern), AMPLE).await;
        assert_eq!((outcome.result, outcome.detail.as_str()), (result, detail));
        assert!(outcome.duration < in_time, "{outcome:?}");
    }
    let outcome = probe(open(&[OPEN, b"well"]), &excluding(text("bad")), LIMIT).await;
    assert_eq!(
        (outcome.result, outcome.detail.as_str()),
        (
            ProbeResult::Timeout,
            "HTTP 200, whose body had not ended after 700ms; \"bad\" may still come"
        )
    );
    let long: [&'static [u8]; 2] = [OPEN, "x".repeat(BODY_LIMIT).leak().as_bytes()];
    let long = open(Box::leak(Box::new(long)));
    let outcome = probe(long, &excluding(text("bad")), AMPLE).await;
    assert_eq!(
        (outcome.result, outcome.detail.as_str()),
        (
            ProbeResult::Ok,
            "HTTP 200, without \"bad\" in the first 64 KiB of its body"
        )
    );
}

/// A body of many small pieces is not searched at each of them.
#[tokio::test]
async fn many_small_pieces_are_searched_a_few_times() {
    let (address, _served) = serve(|mut stream| {
        read_request(&mut stream);
        let mut answer = CHUNKED.to_vec();
        for _ in 0..BODY_LIMIT - 1 {
            answer.extend_from_slice(b"1\r\nx\r\n");
        }
        answer.extend_from_slice(b"1\r\nz\r\n0\r\n\r\n");
        let _ = stream.write_all(&answer);
    });
    let pattern = regex("(x[xy]*y|z)$");
    let outcome = probe(address, &expecting(pattern), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    let outcome = probe(address, &expecting(text("xz")), AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
}

#[tokio::test]
async fn answers_without_a_body_do_not_wait_for_one() {
    for head in [
        "204 No Content\r\n",
        "204 No Content\r\nContent-Length: 10\r\n",
        "200 OK\r\nContent-Length: 0\r\n",
    ] {
        let head = format!("HTTP/1.1 {head}\r\n").leak();
        let parts: &'static [&'static [u8]] = Box::leak(Box::new([head.as_bytes()]));
        let outcome = probe(open(parts), &check(), AMPLE).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
        assert!(outcome.duration < AMPLE / 4, "{head}: {outcome:?}");
    }
    let head = HttpCheck {
        method: "HEAD".to_owned(),
        ..check()
    };
    for parts in [[OPEN].as_slice(), &[LONG], &[CHUNKED]] {
        let parts: &'static [&'static [u8]] = Box::leak(parts.to_vec().into_boxed_slice());
        let outcome = probe(open(parts), &head, AMPLE).await;
        assert_eq!(outcome.detail, "HTTP 200", "{outcome:?}");
        assert!(outcome.duration < AMPLE / 4, "{outcome:?}");
    }
    let unchanged = HttpCheck {
        expected_status: StatusRanges::new([304..=304]).unwrap(),
        ..check()
    };
    let parts = open(&[b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"]);
    let outcome = probe(parts, &unchanged, AMPLE).await;
    assert_eq!(outcome.detail, "HTTP 304", "{outcome:?}");
    assert!(outcome.duration < AMPLE / 4, "{outcome:?}");
}

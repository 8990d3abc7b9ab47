use super::*;

fn head(status: u16, length: BodyLength) -> Head {
    Head { status, length }
}

fn parsed(bytes: &[u8]) -> Result<Option<(Head, usize)>, HeadError> {
    parse(bytes, false)
}

#[test]
fn length_of_the_body_is_known_chunked_or_until_close() {
    for (lines, length) in [
        ("Content-Length: 17\r\n", BodyLength::Known(17)),
        ("content-length:  0017 \r\n", BodyLength::Known(17)),
        (
            "Content-Length: 2, 2\r\nContent-Length: 2\r\n",
            BodyLength::Known(2),
        ),
        ("Transfer-Encoding: gzip, CHUNKED\r\n", BodyLength::Chunked),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
            BodyLength::Chunked,
        ),
        (
            "Transfer-Encoding: chunked, gzip\r\n",
            BodyLength::UntilClose,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
            BodyLength::UntilClose,
        ),
        ("Connection: close\r\n", BodyLength::UntilClose),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\nbody");
        let expected = (head(200, length), answer.len() - 4);
        assert_eq!(parsed(answer.as_bytes()), Ok(Some(expected)), "{lines}");
    }
}

#[test]
fn lengths_that_differ_or_are_no_numbers_are_refused() {
    for lines in [
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: \r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2\r\n 3\r\n",
        "Content-Length: 18446744073709551616\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        assert_eq!(
            parsed(answer.as_bytes()),
            Err(HeadError::NotHttp),
            "{lines}"
        );
    }
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parsed(old), Err(HeadError::NotHttp));
}

#[test]
fn answers_that_never_have_a_body_have_none() {
    for (status, asked_head) in [(204, false), (304, false), (101, false), (200, true)] {
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 10\r\n\r\n");
        let found = parse(answer.as_bytes(), asked_head).unwrap().unwrap().0;
        assert_eq!(found, head(status, BodyLength::Known(0)), "{status}");
    }
}

#[test]
fn interim_heads_are_followed_by_another_one() {
    for (status, is_interim) in [
        (100, true),
        (103, true),
        (199, true),
        (101, false),
        (200, false),
    ] {
        assert_eq!(
            head(status, BodyLength::UntilClose).is_interim(),
            is_interim,
            "{status}"
        );
    }
}

#[test]
fn head_in_part_needs_more_bytes() {
    let answer = b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    for length in 0..answer.len() {
        assert_eq!(parsed(&answer[..length]), Ok(None), "{length}");
    }
    assert!(parsed(answer).unwrap().is_some());
}

#[test]
fn status_below_100_and_too_many_lines_are_refused() {
    assert_eq!(parsed(b"HTTP/1.1 099 x\r\n\r\n"), Err(HeadError::NotHttp));
    for (lines, expected) in [(256, true), (257, false)] {
        let answer = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(lines));
        let found = parsed(answer.as_bytes());
        if expected {
            assert!(found.unwrap().is_some());
        } else {
            assert_eq!(found, Err(HeadError::TooLarge));
        }
    }
}

#[test]
fn empty_line_is_found_with_either_line_end() {
    for (bytes, found) in [
        (b"a\r\n\r\nb".as_slice(), true),
        (b"a\n\nb", true),
        (b"a\n\r\n", true),
        (b"a\r\n", false),
        (b"a\n\rb\n", false),
        (b"", false),
    ] {
        assert_eq!(has_empty_line(bytes), found, "{}", bytes.escape_ascii());
    }
}

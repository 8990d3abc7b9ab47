//! Heads as old and odd servers send them.

use super::*;

/// What does not matter to the result does not fail the check.
#[tokio::test]
async fn odd_heads_pass() {
    let heads: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nServer : old\r\nContent-Length : 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer\t: old\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer: one\r\n  two\r\n\tthree\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer:\r\n folded\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nthis is no header\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n<meta http-equiv=\"a\">\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n: no name\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTwo Words: x\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nN\xc3\xa4me: x\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer: \xe4\xf6\xfc\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer: a\x01b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nServer:\r\nContent-Length:2\r\n\r\nok",
        b"HTTP/1.1 200 OK\nServer: bare\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nServer: mixed\nContent-Length: 2\r\n\nok",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"\nHTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 f\xfcr alle\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 All is (well); 100% \"fine\"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200   OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;name=value\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more",
        b"HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok",
    ];
    let mut failed = Vec::new();
    for head in heads {
        let (result, detail) = answered(head).await;
        if result != ProbeResult::Ok {
            failed.push(format!("{}: {result:?}, {detail}", head.escape_ascii()));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test]
async fn as_many_headers_pass_as_real_servers_send() {
    let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_vec();
    for number in 0..250 {
        head.extend_from_slice(format!("Set-Cookie: c{number}=x\r\n").as_bytes());
    }
    head.extend_from_slice(b"\r\nok");
    let (result, detail) = answered(Box::leak(head.into_boxed_slice())).await;
    assert_eq!(result, ProbeResult::Ok, "{detail}");
}

/// What has no status, or says two things of its length, is no answer.
#[tokio::test]
async fn heads_that_leave_the_status_or_the_length_open_fail() {
    let heads: &[&[u8]] = &[
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"200 OK\r\n\r\n",
        b"<html>ok</html>\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        // What hyper takes from nobody.
        b"HTTP/1.1 200 OK\r\nServer: a\0b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
    ];
    let mut passed = Vec::new();
    for head in heads {
        let (result, detail) = answered(head).await;
        if (result, detail.as_str()) != (ProbeResult::Protocol, "not an HTTP answer") {
            passed.push(format!("{}: {result:?}, {detail}", head.escape_ascii()));
        }
    }
    assert!(passed.is_empty(), "{passed:#?}");
}

/// The status that asks for another protocol, where that is what is expected.
#[tokio::test]
async fn a_switch_of_protocols_is_a_status_like_another() {
    let (address, _served) = serve(|mut stream| {
        read_request(&mut stream);
        let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\n\r\n";
        stream.write_all(head).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let outcome = probe(address, &check(), AMPLE).await;
    assert_eq!(outcome.detail, "HTTP 101, expected 200-299");
    let check = HttpCheck {
        expected_status: StatusRanges::new([101..=101]).unwrap(),
        headers: vec![
            ("connection-test".to_owned(), "x".into()),
            ("upgrade".to_owned(), "websocket".into()),
        ],
        ..check()
    };
    let outcome = probe(address, &check, AMPLE).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert!(outcome.duration < AMPLE / 4, "{outcome:?}");
}

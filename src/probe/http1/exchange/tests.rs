//! An answer in the pieces and at the moments that a server chooses.

use std::collections::VecDeque;

use futures_util::FutureExt as _;

use super::*;

/// Takes `room` bytes of the request, and gives these pieces; an empty one makes the reader
/// wait once.
struct Server {
    pieces: VecDeque<Vec<u8>>,
    room: usize,
    reads_before_write: usize,
    sent: Vec<u8>,
}

fn server<const N: usize>(pieces: [&[u8]; N]) -> Server {
    Server {
        pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
        room: usize::MAX,
        reads_before_write: 0,
        sent: Vec::new(),
    }
}

impl AsyncRead for Server {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent.is_empty() {
            self.reads_before_write += 1;
        }
        match self.pieces.pop_front() {
            Some(piece) if piece.is_empty() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            piece => {
                buffer.put_slice(&piece.unwrap_or_default());
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = self.room.min(bytes.len());
        if taken == 0 {
            return Poll::Pending;
        }
        self.room -= taken;
        self.sent.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The status and the body of the answer.
async fn answer(server: &mut Server) -> Result<(u16, String), Failure> {
    let mut exchange = Exchange::new(server, b"request".to_vec(), false);
    let status = exchange.status().await?;
    let mut body = Vec::new();
    while let Some(data) = exchange.data().await? {
        body.extend_from_slice(data);
    }
    Ok((status, String::from_utf8(body).unwrap()))
}

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const FINAL: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n";

#[tokio::test]
async fn answer_is_the_same_wherever_it_is_cut() {
    let whole = [INTERIM, FINAL].concat();
    for cut in 0..whole.len() {
        let (first, second) = whole.split_at(cut);
        let mut server = server([b"", first, b"", b"", second]);
        if cut == 0 {
            server.pieces.remove(1);
        }
        let (status, body) = answer(&mut server).await.unwrap();
        assert_eq!((status, body.as_str()), (200, "well"), "{cut}");
        assert_eq!(server.sent, b"request");
    }
    let bytes = whole.iter().map(|byte| vec![*byte]).collect();
    let mut server = Server {
        pieces: bytes,
        ..server([])
    };
    let (status, body) = answer(&mut server).await.unwrap();
    assert_eq!((status, body.as_str()), (200, "well"));
}

#[tokio::test]
async fn end_of_the_connection_ends_only_a_body_that_has_no_length() {
    let open: &[u8] = b"HTTP/1.1 200 OK\r\n\r\nwell";
    let (_, body) = answer(&mut server([open])).await.unwrap();
    assert_eq!(body, "well");
    for (pieces, detail) in [
        (vec![], "closed without an answer"),
        (vec![INTERIM], "closed without an answer"),
        (
            vec![&open[..17]],
            "closed before the end of the answer's head, which an empty line is; got \"HTTP/1.1 \
             200 OK\\r\\n\"",
        ),
        (vec![&FINAL[..FINAL.len() - 2]], "the answer was cut short"),
    ] {
        let mut server = Server {
            pieces: pieces.into_iter().map(<[u8]>::to_vec).collect(),
            ..server([])
        };
        assert_eq!(answer(&mut server).await.unwrap_err().detail, detail);
    }
}

/// A server may answer before it has read the whole request, but not before any of it is sent.
#[tokio::test]
async fn answer_is_read_while_the_request_is_sent() {
    let mut halfway = Server {
        room: 3,
        ..server([b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"])
    };
    let (status, _) = answer(&mut halfway).await.unwrap();
    assert_eq!((status, halfway.reads_before_write), (413, 0));

    let mut full = Server {
        room: 0,
        ..server([FINAL])
    };
    assert!(answer(&mut full).now_or_never().is_none());
    assert_eq!(full.reads_before_write, 0);
}

//! In the order in which a server's answer, its reset and the request may meet.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Gives what is left of `answer`, and then ends as `end` says.
struct Server {
    answer: &'static [u8],
    end: Result<(), Errno>,
    writes: Result<(), Errno>,
}

impl AsyncRead for Server {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let answer = std::mem::take(&mut self.answer);
        if answer.is_empty() {
            return Poll::Ready(self.end.map_err(Into::into));
        }
        buffer.put_slice(answer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Server {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.writes.map(|()| bytes.len()).map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn server(
    answer: &'static [u8],
    end: Result<(), Errno>,
    writes: Result<(), Errno>,
) -> EarlyAnswer<Server> {
    EarlyAnswer::new(Server {
        answer,
        end,
        writes,
    })
}

/// What a reader gets after a request, and whether a reset is told.
async fn exchange(mut stream: EarlyAnswer<Server>) -> (io::Result<String>, bool) {
    stream.write_all(b"request").await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    let short = Failure::protocol("the answer was cut short");
    let is_reset = stream.explain(short).result == ProbeResult::Reset;
    (read.map(|_| answer), is_reset)
}

#[tokio::test]
async fn a_reset_after_an_answer_is_its_end() {
    let resets = [Errno::CONNRESET, Errno::PIPE, Errno::CONNABORTED];
    for reset in resets {
        let (answer, reported) = exchange(server(b"answer", Err(reset), Ok(()))).await;
        assert_eq!((answer.unwrap().as_str(), reported), ("answer", true));
        let (answer, reported) = exchange(server(b"answer", Ok(()), Err(reset))).await;
        assert_eq!((answer.unwrap().as_str(), reported), ("answer", true));
    }
    let (answer, reported) = exchange(server(b"answer", Ok(()), Ok(()))).await;
    assert_eq!((answer.unwrap().as_str(), reported), ("answer", false));
}

#[tokio::test]
async fn a_reset_without_an_answer_stays_one() {
    let kind = |answer: io::Result<String>| Errno::from_io_error(&answer.unwrap_err());
    let (answer, _) = exchange(server(b"", Err(Errno::CONNRESET), Ok(()))).await;
    assert_eq!(kind(answer), Some(Errno::CONNRESET));
    let (answer, _) = exchange(server(b"", Ok(()), Err(Errno::PIPE))).await;
    assert_eq!(kind(answer), Some(Errno::PIPE));
    // What is no reset is not taken for one.
    let (answer, _) = exchange(server(b"answer", Err(Errno::TIMEDOUT), Ok(()))).await;
    assert_eq!(kind(answer), Some(Errno::TIMEDOUT));
}

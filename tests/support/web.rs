use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Namespace;

/// What a [`Web`] does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Behaviour {
    /// 200 with its page.
    Serve,
    /// 503.
    Unavailable,
    /// Nothing at all, with the connection held open.
    Hang,
    /// A good answer, one byte every 100 ms.
    Trickle,
}

/// An HTTP server on port 80 whose behaviour can be changed while it runs.
pub(crate) struct Web {
    behaviour: Arc<AtomicU8>,
    ending: Arc<AtomicBool>,
    address: SocketAddr,
    accepting: Option<JoinHandle<()>>,
}

impl Web {
    /// Serves `page` on port 80 of all addresses of `namespace`.
    pub(crate) fn start(namespace: &Namespace, page: &'static str) -> Self {
        let behaviour = Arc::new(AtomicU8::new(Behaviour::Serve as u8));
        let ending = Arc::new(AtomicBool::new(false));
        let listener = namespace
            .enter(|| TcpListener::bind("0.0.0.0:80"))
            .expect("port 80");
        let address = listener.local_addr().expect("the listener's address");
        listener
            .set_nonblocking(true)
            .expect("a listener that can be ended");
        let accepting = {
            let (behaviour, ending) = (Arc::clone(&behaviour), Arc::clone(&ending));
            thread::spawn(move || accept(&listener, &behaviour, &ending, page))
        };
        Self {
            behaviour,
            ending,
            address,
            accepting: Some(accepting),
        }
    }

    /// From the next request on.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.behaviour.store(behaviour as u8, Ordering::SeqCst);
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(accepting) = self.accepting.take() {
            let ended = accepting.join();
            assert!(
                ended.is_ok() || thread::panicking(),
                "server {}",
                self.address
            );
        }
    }
}

fn accept(
    listener: &TcpListener,
    behaviour: &Arc<AtomicU8>,
    ending: &Arc<AtomicBool>,
    page: &'static str,
) {
    while !ending.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            pause(Duration::from_millis(1));
            continue;
        };
        let (behaviour, ending) = (behaviour.load(Ordering::SeqCst), Arc::clone(ending));
        thread::spawn(move || {
            // A client that gives up is the client's affair.
            let _ = answer(stream, behaviour, &ending, page);
        });
    }
}

fn answer(
    mut stream: TcpStream,
    behaviour: u8,
    ending: &AtomicBool,
    page: &str,
) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // To the end of the head: what is left unread would turn the close into a reset.
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            length => request.extend_from_slice(&piece[..length]),
        }
    }
    let good = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    if behaviour == Behaviour::Unavailable as u8 {
        stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    } else if behaviour == Behaviour::Hang as u8 {
        while !ending.load(Ordering::SeqCst) {
            pause(Duration::from_millis(50));
        }
        Ok(())
    } else if behaviour == Behaviour::Trickle as u8 {
        for byte in good.as_bytes() {
            stream.write_all(&[*byte])?;
            pause(Duration::from_millis(100));
        }
        Ok(())
    } else {
        stream.write_all(good.as_bytes())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a server's thread of its own may sleep"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}

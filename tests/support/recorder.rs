use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An HTTP server on a free port of all addresses that keeps what it is asked.
/// It runs as long as the process.
pub(crate) struct Recorder {
    /// The address of this host's loopback interface.
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Recorder {
    /// `answer` gives the status of each answer, by the request's number from
    /// 1 on; it may take its time. With `None` the server is silent.
    pub(crate) fn start<A>(answer: A) -> Self
    where
        A: Fn(usize) -> Option<u16> + Send + Sync + 'static,
    {
        Self::over(None, answer)
    }

    /// The same over TLS.
    pub(crate) fn start_tls<A>(config: Arc<ServerConfig>, answer: A) -> Self
    where
        A: Fn(usize) -> Option<u16> + Send + Sync + 'static,
    {
        Self::over(Some(config), answer)
    }

    fn over<A>(tls: Option<Arc<ServerConfig>>, answer: A) -> Self
    where
        A: Fn(usize) -> Option<u16> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let recorder = Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let (seen, answer) = (Arc::clone(&recorder.requests), Arc::new(answer));
        let connections = Arc::clone(&recorder.connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer, tls) = (Arc::clone(&seen), Arc::clone(&answer), tls.clone());
                thread::spawn(move || {
                    // A client that gives up is the client's affair.
                    let _ = serve(stream?, tls, &seen, &*answer);
                    io::Result::Ok(())
                });
            }
        });
        recorder
    }

    /// How many connections came, whatever became of them.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All requests so far, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic of a server").clone()
    }

    /// The bodies of all requests so far, read as JSON.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let requests = self.requests();
        let json = |request: &Request| serde_json::from_str(&request.body).expect("JSON");
        requests.iter().map(json).collect()
    }
}

fn serve(
    stream: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(usize) -> Option<u16>,
) -> io::Result<()> {
    match tls {
        None => converse(BufReader::new(stream), seen, answer),
        Some(config) => {
            let connection = ServerConnection::new(config).map_err(io::Error::other)?;
            let stream = StreamOwned::new(connection, stream);
            converse(BufReader::new(stream), seen, answer)
        }
    }
}

fn converse<S: Read + Write>(
    mut stream: BufReader<S>,
    seen: &Mutex<Vec<Request>>,
    answer: &dyn Fn(usize) -> Option<u16>,
) -> io::Result<()> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    head.make_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    let length = length.map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8(body).map_err(io::Error::other)?;
    let number = {
        let mut seen = seen.lock().map_err(|_| io::ErrorKind::Other)?;
        seen.push(Request { head, body });
        seen.len()
    };
    if let Some(status) = answer(number) {
        let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().flush()
    } else {
        // Until the other side gives up.
        stream.read(&mut [0]).map(drop)
    }
}

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// Connections that wait to be accepted: those of 200 ms, where 20,000 come in a second.
const BACKLOG: u32 = 4096;

/// How long a trickling server waits before each byte.
const DRIP: Duration = Duration::from_millis(100);

/// What a server does with a connection.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Writes all of it, and closes.
    Answer(Arc<str>),
    /// Writes the first part at once and the rest byte by byte.
    Trickle(&'static str, &'static str),
    /// Writes a head that promises 10 GB, and then as much as it can.
    Endless,
    /// Reads the request, and says nothing until the behaviour changes.
    Hang,
    /// Reads the request, and closes.
    Close,
    /// Closes before anything is read.
    CloseUnread,
}

impl Behaviour {
    /// A page.
    pub(crate) fn good() -> Self {
        Self::status("200 OK")
    }

    /// An empty page with this status.
    pub(crate) fn status(status: &str) -> Self {
        Self::Answer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into())
    }
}

/// A server on one or more addresses. When it is dropped, its connections are
/// closed and new ones refused.
pub(crate) struct Server {
    behaviour: watch::Sender<Behaviour>,
    arrivals: Arc<Mutex<Vec<(IpAddr, Instant)>>>,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(addresses: &[SocketAddr], behaviour: Behaviour) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (behaviour, receiver) = watch::channel(behaviour);
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        for address in addresses {
            let listener = runtime.block_on(async { listen(*address) }).unwrap();
            let (receiver, arrivals) = (receiver.clone(), Arc::clone(&arrivals));
            runtime.spawn(accept(listener, receiver, arrivals));
        }
        Self {
            behaviour,
            arrivals,
            _runtime: runtime,
        }
    }

    /// Does this from now on, with the connections that hang too.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// How many connections came to this address.
    pub(crate) fn connections(&self, ip: IpAddr) -> usize {
        let arrivals = self.arrivals.lock().unwrap();
        arrivals.iter().filter(|(to, _)| *to == ip).count()
    }

    /// When each connection came.
    pub(crate) fn arrivals(&self) -> Vec<(IpAddr, Instant)> {
        self.arrivals.lock().unwrap().clone()
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
async fn accept(
    listener: TcpListener,
    behaviour: watch::Receiver<Behaviour>,
    arrivals: Arc<Mutex<Vec<(IpAddr, Instant)>>>,
) {
    let ip = listener.local_addr().unwrap().ip();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // Of a listener on all addresses, the one that was asked.
        let asked = stream.local_addr().map_or(ip, |local| local.ip());
        arrivals.lock().unwrap().push((asked, Instant::now()));
        tokio::spawn(serve(stream, behaviour.clone()));
    }
}

/// An error is a client that went away, which is its good right.
async fn serve(mut stream: TcpStream, mut behaviour: watch::Receiver<Behaviour>) -> io::Result<()> {
    let mut now = behaviour.borrow_and_update().clone();
    if matches!(now, Behaviour::CloseUnread) {
        return Ok(());
    }
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    while matches!(now, Behaviour::Hang) {
        tokio::select! {
            changed = behaviour.changed() => if changed.is_err() { return Ok(()) },
            // The client gave up: its descriptor is free, and so should ours be.
            _ = stream.read_u8() => return Ok(()),
        }
        now = behaviour.borrow_and_update().clone();
    }
    match now {
        Behaviour::Answer(answer) => stream.write_all(answer.as_bytes()).await,
        Behaviour::Trickle(first, rest) => {
            stream.write_all(first.as_bytes()).await?;
            for byte in rest.as_bytes() {
                tokio::time::sleep(DRIP).await;
                stream.write_all(&[*byte]).await?;
            }
            Ok(())
        }
        Behaviour::Endless => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n";
            stream.write_all(head).await?;
            loop {
                stream.write_all(&[b'x'; 8192]).await?;
            }
        }
        Behaviour::Hang | Behaviour::Close | Behaviour::CloseUnread => Ok(()),
    }
}

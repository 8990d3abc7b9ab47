//! Lets the animals of the zoo do what they do to who visits them.

use std::io;
use std::net::{SocketAddr, TcpListener as Backlog, TcpStream as Queued};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

use super::animals::{Act, Animal, Being};

/// Before each byte of a trickle.
const DRIP: Duration = Duration::from_millis(300);
/// Longer than any probe.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Zoo {
    runtime: Runtime,
    tls: TlsAcceptor,
    /// Listeners whose queues are full, and what fills them.
    full: Mutex<Vec<(Backlog, Vec<Queued>)>>,
}

impl Zoo {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["zoo".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                key.serialize_der().try_into().unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = TlsAcceptor::from(Arc::new(config));
        let full = Mutex::default();
        Self { runtime, tls, full }
    }

    pub(super) fn keep(&self, at: SocketAddr, animal: &Animal) {
        match &animal.being {
            Being::Tcp(acts) => self.listen(at, acts.clone(), None),
            Being::Tls(acts) => self.listen(at, acts.clone(), Some(self.tls.clone())),
            Being::Udp { answer, times } => {
                let (answer, times) = (*answer, *times);
                let socket = self.runtime.block_on(UdpSocket::bind(at)).unwrap();
                self.runtime.spawn(async move {
                    let mut question = [0; 2048];
                    loop {
                        // An error is the port of a visitor that has gone.
                        let Ok((length, peer)) = socket.recv_from(&mut question).await else {
                            continue;
                        };
                        let answer = answer(&question[..length]);
                        for _ in 0..times {
                            if socket.send_to(&answer, peer).await.is_err() {
                                break;
                            }
                        }
                    }
                });
            }
            Being::FullQueue => {
                let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                listener.set_reuse_address(true).unwrap();
                listener.bind(&at.into()).unwrap();
                listener.listen(0).unwrap();
                let mut queued = Vec::new();
                while let Ok(one) = Queued::connect_timeout(&at, Duration::from_millis(50)) {
                    queued.push(one);
                }
                self.full.lock().unwrap().push((listener.into(), queued));
            }
            Being::Nobody => {}
        }
    }

    fn listen(&self, at: SocketAddr, acts: Vec<Act>, tls: Option<TlsAcceptor>) {
        let listener = self.runtime.block_on(TcpListener::bind(at)).unwrap();
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acts, tls) = (acts.clone(), tls.clone());
                tokio::spawn(timeout(PATIENCE, visited(stream, acts, tls)));
            }
        });
    }
}

/// An error is a client that went away.
async fn visited(stream: TcpStream, acts: Vec<Act>, tls: Option<TlsAcceptor>) -> io::Result<()> {
    if acts.iter().any(|act| matches!(act, Act::Reset)) {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    match tls {
        None => act(stream, &acts).await,
        Some(tls) => act(tls.accept(stream).await?, &acts).await,
    }
}

async fn act(mut stream: impl AsyncRead + AsyncWrite + Unpin, acts: &[Act]) -> io::Result<()> {
    for act in acts {
        match act {
            Act::Read => drop(stream.read(&mut [0; 4096]).await?),
            Act::Say(bytes) => stream.write_all(bytes).await?,
            Act::Flood(bytes) => {
                let many = bytes.repeat(1 + 16 * 1024 / bytes.len());
                loop {
                    stream.write_all(&many).await?;
                }
            }
            Act::Drip(bytes) => loop {
                for byte in bytes {
                    stream.write_all(&[*byte]).await?;
                    stream.flush().await?;
                    sleep(DRIP).await;
                }
            },
            Act::Hold => while stream.read(&mut [0; 4096]).await? > 0 {},
            // The client's end alone does not end it.
            Act::HalfClose => {
                stream.shutdown().await?;
                while stream.read(&mut [0; 4096]).await? > 0 {}
            }
            Act::Reset => return Ok(()),
        }
    }
    stream.flush().await
}

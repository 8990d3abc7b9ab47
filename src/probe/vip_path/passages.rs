use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::guard::Guard;
use super::ports::{Ending, Ports};
use super::readers::Readers;
use super::{Board, Confirmed, Unverified};
use crate::config::Origin;
use crate::kernel::{Overheard, TableKind, Tap, Witness};
use crate::model::{Connections, Family, Forwarding, ProbePath};
use crate::net::tcp::{Marked, OpenError, Opened, Opening};
use crate::plan::probe_marks::leading_over;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::shared::Shared;

/// The largest segments with Ethernet's 1500 bytes, less the headers of IP and
/// TCP. The route to a VIP of this host leads over lo, whose packets are larger.
const SEGMENT_V4: u32 = 1460;
/// The same for IPv6.
const SEGMENT_V6: u32 = 1440;
/// The same inside any kind of tunnel, over either family.
const SEGMENT_IN_TUNNEL: u32 = 1360;

/// How many connections in a row have to be missing from the kernel's count.
const ATTEMPTS: u32 = 3;
/// How many source ports are tried, should others of this host have them.
const TRIES: u32 = 16;

/// A connection through a VIP that could not be begun.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// It is not known where it would go, or went.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// All ports towards the VIP are taken, or rest.
    #[error("out of source ports towards the VIP")]
    NoPort,
    /// This host cannot begin it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// All ways through VIPs. One of these serves all probes.
pub(crate) struct Passages {
    board: Arc<Board>,
    ports: Shared<Ports>,
    /// Whether IPVS takes what it should; the canary's to say.
    pub(super) guard: Guard,
    /// `None` where the table is not the kernel's.
    readers: Option<Readers>,
}

/// The way of one probe through a VIP. When it is dropped its connection ends.
pub(crate) struct Passage {
    passages: Arc<Passages>,
    confirmed: Confirmed,
    path: ProbePath,
    held: Shared<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Where to, and from which port.
    port: Option<(SocketAddr, u16)>,
    /// How it ends unless it is established.
    ending: Ending,
    /// A second handle on the connection, which outlives the exchange.
    connection: Option<OwnedFd>,
}

impl Passages {
    pub(crate) fn new(board: Arc<Board>, ports: Ports, table: TableKind) -> Self {
        Self {
            board,
            ports: Shared::new(ports),
            guard: Guard::default(),
            readers: (table == TableKind::Kernel).then(Readers::new),
        }
    }

    /// The way over this path, if it is known to lead there.
    pub(crate) fn enter(self: &Arc<Self>, path: ProbePath) -> Result<Passage, Unverified> {
        self.guard.holds(path.family, clock::monotonic())?;
        let confirmed = self.board.confirmed(&path);
        let confirmed = confirmed.ok_or_else(|| {
            if self.board.marks().lacks(&path) {
                Unverified::NoneLeft
            } else {
                Unverified::NoMark
            }
        })?;
        Ok(Passage {
            passages: Arc::clone(self),
            confirmed,
            path,
            held: Shared::default(),
        })
    }

    fn readers(&self) -> Result<&Readers, Unverified> {
        self.readers.as_ref().ok_or(Unverified::NoKernel)
    }

    /// The board that tells which marks hold.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Fails if IPVS lets all packets pass, as far as the kernel says so.
    pub(super) async fn takes_packets(&self) -> Result<(), Unverified> {
        let readers = self.readers()?;
        match readers.of_host().await.passes_everything().await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Unverified::Backup),
            Err(error) => Err(Unverified::Unreadable(error_chain(&error))),
        }
    }

    /// Fails if the kernel drops what comes from `vip` to `source`.
    pub(super) async fn hears(&self, source: IpAddr, vip: IpAddr) -> Result<(), Unverified> {
        let readers = self.readers()?;
        if vip.is_ipv6() {
            return Ok(());
        }
        match readers.of_host().await.keeps_out(source, vip).await {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(Unverified::Deaf(reason)),
            Err(error) => Err(Unverified::Unreadable(error_chain(&error))),
        }
    }

    /// A source port to `target`, for the path or the canary.
    pub(super) fn take_port(&self, target: SocketAddr, user: Option<ProbePath>) -> Option<u16> {
        let now = clock::monotonic();
        self.ports.lock().take(target, user, now)
    }

    pub(super) fn give_port_back(
        &self,
        target: SocketAddr,
        user: Option<ProbePath>,
        port: u16,
        ending: Ending,
    ) {
        let now = clock::monotonic();
        self.ports.lock().give_back(target, user, port, ending, now);
    }
}

impl Passage {
    /// The largest segment of the connection.
    const fn segment(&self) -> u32 {
        match (self.path.forwarding, self.path.family) {
            (Forwarding::Tunnel(_), _) => SEGMENT_IN_TUNNEL,
            (Forwarding::Masquerade | Forwarding::Local | Forwarding::Direct, Family::Ipv4) => {
                SEGMENT_V4
            }
            (Forwarding::Masquerade | Forwarding::Local | Forwarding::Direct, Family::Ipv6) => {
                SEGMENT_V6
            }
        }
    }

    /// The address of this host to speak from: the one it has towards the
    /// real server, which the VIP would not be. The error is a sentence.
    pub(crate) fn source(&self, origin: &Origin, vip: IpAddr) -> Result<IpAddr, String> {
        source(self.path.real_server, origin, vip)
    }

    /// Begins a connection to `target`, from a port of its own, and makes sure
    /// that it goes where it should: with its first packet, the kernel has to
    /// count one more connection to the real server. Where that packet goes,
    /// all others go.
    ///
    /// The packet passes IPVS before `connect` returns, and connections over
    /// this path begin one at a time. So others that the kernel forgets meanwhile
    /// can hide one that has begun, which is no reason to doubt it before
    /// [`ATTEMPTS`] of them; but one that went elsewhere is never taken for one
    /// that did not.
    pub(crate) async fn start(
        &self,
        source: IpAddr,
        target: SocketAddr,
    ) -> Result<Opened, StartError> {
        let readers = self.passages.readers()?;
        let mut attempts = 0;
        for _ in 0..TRIES {
            let port = self.next_port(target).ok_or(StartError::NoPort)?;
            let opening = Opening {
                source: Some(source),
                interface: None,
                marked: Some(Marked {
                    port,
                    mark: self.confirmed.mark.get(),
                    segment: self.segment(),
                }),
            };
            let mut witness = readers.of_mark(self.confirmed.mark).await;
            let before = self.connections(&mut witness).await?;
            let opened = match opening.start(target) {
                Err(OpenError::PortTaken) => continue,
                opened => opened?,
            };
            self.held.lock().ending = Ending::Strayed;
            let after = self.connections(&mut witness).await?;
            if after > before {
                self.held.lock().ending = Ending::Unanswered;
                return Ok(opened);
            }
            attempts += 1;
            if attempts == ATTEMPTS {
                return Err(Unverified::NotCounted.into());
            }
        }
        Err(StartError::NoPort)
    }

    /// Another source port to `target`; what was taken before is given back.
    fn next_port(&self, target: SocketAddr) -> Option<u16> {
        let user = Some(self.path);
        let mut held = self.held.lock();
        let before = std::mem::take(&mut *held);
        if let Some((target, port)) = before.port {
            self.passages
                .give_port_back(target, user, port, before.ending);
        }
        let port = self.passages.take_port(target, user)?;
        held.port = Some((target, port));
        Some(port)
    }

    /// Keeps a second handle on the connection that is established now.
    pub(crate) fn hold(&self, stream: &TcpStream) -> std::io::Result<()> {
        let connection = stream.as_fd().try_clone_to_owned()?;
        self.held.lock().connection = Some(connection);
        Ok(())
    }

    /// Whether a result counts of a connection that was begun: nothing was
    /// made anew since.
    pub(crate) fn verify_pass(&self) -> Result<(), Unverified> {
        if self.passages.board.confirmed(&self.path) != Some(self.confirmed) {
            return Err(Unverified::NoMark);
        }
        let now = clock::monotonic();
        self.passages.guard.holds(self.path.family, now)
    }

    /// Whether a failure counts of an exchange at `vip`: IPVS does not let all
    /// packets pass now, and this host does not drop the answers.
    pub(crate) async fn verify_failure(
        &self,
        origin: &Origin,
        vip: IpAddr,
    ) -> Result<(), Unverified> {
        self.passages.takes_packets().await?;
        if let Ok(source) = self.source(origin, vip) {
            self.passages.hears(source, vip).await?;
        }
        self.verify_pass()
    }

    /// Whether a failure counts that this path had at `target`, and the real
    /// server's own address had not: a firewall of this host may have dropped
    /// or refused what came in or was to leave. So it is asked once more, with
    /// an ear on the wire, and waited for as long as an answer may take. Where
    /// that cannot be done, as without `CAP_NET_RAW`, the failure counts.
    ///
    /// That a connection is made this time says nothing of one that failed
    /// after it `was_connected`; of any other, that it cannot be told any more
    /// who was at fault.
    pub(crate) async fn verify_again(
        &self,
        source: IpAddr,
        target: SocketAddr,
        patience: Duration,
        was_connected: bool,
    ) -> Result<(), Unverified> {
        let vip = target.ip();
        let Ok(tap) = Tap::open(source, vip) else {
            return Ok(());
        };
        let mut heard = Vec::new();
        let end = match self.start(source, target).await {
            Ok(opened) => {
                let listen = async {
                    while let Ok(overheard) = tap.hear().await {
                        heard.push(overheard);
                    }
                };
                let end = timeout(patience, async {
                    tokio::select! {
                        end = opened.finish() => end,
                        () = listen => std::future::pending().await,
                    }
                });
                end.await.ok()
            }
            Err(StartError::Open(error @ OpenError::Connect { .. })) => Some(Err(error)),
            Err(StartError::Unverified(error)) => return Err(error),
            Err(StartError::NoPort | StartError::Open(_)) => return Ok(()),
        };
        let Some((_, port)) = self.held.lock().port else {
            return Ok(());
        };
        heard.extend(tap.heard());
        let comes_in = heard.contains(&Overheard::ComesIn(port));
        // In a tunnel, packets leave inside others.
        let shows = self.path.forwarding == Forwarding::Direct;
        let stays = shows && !heard.contains(&Overheard::Leaves(port));
        match end {
            Some(Ok(stream)) => {
                // Without it the port rests for longer, and that is all.
                let _held = self.hold(&stream);
                if !was_connected {
                    return Err(Unverified::AnswersNow);
                }
            }
            None if comes_in => return Err(Unverified::AnswerDropped(target)),
            // Who refuses it from outside is heard, but for errors of ICMP.
            Some(Err(OpenError::Connect { icmp: None, .. })) if !comes_in => {
                return Err(Unverified::NothingLeaves(vip));
            }
            _ if stays => return Err(Unverified::NothingLeaves(vip)),
            Some(Err(_)) | None => {}
        }
        self.verify_pass()
    }

    /// The connections over the path that the kernel knows, whatever their
    /// state: late packets can change that of one that has ended, so the number
    /// of active ones proves nothing.
    async fn connections(&self, witness: &mut Witness) -> Result<u32, Unverified> {
        let only = witness.only_destination(&self.confirmed.service).await;
        let only = only.map_err(|error| Unverified::Unreadable(error_chain(&error)))?;
        let wanted = leading_over(&self.path).destinations;
        let as_made = only.filter(|(real_server, observed)| {
            wanted.get(real_server) == Some(&observed.destination)
        });
        let (_, destination) = as_made.ok_or(Unverified::NoService)?;
        let Connections {
            active, inactive, ..
        } = destination.connections;
        Ok(active.saturating_add(inactive))
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let Held {
            port,
            connection,
            ending,
        } = std::mem::take(&mut *self.held.lock());
        let Some((target, port)) = port else {
            return;
        };
        let ending = match &connection {
            None => ending,
            // One that the other end has reset is connected to nobody.
            Some(connection) if SockRef::from(connection).peer_addr().is_ok() => Ending::Reset,
            Some(_) => Ending::Left,
        };
        // The last handle: with no time to linger, the kernel sends a reset.
        drop(connection);
        self.passages
            .give_port_back(target, Some(self.path), port, ending);
    }
}

/// The address of this host to speak from towards `real_server`, never the VIP.
pub(crate) fn source(real_server: IpAddr, origin: &Origin, vip: IpAddr) -> Result<IpAddr, String> {
    let source = match origin.source {
        Some(source) => source,
        None => local_address(real_server)
            .map_err(|error| format!("there is no way to {real_server}: {error}"))?,
    };
    if source == vip {
        return Err(format!(
            "this host speaks to {real_server} from the VIP: give the check another `source`"
        ));
    }
    if source.is_ipv4() != vip.is_ipv4() {
        return Err(format!("{source} is not of the VIP's family"));
    }
    Ok(source)
}

/// Nothing is sent: connecting a datagram socket only asks the routes.
fn local_address(to: IpAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = match to {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect((to, 9))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests;

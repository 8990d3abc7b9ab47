use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::guard::Guard;
use super::ports::{Ending, Ports};
use super::{Board, Confirmed, Unverified};
use crate::clock;
use crate::config::Origin;
use crate::error_chain::error_chain;
use crate::kernel::Witness;
use crate::model::{Family, Forwarding, ProbePath};
use crate::snapshot::Latest;

/// How often a look at the connections is made anew because others began or
/// ended meanwhile, or the kernel was a moment behind.
const LOOKS: u32 = 4;
/// From one of these looks to the next.
const PAUSE: Duration = Duration::from_millis(3);

/// The largest segments with Ethernet's 1500 bytes, less the headers of IP and
/// TCP. The route to a VIP of this host leads over lo, whose packets are larger.
const SEGMENT_V4: u32 = 1460;
/// The same for IPv6.
const SEGMENT_V6: u32 = 1440;
/// The same inside any kind of tunnel, over either family.
const SEGMENT_IN_TUNNEL: u32 = 1360;

/// All ways through VIPs. One of these serves all probes.
pub(crate) struct Passages {
    board: Arc<Board>,
    ports: Latest<Ports>,
    /// The connections that are open, by path.
    open: Latest<BTreeMap<ProbePath, Open>>,
    /// Whether IPVS takes what it should; the canary's to say.
    pub(super) guard: Guard,
    /// `None` where the table is not the kernel's.
    pub(super) witness: Option<Mutex<Witness>>,
}

#[derive(Debug, Default)]
struct Open {
    established: u32,
    /// Changes with each connection that begins, is established or ends.
    events: u64,
}

/// The way of one probe through a VIP. When it is dropped its connection ends.
pub(crate) struct Passage {
    passages: Arc<Passages>,
    confirmed: Confirmed,
    path: ProbePath,
    held: Latest<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Where to, and from which port.
    port: Option<(SocketAddr, u16)>,
    /// A second handle on the connection, which outlives the exchange.
    connection: Option<OwnedFd>,
    strayed: bool,
}

impl Passages {
    pub(crate) fn new(board: Arc<Board>, ports: Ports, witness: Option<Witness>) -> Self {
        Self {
            board,
            ports: Latest::new(ports),
            open: Latest::default(),
            guard: Guard::default(),
            witness: witness.map(Mutex::new),
        }
    }

    /// The way over this path, if it is known to lead there.
    pub(crate) fn enter(self: &Arc<Self>, path: ProbePath) -> Result<Passage, Unverified> {
        self.guard.holds(path.family, clock::monotonic())?;
        let confirmed = self.board.confirmed(&path);
        let confirmed = confirmed.ok_or(Unverified::NoMark)?;
        Ok(Passage {
            passages: Arc::clone(self),
            confirmed,
            path,
            held: Latest::default(),
        })
    }

    /// The board that tells which marks hold.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Fails if IPVS lets all packets pass, as far as the kernel says so.
    pub(super) async fn takes_packets(&self) -> Result<(), Unverified> {
        let Some(witness) = &self.witness else {
            return Err(Unverified::NoKernel);
        };
        match witness.lock().await.passes_everything().await {
            Ok(false) => Ok(()),
            Ok(true) => Err(Unverified::Backup),
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

    fn open_now(&self, path: &ProbePath) -> (u32, u64) {
        let open = self.open.lock();
        open.get(path)
            .map_or((0, 0), |open| (open.established, open.events))
    }
}

impl Passage {
    /// The mark that the connection has to carry.
    pub(crate) const fn mark(&self) -> u32 {
        self.confirmed.mark.get()
    }

    /// The largest segment of the connection.
    pub(crate) const fn segment(&self) -> u32 {
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

    /// Another source port to `target`; what was taken before could not be had.
    pub(crate) fn next_port(&self, target: SocketAddr) -> Option<u16> {
        let user = Some(self.path);
        let before = self.held.lock().port.take();
        if let Some((target, port)) = before {
            self.passages
                .give_port_back(target, user, port, Ending::Unusable);
        }
        let port = self.passages.take_port(target, user)?;
        self.held.lock().port = Some((target, port));
        if let Some(open) = self.passages.open.lock().get_mut(&self.path) {
            open.events += 1;
        }
        Some(port)
    }

    /// Keeps a second handle on the connection that is established now.
    pub(crate) fn hold(&self, stream: &TcpStream) -> std::io::Result<()> {
        let connection = stream.as_fd().try_clone_to_owned()?;
        self.held.lock().connection = Some(connection);
        let mut open = self.passages.open.lock();
        let open = open.entry(self.path).or_default();
        open.established += 1;
        open.events += 1;
        Ok(())
    }

    /// Whether the connection that was established just now went where it
    /// should: the kernel counts as many as this agent has open over the path.
    ///
    /// To be asked before anything is sent: once the other end has closed, the
    /// connection no longer counts as active, and IPVS keeps those that have
    /// ended for a while. Where it went, all of its packets go.
    pub(crate) async fn verify(&self) -> Result<(), Unverified> {
        let mut found = Err(Unverified::NotCounted);
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(PAUSE * look).await;
            }
            let before = self.passages.open_now(&self.path);
            let active = match self.active().await {
                Ok(active) => active,
                Err(error) => {
                    found = Err(error);
                    break;
                }
            };
            let (established, _) = before;
            found = if before != self.passages.open_now(&self.path) {
                Err(Unverified::Unsteady)
            } else if active < established {
                Err(Unverified::NotCounted)
            } else {
                Ok(())
            };
            if found.is_ok() {
                break;
            }
        }
        if found.is_err() {
            self.held.lock().strayed = true;
        }
        found
    }

    /// Whether a pass counts, of a connection that was verified: nothing was
    /// made anew since.
    pub(crate) fn verify_pass(&self) -> Result<(), Unverified> {
        if self.passages.board.confirmed(&self.path) != Some(self.confirmed) {
            return Err(Unverified::NoMark);
        }
        let now = clock::monotonic();
        self.passages.guard.holds(self.path.family, now)
    }

    /// Whether a failure counts: the way is still there, and IPVS does not let
    /// all packets pass now.
    pub(crate) async fn verify_failure(&self) -> Result<(), Unverified> {
        self.passages.takes_packets().await?;
        self.active().await?;
        self.verify_pass()
    }

    /// The connections over the path that the kernel counts as active.
    async fn active(&self) -> Result<u32, Unverified> {
        let Some(witness) = &self.passages.witness else {
            return Err(Unverified::NoKernel);
        };
        let only = {
            let mut witness = witness.lock().await;
            witness.only_destination(&self.confirmed.service).await
        };
        let only = only.map_err(|error| Unverified::Unreadable(error_chain(&error)))?;
        let here = only.filter(|(key, _)| key.0.ip() == self.path.real_server);
        let (_, destination) = here.ok_or(Unverified::NoService)?;
        Ok(destination.connections.active)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let Held {
            port,
            connection,
            strayed,
        } = std::mem::take(&mut *self.held.lock());
        let ending = match &connection {
            None => Ending::Unanswered,
            Some(_) if strayed => Ending::Strayed,
            // One that the other end has reset is connected to nobody.
            Some(connection) if SockRef::from(connection).peer_addr().is_ok() => Ending::Reset,
            Some(_) => Ending::Left,
        };
        if connection.is_some() {
            // The last handle: with no time to linger, the kernel sends a reset.
            drop(connection);
            let mut open = self.passages.open.lock();
            if let Some(known) = open.get_mut(&self.path) {
                known.established = known.established.saturating_sub(1);
                known.events += 1;
                if known.established == 0 {
                    open.remove(&self.path);
                }
            }
        }
        if let Some((target, port)) = port {
            self.passages
                .give_port_back(target, Some(self.path), port, ending);
        }
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

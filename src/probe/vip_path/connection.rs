//! One connection through a VIP, with the proof that it led to its real server.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::paths::source;
use super::ports::Ending;
use super::{Confirmed, Unverified, VipPaths};
use crate::config::Origin;
use crate::kernel::{CapturedPacket, IpvsReader, PacketCapture};
use crate::model::{Connections, Family, Forwarding, ProbePath};
use crate::net::tcp::{ConnectOptions, OpenError, Opened, VipSocketOptions};
use crate::plan::probe_marks::service_for_path;
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
/// How many source ports are tried, should other programs of this host have them.
const TRIES: u32 = 16;

/// A connection through a VIP could not be started.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The real server of the connection is not known.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// All ports towards the VIP are in use, or IPVS may still know them.
    #[error("out of source ports towards the VIP")]
    NoPort,
    /// This host cannot start the connection.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// The connection of one probe through a VIP, which ends when this value is dropped.
pub(crate) struct VipConnection {
    paths: Arc<VipPaths>,
    confirmed: Confirmed,
    path: ProbePath,
    held: Shared<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The target, and the source port.
    port: Option<(SocketAddr, u16)>,
    /// How the connection ends unless it is established.
    ending: Ending,
    /// A second handle on the connection, which outlives the exchange.
    connection: Option<OwnedFd>,
}

impl VipConnection {
    /// A connection over this path. Fails unless the path is known to lead to
    /// its real server alone.
    pub(crate) fn new(paths: &Arc<VipPaths>, path: ProbePath) -> Result<Self, Unverified> {
        paths.interception.ensure(path.family, clock::monotonic())?;
        let confirmed = paths.registry.confirmed(&path);
        let confirmed = confirmed.ok_or_else(|| {
            if paths.registry.marks().lacks(&path) {
                Unverified::NoneLeft
            } else {
                Unverified::NoMark
            }
        })?;
        Ok(Self {
            paths: Arc::clone(paths),
            confirmed,
            path,
            held: Shared::default(),
        })
    }

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

    /// The source address: the address of this host towards the real server,
    /// which the VIP would not be. The error is a sentence.
    pub(crate) fn source(&self, origin: &Origin, vip: IpAddr) -> Result<IpAddr, String> {
        source(self.path.real_server, origin, vip)
    }

    /// Starts a connection to `target`, from a port of its own, and proves where
    /// the connection goes: with its first packet, the kernel has to count one
    /// more connection to the real server. All other packets take the same way.
    ///
    /// The packet passes IPVS before `connect` returns, and connections by one
    /// mark start one at a time, for a reader of the table is held meanwhile. So
    /// connections that the kernel forgets in between can hide a new one, which
    /// is no evidence before [`ATTEMPTS`] of them; but a connection that went
    /// elsewhere is never mistaken for one that did not.
    pub(crate) async fn start(
        &self,
        source: IpAddr,
        target: SocketAddr,
    ) -> Result<Opened, StartError> {
        let readers = self.paths.readers()?;
        let mut attempts = 0;
        for _ in 0..TRIES {
            let port = self.next_port(target).ok_or(StartError::NoPort)?;
            let options = ConnectOptions {
                source: Some(source),
                interface: None,
                vip: Some(VipSocketOptions {
                    port,
                    mark: self.confirmed.mark.get(),
                    segment: self.segment(),
                }),
                sends_first: false,
            };
            // The less there is between the two dumps, the fewer connections end there.
            let prepared = match options.prepare(target) {
                Err(OpenError::PortTaken) => continue,
                prepared => prepared?,
            };
            let mut reader = readers.of_mark(self.confirmed.mark).await;
            let before = self.connections(&mut reader).await?;
            let opened = match prepared.connect() {
                Err(OpenError::PortTaken) => continue,
                opened => opened?,
            };
            self.held.lock().ending = Ending::UnknownPeer;
            let after = self.connections(&mut reader).await?;
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

    /// Takes another source port to `target`, and gives back the one before.
    pub(super) fn next_port(&self, target: SocketAddr) -> Option<u16> {
        let user = Some(self.path);
        let mut held = self.held.lock();
        let before = std::mem::take(&mut *held);
        if let Some((target, port)) = before.port {
            self.paths.give_port_back(target, user, port, before.ending);
        }
        let port = self.paths.take_port(target, user)?;
        held.port = Some((target, port));
        Some(port)
    }

    /// Keeps a second handle on the connection that is established now.
    pub(crate) fn hold(&self, stream: &TcpStream) -> std::io::Result<()> {
        let connection = stream.as_fd().try_clone_to_owned()?;
        self.held.lock().connection = Some(connection);
        Ok(())
    }

    /// Succeeds if the result of a connection that was started counts: no
    /// service by mark was made anew since.
    pub(crate) fn verify_pass(&self) -> Result<(), Unverified> {
        if self.paths.registry.confirmed(&self.path) != Some(self.confirmed) {
            return Err(Unverified::NoMark);
        }
        let now = clock::monotonic();
        self.paths.interception.ensure(self.path.family, now)
    }

    /// Succeeds if the failure of an exchange at `vip` counts: IPVS does not let
    /// all packets pass now, and this host does not drop the answers.
    pub(crate) async fn verify_failure(
        &self,
        origin: &Origin,
        vip: IpAddr,
    ) -> Result<(), Unverified> {
        self.paths.ensure_not_backup().await?;
        if let Ok(source) = self.source(origin, vip) {
            self.paths.ensure_answers_arrive(source, vip).await?;
        }
        self.verify_pass()
    }

    /// Succeeds if a failure counts that this path had at `target` while the
    /// real server's own address had none: a firewall of this host may have
    /// dropped or refused packets of either direction. So the connection is
    /// tried once more with a packet capture, for as long as an answer may take.
    /// Where packets cannot be captured, as without `CAP_NET_RAW`, the failure
    /// counts.
    ///
    /// A second connection that is established says nothing about a failure
    /// after the first `was_connected`. After any other failure the cause is
    /// then unknown.
    pub(crate) async fn verify_again(
        &self,
        source: IpAddr,
        target: SocketAddr,
        patience: Duration,
        was_connected: bool,
    ) -> Result<(), Unverified> {
        let vip = target.ip();
        let Ok(capture) = PacketCapture::open(source, vip) else {
            return Ok(());
        };
        let mut captured = Vec::new();
        let end = match self.start(source, target).await {
            Ok(opened) => {
                let capturing = async {
                    while let Ok(packet) = capture.recv().await {
                        captured.push(packet);
                    }
                };
                let end = timeout(patience, async {
                    tokio::select! {
                        end = opened.finish() => end,
                        () = capturing => std::future::pending().await,
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
        captured.extend(capture.captured());
        let is_answered = captured.contains(&CapturedPacket::Incoming(port));
        // In a tunnel, packets leave inside others.
        let shows_outgoing = self.path.forwarding == Forwarding::Direct;
        let is_sent = captured.contains(&CapturedPacket::Outgoing(port));
        match end {
            Some(Ok(stream)) => {
                // Without the second handle the port rests for longer, and that is all.
                let _held = self.hold(&stream);
                if !was_connected {
                    return Err(Unverified::AnswersNow);
                }
            }
            None if is_answered => return Err(Unverified::AnswerDropped(target)),
            // A refusal from outside is captured, except for errors of ICMP.
            Some(Err(OpenError::Connect { icmp: None, .. })) if !is_answered => {
                return Err(Unverified::NothingLeaves(vip));
            }
            _ if shows_outgoing && !is_sent => return Err(Unverified::NothingLeaves(vip)),
            Some(Err(_)) | None => {}
        }
        self.verify_pass()
    }

    /// The connections over the path that the kernel knows, whatever their
    /// state: late packets can change the state of a connection that has ended,
    /// so the number of active connections proves nothing.
    async fn connections(&self, reader: &mut IpvsReader) -> Result<u32, Unverified> {
        let only = reader.only_destination(&self.confirmed.service).await;
        let only = only.map_err(|error| Unverified::Unreadable(error_chain(&error)))?;
        let wanted = service_for_path(&self.path).destinations;
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

impl Drop for VipConnection {
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
            // A socket that the other end has reset has no peer any more.
            Some(connection) if SockRef::from(connection).peer_addr().is_ok() => Ending::Reset,
            Some(_) => Ending::ClosedByPeer,
        };
        // The last handle: with no time to linger, the kernel sends a reset.
        drop(connection);
        self.paths
            .give_port_back(target, Some(self.path), port, ending);
    }
}

#[cfg(test)]
mod tests;

//! Who claims the VIP on the LAN, as the client's host sees it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recv, sendto, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::support::{Lan, Namespace, until};
use crate::witness::VIP;

pub(crate) type Mac = [u8; 6];

/// A host of the LAN whose claims are told apart by its MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Director,
    Rs1,
    Rs2,
}

/// What the watcher has seen so far: ARP frames whose sender says that it has
/// the VIP, counted by the sender's MAC address.
pub(crate) struct Watch {
    macs: [(Host, Mac); 3],
    claims: Mutex<BTreeMap<Mac, u64>>,
}

impl Watch {
    /// How often `host` has claimed the VIP.
    pub(crate) fn claims(&self, host: Host) -> u64 {
        let (_, mac) = self.macs.iter().find(|(of, _)| *of == host).unwrap();
        let claims = self.claims.lock().unwrap();
        claims.get(mac).copied().unwrap_or(0)
    }

    /// Returns after the watcher has asked, and been answered by the director,
    /// `times` more: whoever else answers has had as many chances.
    pub(crate) fn for_requests(&self, times: u64) {
        let wanted = self.claims(Host::Director) + times;
        until(Duration::from_secs(20), "answer of the director", || {
            let seen = self.claims(Host::Director);
            if seen >= wanted { Ok(()) } else { Err(seen) }
        });
    }
}

/// Runs `work` while the client asks without a pause who has the VIP, and
/// while both real servers send packets from the VIP whenever they hold it.
///
/// The director must hold the VIP: it answers, and shows that the watcher sees.
pub(crate) fn watching(lan: &Lan, work: impl FnOnce(&Watch)) {
    let macs = [
        (Host::Director, &lan.director),
        (Host::Rs1, &lan.rs1),
        (Host::Rs2, &lan.rs2),
    ]
    .map(|(host, namespace)| (host, link(namespace).addr().unwrap()));
    let watch = Watch {
        macs,
        claims: Mutex::default(),
    };
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stopped = StopOnDrop(&stop);
        scope.spawn(|| ask_and_listen(&lan.client, &watch, &stop));
        for real_server in [&lan.rs1, &lan.rs2] {
            let stop = &stop;
            scope.spawn(move || real_server.enter(|| talk_from_vip(stop)));
        }
        work(&watch);
    });
}

/// Also when `work` panics: the scope waits for its threads.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ask_and_listen(client: &Namespace, watch: &Watch, stop: &AtomicBool) {
    let eth0 = link(client);
    let socket = client.enter(every_frame);
    let request = who_has_vip(eth0.addr().unwrap());
    let mut frame = [0; 128];
    while !stop.load(Ordering::Relaxed) {
        sendto(socket.as_raw_fd(), &request, &eth0, MsgFlags::empty()).unwrap();
        // Until the director has answered; other answers come before or after.
        loop {
            let length = match recv(socket.as_raw_fd(), &mut frame, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => break,
                Err(error) => panic!("the watcher cannot listen: {error}"),
            };
            let Some(mac) = claim(&frame[..length]) else {
                continue;
            };
            *watch.claims.lock().unwrap().entry(mac).or_default() += 1;
            if mac == watch.macs[0].1 {
                break;
            }
        }
    }
}

/// A socket that is given every frame of the namespace of the calling thread.
pub(crate) fn every_frame() -> OwnedFd {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::EthAll,
    )
    .expect("a packet socket, as root");
    setsockopt(
        &socket,
        sockopt::ReceiveTimeout,
        &TimeVal::milliseconds(100),
    )
    .unwrap();
    socket
}

pub(crate) fn link(namespace: &Namespace) -> LinkAddr {
    namespace.enter(|| {
        let eth0 = |address: &nix::ifaddrs::InterfaceAddress| address.interface_name == "eth0";
        getifaddrs()
            .unwrap()
            .filter(eth0)
            .find_map(|found| found.address?.as_link_addr().copied())
            .expect("the link address of eth0")
    })
}

/// An ARP request (RFC 826) to all, from 192.168.11.1.
pub(crate) fn who_has_vip(mac: Mac) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(mac);
    // ARP; Ethernet, IPv4, their lengths; request.
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac);
    frame.extend([192, 168, 11, 1]);
    frame.extend([0; 6]);
    frame.extend(VIP.octets());
    frame
}

/// Whose frame this is, if its sender says that it has the VIP, in an answer
/// or in a request of its own.
fn claim(frame: &[u8]) -> Option<Mac> {
    let is_arp = frame.get(12..14)? == [8, 6];
    let sender_has_vip = frame.get(28..32)? == VIP.octets();
    let mac = frame.get(22..28)?.try_into().ok()?;
    (is_arp && sender_has_vip).then_some(mac)
}

/// Sends packets from the VIP to hosts that do not exist, so that the kernel
/// has to ask for them: without `arp_announce` it asks in the VIP's name.
fn talk_from_vip(stop: &AtomicBool) {
    let pace = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    pace.set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    for nobody in (101..109).cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Most of the time there is no VIP to send from, or nobody answers.
        if let Ok(socket) = UdpSocket::bind((IpAddr::from(VIP), 0)) {
            let _ = socket.send_to(b"?", (Ipv4Addr::new(192, 168, 11, nobody), 9));
        }
        let _ = pace.recv(&mut [0]);
    }
}

use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::config::{Check, CheckKind};
use crate::probe::probe_rate::Woken;
use crate::status::fixture;

const AMPLE: Duration = Duration::from_secs(30);

struct Fixture {
    listener: TcpListener,
    watches: Watches,
}

impl Fixture {
    async fn new() -> Self {
        Self {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            watches: Watches::default(),
        }
    }

    fn spec(&self, watch: bool) -> ProbeSpec {
        let target = self.listener.local_addr().unwrap();
        let mut http = fixture::http_check();
        http.port = Some(target.port());
        let check = Check {
            watch,
            ..fixture::check(CheckKind::Http(http))
        };
        ProbeSpec {
            target,
            check: Arc::new(check),
            route: None,
        }
    }

    fn probe(&mut self, id: u32) -> (Box<WatchedProbe>, Arc<SharedProbeRate>) {
        let rate = Arc::new(SharedProbeRate::default());
        let spec = self.spec(true);
        let probe = self.watches.watch(&spec, ProbeId(id), &rate).unwrap();
        (probe, rate)
    }

    async fn accept(&self) -> TcpStream {
        timeout(AMPLE, self.listener.accept())
            .await
            .unwrap()
            .unwrap()
            .0
    }
}

async fn until(shown: &Shared<Watching>, wanted: Watching) {
    let seen = async {
        while *shown.lock() != wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(AMPLE, seen).await.unwrap();
}

async fn is_brought_forward(rate: &SharedProbeRate) {
    let woken = rate.sleep(pin!(tokio::time::sleep(AMPLE))).await;
    assert_eq!(woken, Woken::BroughtForward);
}

/// Waits until the other end has closed the connection.
async fn closed(stream: &TcpStream) {
    let ended = async {
        loop {
            stream.readable().await.unwrap();
            match stream.try_read(&mut [0; 1]) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return,
                Ok(_) => panic!("something was sent"),
            }
        }
    };
    timeout(AMPLE, ended).await.unwrap();
}

#[tokio::test]
async fn a_check_without_watch_has_no_connection() {
    let mut fixture = Fixture::new().await;
    let spec = fixture.spec(false);
    let rate = Arc::default();
    assert!(fixture.watches.watch(&spec, ProbeId(1), &rate).is_none());
}

#[tokio::test]
async fn the_end_of_the_connection_brings_the_probe_forward() {
    let mut fixture = Fixture::new().await;
    let (probe, rate) = fixture.probe(1);
    let shown = probe.shown();
    probe.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let mut server = fixture.accept().await;
    until(&shown, Watching::Connected).await;
    // A server that speaks first has said nothing of itself by that.
    server.write_all(b"220 mail.example.com\r\n").await.unwrap();
    drop(server);
    is_brought_forward(&rate).await;
    until(&shown, Watching::NotConnected).await;

    // The probe passes: a restart, or the server's own time-out. Then comes a reset.
    probe.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let server = fixture.accept().await;
    until(&shown, Watching::Connected).await;
    socket2::SockRef::from(&server)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(server);
    is_brought_forward(&rate).await;
}

/// The process died while the probe was in flight, and the probe failed before the end was seen.
#[tokio::test]
async fn the_end_after_a_failed_probe_brings_the_next_one_forward() {
    let mut fixture = Fixture::new().await;
    let (probe, rate) = fixture.probe(1);
    probe.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let server = fixture.accept().await;
    until(&probe.shown(), Watching::Connected).await;
    probe.probed(ProbeResult::Reset, ProbeRate::Normal, clock::monotonic());
    drop(server);
    is_brought_forward(&rate).await;
}

#[tokio::test]
async fn two_probes_of_one_port_share_one_connection() {
    let mut fixture = Fixture::new().await;
    let (one, first) = fixture.probe(1);
    let (other, second) = fixture.probe(2);
    for probe in [&one, &other] {
        probe.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    }
    let server = fixture.accept().await;
    until(&one.shown(), Watching::Connected).await;
    drop(server);
    is_brought_forward(&first).await;
    is_brought_forward(&second).await;
    let another = timeout(Duration::from_millis(50), fixture.listener.accept()).await;
    assert!(another.is_err());
}

#[tokio::test]
async fn the_connection_is_closed_after_the_verdict_and_with_its_last_probe() {
    let mut fixture = Fixture::new().await;
    let (one, _) = fixture.probe(1);
    let (other, _) = fixture.probe(2);
    one.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let server = fixture.accept().await;
    until(&one.shown(), Watching::Connected).await;
    // The verdict is not there yet, and the server's end of the connection may be on its way.
    one.probed(ProbeResult::Status, ProbeRate::Fast, clock::monotonic());
    assert_eq!(*one.shown().lock(), Watching::Connected);
    one.probed(ProbeResult::Status, ProbeRate::Down, clock::monotonic());
    closed(&server).await;

    other.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let server = fixture.accept().await;
    drop(one);
    until(&other.shown(), Watching::Connected).await;
    drop(other);
    closed(&server).await;
    fixture.watches.forget_unused();
    assert!(fixture.watches.by_key.is_empty());
}

#[tokio::test]
async fn the_connection_of_a_changed_check_is_kept() {
    let mut fixture = Fixture::new().await;
    let (before, _) = fixture.probe(1);
    before.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let server = fixture.accept().await;
    until(&before.shown(), Watching::Connected).await;
    let (after, rate) = fixture.probe(2);
    drop(before);
    assert_eq!(*after.shown().lock(), Watching::Connected);
    after.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let another = timeout(Duration::from_millis(50), fixture.listener.accept()).await;
    assert!(another.is_err());
    drop(server);
    is_brought_forward(&rate).await;
}

#[tokio::test]
async fn a_server_that_sends_without_end_is_left_alone() {
    let mut fixture = Fixture::new().await;
    let (probe, _rate) = fixture.probe(1);
    probe.probed(ProbeResult::Ok, ProbeRate::Normal, clock::monotonic());
    let mut server = fixture.accept().await;
    until(&probe.shown(), Watching::Connected).await;
    let text = vec![b'x'; 1024 * 1024];
    let sent = timeout(AMPLE, server.write_all(&text)).await.unwrap();
    let closed = closed_after(server, sent.is_err());
    timeout(AMPLE, closed).await.unwrap();
    until(&probe.shown(), Watching::NotConnected).await;
}

async fn closed_after(stream: TcpStream, already: bool) {
    if !already {
        let _ = stream.readable().await;
    }
}

#[test]
fn a_held_connection_is_small() {
    let size = std::mem::size_of_val(&hold(Weak::new(), 0));
    assert!(size <= 400, "{size} bytes");
}

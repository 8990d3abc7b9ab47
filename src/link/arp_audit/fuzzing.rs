//! The audit of what the link says, for `tests/fuzz`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Vips;
use super::audit::{Audit, MOST_FOREIGN_HOSTS};
use crate::kernel::fuzzing::decode;
use crate::runtime::clock;

/// Frames, each after its length in one byte and after a pause in seconds.
pub fn audit(bytes: &[u8]) {
    let vip = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let real_servers = (1..=20).map(|host| IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)));
    let vips = Vips::from([(vip, real_servers.collect::<BTreeSet<_>>())]);
    let mut now = clock::monotonic();
    let mut audit = Audit::default();
    audit.watch(&vips, now);
    let mut rest = bytes;
    while let [pause, length, tail @ ..] = rest {
        let (frame, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        now += Duration::from_secs(u64::from(*pause));
        if let Some(message) = decode(frame) {
            audit.receive(&message, now);
        }
        if audit.take_lookup() {
            audit.learn(&BTreeMap::new());
        }
        for _question in audit.questions(now) {}
        if let Some((conflicts, peers)) = audit.take_changed() {
            assert!(conflicts.len() + peers.len() <= MOST_FOREIGN_HOSTS + 20);
        }
        rest = tail;
    }
}

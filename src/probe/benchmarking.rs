//! The schedule and the HTTP exchange of a probe, for `tests/bench/library`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::io::{join, sink};

use super::ProbeRate;
use super::checks::http;
use super::http1::Exchange;
use super::schedule::{self, Intervals, WakeAction};
use crate::config::HttpCheck;
use crate::model::ProbeResult;
use crate::runtime::clock;

/// The schedule of one of 5,000 probes, each made every second.
pub struct Schedule {
    schedule: schedule::Schedule,
    now: Instant,
}

impl Default for Schedule {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        let intervals = Intervals {
            normal: second,
            fast: second,
            down: second,
        };
        let now = clock::monotonic();
        let schedule = schedule::Schedule::spread(now, intervals, 2_345, 5_000);
        Self { schedule, now }
    }
}

impl Schedule {
    /// From one probe to the next; whether one is made.
    pub fn turn(&mut self) -> bool {
        self.now = self.schedule.wake_together(self.schedule.wake());
        let action = self.schedule.on_wake(self.now, ProbeRate::Normal);
        self.now += Duration::from_micros(200);
        self.schedule.ended(self.now, ProbeResult::Ok);
        action == WakeAction::Probe
    }
}

/// The bytes of the request to this address.
pub fn http_request(target: SocketAddr, check: &HttpCheck) -> Option<Vec<u8>> {
    http::request(target, check).ok()
}

/// Sends the request, and reads the answer, which is there at once, to its end: the status.
pub fn http_answer(request: Vec<u8>, answer: &'static [u8]) -> Option<u16> {
    let mut exchange = Exchange::new(join(answer, sink()), request, false);
    let status = exchange.status().now_or_never()?.ok()?;
    while let Ok(Some(_)) = exchange.data().now_or_never()? {}
    Some(status)
}

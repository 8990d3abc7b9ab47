//! Whether this host's clock is wrong, judged by what it makes of certificates.
//! Pure: time is an argument.
//!
//! One certificate that is out of date is its real server's fault. A wrong
//! clock puts every certificate out of date at once, in the same direction.
//!
//! Certificates that are all valid now have a time in common. So a certificate
//! that ended before another one began has expired whatever this clock shows,
//! and says nothing of the clock. What files say of the time is no such proof:
//! the same clock may have dated them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// Clocks that differ by less are taken for the same one.
const STEP: Duration = Duration::from_hours(24);
/// What was seen earlier than this is forgotten: three times the longest
/// interval of a check.
const MEMORY: Duration = Duration::from_hours(3);
/// With more servers than this, all of them are gone through ten times a second.
const MANY: usize = 1000;
const PAUSE: Duration = Duration::from_millis(100);

/// 2026-01-01, since the epoch: this program was not there before, so the time is later,
/// whatever a clock shows.
const PROGRAM: Duration = Duration::from_hours(20_454 * 24);

/// How the message about a wrong clock begins.
const CLOCK: &str = "this host's own clock is";

/// Where a clock stands in the validity of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dates {
    Valid,
    NotYetValid,
    Expired,
}

/// A moment on this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) wall: SystemTime,
    /// The time that no setting of the clock changes.
    pub(crate) since_boot: Duration,
}

/// A certificate that was verified, or would have been but for its dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CertificateDates {
    /// A digest of the certificate.
    pub(crate) certificate: u64,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) dates: Dates,
}

/// What is wrong with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockError {
    /// The clock is before the validity of every certificate.
    Behind,
    /// The clock is after the validity of every certificate.
    Ahead,
}

impl ClockError {
    /// Whether the detail of a probe tells of a wrong clock.
    pub(crate) fn is_reported_in(detail: &str) -> bool {
        detail.contains(CLOCK)
    }
}

/// The certificates of all servers, as they were last seen.
#[derive(Debug, Default)]
pub(crate) struct WrongClock {
    /// A time at which this host's clock was before.
    reached: Option<SystemTime>,
    /// By the address that was connected to, where several servers may be
    /// behind a VIP, and the certificate.
    servers: BTreeMap<(SocketAddr, u64), SeenCertificate>,
    judged: Option<(Moment, Dates, Judgement)>,
}

#[derive(Debug, Clone, Copy)]
struct Judgement {
    wrong: Option<ClockError>,
    /// The time is later than this, whatever the clock shows.
    reached: SystemTime,
}

impl Judgement {
    /// Whether the clock is to blame for this certificate.
    fn of(&self, dated: &CertificateDates) -> Option<ClockError> {
        self.wrong.filter(|_| !dated.has_ended_by(self.reached))
    }
}

#[derive(Debug, Clone, Copy)]
struct SeenCertificate {
    dated: CertificateDates,
    at: Moment,
    /// When the host started, by the clock by which this certificate was last valid.
    valid: Option<SystemTime>,
}

impl WrongClock {
    /// For a clock that was at `reached` before.
    pub(crate) fn after(reached: Option<SystemTime>) -> Self {
        Self {
            reached,
            ..Self::default()
        }
    }

    /// Takes in what a server showed, and says whether the clock is to blame
    /// where the certificate is out of date.
    pub(crate) fn note(
        &mut self,
        server: SocketAddr,
        dated: CertificateDates,
        at: Moment,
    ) -> Option<ClockError> {
        let key = (server, dated.certificate);
        let before = self.servers.get(&key);
        let valid = match dated.dates {
            Dates::Valid => Some(at.booted()),
            Dates::NotYetValid | Dates::Expired => before.and_then(|seen| seen.valid),
        };
        self.servers
            .insert(key, SeenCertificate { dated, at, valid });
        if dated.dates == Dates::Valid {
            self.judged = None;
            return None;
        }
        if self.servers.len() > MANY
            && let Some((then, dates, judgement)) = self.judged
            && dates == dated.dates
            && at.since_boot < then.since_boot + PAUSE
        {
            return judgement.of(&dated);
        }
        let judgement = self.judge(dated.dates, at);
        self.judged = Some((at, dated.dates, judgement));
        judgement.of(&dated)
    }

    fn judge(&mut self, dates: Dates, now: Moment) -> Judgement {
        let oldest = now.since_boot.saturating_sub(MEMORY);
        self.servers.retain(|_, seen| seen.at.since_boot >= oldest);
        let by_this_clock = |seen: &&SeenCertificate| apart(seen.at.booted(), now.booted()) < STEP;
        let seen: Vec<&SeenCertificate> = self.servers.values().filter(by_this_clock).collect();
        let reached = reached(&seen);
        let wrong = if seen.iter().any(|seen| seen.dated.dates != dates) {
            None
        } else {
            self.judge_alike(dates, seen, reached, now)
        };
        Judgement { wrong, reached }
    }

    /// The same of certificates that are all before their time, or all after it.
    fn judge_alike(
        &self,
        dates: Dates,
        mut seen: Vec<&SeenCertificate>,
        reached: SystemTime,
        now: Moment,
    ) -> Option<ClockError> {
        seen.retain(|seen| !seen.dated.has_ended_by(reached));
        let certificates = seen.iter().map(|seen| seen.dated.certificate);
        let certificates = certificates.collect::<BTreeSet<_>>().len();
        match dates {
            Dates::Valid => None,
            // Nobody uses a certificate before its time, and two do it still less.
            Dates::NotYetValid => {
                let went_back = self.reached.is_some_and(|reached| now.wall < reached);
                (went_back || certificates >= 2).then_some(ClockError::Behind)
            }
            Dates::Expired => {
                let stepped = seen.iter().any(|seen| seen.expired_by_a_step(now));
                (stepped || (certificates >= 3 && ended_apart(&seen))).then_some(ClockError::Ahead)
            }
        }
    }
}

impl CertificateDates {
    /// Whether no clock is to blame for it, as the time is later than `reached`.
    fn has_ended_by(&self, reached: SystemTime) -> bool {
        self.dates == Dates::Expired && self.not_after < reached
    }
}

/// What the time is later than, whatever the clock shows: each certificate was
/// made when it began to be valid, or later.
fn reached(seen: &[&SeenCertificate]) -> SystemTime {
    let begun = seen
        .iter()
        .filter(|seen| seen.dated.dates != Dates::NotYetValid)
        .map(|seen| seen.dated.not_before);
    begun.fold(SystemTime::UNIX_EPOCH + PROGRAM, SystemTime::max)
}

impl SeenCertificate {
    /// Whether the certificate would still be valid, had the clock that it was
    /// valid by not been set forward.
    fn expired_by_a_step(&self, now: Moment) -> bool {
        self.valid.is_some_and(|booted| {
            let stepped = now.booted().duration_since(booted);
            stepped.is_ok_and(|step| step >= STEP)
                && booted + now.since_boot <= self.dated.not_after
        })
    }
}

impl Moment {
    /// When the host started, by its clock of this moment.
    fn booted(self) -> SystemTime {
        self.wall
            .checked_sub(self.since_boot)
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::Behind => "before",
            Self::Ahead => "after",
        };
        write!(
            f,
            "{CLOCK} {place} the validity of every certificate that real servers show"
        )
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    match one.duration_since(other) {
        Ok(apart) => apart,
        Err(error) => error.duration(),
    }
}

/// Whether certificates that were never seen to be valid ended on different
/// days: each would have been renewed or noticed in its time.
fn ended_apart(seen: &[&SeenCertificate]) -> bool {
    let ends = || seen.iter().map(|seen| seen.dated.not_after);
    let never_valid = seen.iter().all(|seen| seen.valid.is_none());
    match (ends().min(), ends().max()) {
        (Some(first), Some(last)) => never_valid && apart(first, last) >= STEP,
        _ => false,
    }
}

#[cfg(test)]
mod tests;

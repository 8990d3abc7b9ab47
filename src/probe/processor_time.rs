//! The processor time that the probes of a configuration take, as an estimate from above.

use std::time::Duration;

use super::ProbeTarget;
use crate::config::CheckKind;

/// A probe over a connection without TLS, or with a datagram, on a busy worker (tests/bench).
const PLAIN: Duration = Duration::from_micros(80);

/// A probe with a TLS handshake.
const WITH_TLS: Duration = Duration::from_millis(1);

/// The start of a program, without its own work.
const PROGRAM: Duration = Duration::from_millis(2);

/// The processor time that these probes take in each second while all real servers are up.
pub(crate) fn processor_time(targets: &[ProbeTarget]) -> Duration {
    let checks = targets.iter().map(|target| &target.spec.check);
    let times = checks.map(|check| {
        let time = time_of(&check.kind).div_f64(check.interval.as_secs_f64());
        // Another way beside the own address, or another look at the table.
        if check.via.through_vip() {
            2 * time
        } else {
            time
        }
    });
    times.sum()
}

fn time_of(kind: &CheckKind) -> Duration {
    match kind {
        CheckKind::None => Duration::ZERO,
        CheckKind::Http(check) if check.tls.is_some() => WITH_TLS,
        CheckKind::Stream(check) if check.tls.is_some() => WITH_TLS,
        CheckKind::Grpc(check) if check.tls.is_some() => WITH_TLS,
        CheckKind::Exec(_) => PROGRAM,
        CheckKind::Http(_)
        | CheckKind::Stream(_)
        | CheckKind::Grpc(_)
        | CheckKind::Udp(_)
        | CheckKind::Dns(_)
        | CheckKind::Ping
        | CheckKind::File(_)
        | CheckKind::HaproxyAgent(_)
        | CheckKind::Agent(_) => PLAIN,
        CheckKind::All(parts) | CheckKind::Any(parts) => parts.iter().map(time_of).sum(),
    }
}

#[cfg(test)]
mod tests;

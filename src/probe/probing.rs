use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::file::FileReads;
use super::verdict::{Failure, Pass, Verdict};
use super::{Advice, Outcome, ProbeResult};
use super::{agent, dns, exec, file, grpc, haproxy_agent, http, ping, stream, udp};
use crate::clock;
use crate::config::{Check, CheckKind, Origin};
use crate::tls::TlsConfigs;

/// Makes probes of every kind. One of these serves all probes.
#[derive(Debug)]
pub(crate) struct Prober {
    tls: TlsConfigs,
    reads: FileReads,
}

/// A probe that fails so long after its deadline, or another time-out, did so
/// in a process that did not run, as in a machine that was suspended.
const STANDSTILL: Duration = Duration::from_secs(1);

/// What the kinds need to know of the probe that they make.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probing<'a> {
    target: SocketAddr,
    pub(super) origin: &'a Origin,
    /// When the whole probe is given up.
    pub(super) deadline: Instant,
    /// From the start to the deadline.
    pub(super) timeout: Duration,
    pub(super) tls: &'a TlsConfigs,
    pub(super) reads: &'a FileReads,
}

impl Probing<'_> {
    /// Where to: the real server, on this port or its own.
    pub(super) fn target(&self, port: Option<u16>) -> SocketAddr {
        SocketAddr::new(self.target.ip(), port.unwrap_or(self.target.port()))
    }

    /// A command's word or a path, with the real server put in.
    pub(super) fn fill_in(&self, text: &str) -> String {
        text.replace(crate::config::ADDRESS, &self.target.ip().to_string())
            .replace(crate::config::PORT, &self.target.port().to_string())
    }
}

impl Prober {
    pub(crate) fn new() -> Self {
        Self {
            tls: TlsConfigs::new(),
            reads: FileReads::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn reads(&self) -> &FileReads {
        &self.reads
    }

    /// Asks `target` once, and is done within the check's time-out whatever comes.
    pub(crate) async fn probe(&self, target: SocketAddr, check: &Check) -> Outcome {
        let started = clock::monotonic();
        let deadline = Instant::from_std(started) + check.timeout;
        let probing = Probing {
            target,
            origin: &check.origin,
            deadline,
            timeout: check.timeout,
            tls: &self.tls,
            reads: &self.reads,
        };
        let verdict = tokio::time::timeout_at(deadline, ask(probing, &check.kind)).await;
        let verdict = verdict.unwrap_or_else(|_| {
            let timeout = humantime::format_duration(check.timeout);
            let detail = format!("no complete answer within {timeout}");
            Err(Failure::new(ProbeResult::Timeout, detail))
        });
        let duration = clock::monotonic().saturating_duration_since(started);
        let stood_still = duration > check.timeout + check.timeout.max(STANDSTILL);
        let verdict = verdict.map_err(|failure| {
            if stood_still {
                let duration = humantime::format_duration(duration);
                Failure::internal(format!("this host stood still for some of the {duration}"))
            } else {
                failure
            }
        });
        match verdict {
            Ok(pass) => Outcome {
                result: ProbeResult::Ok,
                detail: pass.detail,
                duration,
                advice: pass.advice,
                certificate_expiry: pass.certificate_expiry,
            },
            Err(failure) => Outcome {
                result: failure.result,
                detail: failure.detail,
                duration,
                advice: None,
                certificate_expiry: None,
            },
        }
    }
}

async fn ask(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::All(parts) => Box::pin(all(probing, parts)).await,
        CheckKind::Any(parts) => Box::pin(any(probing, parts)).await,
        CheckKind::Http(_)
        | CheckKind::Stream(_)
        | CheckKind::Udp(_)
        | CheckKind::Dns(_)
        | CheckKind::Ping
        | CheckKind::Grpc(_)
        | CheckKind::Exec(_)
        | CheckKind::File(_)
        | CheckKind::HaproxyAgent(_)
        | CheckKind::Agent(_) => ask_one(probing, kind).await,
    }
}

/// All kinds but plain HTTP's are boxed: a probe of that kind, of which there
/// may be many thousands, need not make room for the largest of the others.
async fn ask_one(probing: Probing<'_>, kind: &CheckKind) -> Verdict {
    match kind {
        CheckKind::Http(check) => http::probe(probing, check).await,
        CheckKind::Stream(check) => Box::pin(stream::probe(probing, check)).await,
        CheckKind::Udp(check) => Box::pin(udp::probe(probing, check)).await,
        CheckKind::Dns(check) => Box::pin(dns::probe(probing, check)).await,
        CheckKind::Ping => Box::pin(ping::probe(probing)).await,
        CheckKind::Grpc(check) => Box::pin(grpc::probe(probing, check)).await,
        CheckKind::Exec(check) => Box::pin(exec::probe(probing, check)).await,
        CheckKind::File(check) => Box::pin(file::probe(probing, check)).await,
        CheckKind::HaproxyAgent(check) => Box::pin(haproxy_agent::probe(probing, check)).await,
        CheckKind::Agent(check) => Box::pin(agent::probe(probing, check)).await,
        CheckKind::All(_) | CheckKind::Any(_) => {
            Err(Failure::internal("a combination within another"))
        }
    }
}

/// What the parts said of a real server that passed.
#[derive(Default)]
struct Gathered {
    details: Vec<String>,
    advice: Option<Advice>,
    certificate_expiry: Option<SystemTime>,
}

impl Gathered {
    /// Of several certificates, the one that ends first matters.
    fn add(&mut self, pass: Pass) {
        self.details.push(pass.detail);
        self.advice = self.advice.or(pass.advice);
        let ends = [self.certificate_expiry, pass.certificate_expiry];
        self.certificate_expiry = ends.into_iter().flatten().min();
    }

    fn pass(self) -> Pass {
        Pass {
            detail: self.details.join("; "),
            advice: self.advice,
            certificate_expiry: self.certificate_expiry,
        }
    }
}

/// All at once. The first failure decides; one that is this host's own does
/// only if there is no other.
async fn all(probing: Probing<'_>, parts: &[CheckKind]) -> Verdict {
    let mut asked: FuturesUnordered<_> = parts
        .iter()
        .map(|part| async move { (part, ask_one(probing, part).await) })
        .collect();
    let mut gathered = Gathered::default();
    let mut own_fault = None;
    while let Some((part, verdict)) = asked.next().await {
        match verdict {
            Ok(pass) => gathered.add(pass),
            Err(failure) if failure.result == ProbeResult::Internal => own_fault = Some(failure),
            // As with HAProxy, an agent that is not there is no evidence
            // against a real server that others vouch for.
            Err(failure)
                if matches!(part, CheckKind::HaproxyAgent(_))
                    && parts.len() > 1
                    && failure.result != ProbeResult::Status =>
            {
                gathered
                    .details
                    .push(format!("no agent: {}", failure.detail));
            }
            Err(failure) => return Err(failure),
        }
    }
    match own_fault {
        Some(failure) => Err(failure),
        None => Ok(gathered.pass()),
    }
}

/// All at once. The first pass decides; if there is none, the first failure
/// does, unless one could not be asked.
async fn any(probing: Probing<'_>, parts: &[CheckKind]) -> Verdict {
    let mut asked: FuturesUnordered<_> = parts.iter().map(|part| ask_one(probing, part)).collect();
    let mut failed: Option<Failure> = None;
    while let Some(verdict) = asked.next().await {
        match verdict {
            Ok(pass) => return Ok(pass),
            Err(failure) => {
                let decides = failure.result == ProbeResult::Internal;
                if failed.is_none() || decides {
                    failed = Some(failure);
                }
            }
        }
    }
    Err(failed.unwrap_or_else(|| Failure::internal("nothing to ask")))
}

#[cfg(test)]
mod tests;

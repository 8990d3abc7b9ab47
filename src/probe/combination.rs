//! What a check asks: one thing, or several by `all` and `any`.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::dispatch::{ask_in_time, ask_one};
use super::exchange_result::{ExchangeResult, Failure, Pass};
use super::probing::Probing;
use super::weight_advice::WeightAdvice;
use crate::config::CheckKind;
use crate::model::{CertificateExpiry, ProbeResult};

/// The context is borrowed, since each future that has the whole of it keeps it twice.
pub(super) async fn ask(probing: &Probing<'_>, kind: &CheckKind) -> ExchangeResult {
    if let CheckKind::All(parts) = kind {
        return Box::pin(all(*probing, parts)).await;
    }
    if let CheckKind::Any(parts) = kind {
        return Box::pin(any(*probing, parts)).await;
    }
    ask_in_time(probing, kind).await
}

/// The results of the parts that passed.
#[derive(Default)]
struct PassedParts {
    details: Vec<String>,
    advice: Option<WeightAdvice>,
    certificate_expiry: Option<CertificateExpiry>,
}

impl PassedParts {
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

/// All that are in the scope at once. The first failure decides; one that is this host's own does
/// only if there is no other.
pub(super) async fn all(probing: Probing<'_>, parts: &[CheckKind]) -> ExchangeResult {
    let mut asked: FuturesUnordered<_> = parts
        .iter()
        .filter(|part| probing.scope.includes(part))
        .map(|part| async move { (part, ask_one(probing, part).await) })
        .collect();
    let mut gathered = PassedParts::default();
    let mut own_fault = None;
    while let Some((part, result)) = asked.next().await {
        match result {
            Ok(pass) => gathered.add(pass),
            Err(failure) if failure.result == ProbeResult::Internal => own_fault = Some(failure),
            Err(failure) => {
                let detail = without_agent(probing, parts, part, failure)?;
                gathered.details.push(detail);
            }
        }
    }
    match own_fault {
        Some(failure) => Err(failure),
        None => Ok(gathered.pass()),
    }
}

/// As with HAProxy, an agent that is not there is no evidence against a real
/// server that others vouch for, unless it said down before.
fn without_agent(
    probing: Probing<'_>,
    parts: &[CheckKind],
    part: &CheckKind,
    failure: Failure,
) -> Result<String, Failure> {
    let CheckKind::HaproxyAgent(agent) = part else {
        return Err(failure);
    };
    if parts.len() == 1 || failure.result == ProbeResult::Status {
        return Err(failure);
    }
    let target = probing.target(Some(agent.port));
    match probing.agents.still_down(target, &agent.send, &failure) {
        Some(failure) => Err(failure),
        None => Ok(format!("no agent: {}", failure.detail)),
    }
}

/// All at once. The first pass decides; if there is none, the first failure
/// does, unless one could not be asked.
pub(super) async fn any(probing: Probing<'_>, parts: &[CheckKind]) -> ExchangeResult {
    let mut asked: FuturesUnordered<_> = parts.iter().map(|part| ask_one(probing, part)).collect();
    let mut failed: Option<Failure> = None;
    while let Some(result) = asked.next().await {
        match result {
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

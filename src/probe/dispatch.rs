//! The probe of each kind of check, and its end by the deadline.

use std::sync::Arc;

use super::checks::{agent, dns, exec, file, grpc, haproxy_agent, http, ping, stream, udp};
use super::exchange_result::{ExchangeResult, Failure};
use super::probing::Probing;
use super::progress::Progress;
use crate::config::CheckKind;

/// One part of a combination, which has a progress of its own.
pub(super) async fn ask_one(probing: Probing<'_>, kind: &CheckKind) -> ExchangeResult {
    let progress = Progress::new(probing.timeout);
    let probing = Probing {
        progress: &Arc::new(progress),
        ..probing
    };
    ask_in_time(&probing, kind).await
}

/// Ends by the deadline, and then names the current activity.
pub(super) async fn ask_in_time(probing: &Probing<'_>, kind: &CheckKind) -> ExchangeResult {
    match tokio::time::timeout_at(probing.deadline, ask_kind(probing, kind)).await {
        Ok(Err(failure)) => Err(probing.progress.stopped().unwrap_or(failure)),
        Ok(pass) => pass,
        Err(_) => Err(probing.late()),
    }
}

/// All kinds but plain HTTP's are boxed: a probe of that kind, of which there
/// may be many thousands, need not make room for the largest of the others.
async fn ask_kind(probing: &Probing<'_>, kind: &CheckKind) -> ExchangeResult {
    match kind {
        CheckKind::Http(check) => http::probe(probing, check).await,
        CheckKind::Stream(check) => Box::pin(stream::probe(*probing, check)).await,
        CheckKind::Udp(check) => Box::pin(udp::probe(*probing, check)).await,
        CheckKind::Dns(check) => Box::pin(dns::probe(*probing, check)).await,
        CheckKind::Ping => Box::pin(ping::probe(*probing)).await,
        CheckKind::Grpc(check) => Box::pin(grpc::probe(*probing, check)).await,
        CheckKind::Exec(check) => Box::pin(exec::probe(*probing, check)).await,
        CheckKind::File(check) => Box::pin(file::probe(*probing, check)).await,
        CheckKind::HaproxyAgent(check) => Box::pin(haproxy_agent::probe(*probing, check)).await,
        CheckKind::Agent(check) => Box::pin(agent::probe(*probing, check)).await,
        // `probe_targets` has no probe of this kind.
        CheckKind::None => Err(Failure::internal("a probe of a check that asks nothing")),
        CheckKind::All(_) | CheckKind::Any(_) => {
            Err(Failure::internal("a combination within another"))
        }
    }
}

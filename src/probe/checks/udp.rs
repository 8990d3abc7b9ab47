//! The check `udp`: a datagram and its answer.

use std::net::SocketAddr;

use nix::net::if_::if_nametoindex;
use tokio::time::timeout_at;

use crate::config::UdpCheck;
use crate::diagnosis::PathResult;
use crate::kernel::{Hop, NextHop};
use crate::model::ProbeResult;
use crate::probe::checks::stream::missing;
use crate::probe::connect;
use crate::probe::exchange_result::{ExchangeResult, Failure, Pass};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use crate::runtime::error_chain::error_chain;

/// A datagram and its answer.
///
/// Where no answer is expected, an answer passes, and so does silence for half
/// the time-out if the kernel has found who is next on the way: the real server
/// itself on the director's own link, else a router. A port where nobody
/// listens, and a host that a router does not reach, are reported by ICMP, and fail at once.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &UdpCheck) -> ExchangeResult {
    let target = probing.target(check.port);
    let socket = connect::udp(target, probing.origin).await?;
    probing.begin(Activity::Datagram);
    socket.send(&check.send).await?;
    let Some(pattern) = &check.expect else {
        let deadline = probing.deadline - probing.timeout / 2;
        return match timeout_at(deadline, socket.recv_whole()).await {
            Ok(Ok(answer)) => Ok(Pass::new(format!("answered with {} bytes", answer.len()))),
            Ok(Err(failure)) => Err(failure),
            Err(_) => silent(probing, target).await,
        };
    };
    let answer = socket.recv_whole().await?;
    match pattern.end_in(&answer) {
        Some(_) => Ok(Pass::new(format!("answered with {} bytes", answer.len()))),
        None => Err(missing(pattern, &answer)),
    }
}

/// Nothing came back: whether the host is there, the kernel knows since it has sent.
async fn silent(probing: Probing<'_>, target: SocketAddr) -> ExchangeResult {
    let origin = probing.origin;
    let interface = match (&origin.interface, target) {
        (Some(name), _) => if_nametoindex(name.as_str()).ok(),
        (None, SocketAddr::V6(target)) if target.scope_id() != 0 => Some(target.scope_id()),
        (None, _) => None,
    };
    let asking = async {
        let mut neighbours = probing.neighbours.lock().await;
        let source = origin.source;
        neighbours.next_hop(target.ip(), source, interface).await
    };
    let found = match timeout_at(probing.own_deadline(), asking).await {
        Ok(found) => found.map_err(|error| Failure::internal(error_chain(&error)))?,
        Err(_) => {
            return Err(Failure::internal(
                "the kernel did not tell in time who is next",
            ));
        }
    };
    judge(found)
}

fn judge(found: NextHop) -> ExchangeResult {
    let closed_port = |who: String| Failure {
        path_result: Some(PathResult::NoNeighbour),
        ..Failure::new(
            ProbeResult::Unreachable,
            format!("nobody answers ARP or neighbour discovery for {who}"),
        )
    };
    match found {
        NextHop::NotAsked => Ok(Pass::new("not refused")),
        NextHop::Resolved(Hop::Target) => Ok(Pass::new("not refused, and the host is there")),
        NextHop::Resolved(Hop::Router(router)) => Ok(Pass::new(format!(
            "not refused, and the router {router} is there"
        ))),
        NextHop::Unresolved(Hop::Target) => Err(closed_port("it".to_owned())),
        NextHop::Unresolved(Hop::Router(router)) => {
            Err(closed_port(format!("the router {router}")))
        }
    }
}

#[cfg(test)]
mod tests;

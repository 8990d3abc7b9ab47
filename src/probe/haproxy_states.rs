//! What the agents of real servers said last, of the check `haproxy_agent`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::exchange_result::{ExchangeResult, Failure, Pass};
use super::haproxy_reply::{HaproxyReply, ReportedAdmin, ReportedHealth, WHY_DOWN, advice};
use super::weight_advice::WeightAdvice;
use crate::model::ProbeResult;
use crate::runtime::shared::Shared;

/// What each agent has said last of its health, of its administrative state
/// and of its share: "Parameters which are not advertised by the agent are not
/// changed" (HAProxy's configuration manual, section 5.2).
#[derive(Default)]
pub(super) struct HaproxyStates(Shared<BTreeMap<(SocketAddr, Vec<u8>), HaproxyState>>);

#[derive(Default)]
struct HaproxyState {
    health: Option<ReportedHealth>,
    admin: Option<ReportedAdmin>,
    weight: Option<WeightAdvice>,
}

impl HaproxyStates {
    /// What the agent at this address said when it last said down, if it has not
    /// said up since.
    fn why_down(&self, target: SocketAddr, question: &[u8]) -> Option<String> {
        let states = self.0.lock();
        match &states.get(&(target, question.to_vec()))?.health {
            Some(ReportedHealth::Down(why)) => Some(why.clone()),
            Some(ReportedHealth::Up) | None => None,
        }
    }

    /// The failure of a real server beside which nothing was heard of an agent that
    /// said down before, and not up since; `failure` is what was met there. HAProxy
    /// leaves such a server down as well.
    pub(super) fn still_down(
        &self,
        target: SocketAddr,
        question: &[u8],
        failure: &Failure,
    ) -> Option<Failure> {
        let why = self.why_down(target, question)?;
        Some(said_down_before(&failure.detail, &why))
    }

    /// Takes an answer of the agent at this address to this question.
    pub(super) fn on_reply(
        &self,
        target: SocketAddr,
        question: &[u8],
        reply: HaproxyReply,
    ) -> ExchangeResult {
        let mut states = self.0.lock();
        let state = states.entry((target, question.to_vec())).or_default();
        state.admin = reply.admin.or(state.admin);
        state.weight = reply.weight.or(state.weight);
        if reply.health.is_some() {
            state.health.clone_from(&reply.health);
        }
        let shown = reply.shown();
        match (&reply.health, &state.health) {
            (Some(ReportedHealth::Down(_)), _) => reply.exchange_result(),
            (None, Some(ReportedHealth::Down(why))) => Err(said_down_before(&shown, why)),
            _ => {
                let drains = state
                    .admin
                    .filter(|admin| admin.drains() && reply.admin.is_none());
                let detail = match drains {
                    Some(admin) => {
                        let word = admin.as_str();
                        format!("{shown}; it said {word} before, and not ready since")
                    }
                    None => shown,
                };
                Ok(Pass {
                    advice: advice(state.admin, state.weight),
                    ..Pass::new(detail)
                })
            }
        }
    }
}

fn said_down_before(now: &str, why: &str) -> Failure {
    let detail = format!("{now}; it said {why} before, and not up since");
    Failure::new(ProbeResult::Status, detail).with_real_server_fix(WHY_DOWN)
}

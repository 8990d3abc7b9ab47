//! The check `haproxy_agent`: the protocol of HAProxy's `agent-check`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::config::HaproxyAgentCheck;
use crate::model::ProbeResult;
use crate::probe::WeightAdvice;
use crate::probe::agent_reply::{AgentReply, ReportedAdmin, ReportedHealth, WHY_DOWN, advice};
use crate::probe::early_answer::EarlyAnswer;
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use crate::probe::verdict::{Failure, Pass, Verdict};
use crate::runtime::shared::Shared;

/// The most that is read of an answer.
const LINE: usize = 1024;

/// One line from the real server about itself, as HAProxy's `agent-check`
/// has it (HAProxy's configuration manual, section 5.2).
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &HaproxyAgentCheck) -> Verdict {
    let target = probing.target(Some(check.port));
    let mut stream = EarlyAnswer::new(probing.connect(target).await?);
    probing.begin(Activity::AgentLine);
    stream.write_all(&check.send).await?;
    let mut line = Vec::new();
    while line.len() < LINE && !line.contains(&b'\n') && !line.contains(&b'\r') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let reply = AgentReply::parse_agent(&line);
    if reply.is_empty() {
        let but = reply
            .unknown()
            .map(|words| format!(" that is known, but `{words}`"));
        let but = but.unwrap_or_default();
        let failure = Failure::protocol(format!("the agent said nothing{but}"));
        return Err(failure.with_director_fix(by_hand(target, check)));
    }
    probing.agents.on_reply(target, &check.send, reply)
}

/// How a person asks the agent. What is sent may hold a secret, and stays in the
/// configuration.
fn by_hand(target: SocketAddr, check: &HaproxyAgentCheck) -> String {
    let (ip, port) = (target.ip(), target.port());
    let send = if check.send.is_empty() {
        ""
    } else {
        ", and type what `send` of the check is"
    };
    format!(
        "ask the agent by hand: `nc {ip} {port}`{send}; a line like `up 75%` must come, with a \
         word or a weight that HAProxy knows"
    )
}

/// The failure of a real server beside which nothing was heard of an agent that
/// said down before, and not up since; `failure` is what was met there. HAProxy
/// leaves such a server down as well.
pub(in crate::probe) fn still_down(
    probing: Probing<'_>,
    check: &HaproxyAgentCheck,
    failure: &Failure,
) -> Option<Failure> {
    let target = probing.target(Some(check.port));
    let why = probing.agents.why_down(target, &check.send)?;
    Some(said_down_before(&failure.detail, &why))
}

fn said_down_before(now: &str, why: &str) -> Failure {
    let detail = format!("{now}; it said {why} before, and not up since");
    Failure::new(ProbeResult::Status, detail).with_real_server_fix(WHY_DOWN)
}

/// What each agent has said last of its health, of its administrative state
/// and of its share: "Parameters which are not advertised by the agent are not
/// changed" (HAProxy's configuration manual, section 5.2).
#[derive(Default)]
pub(in crate::probe) struct AgentStates(Shared<BTreeMap<(SocketAddr, Vec<u8>), AgentState>>);

#[derive(Default)]
struct AgentState {
    health: Option<ReportedHealth>,
    admin: Option<ReportedAdmin>,
    weight: Option<WeightAdvice>,
}

impl AgentStates {
    /// What the agent at this address said when it last said down, if it has not
    /// said up since.
    fn why_down(&self, target: SocketAddr, question: &[u8]) -> Option<String> {
        let states = self.0.lock();
        match &states.get(&(target, question.to_vec()))?.health {
            Some(ReportedHealth::Down(why)) => Some(why.clone()),
            Some(ReportedHealth::Up) | None => None,
        }
    }

    /// Takes an answer of the agent at this address to this question.
    fn on_reply(&self, target: SocketAddr, question: &[u8], reply: AgentReply) -> Verdict {
        let mut states = self.0.lock();
        let state = states.entry((target, question.to_vec())).or_default();
        state.admin = reply.admin.or(state.admin);
        state.weight = reply.weight.or(state.weight);
        if reply.health.is_some() {
            state.health.clone_from(&reply.health);
        }
        let shown = reply.shown();
        match (&reply.health, &state.health) {
            (Some(ReportedHealth::Down(_)), _) => reply.verdict(),
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

#[cfg(test)]
mod tests;

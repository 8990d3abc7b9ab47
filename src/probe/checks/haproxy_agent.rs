//! The check `haproxy_agent`: the protocol of HAProxy's `agent-check`.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::config::HaproxyAgentCheck;
use crate::probe::early_answer::EarlyAnswer;
use crate::probe::exchange_result::{ExchangeResult, Failure};
use crate::probe::haproxy_reply::HaproxyReply;
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;

/// The most that is read of an answer.
const LINE: usize = 1024;

/// One line from the real server about itself, as HAProxy's `agent-check`
/// has it (HAProxy's configuration manual, section 5.2).
pub(in crate::probe) async fn probe(
    probing: Probing<'_>,
    check: &HaproxyAgentCheck,
) -> ExchangeResult {
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
    let reply = HaproxyReply::parse_agent(&line);
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

#[cfg(test)]
mod tests;

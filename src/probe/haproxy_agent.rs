use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::advice::Said;
use super::early_answer::EarlyAnswer;
use super::probing::Probing;
use super::progress::Doing;
use super::verdict::{Failure, Verdict};
use crate::config::HaproxyAgentCheck;

/// The most that is read of an answer.
const LINE: usize = 1024;

/// One line from the real server about itself, as HAProxy's `agent-check`
/// has it (HAProxy's configuration manual, section 5.2).
pub(super) async fn probe(probing: Probing<'_>, check: &HaproxyAgentCheck) -> Verdict {
    let stream = probing.connect(probing.target(Some(check.port))).await?;
    let mut stream = EarlyAnswer::at_once(stream);
    probing.begin(Doing::AgentLine);
    stream.write_all(&check.send).await?;
    let mut line = Vec::new();
    while line.len() < LINE && !line.contains(&b'\n') {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    let said = Said::read(&line)?;
    if said.is_empty() {
        return Err(Failure::protocol("the agent said nothing"));
    }
    said.verdict()
}

#[cfg(test)]
mod tests;

mod answer;
#[cfg(fuzzing)]
pub(super) mod fuzzing;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::connect;
use super::probing::Probing;
use super::progress::Doing;
use super::verdict::{Failure, Verdict};
use crate::config::DnsCheck;

/// The largest datagram without EDNS is 512 bytes (RFC 1035, section 4.2.1);
/// a server that sends more is read all the same.
const DATAGRAM: usize = 4096;

/// One question over UDP, and over TCP if the answer is too long for that.
pub(super) async fn probe(probing: Probing<'_>, check: &DnsCheck) -> Verdict {
    let name = Name::from_utf8(&check.name).map_err(|error| Failure::internal(error.to_string()));
    let record_type: RecordType = check
        .record_type
        .parse()
        .map_err(|_| Failure::internal("no type of DNS records"))?;
    let mut name = name?;
    name.set_fqdn(true);
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name, record_type));
    let bytes = question
        .to_vec()
        .map_err(|error| Failure::internal(error.to_string()))?;
    let id = question.metadata.id;
    let mut answer = over_udp(probing, check.port, id, &bytes).await?;
    if answer.metadata.truncation {
        answer = over_tcp(probing, check.port, id, &bytes).await?;
    }
    answer::judge(&answer, record_type, check).map_err(|failure| {
        let target = probing.target(Some(check.port));
        failure.fixed_there(format!(
            "correct the server's zone or the check's `answers` or `rcode`: `dig @{} -p {} {} {record_type}` \
             shows what the server says",
            target.ip(),
            target.port(),
            check.name.escape_debug(),
        ))
    })
}

async fn over_udp(
    probing: Probing<'_>,
    port: u16,
    id: u16,
    question: &[u8],
) -> Result<Message, Failure> {
    let socket = connect::udp(probing.target(Some(port)), probing.origin).await?;
    probing.begin(Doing::DnsAnswer);
    socket.send(question).await?;
    let mut answer = vec![0; DATAGRAM];
    let length = socket.recv(&mut answer).await?;
    read(answer.get(..length).unwrap_or_default(), id)
}

/// Each message comes after its length in two bytes (RFC 1035, section 4.2.2).
async fn over_tcp(
    probing: Probing<'_>,
    port: u16,
    id: u16,
    question: &[u8],
) -> Result<Message, Failure> {
    let mut stream = probing.connect(probing.target(Some(port))).await?;
    probing.begin(Doing::DnsAnswerOverTcp);
    let length =
        u16::try_from(question.len()).map_err(|_| Failure::internal("the question is too long"))?;
    stream
        .write_all(&[&length.to_be_bytes(), question].concat())
        .await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    read(&answer, id)
}

fn read(bytes: &[u8], id: u16) -> Result<Message, Failure> {
    let answer = Message::from_vec(bytes).map_err(|_| Failure::protocol("not a DNS answer"))?;
    if answer.metadata.id == id {
        Ok(answer)
    } else {
        Err(Failure::protocol("a DNS answer to another question"))
    }
}

#[cfg(test)]
mod tests;

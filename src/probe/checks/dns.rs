//! The check `dns`: a question to a DNS server.

mod answer;
#[cfg(fuzzing)]
pub(in crate::probe) mod fuzzing;
mod reply;

use std::net::SocketAddr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout_at;

use crate::config::DnsCheck;
use crate::diagnosis::PathResult;
use crate::model::ProbeResult;
use crate::probe::connect;
use crate::probe::exchange_result::{ExchangeResult, Failure};
use crate::probe::probing::Probing;
use crate::probe::progress::Activity;
use reply::Reply;

/// The largest datagram without EDNS is 512 bytes (RFC 1035, section 4.2.1);
/// a server that sends more is read all the same.
const DATAGRAM: usize = 4096;

/// One question over UDP, and over TCP if the answer is too long for that.
pub(in crate::probe) async fn probe(probing: Probing<'_>, check: &DnsCheck) -> ExchangeResult {
    let name = Name::from_utf8(&check.name).map_err(|error| Failure::internal(error.to_string()));
    let record_type: RecordType = check
        .record_type
        .parse()
        .map_err(|_| Failure::internal("no type of DNS records"))?;
    let mut name = name?;
    name.set_fqdn(true);
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let query = Query::query(name, record_type);
    message.add_query(query.clone());
    let question = Question {
        bytes: message
            .to_vec()
            .map_err(|error| Failure::internal(error.to_string()))?,
        id: message.metadata.id,
        query,
    };
    let answer = match over_udp(probing, check.port, &question).await? {
        Some(answer) => answer,
        None => over_tcp(probing, check.port, &question)
            .await
            .map_err(|failure| after_truncation(failure, check.port))?,
    };
    answer::judge(&answer, &question.query, check).map_err(|failure| {
        let dig = dig(probing.target(Some(check.port)), &question.query);
        failure.with_real_server_fix(format!(
            "correct the server's zone or the check's `answers` or `rcode`: `{dig}` shows what the \
             server says"
        ))
    })
}

/// How a person asks the same.
fn dig(target: SocketAddr, query: &Query) -> String {
    let (ip, port) = (target.ip(), target.port());
    let (name, record_type) = (query.name().to_ascii(), query.query_type());
    let name = name.strip_suffix('.').filter(|name| !name.is_empty());
    let name = name.unwrap_or(".").escape_debug();
    format!("dig @{ip} -p {port} {name} {record_type}")
}

/// What is asked, and its bytes.
struct Question {
    bytes: Vec<u8>,
    id: u16,
    query: Query,
}

/// `None` where the answer is longer than a datagram.
async fn over_udp(
    probing: Probing<'_>,
    port: u16,
    question: &Question,
) -> Result<Option<Message>, Failure> {
    let socket = connect::udp(probing.target(Some(port)), probing.origin).await?;
    probing.begin(Activity::DnsAnswer);
    socket.send(&question.bytes).await?;
    let mut answer = vec![0; DATAGRAM];
    let mut ignored = None;
    loop {
        let Ok(received) = timeout_at(probing.deadline, socket.recv(&mut answer)).await else {
            return Err(late(probing, port, question, ignored));
        };
        let bytes = answer.get(..received?).unwrap_or_default();
        match reply::read(bytes, question.id, &question.query)? {
            Reply::Answer(answer) => return Ok(Some(answer)),
            Reply::Truncated => return Ok(None),
            Reply::Ignored(reason) => ignored = Some(reason),
        }
    }
}

/// Each message comes after its length in two bytes (RFC 1035, section 4.2.2).
async fn over_tcp(
    probing: Probing<'_>,
    port: u16,
    question: &Question,
) -> Result<Message, Failure> {
    let mut ignored = None;
    let exchange = async {
        let mut stream = probing.connect(probing.target(Some(port))).await?;
        probing.begin(Activity::DnsAnswerOverTcp);
        let bytes = &question.bytes;
        let length = u16::try_from(bytes.len())
            .map_err(|_| Failure::internal("the question is too long"))?;
        stream
            .write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat())
            .await?;
        loop {
            let length = stream.read_u16().await?;
            let mut answer = vec![0; length.into()];
            stream.read_exact(&mut answer).await?;
            match reply::read(&answer, question.id, &question.query)? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Truncated => {
                    let failure = Failure::protocol("the answer over TCP is truncated, too");
                    return Err(failure.with_real_server_fix(
                        "see in the server's log why its answer over TCP is truncated, or let the \
                         check ask for a name of fewer records",
                    ));
                }
                Reply::Ignored(reason) => ignored = Some(reason),
            }
        }
    };
    let done = timeout_at(probing.deadline, exchange).await;
    match done {
        Ok(done) => done,
        Err(_) => Err(late(probing, port, question, ignored)),
    }
}

/// No answer came in time; what came was none.
fn late(probing: Probing<'_>, port: u16, question: &Question, ignored: Option<&str>) -> Failure {
    let failure = probing.late();
    let Some(reason) = ignored else {
        return failure;
    };
    let detail = format!("{}; {reason} came and was ignored", failure.detail);
    let path_result = Some(PathResult::WrongAnswer);
    let failure = Failure {
        detail,
        path_result,
        ..failure
    };
    failure.with_real_server_fix(format!(
        "see with `ss -lntup 'sport = :{port}'` what answers on the check's port, which must be a \
         DNS server; if it is one, see what changes its answers on the way here, such as a proxy \
         or NAT: `{}` shows what comes",
        dig(probing.target(Some(port)), &question.query)
    ))
}

/// The server answers over UDP, so what fails over TCP is not the whole of it.
fn after_truncation(failure: Failure, port: u16) -> Failure {
    if failure.result.evidence() != Some(false) {
        return failure;
    }
    let detail = if failure.result == ProbeResult::Refused {
        format!("the answer over UDP was truncated, and TCP port {port} refused the connection")
    } else {
        let detail = failure.detail;
        format!("the answer over UDP was truncated, and over TCP port {port}: {detail}")
    };
    let path_result = Some(PathResult::WrongAnswer);
    let failure = Failure {
        detail,
        path_result,
        ..failure
    };
    if failure.fix.is_some() {
        // Something answers there.
        return failure;
    }
    failure.with_real_server_fix(format!(
        "let the server answer on TCP port {port} as well (`ss -ltnp`, the packet filter on the \
         way), or let the check ask for a name of fewer records"
    ))
}

#[cfg(test)]
mod tests;

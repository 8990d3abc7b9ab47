use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use hickory_proto::op::{MessageType, OpCode};
use hickory_proto::rr::rdata::{A, MX, TXT};
use hickory_proto::rr::{RData, Record};

use super::*;
use crate::config::CheckKind;
use crate::probe::Outcome;
use crate::probe::fixture::{SHORT, ask, ask_within, assert_outcome};

/// Answers over UDP by `answer`, and over TCP of the same port too.
fn server(
    answer: impl Fn(&Message, bool) -> Option<Message> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let socket = UdpSocket::bind(address).unwrap();
    let over_udp = answer.clone();
    std::thread::spawn(move || {
        let mut datagram = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let question = Message::from_vec(&datagram[..length]).unwrap();
            if let Some(answer) = over_udp(&question, false) {
                socket.send_to(&answer.to_vec().unwrap(), from).unwrap();
            }
        }
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let question = Message::from_vec(&question).unwrap();
            let answer = answer(&question, true).unwrap().to_vec().unwrap();
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            stream.write_all(&length).unwrap();
            stream.write_all(&answer).unwrap();
        }
    });
    address
}

fn answer(question: &Message, data: impl IntoIterator<Item = RData>) -> Message {
    let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    answer.add_queries(question.queries.clone());
    let name = question.queries[0].name().clone();
    answer.add_answers(
        data.into_iter()
            .map(|data| Record::from_rdata(name.clone(), 60, data)),
    );
    answer
}

fn addresses(last: &[u8]) -> Vec<RData> {
    let address = |last: &u8| RData::A(A(Ipv4Addr::new(192, 0, 2, *last)));
    last.iter().map(address).collect()
}

async fn look_up(server: SocketAddr, record_type: &str, answers: &[&str]) -> Outcome {
    ask(server, kind(server, record_type, answers)).await
}

fn kind(server: SocketAddr, record_type: &str, answers: &[&str]) -> CheckKind {
    CheckKind::Dns(DnsCheck {
        port: server.port(),
        name: "www.example.com".to_owned(),
        record_type: record_type.to_owned(),
        answers: answers.iter().map(|text| (*text).to_owned()).collect(),
    })
}

#[tokio::test]
async fn the_answers_must_have_what_is_expected() {
    let server = server(|question, _| {
        assert_eq!(question.queries[0].name().to_string(), "www.example.com.");
        Some(answer(question, addresses(&[1, 2])))
    });
    assert_outcome(
        &look_up(server, "A", &[]).await,
        ProbeResult::Ok,
        "2 A records",
    );
    let outcome = look_up(server, "A", &["192.0.2.2", "192.0.2.1"]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "2 A records");
    assert_outcome(
        &look_up(server, "A", &["192.0.2.2", "192.0.2.3"]).await,
        ProbeResult::Body,
        "the answer 192.0.2.3 is not among 2 found",
    );
    let outcome = look_up(server, "AAAA", &[]).await;
    assert_outcome(&outcome, ProbeResult::Body, "no AAAA record");
}

#[tokio::test]
async fn names_and_texts_are_compared_as_the_dns_does() {
    let mail = server(|question, _| {
        let exchange = Name::from_utf8("Mail.Example.com.").unwrap();
        Some(answer(question, [RData::MX(MX::new(10, exchange))]))
    });
    let outcome = look_up(mail, "MX", &["10 mail.example.COM"]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 MX record");
    let text = server(|question, _| {
        let text = TXT::new(vec!["v=spf1 -all".to_owned()]);
        Some(answer(question, [RData::TXT(text)]))
    });
    let outcome = look_up(text, "TXT", &["\"v=spf1 -all\""]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 TXT record");
}

#[tokio::test]
async fn refusals_silence_and_garbage_fail() {
    let refusing = server(|question, _| {
        let mut answer = answer(question, []);
        answer.metadata.response_code = ResponseCode::NXDomain;
        Some(answer)
    });
    let outcome = look_up(refusing, "A", &[]).await;
    assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
    let silent = server(|_, _| None);
    let outcome = ask_within(SHORT, silent, kind(silent, "A", &[])).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
    let other = server(|question, _| {
        let mut answer = answer(question, addresses(&[1]));
        answer.metadata.id = answer.metadata.id.wrapping_add(1);
        Some(answer)
    });
    let outcome = look_up(other, "A", &[]).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");

    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let garbled = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let (_, from) = socket.recv_from(&mut [0; 512]).unwrap();
        socket.send_to(b"\xff\xfe no DNS", from).unwrap();
    });
    let outcome = look_up(garbled, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Protocol, "not a DNS answer");
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_asked_for_over_tcp() {
    let server = server(|question, tcp| {
        let mut answer = answer(question, addresses(if tcp { &[1, 2, 3] } else { &[] }));
        answer.metadata.truncation = !tcp;
        Some(answer)
    });
    let outcome = look_up(server, "A", &["192.0.2.3"]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "3 A records");
}

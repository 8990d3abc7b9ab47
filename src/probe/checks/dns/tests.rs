use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use hickory_proto::op::{MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, MX, SRV, TXT};
use hickory_proto::rr::{DNSClass, RData, Record};

use super::*;
use crate::config::CheckKind;
use crate::model::ProbeResult;
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
        rcodes: Vec::new(),
    })
}

#[tokio::test]
async fn the_answers_must_have_what_is_expected() {
    let server = server(|question, _| {
        assert_eq!(question.queries[0].name().to_string(), "www.example.com.");
        Some(answer(question, addresses(&[2, 1])))
    });
    let both = "2 A records: 192.0.2.1, 192.0.2.2";
    let outcome = look_up(server, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Ok, both);
    let outcome = look_up(server, "A", &["192.0.2.2", "192.0.2.1"]).await;
    assert_outcome(&outcome, ProbeResult::Ok, both);
    assert_outcome(
        &look_up(server, "A", &["192.0.2.2", "192.0.2.3"]).await,
        ProbeResult::Body,
        "expected 192.0.2.3, found 2 A records: 192.0.2.1, 192.0.2.2",
    );
    let outcome = look_up(server, "AAAA", &[]).await;
    assert_outcome(
        &outcome,
        ProbeResult::Body,
        "no AAAA record, but 2 A records",
    );
}

#[tokio::test]
async fn addresses_names_and_texts_are_compared_as_what_they_are() {
    let name = |text: &str| Name::from_utf8(text).unwrap();
    let address = |text: &str| RData::AAAA(AAAA(text.parse().unwrap()));
    let text =
        |strings: &[&str]| RData::TXT(TXT::new(strings.iter().map(|s| (*s).to_owned()).collect()));
    let exchange = RData::MX(MX::new(10, name("Mail.Example.com.")));
    let alias = RData::CNAME(CNAME(name("Web.example.com.")));
    let service = RData::SRV(SRV::new(1, 2, 443, name("Web.example.com.")));
    for (found, record_type, expected, passes) in [
        (address("2001:db8::1"), "AAAA", "2001:DB8:0:0:0:0:0:1", true),
        (address("2001:db8::1"), "AAAA", "2001:db8::0001", true),
        (address("2001:db8::1"), "AAAA", "2001:db8::2", false),
        (address("::ffff:192.0.2.1"), "AAAA", "::ffff:c000:201", true),
        (exchange.clone(), "MX", "10 mail.example.COM", true),
        (exchange.clone(), "MX", "10  mail.example.com.", true),
        (exchange, "MX", "20 mail.example.com", false),
        (alias.clone(), "CNAME", "web.EXAMPLE.com", true),
        (alias, "CNAME", "web.example.org", false),
        (service, "SRV", "1 2 443 web.example.com", true),
        (text(&["v=spf1 -all"]), "TXT", "v=spf1 -all", true),
        (text(&["v=spf1 -all"]), "TXT", "\"v=spf1 -all\"", true),
        (text(&["v=spf1", " -all"]), "TXT", "v=spf1 -all", true),
        (text(&["v=spf1 -all"]), "TXT", "\"v=spf1 \" \"-all\"", true),
        (text(&["two  blanks."]), "TXT", "two  blanks.", true),
        (text(&["two  blanks."]), "TXT", "two blanks.", false),
        (text(&["v=spf1 -all"]), "TXT", "V=SPF1 -ALL", false),
        (text(&["say \"yes\""]), "TXT", "\"say \\\"yes\\\"\"", true),
        (text(&["say \"yes\""]), "TXT", "say \"yes\"", true),
    ] {
        let expected_text = format!("{found:?} as {expected}");
        let server = server(move |question, _| Some(answer(question, [found.clone()])));
        let outcome = look_up(server, record_type, &[expected]).await;
        let result = if passes {
            ProbeResult::Ok
        } else {
            ProbeResult::Body
        };
        assert_eq!(outcome.result, result, "{expected_text}: {outcome:?}");
    }
}

#[tokio::test]
async fn what_is_found_is_shown_bounded_and_printable() {
    let text = || RData::TXT(TXT::new(vec!["\u{1b}[31m".repeat(40)]));
    let server = server(move |question, _| Some(answer(question, [text()])));
    let outcome = look_up(server, "TXT", &[]).await;
    assert_eq!(outcome.result, ProbeResult::Ok, "{outcome:?}");
    assert!(!outcome.detail.contains('\u{1b}'), "{outcome:?}");
    assert!(outcome.detail.len() < 150, "{outcome:?}");
    let many: Vec<u8> = (1..=20).collect();
    let server = self::server(move |question, _| Some(answer(question, addresses(&many))));
    assert_outcome(
        &look_up(server, "A", &[]).await,
        ProbeResult::Ok,
        "20 A records: 192.0.2.1, 192.0.2.10, 192.0.2.11, 192.0.2.12, ...",
    );
}

#[tokio::test]
async fn refusals_and_silence_fail() {
    let refusing = server(|question, _| {
        let mut answer = answer(question, []);
        answer.metadata.response_code = ResponseCode::NXDomain;
        Some(answer)
    });
    let outcome = look_up(refusing, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Status, "NXDOMAIN, expected NOERROR");
    let silent = server(|_, _| None);
    let outcome = ask_within(SHORT, silent, kind(silent, "A", &[])).await;
    assert_eq!(outcome.result, ProbeResult::Timeout);
}

#[tokio::test]
async fn the_response_code_can_be_what_is_expected() {
    let ask_for = async |code: ResponseCode, data: Vec<RData>, rcodes: &[u16]| {
        let server = server(move |question, _| {
            let mut answer = answer(question, data.clone());
            answer.metadata.response_code = code;
            Some(answer)
        });
        let CheckKind::Dns(check) = kind(server, "A", &[]) else {
            panic!("another kind");
        };
        let rcodes = rcodes.to_vec();
        ask(server, CheckKind::Dns(DnsCheck { rcodes, ..check })).await
    };
    let none = Vec::new;
    let outcome = ask_for(ResponseCode::NXDomain, none(), &[3]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "NXDOMAIN");
    let outcome = ask_for(ResponseCode::Refused, none(), &[0, 3]).await;
    let detail = "REFUSED, expected NOERROR or NXDOMAIN";
    assert_outcome(&outcome, ProbeResult::Status, detail);
    let outcome = ask_for(ResponseCode::NoError, none(), &[0]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "NOERROR");
    let outcome = ask_for(ResponseCode::NoError, addresses(&[1]), &[3]).await;
    let detail = "NOERROR, expected NXDOMAIN";
    assert_outcome(&outcome, ProbeResult::Status, detail);
    let outcome = ask_for(ResponseCode::NoError, addresses(&[1]), &[0, 3]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 A record: 192.0.2.1");
}

#[tokio::test]
async fn an_answer_too_long_for_a_datagram_is_asked_for_over_tcp() {
    let server = server(|question, tcp| {
        let mut answer = answer(question, addresses(if tcp { &[1, 2, 3] } else { &[] }));
        answer.metadata.truncation = !tcp;
        Some(answer)
    });
    let outcome = look_up(server, "A", &["192.0.2.3"]).await;
    let found = "3 A records: 192.0.2.1, 192.0.2.2, 192.0.2.3";
    assert_outcome(&outcome, ProbeResult::Ok, found);
}

/// Sends these datagrams in answer to each question.
fn datagrams(answers: impl Fn(&Message) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let question = Message::from_vec(&datagram[..length]).unwrap();
            for answer in answers(&question) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    address
}

type Change = fn(&mut Message);

/// What is no answer to the question, and how that is told.
const NO_ANSWERS: [(Change, &str); 7] = [
    (
        |answer| answer.metadata.id = answer.metadata.id.wrapping_add(1),
        "an answer with another id",
    ),
    (
        |answer| answer.metadata.message_type = MessageType::Query,
        "a question",
    ),
    (
        |answer| {
            answer.queries[0].set_name(Name::from_utf8("www.example.org.").unwrap());
        },
        "an answer to another question",
    ),
    (
        |answer| {
            answer.queries[0].set_query_type(RecordType::AAAA);
        },
        "an answer to another question",
    ),
    (
        |answer| {
            answer.queries[0].set_query_class(DNSClass::CH);
        },
        "an answer to another question",
    ),
    (
        |answer| answer.queries.clear(),
        "an answer to another question",
    ),
    (
        |answer| {
            let again = answer.queries[0].clone();
            answer.add_query(again);
        },
        "an answer to another question",
    ),
];

#[tokio::test]
async fn ignores_what_is_no_answer_to_the_question() {
    for (change, reason) in NO_ANSWERS {
        let wrong = move |question: &Message| {
            let mut wrong = answer(question, addresses(&[66]));
            change(&mut wrong);
            wrong.to_vec().unwrap()
        };
        let then_right = datagrams(move |question| {
            let right = answer(question, addresses(&[1]));
            vec![wrong(question), right.to_vec().unwrap()]
        });
        let outcome = look_up(then_right, "A", &[]).await;
        assert_outcome(&outcome, ProbeResult::Ok, "1 A record: 192.0.2.1");
        let alone = datagrams(move |question| vec![wrong(question)]);
        let outcome = ask_within(SHORT, alone, kind(alone, "A", &[])).await;
        let detail = format!(
            "timed out after 300ms while waiting for the DNS answer; {reason} came and was ignored"
        );
        assert_outcome(&outcome, ProbeResult::Timeout, &detail);
        // Something has answered.
        assert_eq!(outcome.plain, Some(PathResult::WrongAnswer));
        let fix = outcome.fix.unwrap().for_real_server(alone.ip()).to_string();
        let port = alone.port();
        let expected =
            format!("see with `ss -lntup 'sport = :{port}'` what answers on the check's port");
        assert!(fix.contains(&expected), "{fix}");
        let expected = format!("`dig @127.0.0.1 -p {port} www.example.com A`");
        assert!(fix.contains(&expected), "{fix}");
    }
    let garbled = datagrams(|question| {
        let right = answer(question, addresses(&[1])).to_vec().unwrap();
        vec![b"\xff".to_vec(), Vec::new(), b"no DNS".to_vec(), right]
    });
    let outcome = look_up(garbled, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 A record: 192.0.2.1");
}

#[tokio::test]
async fn the_same_holds_over_tcp() {
    let server = server(|question, tcp| {
        let mut answer = answer(question, addresses(&[1]));
        answer.metadata.truncation = !tcp;
        if tcp {
            answer.metadata.id = answer.metadata.id.wrapping_add(1);
        }
        Some(answer)
    });
    let outcome = look_up(server, "A", &[]).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
    let expected = "the answer over UDP was truncated, and over TCP port";
    assert!(outcome.detail.starts_with(expected), "{outcome:?}");
}

#[tokio::test]
async fn fix_for_wrong_answers_over_tcp_does_not_ask_for_a_server_there() {
    let server = server(|question, _| {
        let mut answer = answer(question, addresses(&[1]));
        answer.metadata.truncation = true;
        Some(answer)
    });
    let outcome = look_up(server, "A", &[]).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
    let fix = outcome
        .fix
        .unwrap()
        .for_real_server(server.ip())
        .to_string();
    assert!(
        fix.contains("why its answer over TCP is truncated"),
        "{fix}"
    );
}

#[tokio::test]
async fn ignores_answers_from_another_address_or_port() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; 512];
        let (length, from) = server.recv_from(&mut datagram).unwrap();
        let question = Message::from_vec(&datagram[..length]).unwrap();
        let wrong = answer(&question, addresses(&[66])).to_vec().unwrap();
        for other in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)] {
            let other = UdpSocket::bind((other, 0)).unwrap();
            other.send_to(&wrong, from).unwrap();
        }
        let right = answer(&question, addresses(&[1])).to_vec().unwrap();
        server.send_to(&right, from).unwrap();
    });
    let outcome = look_up(address, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 A record: 192.0.2.1");
}

#[tokio::test]
async fn the_name_of_the_question_comes_back_in_any_case() {
    let server = server(|question, _| {
        let mut answer = answer(question, []);
        let name = Name::from_utf8("WWW.Example.COM.").unwrap();
        answer.queries[0].set_name(name);
        let name = Name::from_utf8("www.EXAMPLE.com.").unwrap();
        answer.add_answers(
            addresses(&[1])
                .into_iter()
                .map(|data| Record::from_rdata(name.clone(), 60, data)),
        );
        Some(answer)
    });
    let outcome = look_up(server, "A", &[]).await;
    assert_outcome(&outcome, ProbeResult::Ok, "1 A record: 192.0.2.1");
}

#[tokio::test]
async fn a_server_that_cannot_read_the_question_need_not_repeat_it() {
    for code in [
        ResponseCode::FormErr,
        ResponseCode::ServFail,
        ResponseCode::NotImp,
        ResponseCode::Refused,
    ] {
        let server = server(move |question, _| {
            let mut answer = answer(question, []);
            answer.queries.clear();
            answer.metadata.response_code = code;
            Some(answer)
        });
        let outcome = look_up(server, "A", &[]).await;
        assert_eq!(outcome.result, ProbeResult::Status, "{outcome:?}");
    }
}

#[tokio::test]
async fn an_answer_whose_records_cannot_be_read_fails() {
    let server = datagrams(|question| {
        let mut cut = answer(question, addresses(&[1])).to_vec().unwrap();
        cut.truncate(cut.len() - 2);
        vec![cut]
    });
    let outcome = look_up(server, "A", &[]).await;
    let detail = "the records of the DNS answer cannot be read";
    assert_outcome(&outcome, ProbeResult::Protocol, detail);
    assert_eq!(
        outcome
            .fix
            .unwrap()
            .for_real_server(server.ip())
            .to_string(),
        "on 127.0.0.1, see in the server's log why its answer is damaged, and with `ss -lntup` \
         whether the right server has the check's port"
    );
}

/// A socket has room for some hundred datagrams, so the probe gets more after each pause.
#[tokio::test]
async fn a_server_that_sends_without_end_fails_before_the_deadline_with_what_to_do() {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = server.local_addr().unwrap();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let sending = std::thread::spawn(move || {
        let (_, from) = server.recv_from(&mut [0; 512]).unwrap();
        let pause = std::time::Duration::from_millis(1);
        while end.recv_timeout(pause) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            for _ in 0..32 {
                // Nobody listens any more once the probe has ended.
                let _ = server.send_to(b"no DNS", from);
            }
        }
    });
    let outcome = look_up(address, "A", &[]).await;
    drop(ended);
    sending.join().unwrap();
    let detail = "more than 256 datagrams came, none of which fits";
    assert_outcome(&outcome, ProbeResult::Protocol, detail);
    assert_eq!(outcome.plain, Some(PathResult::WrongAnswer));
    assert_eq!(
        outcome
            .fix
            .unwrap()
            .for_real_server(address.ip())
            .to_string(),
        "on this director, see what 127.0.0.1 sends instead of an answer: `tcpdump -c 20 -ni any \
         host 127.0.0.1`"
    );
}

/// An answer with the records of these names, each an address or an alias.
fn zone(question: &Message, records: &[(&str, &str)]) -> Message {
    let mut answer = answer(question, []);
    let name = |text: &str| Name::from_utf8(text).unwrap();
    answer.add_answers(records.iter().map(|(owner, data)| {
        let data = match data.parse() {
            Ok(address) => RData::A(A(address)),
            Err(_) => RData::CNAME(CNAME(name(data))),
        };
        Record::from_rdata(name(owner), 60, data)
    }));
    answer
}

#[tokio::test]
async fn records_count_where_aliases_lead_from_the_name() {
    const ALIAS: (&str, &str) = ("www.example.com.", "Web.example.net.");
    for (records, detail) in [
        (
            &[ALIAS, ("web.EXAMPLE.net.", "192.0.2.1")][..],
            Ok("1 A record: 192.0.2.1"),
        ),
        (
            &[
                ("c.example.", "192.0.2.1"),
                ("web.example.net.", "c.example."),
                ALIAS,
            ],
            Ok("1 A record: 192.0.2.1"),
        ),
        (
            &[
                ("www.example.com.", "192.0.2.1"),
                ("evil.example.", "192.0.2.66"),
            ],
            Ok("1 A record: 192.0.2.1"),
        ),
        (
            &[("evil.example.", "192.0.2.66")],
            Err("no A record, but 1 A record of another name or class (evil.example. IN)"),
        ),
        (
            &[ALIAS, ("evil.example.", "192.0.2.66")],
            Err("no A record, but 1 CNAME record"),
        ),
        (
            &[ALIAS, ("web.example.net.", "www.example.com.")],
            Err("no A record, but 2 CNAME records"),
        ),
    ] {
        let server = server(move |question, _| Some(zone(question, records)));
        let outcome = look_up(server, "A", &[]).await;
        let (result, detail) = match detail {
            Ok(detail) => (ProbeResult::Ok, detail),
            Err(detail) => (ProbeResult::Body, detail),
        };
        assert_outcome(&outcome, result, detail);
    }
}

#[tokio::test]
async fn records_of_another_class_do_not_count() {
    let server = server(|question, _| {
        let mut answer = answer(question, addresses(&[66]));
        answer.answers[0].dns_class = DNSClass::CH;
        Some(answer)
    });
    let outcome = look_up(server, "A", &[]).await;
    let detail = "no A record, but 1 A record of another name or class (www.example.com. CH)";
    assert_outcome(&outcome, ProbeResult::Body, detail);
}

#[tokio::test]
async fn a_truncated_answer_without_tcp_is_told_as_that() {
    // Truncated in the midst of a record, too.
    for cut in [0, 2] {
        let server = datagrams(move |question| {
            let mut answer = answer(question, addresses(&[1]));
            answer.metadata.truncation = true;
            let mut bytes = answer.to_vec().unwrap();
            bytes.truncate(bytes.len() - cut);
            vec![bytes]
        });
        let outcome = look_up(server, "A", &[]).await;
        let port = server.port();
        let detail = format!(
            "the answer over UDP was truncated, and TCP port {port} refused the connection"
        );
        assert_outcome(&outcome, ProbeResult::Refused, &detail);
        assert_eq!(outcome.plain, Some(PathResult::WrongAnswer));
        let fix = outcome.fix.unwrap();
        let text = format!("{fix:?}");
        assert!(text.contains(&format!("TCP port {port}")), "{text}");
    }
}

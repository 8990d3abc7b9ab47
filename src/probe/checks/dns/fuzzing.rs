//! Answers of DNS servers, for `tests/fuzz`.

use hickory_proto::op::{Header, Query};
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use super::answer;
use super::reply::{self, Reply};
use crate::config::DnsCheck;

/// One message, as if the question had been what its question section says.
pub(crate) fn message(bytes: &[u8], check: &DnsCheck) {
    let Some(id) = bytes.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
        return;
    };
    let mut decoder = BinDecoder::new(bytes);
    let asked = Header::read(&mut decoder).and_then(|_| Query::read(&mut decoder));
    let question = asked.unwrap_or_else(|_| Query::query(Name::root(), RecordType::A));
    let Ok(Reply::Answer(message)) = reply::read(bytes, id, &question) else {
        return;
    };
    let detail = match answer::judge(&message, &question, check) {
        Ok(pass) => pass.detail,
        Err(failure) => failure.detail,
    };
    assert!(detail.len() <= 2048, "{} bytes", detail.len());
}

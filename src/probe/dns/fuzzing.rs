//! Answers of DNS servers, for `tests/fuzz`.

use hickory_proto::rr::RecordType;

use super::{answer, read};
use crate::config::DnsCheck;

/// One answer, whatever its id.
pub(crate) fn message(bytes: &[u8], check: &DnsCheck) {
    let Some(id) = bytes.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
        return;
    };
    let Ok(message) = read(bytes, id) else {
        return;
    };
    for record_type in [RecordType::A, RecordType::TXT, RecordType::SOA] {
        let detail = match answer::judge(&message, record_type, check) {
            Ok(pass) => pass.detail,
            Err(failure) => failure.detail,
        };
        assert!(detail.len() <= 2048, "{} bytes", detail.len());
    }
}

//! IPVS's messages, for `tests/fuzz`.

use super::codec;
use crate::model::Family;

/// One message, as each of the answers that it may be.
pub(crate) fn message(bytes: &[u8]) {
    drop(codec::service(bytes));
    for family in [Family::Ipv4, Family::Ipv6] {
        drop(codec::destination(bytes, family));
    }
    drop(codec::timeouts(bytes));
    drop(codec::sync_daemon(bytes));
    drop(codec::info(bytes));
}

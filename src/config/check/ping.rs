//! The check `ping`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::PING;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};
use super::CheckKind;

pub(super) fn ping(
    entry: &Entry,
    _: Option<SocketAddr>,
    problems: &mut Problems,
) -> Parsed<CheckKind> {
    Fields::section(Some(entry), &PING, problems)?;
    Ok(CheckKind::Ping)
}

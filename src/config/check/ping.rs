//! The check `ping`: its settings, and the reading of its mapping.

use std::net::SocketAddr;

use super::super::declaration::PING;
use super::super::fields::Fields;
use super::super::node::Entry;
use super::super::problem::{Parsed, Problems};

pub(super) fn ping(entry: &Entry, _: Option<SocketAddr>, problems: &mut Problems) -> Parsed<()> {
    Fields::section(Some(entry), &PING, problems).map(|_| ())
}

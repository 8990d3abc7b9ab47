//! IPVS's messages, for `tests/bench/library`.

use std::io::Cursor;

use neli::ToBytes as _;

use super::codec;
use crate::model::Family;
use crate::plan::Step;

/// The bytes of the request that carries out a step of the table.
pub fn encode(step: &Step) -> Option<Vec<u8>> {
    let message = codec::write(step)?.ok()?;
    let mut bytes = Cursor::new(Vec::new());
    message.to_bytes(&mut bytes).ok()?;
    Some(bytes.into_inner())
}

/// Whether the bytes are an item of a dump of destinations.
pub fn decode_destination(message: &[u8]) -> bool {
    codec::destination(message, Family::Ipv4).is_ok()
}

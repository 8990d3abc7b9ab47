//! The keys of the check `ping`.

use crate::config::declaration::Mapping;

pub(in crate::config) static PING: Mapping =
    Mapping::section("ping", "a ping", "The host answers an ICMP echo.", &[]);

//! How packets reach a real server.

use crate::model::Forwarding;

/// What a tunnel is made of.
pub(super) fn tunnel_of(forwarding: Forwarding) -> Option<String> {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return None;
    };
    Some(tunnel.to_string())
}

/// `tunnel gre checksum sum`, and another forwarding as it is.
pub(super) fn with_tunnel(forwarding: &str, tunnel: Option<&String>) -> String {
    let tunnel = tunnel.map(|tunnel| format!(" {tunnel}"));
    format!("{forwarding}{}", tunnel.unwrap_or_default())
}

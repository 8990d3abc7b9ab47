//! Connections: how they are opened and secured.

pub(crate) mod tcp;
pub(crate) mod tls;

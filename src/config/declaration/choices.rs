//! The words that a key can have, each with what it does.

use crate::model::{Checksum, Family, Forwarding, Protocol, ServiceFlags, Tunnel};

use super::super::{
    DirectorExit, DirectorRemoval, OnArpConflict, OnFailure, PerRealServer, RealServerExit, Via,
    WebhookFormat,
};

/// A value that is written as one of a few words.
pub(in crate::config) trait Choice: Copy + 'static {
    /// Each word, its value, and what it does.
    const WORDS: &'static [(&'static str, Self, &'static str)];
}

/// The words of a choice, and what each does.
pub(in crate::config) fn words<T: Choice>() -> Vec<(&'static str, &'static str)> {
    let words = T::WORDS.iter();
    words.map(|(word, _, doc)| (*word, *doc)).collect()
}

/// The encapsulation of a tunnel.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum TunnelType {
    Ipip,
    Gue,
    Gre,
}

macro_rules! choices {
    ($($type:ty { $($word:literal => $value:expr, $doc:literal;)+ })+) => {
        $(impl Choice for $type {
            const WORDS: &'static [(&'static str, Self, &'static str)] =
                &[$(($word, $value, $doc)),+];
        })+
    };
}

choices! {
    DirectorExit {
        "keep" => Self::Keep, "leaves the table as it is";
        "drain" => Self::Drain, "sets weights to 0";
        "remove" => Self::Remove, "takes all away";
    }
    DirectorRemoval {
        "remove" => Self::Remove, "takes what left the file away as soon as what replaces it serves";
        "drain" => Self::Drain, "also waits until its connections have ended";
    }
    OnArpConflict {
        "warn" => Self::Warn, "reports the conflict";
        "quiesce" => Self::Quiesce, "also gives the real server weight 0 while it answers for a VIP";
    }
    PerRealServer {
        "full" => Self::Full, "shows all";
        "compact" => Self::Compact, "shows health, the kernel's weight, transitions and probes";
        "off" => Self::Off, "shows virtual services and totals only";
    }
    RealServerExit {
        "keep" => Self::Keep, "leaves VIPs and sysctls";
        "remove" => Self::Remove, "takes them away";
    }
    OnFailure {
        "quiesce" => Self::Quiesce, "sets weight 0";
        "remove" => Self::Remove, "takes the real server out of the table until it passes";
        "reset" => Self::Reset, "sets weight 0, and ends its connections where nothing answers";
    }
    WebhookFormat {
        "event" => Self::Event, "is the event itself";
        "alertmanager_webhook" => Self::AlertmanagerWebhook, "is what Alertmanager sends to a webhook";
        "alertmanager_api" => Self::AlertmanagerApi, "is what Alertmanager takes at `/api/v2/alerts`";
    }
    Protocol {
        "tcp" => Self::Tcp, "is TCP";
        "udp" => Self::Udp, "is UDP";
        "sctp" => Self::Sctp, "is SCTP";
    }
    Family {
        "ipv4" => Self::Ipv4, "is IPv4";
        "ipv6" => Self::Ipv6, "is IPv6";
    }
    Forwarding {
        "direct" => Self::Direct, "is VS/DR";
        "masquerade" => Self::Masquerade, "is VS/NAT";
        "tunnel" => Self::Tunnel(Tunnel::Ipip), "is VS/TUN";
    }
    ServiceFlags {
        "fallback" => Self::FALLBACK, "gives the share of a real server that takes nothing to the others";
        "port" => Self::PORT, "makes the client's port count";
    }
    TunnelType {
        "ipip" => Self::Ipip, "is IP in IP";
        "gue" => Self::Gue, "is IP in UDP";
        "gre" => Self::Gre, "is generic routing encapsulation";
    }
    Checksum {
        "none" => Self::None, "is without a checksum";
        "sum" => Self::Sum, "has a checksum";
        "remote" => Self::Remote, "is remote checksum offload (gue only)";
    }
    Via {
        "real_server" => Self::RealServer, "asks the real server's own address";
        "vip" => Self::Vip, "takes the clients' path";
        "both" => Self::Both, "does both";
    }
}

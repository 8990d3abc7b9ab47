use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::model::OwnSource;

/// Why the result of a probe through a VIP says nothing of its real server.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unverified {
    /// Reconcile has not seen the service in the table.
    #[error("the table has no service by mark for it yet, or has it anew")]
    NoMark,
    #[error(
        "no mark of `director.probe_mark` is left for it: the finding `mark` of `lvs-agent doctor` \
         says what helps"
    )]
    NoneLeft,
    #[error(
        "the service by mark for it is not in the table as it was made: the agent puts it right, \
         or `lvs-agent reload` does at once"
    )]
    NoService,
    #[error("the table is inside this process, and takes no packet")]
    NoKernel,
    #[error(
        "the kernel does not count its connection for this real server: a rule of this host \
         changes marks (`nft list ruleset`)"
    )]
    NotCounted,
    #[error("the kernel does not say where its connection went: {0}")]
    Unreadable(String),
    #[error("it is not known yet whether IPVS takes the packets of probes")]
    NoCanary,
    #[error(
        "IPVS does not take the packets of probes: a connection by a mark without a real server \
         {0}"
    )]
    CanarySang(String),
    #[error("this host drops the answers: {0}: `{command}`", command = .0.command())]
    Deaf(OwnSource),
    #[error(
        "a firewall of this host drops the answer, which came in: let TCP from {vip} in before \
         rules on the state of connections, as by `nft insert rule inet filter input {family} \
         saddr {vip} tcp sport {port} accept`",
        vip = .0.ip(),
        port = .0.port(),
        family = if .0.is_ipv4() { "ip" } else { "ip6" }
    )]
    AnswerDropped(SocketAddr),
    #[error("a firewall of this host lets none of its packets to {0} leave (`nft list ruleset`)")]
    NothingLeaves(IpAddr),
    #[error("it failed, and is well when asked once more")]
    AnswersNow,
    #[error("suspended: this host is another director's backup, with net.ipv4.vs.backup_only")]
    Backup,
}

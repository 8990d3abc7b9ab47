//! The reasons why the result of a probe through a VIP does not count.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::model::OwnSource;

/// Why the result of a probe through a VIP is no evidence about its real server.
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
    CanaryNotRefused(String),
    #[error("this host drops the answers: {0}: `{command}`", command = .0.command())]
    AnswersDropped(OwnSource),
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

impl Unverified {
    /// What to do on the director.
    pub(crate) fn fix(&self) -> Cow<'static, str> {
        match self {
            Self::NoMark => "see in `lvs-agent status` why the table cannot be written, if the \
                             next pass does not make the service"
                .into(),
            Self::NoneLeft => {
                "widen `director.probe_mark`; `lvs-agent doctor` says how many marks \
                               are needed and who has some"
                    .into()
            }
            Self::NoService => "find out who changes the table (`ipvsadm -Ln` shows the services \
                                by mark), and `lvs-agent reload`"
                .into(),
            Self::NoKernel => "run the agent without --table memory".into(),
            Self::NotCounted => {
                "let packets with a mark of `director.probe_mark` keep their mark: \
                                 find the rule that changes marks with `nft list ruleset` and \
                                 `iptables-save -t mangle`"
                    .into()
            }
            Self::Unreadable(_) => "see whether the agent may read the table: \
                                    `lvs-agent doctor`, `dmesg`"
                .into(),
            Self::NoCanary => "nothing yet: the agent tries every second".into(),
            Self::CanaryNotRefused(_) => {
                "let IPVS have the packets of probes: see what rules do with \
                                    packets that have a mark and go to the VIP (`nft list \
                                    ruleset`), and whether `ip rule` leads them elsewhere"
                    .into()
            }
            Self::AnswersDropped(source) => format!("`{}`", source.command()).into(),
            Self::AnswerDropped(_) => "let the answers in, by the command that the last probe in \
                                       `lvs-agent status` names; `nft list ruleset` shows which \
                                       rule of the hook input drops them"
                .into(),
            Self::NothingLeaves(to) => format!(
                "let packets to {to} out: `nft list ruleset` shows which rule of the hooks output \
                 and postrouting drops them"
            )
            .into(),
            Self::AnswersNow => {
                "nothing, unless it comes often: then see the real server's log at \
                                 the time of the failure"
                    .into()
            }
            Self::Backup => "`sysctl -w net.ipv4.vs.backup_only=0`, if this host is the active \
                             director"
                .into(),
        }
    }
}

#[cfg(test)]
mod tests;

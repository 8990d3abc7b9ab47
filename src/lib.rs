//! lvs-agent: the health-checking agent of Linux Virtual Server.
//!
//! # What flows where
//!
//! ```text
//! cluster.yaml ──load, validate──▶ config
//!                                    │ desired services, checks, addresses, sysctls
//! ┌── director ──────────────────────▼──────────────────────────────────────────┐
//! │ probe      one task a distinct (target, check)   ──Report──▶ health         │
//! │ health     one pool a service, one task          ──Intent──▶ reconcile      │
//! │ reconcile  the only writer: observe, diff, apply ──────────▶ kernel         │
//! │                                                  ◀──truth───                │
//! │ arp_audit  who else answers for a VIP ──thefts──▶ health                    │
//! │ notify     health's and reconcile's events ──▶ programs, webhooks           │
//! │ snapshot   the latest values ──▶ http (/metrics, /status, page), control    │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! real server: config ──▶ desired addresses and sysctls ──▶ the same reconcile
//!              look, every second ──readiness──▶ snapshot ◀──asks── the check `agent`
//! ```
//!
//! Data goes one way. A probe never touches health's state, health never
//! touches the kernel, and only reconcile writes. The way of one result: the
//! probe's task reports it ([`probe`]), the health task feeds it to the
//! machines of the real servers that it speaks of ([`health`]), a change of
//! verdict is put down as the wanted weight ([`health::weight_updates`]), and the director's
//! loop writes it by one message ([`reconcile`], `DirectorLoop::write_weights`).
//!
//! A check may lead through the VIP ([`probe::vip_path`]): reconcile keeps a virtual
//! service by mark for each real server, and tells the probes which of them the
//! kernel has; probes read the kernel's counts through a door of their own that
//! cannot write. What they saw becomes a [`diagnosis`].
//!
//! # Rules
//!
//! - **Pure core.** `model`, `config` once the file is read, the machine in
//!   `health`, `desired` and `plan` know no runtime, socket, file or clock.
//!   Time is an argument; `clock` alone reads it, by a lint.
//! - **The kernel is the truth.** Reconcile observes before it plans and again
//!   after it wrote. A dump that is not whole means: do nothing, try again.
//! - **The fast path is a scalpel.** A verdict costs one message and no dump.
//!   The whole is compared at the start, on every resync, and at once when the
//!   kernel's answer shows that the table is not what it was.
//! - **Shared value, not a queue.** Health overwrites the wanted weight, so a
//!   slow kernel neither stalls probes nor piles up stale work.
//! - **Own only what is configured.** What is not ours is not even looked at.
//!   What was configured once is removed because the state file says so.
//! - **Start and stop are invisible to traffic.** Weights found in the kernel
//!   stay until there is a verdict.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | director | the host whose IPVS table spreads connections |
//! | real server | a host that answers them |
//! | virtual service | VIP, port and protocol, or a firewall mark |
//! | VIP, RIP, DIP | the service's, a real server's, the director's own address |
//! | forwarding | direct routing, masquerade or tunnel |
//! | scheduler | how the kernel picks a real server |
//! | weight | a real server's share of new connections; 0 quiesces it |
//! | check | what is configured to be asked of a real server |
//! | probe | one execution of a check; it has an outcome |
//! | mark | the firewall mark of probes through VIPs to one real server |
//! | canary | a connection by the mark that leads to no real server |
//! | unverified | the outcome of a probe that may have gone elsewhere |
//! | diagnosis | what is wrong with a real server, from all that probes saw, and what mends it |
//! | rise, fall | passes, failures in a row that make a verdict |
//! | transition | a change of verdict |
//! | drift | the kernel differs from what the agent left there |
//! | event | what operators may want to be told of: a transition, drift |
//! | resync | the regular comparison of the kernel with the configuration |
//! | slow start | the rise of a weight, in steps, after its real server came up |
//! | quorum | the weight that must be up for a service to be well |
//! | sorry server | who serves while the quorum is lost |
//! | fail-open | to let failing real servers serve when too few others are left |
//! | leaving | no longer configured, and quiesced until its connections have ended |
//! | hold | to change no weight, since the fault is likely the director's own |
//! | conflict | somebody else on the link says that they have a VIP |
//! | ready | of a real server: nothing keeps it from serving through its VIP |
//! | lack | what does keep it from that |
//! | finding | one thing that `doctor` looked at, with its verdict |
//! | adopt | to take over what is found in the kernel as it is |

mod agent;
pub mod cli;
pub mod config;
mod control;
mod diagnosis;
mod doctor;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod http;
mod kernel;
mod link;
mod metrics;
pub mod model;
mod net;
mod notify;
pub mod plan;
mod probe;
mod readiness;
mod reconcile;
pub mod runtime;
mod status;

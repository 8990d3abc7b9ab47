//! lvs-agent: the health-checking agent of Linux Virtual Server.
//!
//! # Flow of data
//!
//! ```text
//! cluster.yaml ──load, validate──▶ config
//!                                    │ desired services, checks, addresses, sysctls
//! ┌── director ──────────────────────▼──────────────────────────────────────────┐
//! │ probe      one task per distinct (target, check)  ──ProbeReport──▶ health        │
//! │ link       carrier, ARP audit                     ──inputs──▶ health        │
//! │ health     rise, fall, pools, drains         ──weight update──▶ reconcile   │
//! │ reconcile  the only writer: observe, diff, apply ───────────▶ kernel        │
//! │ notify     events of health and reconcile ──▶ programs, webhooks            │
//! │ status     the latest values ──▶ http (/metrics, /status, page), control    │
//! └─────────────────────────────────────────────────────────────────────────────┘
//! real server: config ──▶ desired addresses and sysctls ──▶ the same reconcile
//!              inspection, every second ──readiness──▶ status ◀── the check `agent`
//! ```
//!
//! The way of one failed probe to weight 0 in the kernel:
//!
//! 1. The probe's task (`probe::task`) runs the check (`probe::checks`) and sends a
//!    report to the health task.
//! 2. `health::machine` counts the failure; after `fall` of them the verdict changes.
//! 3. `health::pool` computes the weights of the virtual service from all verdicts.
//! 4. The health task writes the new weight into `health::weight_updates`.
//! 5. `reconcile::director` takes the update and sends one `SET_DEST` message
//!    (`fast_path`), which `kernel::ipvs` encodes.
//!
//! On a reload, `agent::reload` reads and validates the whole file first. A file with
//! an error changes nothing: the agent goes on with the configuration in force.
//!
//! # Rooms
//!
//! Each folder imports only folders above it in this list, or before it on its line;
//! `tests/layout.rs` reads this list.
//!
//! | folder | contents |
//! |---|---|
//! | `model` | the words of the field as types; pure data |
//! | `runtime` | clock, signals, systemd, log, files, panics, child processes |
//! | `config` | the configuration file, validated, with positions of errors |
//! | `import` | configurations of keepalived, ldirectord and ipvsadm as one of ours; pure |
//! | `net` | TCP sockets and TLS |
//! | `plan` | desired state, diff, safe order, text of the steps; pure |
//! | `readiness`, `diagnosis` | what was seen → what is wrong and how to fix it; pure |
//! | `kernel` | the edge: netlink, IPVS, addresses, sysctls, ARP, the table in memory |
//! | `status` | the latest values, for everything that is shown |
//! | `probe` | schedule, tasks, kinds of check (`checks`), probes through the VIP (`vip_path`) |
//! | `metrics`, `notify` | exposition for Prometheus; events to programs and webhooks |
//! | `link` | carrier of the director's link, ARP audit |
//! | `health` | verdicts, pools, drains, weights |
//! | `reconcile` | the only writer of the kernel: observe, diff, apply |
//! | `http`, `control` | endpoints; the control socket |
//! | `agent` | the two roles: start, main loop, reload, end |
//! | `doctor`, `cli` | diagnosis on demand; one file per subcommand |
//!
//! # Rules
//!
//! - **Pure core.** `model`, `readiness`, `diagnosis`, `plan` and the decisions of
//!   `health` use no runtime, socket, file or clock. Time is an argument;
//!   `runtime::clock` alone reads the clock, and a lint holds that.
//! - **The kernel is the truth.** Reconcile observes before it plans and again after it
//!   wrote. After an incomplete dump, reconcile does nothing and tries again.
//! - **The fast path is one message.** A change of a verdict costs one `SET_DEST` and no dump.
//!   Reconcile compares the whole table at start, on every resync, and at once when an
//!   answer of the kernel shows that the table has changed.
//! - **Latest value, not a queue.** Health overwrites the wanted weight, so a slow kernel
//!   neither stalls probes nor piles up stale work.
//! - **Own only what is configured.** The agent leaves foreign services, addresses and
//!   sysctls alone. The state file alone says what the agent once configured and may remove.
//! - **Start and stop are invisible to traffic.** Weights found in the kernel stay until
//!   there is a verdict.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | director | the host whose IPVS table spreads connections |
//! | real server | a host that answers the connections |
//! | virtual service | VIP, port and protocol, or a firewall mark |
//! | VIP, RIP, DIP | the address of the service, of a real server, of the director itself |
//! | forwarding | direct routing, masquerade or tunnel |
//! | scheduler | how the kernel selects a real server |
//! | weight | a real server's share of new connections; 0 quiesces the real server |
//! | check | the configured way to ask a real server |
//! | probe | one execution of a check; a probe has an outcome |
//! | rise, fall | passed or failed probes in a row that make a verdict |
//! | report | what a probe sends to the health task |
//! | verdict | what health holds of a real server: unknown, up or down (`model::Health`) |
//! | transition | a change of verdict |
//! | mark | the firewall mark of probes through VIPs to one real server |
//! | canary | a connection with the mark that leads to no real server |
//! | unverified | the outcome of a probe that another host may have answered |
//! | diagnosis | what is wrong with a real server, from all its probes, and the fix |
//! | drain | an operator's wish that a real server gets no new connections; `model::DrainRule` tells when a drain is over |
//! | leaving | no longer configured, and still in the kernel until connections end |
//! | owned | made or taken over by the agent, as the state file says |
//! | drift | the kernel differs from what the agent left there |
//! | event | a transition, drift, or another change that operators are notified of |
//! | resync | the regular comparison of the kernel with the configuration |
//! | slow start | the stepwise rise of a weight after its real server came up |
//! | quorum | the weight that must be up for a service to be well |
//! | sorry server | the real server that serves while the quorum is lost |
//! | fail-open | failing real servers serve when too few others are left |
//! | freeze | no weight is changed, since the fault is likely the director's own |
//! | conflict | another host on the link claims a VIP |
//! | ready | nothing keeps a real server from serving through its VIP |
//! | finding | one result of `doctor`, with its severity |
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
mod import;
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

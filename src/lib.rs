//! lvs-agent: the health-checking agent of Linux Virtual Server.
//!
//! # Flow of data
//!
//! ```text
//! cluster.yaml ──load, validate──▶ config
//!                                    │ desired services, checks, addresses, sysctls
//! ┌── director ──────────────────────▼────────────────────────────────────────────┐
//! │ probe      one task per distinct (target, check)   ──ProbeReport──▶ health     │
//! │ link       carrier, ARP audit                      ──LinkInputs───▶ health     │
//! │ health     rise, fall, pools, drains               ──WeightUpdates▶ reconcile  │
//! │ reconcile  the only writer: observe, diff, apply   ───────────────▶ kernel     │
//! │            connection counts                       ──Loads────────▶ health     │
//! │ notify     events of health and reconcile          ───────────────▶ programs,  │
//! │                                                                     webhooks   │
//! │ status     the latest values                       ───────────────▶ http,      │
//! │                                                                     control    │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! real server: config ──▶ desired addresses and sysctls ──▶ the same reconcile
//!              inspection, every second ──readiness──▶ status ◀── the check `agent`
//! ```
//!
//! Health decides by its inputs alone: what health needs of the kernel reaches it as an input.
//!
//! # Where a decision is made
//!
//! The way of one failed probe to weight 0 in the kernel:
//!
//! 1. The probe's task (`probe::task`) runs the check (`probe::checks`) and sends a
//!    `ProbeReport`. `health::driver` passes the report to `health::core`.
//! 2. `health::core::report` counts the failure in `health::machine`. The verdict is down
//!    after `fall` failures in a row.
//! 3. `health::pool::weights` computes the weights of the virtual service from all
//!    verdicts. A real server that is down gets weight 0 there, unless the pool fails open.
//! 4. `health::driver::effects` writes the new weight into `health::weight_updates`.
//! 5. `reconcile::director::fast_path` takes the update and sends one `SET_DEST` message,
//!    which `kernel::ipvs::codec::encode` encodes.
//!
//! A reload: `agent::reload` reads and validates the whole file first. A file with an error
//! changes nothing: `record_reload` there raises the condition `reload_failed`, and the
//! agent continues with the configuration in force. `agent::director::reload` hands a valid
//! configuration to the probes, to health and to reconcile, in that order.
//!
//! The end of a drain: `model::drain` has the rule, for operators' drains and for real
//! servers that left the configuration. `health::drains` applies the rule to the former,
//! `reconcile::director::pending_removals` to the latter.
//!
//! # Where an addition goes
//!
//! | addition | place |
//! |---|---|
//! | a kind of check | the settings and their reader in a file of `config::check`, the keys in a file of `config::declaration::check`, a variant in `config::check::kind`, the probe in a file of `probe::checks`, called in `probe::dispatch` |
//! | a configuration key | one entry in `config::declaration`, one line in the reader of its mapping |
//! | a condition | one entry in `model::condition`, raised where the fact is known, or found by one entry in `status::examiner` |
//! | a metric | one entry in `metrics::exposition::families` |
//! | a subcommand | its arguments in `cli::arguments`, a file in `cli` |
//!
//! # Folders
//!
//! Each folder imports only folders above it in this list, or before it on its line, and no
//! modules of one folder import each other in a circle; `tests/layout` reads this list.
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
//! - **Readers come after probes.** `http` and `control` have threads with a low priority of
//!   their own, and write at a bounded pace; probes, health and reconcile share two others.
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
//! | watch | an idle connection to a real server, whose end brings the next probe forward |
//! | rise, fall | passed or failed probes in a row that make a verdict |
//! | report | what a probe sends to the health task |
//! | verdict | the health of a real server: unknown, up or down (`model::Health`) |
//! | transition | a change of verdict |
//! | mark | the firewall mark of probes through VIPs to one real server |
//! | canary | a connection with the mark that leads to no real server |
//! | unverified | the outcome of a probe that another host may have answered |
//! | diagnosis | what is wrong with a real server, from all its probes, and the fix |
//! | drain | an operator's decision that a real server gets no new connections; `model::DrainRule` says when a drain is over |
//! | leaving | no longer configured, and still in the kernel until connections end |
//! | owned | made or taken over by the agent, as the state file says |
//! | drift | the kernel differs from what the agent left there |
//! | event | a transition, drift, or another change that operators are notified of |
//! | resync | the regular comparison of the kernel with the configuration |
//! | slow start | the stepwise rise of a weight after its real server came up |
//! | quorum | the weight that must be up for a service to be well |
//! | sorry server | the real server that serves while the quorum is lost |
//! | fail-open | failing real servers serve when too few others are left |
//! | freeze | no weight is changed while the fault is likely the director's own |
//! | conflict | another host on the link answers ARP for a VIP |
//! | ready | nothing keeps a real server from serving through its VIP |
//! | finding | one result of `doctor`, with its severity |
//! | adopt | to take over what is found in the kernel as it is |

mod agent;
#[cfg(benchmarking)]
#[doc(hidden)]
pub mod benchmarking;
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

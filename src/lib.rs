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
//! │            urgency of the next probe               ──ProbeRate────▶ probe      │
//! │            hosts that answer no probe              ───────────────▶ link       │
//! │ reconcile  the only writer: observe, diff, apply   ───────────────▶ kernel     │
//! │            connection counts                       ──Loads────────▶ health     │
//! │ notify     events of health, reconcile and reload, ───────────────▶ programs,  │
//! │            conditions                                               webhooks,  │
//! │                                                                     mail       │
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
//! The way of one failed probe to the kernel:
//!
//! 1. The probe's task (`probe::task`) runs the check. `probe::prober` asks the real server's
//!    own address, through the VIP, or both; `probe::combination` asks the parts of `all` and
//!    `any`; `probe::dispatch` calls the probe of the kind in `probe::checks`. The task sends a
//!    `ProbeReport`, which `health::driver` passes to `health::core`.
//! 2. `health::core::report` passes the outcome to `health::pool`, where `pool::member` counts
//!    the failure in `health::machine`. The verdict is down after `fall` failures in a row.
//! 3. `health::pool::weights` computes the weights of the virtual service from all verdicts. A
//!    real server that is down gets weight 0, unless the pool fails open, or the health of
//!    whatever would replace the real server is still unknown. While weights are frozen, none
//!    changes.
//! 4. `health::pool::failure` decides what is done beside that (`Handling`). With
//!    `on_failure: remove` the real server leaves the table. With `on_failure: reset` its
//!    connections are ended if it cannot be reached; without `on_failure` this holds for UDP, and
//!    for a host that is gone, while another real server serves. With `on_failure: quiesce`
//!    nothing more is done.
//! 5. `health::core::weights` makes one effect of weight and handling, and
//!    `health::driver::effects` writes it into `health::weight_updates`.
//! 6. `reconcile::director::fast_path` takes the update and sends one message, without a dump:
//!    `SET_DEST` for a weight, `DEL_DEST` for a removal or a reset. `kernel::ipvs::codec::encode`
//!    encodes the message.
//! 7. After a reset, `reconcile::director::resets` adds the real server again with weight 0
//!    (`NEW_DEST`), reads the connections that are left in that virtual service, and repeats the
//!    reset up to two times.
//!
//! A reload: `agent::reload::reload_config` reads and validates the whole file first.
//! `agent::director::reload` then lets reconcile read the table. A file with an error, and a
//! table that cannot be read, change nothing. From there on nothing refuses the configuration,
//! which goes to the probes, to health and to reconcile, in that order. `agent::serve` passes
//! the result of every reload to `agent::reload::record_reload`, which raises or clears the
//! condition `reload_failed`.
//!
//! The end of a drain: `model::drain` has the rule. `health::drains` applies the rule to
//! operators' drains, by the counts that `reconcile::director::connection_counts` reads.
//!
//! The end of a real server that left the configuration: `plan::pending_removal` decides by the
//! same rule, by `removal_deadline` and by `on_removal`. `reconcile::director::pending_removals`
//! reads the counts and carries out the step that is due.
//!
//! # Where an addition goes
//!
//! | addition | place |
//! |---|---|
//! | a kind of check | the settings and their reader in a file of `config::check`, named in `SIMPLE` there; the keys in a file of `config::declaration::check`, named in `SIMPLE_KINDS` there; a variant in `config::check::kind`, where the compiler names the methods that must know the kind; the probe in a file of `probe::checks`, called in `probe::dispatch`; its stages in `probe::progress` |
//! | a configuration key | one entry in `config::declaration`, the field in `config::types` (a word that chooses a policy in `config::policies`, a key of a check in the type of its kind), one line in the reader of its mapping, and an example in `config/cluster.yaml`; `UPDATE_EXPECT=1 cargo test --test config` writes the reference of the manual |
//! | a condition | one entry in `model::condition`, raised where the fact is known, or found by one entry in `status::examiner`; `UPDATE_EXPECT=1 cargo test --lib model::condition` writes the row in `deploy/manual/conditions.md` |
//! | a metric | a value of the snapshot: one entry in `metrics::exposition::families::host`, `service` or `real_server`; a counter or a histogram: a field of `metrics::Metrics`; each with a row in `deploy/manual/metrics.md` |
//! | a subcommand | its arguments in `cli::arguments`, a file in `cli`, called in `cli::run` |
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
//! | `metrics`, `notify` | exposition for Prometheus; events to programs, webhooks and mail |
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
//! - **The fast path is one message.** A changed weight costs one `SET_DEST`, a removal one
//!   `DEL_DEST` and the return one `NEW_DEST`, without a dump. Only a reset reads destinations,
//!   those of its virtual service. A pass that reads or writes a large table lets such messages
//!   go first, between two services or two batches of steps. Reconcile compares the whole table at start, on every resync,
//!   and at once when an answer of the kernel shows that the table has changed.
//! - **Latest value, not a queue.** Health overwrites the wanted weight, so a slow kernel
//!   neither stalls probes nor piles up stale work.
//! - **Readers come after probes.** `http` and `control` have threads with a low priority of
//!   their own, and write at a bounded pace; probes, health and reconcile share one other.
//!   From the first configuration of many real servers on, they share two
//!   (`agent::director::workers`).
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
//! | role | what the agent is on this host: director or real server |
//! | member | a real server, or the sorry server, of a virtual service |
//! | forwarding | direct routing, masquerade or tunnel |
//! | scheduler | how the kernel selects a real server |
//! | weight | a real server's share of new connections; 0 quiesces the real server |
//! | reported weight, advice | a weight that a check reports in place of the configured one (`probe::WeightAdvice`) |
//! | check | the configured way to ask a real server |
//! | probe | one execution of a check; a probe has an outcome |
//! | target | of a command: the real servers that it names (`model::Target`); of a probe: the address and check that real servers share (`probe::ProbeTarget`); of `notify`: who receives events |
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
//! | leaving | no longer configured, and still in the kernel until connections end (`plan::pending_removal`) |
//! | replaced | of a virtual service: its configured real servers serve, so that real servers that are leaving get weight 0 |
//! | owned | made or taken over by the agent, as the state file says |
//! | drift | the kernel differs from what the agent left there |
//! | event | a transition, drift, or another change that operators are notified of |
//! | pass | one run of reconcile over the whole table: observe, diff, apply, observe again |
//! | resync | the regular pass, every `resync_interval` |
//! | slow start | the stepwise rise of a weight after its real server came up |
//! | quorum | the weight that must be up for a service to be well |
//! | sorry server | the real server that serves while the quorum is lost |
//! | fail-open | failing real servers serve when too few others are left |
//! | freeze | no weight is changed while the fault is likely the director's own |
//! | conflict | another host on the link answers ARP for a VIP |
//! | ready | nothing keeps a real server from serving through its VIP |
//! | finding | one result of `doctor`, with its severity |
//! | adopt | to take over what is found in the kernel as it is |

#![warn(
    clippy::mod_module_files,
    reason = "the file of a module is beside its folder"
)]

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

//! The configuration: one file for the whole cluster, read into a form that
//! is valid or does not exist.
//!
//! 1. [`yaml`] builds a tree in which every value knows its position. One
//!    parser, saphyr's, sees the text; nesting, aliases and size are bounded
//!    while it does.
//! 2. [`declaration`] has each key once: its kind of value, range, default and
//!    documentation. [`fields`] reads the keys of a mapping by it, and the
//!    JSON Schema and the manual's reference are made of it.
//! 3. The readers (`sections`, `service`, `check` and so on) make drafts, in
//!    which [`problem::ErrorGuaranteed`] stands for a value whose problem is
//!    reported; then the rest goes on.
//! 4. [`rules`] and [`warnings`] compare the drafts with each other. The result is a [`Config`],
//!    whose types are in [`types`].
//!
//! Serde has no part in it: a `Deserialize` ends at the first error, and has
//! no position for the second.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of all that YAML can say, a reader names what the reader takes"
)]

mod address;
mod check;
mod check_rules;
mod checked_members;
mod declaration;
mod defaults;
mod digest;
mod error;
mod fields;
mod foreign;
mod include;
mod ipvs;
mod load;
mod node;
mod notify;
mod pem;
mod policies;
mod pool;
mod probe_mark;
mod probe_mark_rules;
mod problem;
mod range;
mod real_server_entry;
mod rules;
mod scalar;
mod secret;
mod secret_reader;
mod sections;
mod service;
mod service_key;
mod service_member;
mod sockets;
mod source;
mod spelling;
mod syntax;
mod types;
mod unexpanded;
mod via;
mod warnings;
mod webhook_format;
mod whole_number;
mod yaml;

pub(crate) use address::of_no_host;
pub(crate) use check::{ADDRESS, PORT, RCODES};
pub use check::{
    AgentCheck, Check, CheckKind, ClientCertificate, ClientKey, DnsCheck, ExecCheck, ExpectedBody,
    Expression, FileCheck, GrpcCheck, HaproxyAgentCheck, HttpCheck, Origin, Pattern, StatusRanges,
    Step, StreamCheck, TlsSettings, UdpCheck,
};
pub(crate) use declaration::{CHECK_TIMEOUTS, INTERVALS, LONGEST_TIMEOUT, RUN};
pub use declaration::{manual_page, reference, schema};
pub use error::{ConfigErrors, ConfigWarning, Report};
pub(crate) use foreign::meaning as foreign_meaning;
pub use notify::{Mail, Notify, NotifyTarget, Webhook};
pub use policies::{
    DirectorExit, DirectorRemoval, OnArpConflict, OnFailure, PerRealServer, RealServerExit,
};
pub use probe_mark::ProbeMark;
pub(crate) use range::{AddressRange, MOST as MOST_EXPANDED};
pub use secret::Secret;
pub use service_member::ServiceMember;
pub use sockets::Sockets;
pub(crate) use source::{
    LARGEST, is_handed_over, read as read_file, read_main, read_standard_input,
};
pub use types::{
    Config, Control, Director, Http, MetricsSection, Pool, RealServer, RealServerRole, SorryServer,
    VirtualService,
};
pub use via::Via;
pub use webhook_format::WebhookFormat;

//! keepalived.conf: its virtual servers. VRRP and the rest stay keepalived's.

mod blocks;
mod checker;
mod group;
mod http;
mod lines;
mod script;
mod settings;
mod target;
mod tls;
mod udp;
mod virtual_server;

use std::collections::BTreeMap;

use self::blocks::Statement;
use self::group::Group;
use self::tls::ClientTls;
use self::virtual_server::VirtualServer;
use super::draft::Draft;
use super::note::Notes;
use super::render::Timeouts;
use super::{ExpansionBudget, ImportError, ReadIncluded, SourceText};

/// How keywords of keepalived's other parts begin.
const OTHERS: [&str; 23] = [
    "vrrp_",
    "global_defs",
    "static_",
    "bfd_instance",
    "net_namespace",
    "namespace_with_ipsets",
    "instance",
    "use_pid_dir",
    "linkbeat",
    "child_wait_time",
    "track_",
    "garp_group",
    "interface_up_down_delays",
    "router_id",
    "group",
    "notification_email",
    "smtp_",
    "process_",
    "checker_",
    "script_",
    "enable_",
    "dynamic_interfaces",
    "include_check",
];

/// The services of a file and of those that it includes.
pub(super) fn read(
    main: SourceText,
    read_included: &mut ReadIncluded<'_>,
    notes: &mut Notes,
) -> Result<(Vec<Draft>, Timeouts), ImportError> {
    let lines = lines::read(main, read_included, notes)?;
    let statements = blocks::parse(&lines, notes)?;
    let mut budget = ExpansionBudget::default();
    let mut groups = BTreeMap::new();
    let mut tls = ClientTls::default();
    let mut timeouts = Timeouts::new();
    for statement in &statements {
        match statement.keyword() {
            "virtual_server_group" => {
                let group = Group::read(statement, &mut budget, notes);
                groups.insert(statement.argument(0).to_owned(), group);
            }
            "SSL" => tls = ClientTls::read(statement, notes),
            "global_defs" => timeouts.extend(settings::timeouts(statement, notes)),
            _ => {}
        }
    }
    let mut drafts: Vec<Draft> = Vec::new();
    let mut others = Vec::new();
    for statement in &statements {
        let keyword = statement.keyword();
        if keyword == "virtual_server" {
            notes.set_service(Some(drafts.len()));
            let server = VirtualServer {
                statement,
                groups: &groups,
                tls: &tls,
            };
            drafts.extend(server.read(notes));
            note_further_words(statement, notes);
            notes.set_service(None);
        } else if OTHERS.iter().any(|other| keyword.starts_with(other)) {
            others.push(statement);
        } else if !["virtual_server_group", "SSL"].contains(&keyword) {
            outside(statement, notes);
        }
    }
    note_others(&others, notes);
    Ok((drafts, timeouts))
}

/// A statement that is none of those on the top level.
fn outside(statement: &Statement, notes: &mut Notes) {
    if statement.is_template(notes) {
        return;
    }
    // A line of ldirectord is one word, with its value, if it has no blanks.
    let (keyword, is_of_ldirectord) = match statement.keyword().split_once('=') {
        Some((key, _)) => (key, true),
        None => (statement.keyword(), statement.argument(0).starts_with('=')),
    };
    let mut text =
        format!("`{keyword}` is left out: it is no keyword of keepalived that is known here");
    if is_of_ldirectord {
        text.push_str("; `KEY = VALUE` is a line of ldirectord: `lvs-agent import ldirectord`");
    }
    notes.add(statement.location, text);
}

/// Keywords of virtual servers and what is in them that take one word, or none. keepalived
/// reads no further ones.
const ONE_WORD: [&str; 34] = [
    "alpha",
    "bind_if",
    "bind_port",
    "bindto",
    "connect_ip",
    "connect_port",
    "connect_timeout",
    "delay_before_retry",
    "delay_loop",
    "digest",
    "fwmark",
    "helo_name",
    "hysteresis",
    "inhibit_on_failure",
    "ip_family",
    "lb_algo",
    "lthreshold",
    "lvs_sched",
    "misc_timeout",
    "name",
    "nb_get_retry",
    "nb_sock_retry",
    "ops",
    "path",
    "persistence_engine",
    "persistence_granularity",
    "persistence_timeout",
    "protocol",
    "quorum",
    "retry",
    "type",
    "uthreshold",
    "virtualhost",
    "weight",
];

/// Keywords that take two words.
const TWO_WORDS: [&str; 3] = ["real_server", "sorry_server", "virtual_server"];

/// Notes the words that follow those of a keyword on its line.
fn note_further_words(statement: &Statement, notes: &mut Notes) {
    let keyword = statement.keyword();
    let taken = if ONE_WORD.contains(&keyword) {
        1
    } else if TWO_WORDS.contains(&keyword) {
        2
    } else {
        usize::MAX
    };
    if let Some(further) = statement
        .arguments()
        .get(taken..)
        .filter(|all| !all.is_empty())
    {
        let text = format!(
            "`{}` after `{keyword}` and its value is left out, as keepalived does: write each \
             keyword on a line of its own",
            further.join(" ")
        );
        notes.add(statement.location, text);
    }
    for inner in statement.block() {
        note_further_words(inner, notes);
    }
}

/// One note for all that keepalived goes on doing.
fn note_others(others: &[&Statement], notes: &mut Notes) {
    let Some(first) = others.first() else {
        return;
    };
    let mut names: Vec<_> = others.iter().map(|other| other.keyword()).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let text = format!(
        "keepalived goes on with {}: remove the virtual servers from its file, or start it \
         with `--vrrp`, and leave out `director.interface` here",
        names.join(", ")
    );
    notes.once("others", first.location, text);
}

#[cfg(test)]
mod tests;

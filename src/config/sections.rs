//! The sections `http`, `metrics`, `control`, `director` and `real_server`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{SysctlKey, Timeout};

use super::declaration::{CONTROL, DIRECTOR, HTTP_SECTION, METRICS, REAL_SERVER_ROLE, TIMEOUTS};
use super::fields::Fields;
use super::node::{Content, Entry, Located};
use super::probe_mark::probe_mark;
use super::problem::{Parsed, Problems, quoted};
use super::scalar::Value;
use super::{Control, Director, Http, MetricsSection, OnArpConflict, RealServerRole};

/// `sun_path` in `sys/un.h` less the final NUL.
const LONGEST_SOCKET_PATH: usize = 107;

/// What the how-to sets on every real server.
const SYSCTLS: [(&str, &str); 5] = [
    ("net.ipv4.conf.all.arp_ignore", "1"),
    ("net.ipv4.conf.all.arp_announce", "2"),
    ("net.ipv4.conf.lo.arp_ignore", "1"),
    ("net.ipv4.conf.lo.arp_announce", "2"),
    ("net.ipv4.conf.default.rp_filter", "1"),
];

/// What makes IPVS forget a real server that is quiesced (a client that is
/// kept by persistence is moved) or removed (a connection to it ends).
const DIRECTOR_SYSCTLS: [(&str, &str); 2] = [
    ("net.ipv4.vs.expire_quiescent_template", "1"),
    ("net.ipv4.vs.expire_nodest_conn", "1"),
];

pub(super) fn http(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<Http> {
    let fields = Fields::section(entry, &HTTP_SECTION, problems)?;
    let listen = fields.value("listen", problems)?.listen(problems)?;
    Ok(Http { listen })
}

pub(super) fn metrics(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<MetricsSection> {
    let fields = Fields::section(entry, &METRICS, problems)?;
    let per_real_server = fields.choice("per_real_server", problems)?;
    Ok(MetricsSection { per_real_server })
}

pub(super) fn control(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<Control> {
    let fields = Fields::section(entry, &CONTROL, problems)?;
    let value = fields.value("socket", problems)?;
    let socket = value.path(Some(LONGEST_SOCKET_PATH), problems)?;
    Ok(Control { socket })
}

/// The sections `http` and `control` of one role, which go before those of both.
fn of_role(
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> (Parsed<Option<Http>>, Parsed<Option<Control>>) {
    let own_http = fields
        .optional("http")
        .and_then(|entry| entry.map(|entry| http(Some(entry), problems)).transpose());
    let own_control = fields.optional("control").and_then(|entry| {
        entry
            .map(|entry| control(Some(entry), problems))
            .transpose()
    });
    (own_http, own_control)
}

/// The control socket of one role's section, whatever else is wrong with it.
pub(super) fn control_of_role(section: Option<&Entry>) -> Option<Control> {
    let mut problems = Problems::default();
    let Content::Mapping(entries) = section?.value.content() else {
        return None;
    };
    let entry = entries
        .iter()
        .find(|entry| &*entry.key.value == "control")?;
    control(Some(entry), &mut problems).ok()
}

pub(super) fn state_dir(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<PathBuf> {
    fields.value("state_dir", problems)?.path(None, problems)
}

pub(super) fn director(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<Director> {
    let fields = Fields::section(entry, &DIRECTOR, problems)?;
    let (http, control) = of_role(&fields, problems);
    let interface = fields.maybe("interface", |value| value.interface(problems));
    let link = fields.maybe("link", |value| value.interface(problems));
    let garp_refresh = garp_refresh(&fields, problems);
    let resync_interval = fields.duration("resync_interval", problems);
    let timeouts = fields
        .optional("timeouts")
        .and_then(|entry| timeouts(entry, problems));
    let probe_mark = fields
        .optional("probe_mark")
        .and_then(|entry| probe_mark(entry, problems));
    let given = fields.maybe("sysctls", |value| {
        let hint = "write pairs like `net.ipv4.vs.conntrack: 1`; \
                    they are set beside the defaults, or over them";
        sysctls(value, hint, problems)
    });
    let on_arp_conflict = on_arp_conflict(&fields, problems);
    let on_exit = fields.choice("on_exit", problems);
    let on_removal = fields.choice("on_removal", problems);
    let removal_deadline = fields.duration("removal_deadline", problems);
    let interface = interface?;
    let mut all_sysctls = parsed(&DIRECTOR_SYSCTLS);
    all_sysctls.extend(given?.unwrap_or_default());
    Ok(Director {
        http: http?,
        control: control?,
        link: link?.or_else(|| interface.clone()),
        interface,
        garp_refresh: garp_refresh?,
        resync_interval: resync_interval?,
        sysctls: all_sysctls,
        timeouts: timeouts?,
        on_arp_conflict: on_arp_conflict?,
        probe_mark: probe_mark?,
        on_exit: on_exit?,
        on_removal: on_removal?,
        removal_deadline: removal_deadline?,
    })
}

fn garp_refresh(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<Option<Duration>> {
    fields.maybe("garp_refresh", |value| {
        let refresh = value.duration(problems)?;
        if fields.optional("interface")?.is_none() {
            let message = "`garp_refresh` means nothing without `interface`";
            let hint = "the agent announces only the VIPs that it puts on `interface`; what else \
                        owns the VIPs announces them, as keepalived does by `garp_master_refresh`";
            return Err(problems.add(value.node.location, message, hint));
        }
        Ok(refresh)
    })
}

fn on_arp_conflict(fields: &Fields<'_>, problems: &mut Problems) -> Parsed<OnArpConflict> {
    let value = fields.value("on_arp_conflict", problems)?;
    let chosen = value.choice(problems)?;
    let named = fields.optional("interface")?.is_some() || fields.optional("link")?.is_some();
    if chosen == OnArpConflict::Quiesce && !named {
        let message = "`on_arp_conflict: quiesce` needs `interface` or `link`";
        let hint = "name the interface of the LAN, on which others who answer are heard";
        return Err(problems.add(value.node.location, message, hint));
    }
    Ok(chosen)
}

fn timeouts(entry: Option<&Entry>, problems: &mut Problems) -> Parsed<BTreeMap<Timeout, u32>> {
    let fields = Fields::section(entry, &TIMEOUTS, problems)?;
    let mut timeouts = BTreeMap::new();
    let mut all = Ok(());
    for (key, timeout) in TIMEOUTS.keys().zip(Timeout::ALL) {
        match fields.maybe(key.name, |value| value.seconds(problems)) {
            Ok(seconds) => timeouts.extend(seconds.map(|seconds| (timeout, seconds))),
            Err(reported) => all = Err(reported),
        }
    }
    all.map(|()| timeouts)
}

/// The section `real_server`, and the places of its VIPs for the rules.
pub(super) fn real_server(
    entry: Option<&Entry>,
    problems: &mut Problems,
) -> (Parsed<RealServerRole>, Vec<Located<IpAddr>>) {
    let fields = match Fields::section(entry, &REAL_SERVER_ROLE, problems) {
        Ok(fields) => fields,
        Err(reported) => return (Err(reported), Vec::new()),
    };
    let located = fields.maybe("vips", |value| vips(value, problems));
    let vips = located.as_ref().ok().cloned().flatten().unwrap_or_default();
    (role(&fields, located, problems), vips)
}

fn role(
    fields: &Fields<'_>,
    vips: Parsed<Option<Vec<Located<IpAddr>>>>,
    problems: &mut Problems,
) -> Parsed<RealServerRole> {
    let (http, control) = of_role(fields, problems);
    let interface = fields
        .value("interface", problems)
        .and_then(|value| value.interface(problems));
    let sysctls = fields.maybe("sysctls", |value| {
        let hint = "write pairs like `net.ipv4.conf.all.arp_ignore: 1`; \
                    `{}` is for none, and without the key the defaults are set";
        sysctls(value, hint, problems)
    });
    let resync_interval = fields.duration("resync_interval", problems);
    let on_exit = fields.choice("on_exit", problems);
    Ok(RealServerRole {
        http: http?,
        control: control?,
        interface: interface?,
        vips: vips?.map(|vips| vips.into_iter().map(|vip| vip.value).collect()),
        sysctls: sysctls?.unwrap_or_else(|| parsed(&SYSCTLS)),
        resync_interval: resync_interval?,
        on_exit: on_exit?,
    })
}

fn vips(list: Value<'_>, problems: &mut Problems) -> Parsed<Vec<Located<IpAddr>>> {
    let hint = "list the VIPs, like `vips: [192.168.11.200]`, or remove the key: \
                then they are found by this host's addresses";
    let Content::Sequence(nodes) = list.node.content() else {
        return Err(list.wrong("a list of addresses", hint, problems));
    };
    if nodes.is_empty() {
        return Err(problems.add(list.node.location, "the list `vips` is empty", hint));
    }
    let mut first: BTreeMap<IpAddr, usize> = BTreeMap::new();
    let mut vips = Vec::new();
    let mut all = Ok(());
    for (index, node) in nodes.iter().enumerate() {
        let location = node.location;
        let name = &format!("vips[{index}]");
        match (Value {
            name,
            node,
            key: None,
        })
        .host_address(problems)
        {
            Ok(value) if value.is_loopback() => {
                let message = format!("`{value}` is a loopback address, which every host has");
                let hint = "write the VIP that clients connect to";
                all = Err(problems.add(location, message, hint));
            }
            Ok(value) => {
                if let Some(line) = first.insert(value, location.line()) {
                    let message = format!("the VIP {value} is already on line {line}");
                    all = Err(problems.add(location, message, "keep one of the two"));
                }
                vips.push(Located { value, location });
            }
            Err(reported) => all = Err(reported),
        }
    }
    all.map(|()| vips)
}

/// Defaults; no word of them is refused, as a test shows.
fn parsed(sysctls: &[(&str, &str)]) -> BTreeMap<SysctlKey, String> {
    sysctls
        .iter()
        .filter_map(|(key, value)| Some((key.parse().ok()?, (*value).to_owned())))
        .collect()
}

fn sysctls(
    pairs: Value<'_>,
    hint: &str,
    problems: &mut Problems,
) -> Parsed<BTreeMap<SysctlKey, String>> {
    let Content::Mapping(entries) = pairs.node.content() else {
        return Err(pairs.wrong("a mapping", hint, problems));
    };
    let mut lines: BTreeMap<SysctlKey, usize> = BTreeMap::new();
    let mut sysctls = BTreeMap::new();
    let mut all = Ok(());
    for entry in entries {
        let key = &entry.key;
        let Ok(sysctl) = key.value.parse::<SysctlKey>() else {
            let message = format!("{} is not the name of a sysctl", quoted(&key.value));
            let hint = "write it as in sysctl.conf, like `net.ipv4.conf.all.arp_ignore: 1`";
            all = Err(problems.add(key.location, message, hint));
            continue;
        };
        if let Some(right) = sysctl.of_dotted_interface() {
            let message = format!(
                "{} names no sysctl: the `.` of an interface's name is written `/`",
                quoted(&key.value)
            );
            all = Err(problems.add(key.location, message, format!("write `{right}`")));
            continue;
        }
        if let Some(line) = lines.get(&sysctl) {
            let message = format!("the key {} is already on line {line}", quoted(&key.value));
            all = Err(problems.add(key.location, message, "keep one of the two"));
            continue;
        }
        lines.insert(sysctl.clone(), key.location.line());
        let value = match entry.value.content() {
            Content::Number(_) if entry.value.integer().is_some() => {
                entry.value.integer().unwrap_or_default().to_string()
            }
            Content::Text(text) if !text.is_empty() && !text.contains(char::is_control) => {
                text.to_string()
            }
            _ => {
                let hint = "write the value as sysctl.conf has it, like `1`";
                let wanted = "a whole number or a text";
                all = Err(Value::of(entry).wrong(wanted, hint, problems));
                continue;
            }
        };
        if value.split_whitespace().any(respelt) {
            let message = format!("the kernel would show {} in another way", quoted(&value));
            let hint = "write whole numbers in decimal, without leading zeros and `+`, like `1`";
            all = Err(problems.add(entry.value.location, message, hint));
            continue;
        }
        sysctls.insert(sysctl, value);
    }
    all.map(|()| sysctls)
}

/// Whether a field of a sysctl's value is a whole number, but not as the
/// kernel's `proc_dointvec` prints it: it would differ at each comparison, and
/// what starts with 0 is read as octal or hexadecimal.
fn respelt(field: &str) -> bool {
    let canonical = |number: i128| number.to_string() == field;
    let hexadecimal = field.strip_prefix("0x").or(field.strip_prefix("0X"));
    hexadecimal.is_some_and(|digits| u128::from_str_radix(digits, 16).is_ok())
        || field.parse().is_ok_and(|number| !canonical(number))
}

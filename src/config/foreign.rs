//! Files and keys of other programs that do the same.

use super::node::Location;
use super::problem::Problem;
use super::syntax::lines;

/// How a line of another program's file begins, in words: none of them is YAML.
const FORMATS: [(&[&str], Option<&str>, &str); 4] = [
    (
        &[
            "virtual_server",
            "virtual_server_group",
            "vrrp_instance",
            "vrrp_sync_group",
            "vrrp_script",
            "global_defs",
        ],
        Some("{"),
        "a configuration of keepalived",
    ),
    (
        &["virtual=", "virtual", "checktype=", "quiescent="],
        Some("="),
        "a configuration of ldirectord",
    ),
    (&["-A", "-a"], Some("-"), "a table of `ipvsadm --save`"),
    (
        &["frontend", "backend", "listen"],
        None,
        "a configuration of HAProxy",
    ),
];

/// Whether the text is a file of another program, and not YAML.
pub(super) fn other_format(text: &str) -> Option<Problem> {
    if lines(text).any(|line| line.starts_with("virtual_services")) {
        return None;
    }
    (1..).zip(lines(text)).find_map(|(number, line)| {
        let mut words = line.split_whitespace();
        let first = words.next()?;
        let (.., program) = FORMATS.iter().find(|(firsts, sign, _)| {
            let known = firsts
                .iter()
                .any(|known| first == *known || (known.ends_with('=') && first.starts_with(known)));
            let signed = sign.is_none_or(|sign| match sign {
                "-" => line.contains(" -t ") || line.contains(" -u ") || line.contains(" -f "),
                "{" => line.trim_end().ends_with('{') || !line.contains(':'),
                sign => line.contains(sign),
            });
            known
                && signed
                && (sign.is_some() || (words.clone().count() == 1 && !line.contains(':')))
        })?;
        let column = line.chars().take_while(|c| c.is_whitespace()).count() + 1;
        Some(Problem {
            location: Some(Location::new(number, column, first.chars().count())),
            message: format!("this is {program}, not one of lvs-agent"),
            hint: "write the services in YAML below `virtual_services:`, \
                   as in config/cluster.yaml and in README.md"
                .to_owned(),
        })
    })
}

/// Another program's key, the key here that takes its place where there is one of
/// the same mapping, and what it is here.
type Key = (&'static str, Option<&'static str>, &'static str);

const KEEPALIVED: [Key; 61] = [
    (
        "virtual_server",
        Some("virtual_services"),
        "an entry of `virtual_services`",
    ),
    (
        "virtual_server_group",
        Some("addresses"),
        "`addresses` of a virtual service",
    ),
    ("lb_algo", Some("scheduler"), "`scheduler`"),
    ("lvs_sched", Some("scheduler"), "`scheduler`"),
    ("lb_kind", Some("forwarding"), FORWARDING),
    ("lvs_method", Some("forwarding"), FORWARDING),
    ("flag-1", Some("scheduler_flags"), "`scheduler_flags`"),
    ("flag-2", Some("scheduler_flags"), "`scheduler_flags`"),
    ("flag-3", Some("scheduler_flags"), "`scheduler_flags`"),
    (
        "sh-port",
        Some("scheduler_flags"),
        "`scheduler_flags: [port]`",
    ),
    (
        "sh-fallback",
        Some("scheduler_flags"),
        "`scheduler_flags: [fallback]`",
    ),
    (
        "mh-port",
        Some("scheduler_flags"),
        "`scheduler_flags: [port]`",
    ),
    (
        "mh-fallback",
        Some("scheduler_flags"),
        "`scheduler_flags: [fallback]`",
    ),
    ("ops", Some("one_packet"), "`one_packet: true`"),
    (
        "persistence_timeout",
        Some("persistence"),
        "`persistence: { timeout: 5m }`",
    ),
    (
        "persistence_granularity",
        Some("persistence"),
        "`persistence: { netmask: 24 }`",
    ),
    (
        "persistence_engine",
        Some("persistence"),
        "`persistence: { engine: sip }`",
    ),
    (
        "real_server",
        Some("real_servers"),
        "an entry of `real_servers`",
    ),
    ("uthreshold", Some("upper_threshold"), "`upper_threshold`"),
    ("lthreshold", Some("lower_threshold"), "`lower_threshold`"),
    (
        "inhibit_on_failure",
        Some("on_failure"),
        "`on_failure: quiesce`",
    ),
    (
        "delay_loop",
        Some("interval"),
        "`interval` of `check`, with its unit, like `6s`",
    ),
    (
        "connect_timeout",
        Some("timeout"),
        "`timeout` of `check`, for the whole exchange",
    ),
    ("nb_get_retry", Some("fall"), FALL),
    ("nb_sock_retry", Some("fall"), FALL),
    ("retry", Some("fall"), FALL),
    (
        "delay_before_retry",
        Some("fast_interval"),
        "`fast_interval` of `check`",
    ),
    ("misc_timeout", Some("timeout"), "`timeout` of `check`"),
    (
        "TCP_CHECK",
        Some("check"),
        "`check: { tcp: {} }` of the virtual service",
    ),
    (
        "HTTP_GET",
        Some("check"),
        "`check: { http: { path: / } }` of the virtual service",
    ),
    (
        "SSL_GET",
        Some("check"),
        "`check: { https: { path: / } }` of the virtual service",
    ),
    (
        "SMTP_CHECK",
        Some("check"),
        "`check: { tcp: { steps: […] } }` of the virtual service",
    ),
    (
        "DNS_CHECK",
        Some("check"),
        "`check: { dns: { name: … } }` of the virtual service",
    ),
    (
        "UDP_CHECK",
        Some("check"),
        "`check: { udp: {} }` of the virtual service",
    ),
    (
        "PING_CHECK",
        Some("check"),
        "`check: { ping: {} }` of the virtual service",
    ),
    (
        "MISC_CHECK",
        Some("check"),
        "`check: { exec: { command: […] } }` of the virtual service",
    ),
    (
        "FILE_CHECK",
        Some("check"),
        "`check: { file: { path: … } }` of the virtual service",
    ),
    ("url", Some("path"), "`path` of `http`"),
    ("virtualhost", Some("host"), "`host` of `http`"),
    (
        "status_code",
        Some("expect"),
        "`expect: { status: … }` of `http`",
    ),
    (
        "digest",
        Some("expect"),
        "`expect: { body: … }` of `http`, with the text itself",
    ),
    ("connect_port", Some("port"), "`port` of the kind of check"),
    (
        "connect_ip",
        None,
        "the real server's own address: another one is not asked",
    ),
    ("bindto", Some("source"), "`source` of `check`"),
    ("bind_if", Some("interface"), "`interface` of `check`"),
    (
        "misc_path",
        Some("command"),
        "`command` of `exec`, a list of words",
    ),
    (
        "misc_dynamic",
        Some("advice"),
        "`advice: true` of `exec`, where the program prints the weight",
    ),
    (
        "alpha",
        None,
        "always so: a new real server serves once its check has passed",
    ),
    (
        "ha_suspend",
        None,
        "not needed: checks go on where the VIP is not",
    ),
    (
        "warmup",
        None,
        "not needed: first probes are spread by themselves",
    ),
    ("quorum_up", None, NOTIFY),
    ("quorum_down", None, NOTIFY),
    ("notify_up", None, NOTIFY),
    ("notify_down", None, NOTIFY),
    ("smtp_alert", None, NOTIFY),
    ("omega", Some("on_exit"), "`on_exit` of `director`"),
    ("lvs_timeouts", Some("timeouts"), "`timeouts` of `director`"),
    ("vrrp_instance", None, VRRP),
    ("vrrp_sync_group", None, VRRP),
    ("vrrp_script", None, VRRP),
    (
        "global_defs",
        None,
        "not needed: what it sets is keepalived's own",
    ),
];

const FORWARDING: &str = "`forwarding`: DR is `direct`, NAT `masquerade` and TUN `tunnel`";
const FALL: &str = "`fall` of `check`: how many failures in a row count, so one more than retries";
const NOTIFY: &str = "`notify` of the whole file, which is told of every such event";
const VRRP: &str = "keepalived's still: let it move the VIPs, and leave out `director.interface`";

const LDIRECTORD: [Key; 18] = [
    (
        "virtual",
        Some("virtual_services"),
        "an entry of `virtual_services`",
    ),
    ("real", Some("real_servers"), "an entry of `real_servers`"),
    (
        "quiescent",
        Some("on_failure"),
        "`on_failure`: `yes` is `quiesce`, and `no` is `remove`",
    ),
    (
        "fallback",
        Some("sorry_server"),
        "`sorry_server: { address: … }`",
    ),
    ("persistent", Some("persistence"), "`persistence`"),
    (
        "checktype",
        Some("check"),
        "the kind of `check`, as in `check: { http: {} }`",
    ),
    ("service", Some("check"), "the kind of `check`"),
    ("request", Some("path"), "`path` of `http`"),
    ("receive", Some("expect"), "`expect: { body: … }` of `http`"),
    ("httpmethod", Some("method"), "`method` of `http`"),
    ("checkport", Some("port"), "`port` of the kind of check"),
    (
        "checkcommand",
        Some("exec"),
        "`exec: { command: […] }` of `check`",
    ),
    ("checkinterval", Some("interval"), "`interval` of `check`"),
    ("checktimeout", Some("timeout"), "`timeout` of `check`"),
    (
        "negotiatetimeout",
        Some("timeout"),
        "`timeout` of `check`, for the whole exchange",
    ),
    ("checkcount", Some("fall"), "`fall` of `check`"),
    ("emailalert", None, NOTIFY),
    (
        "autoreload",
        None,
        "not here: `lvs-agent reload` takes a changed file over",
    ),
];

const HAPROXY: [Key; 11] = [
    ("server", Some("real_servers"), "an entry of `real_servers`"),
    ("balance", Some("scheduler"), "`scheduler`"),
    ("inter", Some("interval"), "`interval` of `check`"),
    (
        "fastinter",
        Some("fast_interval"),
        "`fast_interval` of `check`",
    ),
    (
        "downinter",
        Some("down_interval"),
        "`down_interval` of `check`",
    ),
    ("slowstart", Some("slow_start"), "`slow_start`"),
    ("option", Some("check"), HTTPCHK),
    ("option httpchk", Some("check"), HTTPCHK),
    ("http-check", Some("check"), HTTPCHK),
    (
        "agent-check",
        Some("check"),
        "`check: { haproxy_agent: { port: … } }` of the virtual service",
    ),
    (
        "backup",
        Some("sorry_server"),
        "`sorry_server: { address: … }`",
    ),
];

/// Of a Service and of a probe.
const KUBERNETES: [Key; 9] = [
    ("clusterIP", Some("address"), "`address`"),
    ("endpoints", Some("real_servers"), "`real_servers`"),
    ("sessionAffinity", Some("persistence"), "`persistence`"),
    ("periodSeconds", Some("interval"), "`interval` of `check`"),
    ("timeoutSeconds", Some("timeout"), "`timeout` of `check`"),
    ("failureThreshold", Some("fall"), "`fall` of `check`"),
    ("successThreshold", Some("rise"), "`rise` of `check`"),
    ("httpGet", Some("http"), "`http` of `check`"),
    ("tcpSocket", Some("tcp"), "`tcp` of `check`"),
];

const HTTPCHK: &str = "`check: { http: { path: / } }` of the virtual service";

const PROGRAMS: [(&str, &[Key]); 4] = [
    ("keepalived", &KEEPALIVED),
    ("ldirectord", &LDIRECTORD),
    ("HAProxy", &HAPROXY),
    ("Kubernetes", &KUBERNETES),
];

/// What is written here in place of another program's key; first the key, if
/// one of these takes its place.
pub(super) fn key(key: &str, known: &[&'static str]) -> Option<(Option<&'static str>, String)> {
    PROGRAMS.iter().find_map(|(program, keys)| {
        let (name, ours, is) = keys.iter().find(|(name, ..)| *name == key)?;
        let ours = ours.filter(|ours| known.contains(ours));
        let owner = if program.ends_with('s') {
            format!("{program}'")
        } else {
            format!("{program}'s")
        };
        Some((ours, format!("{owner} `{name}` is {is}")))
    })
}

//! Configuration files: the broken ones with what is said about them, the
//! good ones, and the examples.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy does not see that the functions beside the tests are tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use lvs_agent::config::{
    self, AgentCheck, CheckKind, Config, DirectorExit, DirectorRemoval, HttpCheck, NotifyTarget,
    OnArpConflict, OnFailure, Pattern, Pool, RealServerExit, Step, VirtualService,
};
use lvs_agent::model::{Checksum, Forwarding, Scheduler, ServiceKey, Timeout, Tunnel, Weight};
use proptest::prelude::*;

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// What is wrong with a file, with the directory left out.
fn explanation(path: &Path) -> String {
    let Err(errors) = Config::load(path) else {
        panic!("{} is valid", path.display());
    };
    let directory = format!("{}/", path.parent().unwrap().display());
    errors.to_string().replace(&directory, "")
}

#[test]
fn broken_files_are_explained() {
    for path in files("tests/config/broken", "yaml") {
        let message = explanation(&path);
        expect_file![path.with_extension("out")].assert_eq(&format!("{message}\n"));
    }
}

/// One paragraph for each warning, with the directory left out.
fn warned(config: &Config, directory: &str) -> String {
    let mut message = String::new();
    for warning in config.warnings.iter().chain(&config.suggestions) {
        message.push_str(&warning.to_string().replace(&format!("{directory}/"), ""));
        message.push('\n');
    }
    message
}

#[test]
fn unlikely_configuration_has_a_warning() {
    for path in files("tests/config/warned", "yaml") {
        let config = Config::load_for_check(&path, None);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let directory = path.parent().unwrap().display().to_string();
        expect_file![path.with_extension("out")].assert_eq(&warned(&config, &directory));
    }
}

#[test]
fn valid_and_meant_configuration_has_no_warning() {
    for path in files("config", "yaml") {
        let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(warned(&config, ""), "", "{}", path.display());
    }
    assert_eq!(warned(&good("fwmark.yaml"), ""), "");
}

/// Another host than the agent's has other secrets.
#[test]
fn a_check_of_the_file_needs_no_secret_that_is_elsewhere() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken");
    let text = fs::read_to_string(path.join("secrets-missing.yaml")).unwrap();
    // What is there and does not fit is a problem on any host.
    let unfit = [
        "file: /proc/sys/kernel/ostype",
        "file: /etc/passwd",
        "env: PATH",
    ];
    let text = unfit.iter().fold(text, |text, unfit| {
        text.replace(unfit, "file: /nonexistent/secret")
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.yaml");
    fs::write(&path, text).unwrap();
    let checked = Config::load_for_check(&path, None).unwrap_or_else(|errors| panic!("{errors}"));
    let beside = Config::load_beside_agent(&path).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(checked, beside);
    let problems = Config::load(&path).unwrap_err().to_string();
    assert!(problems.contains("\n8 problems in "), "{problems}");
    assert_eq!(checked.warnings.len(), 8, "{:#?}", checked.warnings);
    for warning in &checked.warnings {
        let place = warning.place();
        assert!(problems.contains(&place), "{place}: {problems}");
    }
}

#[test]
fn mistakes_in_included_files_are_explained() {
    for path in files("tests/config/include", "yaml") {
        if path.ends_with("good.yaml") {
            continue;
        }
        let message = explanation(&path);
        expect_file![path.with_extension("out")].assert_eq(&format!("{message}\n"));
    }
}

#[test]
fn targets_of_events_have_the_defaults_of_their_kind() {
    let notify = good("notify-kinds.yaml").notify;
    let label = |(place, notify): (usize, &config::Notify)| notify.label(place);
    let labels: Vec<_> = notify.iter().enumerate().map(label).collect();
    assert_eq!(labels, ["operators", "1", "alertmanager", "3", "4"]);
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
    let times: Vec<_> = notify
        .iter()
        .map(|notify| (seconds(notify.group_wait), seconds(notify.repeat_interval)))
        .collect();
    assert_eq!(
        times,
        [
            (Some(10), Some(4 * 3600)),
            (Some(0), None),
            (Some(1), Some(60)),
            (Some(30), Some(24 * 3600)),
            (None, None),
        ]
    );
    let NotifyTarget::Mail(mail) = &notify[0].target else {
        panic!("{notify:?}");
    };
    assert_eq!(mail.to, ["ops@example.com", "root"]);
    assert_eq!(mail.from, "lvs-agent@example.com");
    assert_eq!(mail.sendmail, "/usr/sbin/sendmail");
}

#[test]
fn included_services_follow_in_the_order_of_their_files() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/include/good.yaml");
    let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = config.virtual_services.iter().map(|s| &*s.name).collect();
    assert_eq!(names, ["own", "a", "b"]);

    let text = fs::read_to_string(&path).unwrap();
    let errors = Config::parse("standard input", &text).unwrap_err();
    assert!(errors.to_string().contains("from no file"), "{errors}");
}

#[test]
fn number_and_size_of_includes_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let main = directory.path().join("main.yaml");
    fs::write(&main, "include: many/*.yaml\n").unwrap();
    fs::create_dir(directory.path().join("many")).unwrap();
    for number in 0..=1000 {
        fs::write(directory.path().join(format!("many/{number}.yaml")), "").unwrap();
    }
    let message = Config::load(&main).unwrap_err().to_string();
    assert!(message.contains("names more than 1000 files"), "{message}");

    for name in ["a", "b"] {
        let large = fs::File::create(directory.path().join(format!("{name}.large"))).unwrap();
        large.set_len(9 * 1024 * 1024).unwrap();
    }
    fs::write(&main, "include: '*.large'\n").unwrap();
    let message = Config::load(&main).unwrap_err().to_string();
    assert!(message.contains("larger than 16 MiB"), "{message}");
}

#[test]
fn every_explanation_has_its_file() {
    let stems = |extension| -> Vec<_> {
        files("tests/config/broken", extension)
            .iter()
            .map(|path| path.with_extension(""))
            .collect()
    };
    assert_eq!(stems("yaml"), stems("out"));
}

#[test]
fn counts_and_places_are_true() {
    for path in files("tests/config/broken", "yaml") {
        let message = explanation(&path);
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        let (first, last) = message.rsplit_once('\n').unwrap();
        let headings: Vec<_> = first
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}:")))
            .collect();
        let noun = if headings.len() == 1 {
            "problem"
        } else {
            "problems"
        };
        assert_eq!(last, format!("{} {noun} in {name}", headings.len()));

        for heading in headings {
            if heading.starts_with(' ') {
                continue;
            }
            let mut parts = heading.splitn(3, ':');
            let line: usize = parts.next().unwrap().parse().unwrap();
            let column: usize = parts.next().unwrap().parse().unwrap();
            let text = source.split('\n').nth(line - 1);
            let text = text.unwrap_or_else(|| panic!("{name}:{heading}: no such line"));
            let length = text.chars().count();
            assert!(
                (1..=length + 1).contains(&column),
                "{name}:{heading}: no such column"
            );
        }
        assert!(
            !message.replace('\n', "").contains(char::is_control),
            "{name}: control characters get through"
        );
    }
}

#[test]
fn twenty_mistakes_are_twenty_problems() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken/twenty-mistakes.yaml");
    assert!(explanation(&path).ends_with("\n20 problems in twenty-mistakes.yaml"));
}

#[test]
fn unreadable_file_is_named() {
    let reported = |path: &Path| Config::load(path).unwrap_err().to_string();

    let missing = Path::new("/nonexistent/config.yaml");
    assert!(reported(missing).starts_with("/nonexistent/config.yaml: there is no such file\n"));

    let directory = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(reported(directory).contains(": this is a directory, not a file\n"));

    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(16 * 1024 * 1024 + 1).unwrap();
    assert!(reported(large.path()).contains(": larger than 16 MiB\n"));
}

#[test]
fn good_files_load() {
    for path in files("tests/config/good", "yaml") {
        if let Err(errors) = Config::load(&path) {
            panic!("{errors}");
        }
    }
}

/// The text has its control socket, whatever the services before and after it are.
#[test]
fn control_socket_is_found_without_the_services() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cluster.yaml");
    let socket = |text: &str| {
        fs::write(&path, text).unwrap();
        let sockets = Config::load_sockets(&path).unwrap();
        sockets.director.display().to_string()
    };
    let control = "control: { socket: /run/mine.sock }\n";
    let indented = "virtual_services:\n  - name: web\n    control: { socket: /run/other.sock }\n";
    let not_indented = "virtual_services:\n- name: web\n# control: {}\n\n- name: control\n";
    let in_brackets = "virtual_services: [ {\n  name: web } ]\n";
    let broken = "virtual_services:\n  - name: web: [\n";
    for services in [indented, not_indented, in_brackets, broken] {
        assert_eq!(socket(&format!("{services}{control}")), "/run/mine.sock");
        assert_eq!(socket(&format!("{control}{services}")), "/run/mine.sock");
    }
    // What stands among the services is needed here.
    let anchored = "virtual_services:\n  - address: &it /run/mine.sock\ncontrol: { socket: *it }\n";
    assert_eq!(socket(anchored), "/run/mine.sock");
    let of_role = "director: { control: { socket: /run/role.sock } }\n";
    assert_eq!(
        socket(&format!("{control}{indented}{of_role}")),
        "/run/role.sock"
    );
    assert_eq!(socket(indented), "/run/lvs-agent/control.sock");
}

fn good(name: &str) -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/good");
    Config::load(&path.join(name)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn http(service: &VirtualService) -> &HttpCheck {
    let CheckKind::Http(check) = &service.check.kind else {
        panic!("not of HTTP: {:?}", service.check.kind);
    };
    check
}

fn keys(service: &VirtualService) -> Vec<String> {
    let keys = service.real_servers.iter().map(|server| server.key);
    keys.map(|key| key.to_string()).collect()
}

#[test]
fn a_pool_has_its_defaults_and_a_sorry_server_its_services_port_and_check() {
    let config = good("pool.yaml");
    let [plain, full] = config.virtual_services.as_slice() else {
        panic!("two services");
    };
    let sorry = |service: &VirtualService| {
        let sorry_server = service.pool.sorry_server.clone().unwrap();
        (sorry_server.key.to_string(), sorry_server.check.rise.get())
    };
    assert_eq!(sorry(plain), ("192.168.11.30:80".to_owned(), 7));
    assert_eq!(sorry(full), ("192.168.11.30:8080".to_owned(), 9));
    let without = |pool: &Pool| Pool {
        sorry_server: None,
        ..pool.clone()
    };
    assert_eq!(without(&plain.pool), Pool::default());
    let expected = Pool {
        slow_start: Duration::from_secs(30),
        flap_damping: false,
        quorum: 3,
        hysteresis: 1,
        fail_open_below: Some(30),
        sorry_server: None,
        on_failure: Some(OnFailure::Reset),
    };
    assert_eq!(without(&full.pool), expected);
}

#[test]
fn real_servers_take_the_port_of_their_service() {
    assert_eq!(
        keys(&good("ipv6.yaml").virtual_services[0]),
        ["[2001:db8::21]:80", "[2001:db8::22]:80"]
    );
    assert_eq!(
        keys(&good("masquerade-ports.yaml").virtual_services[0]),
        ["192.168.11.21:8080", "192.168.11.21:8081"]
    );
    assert_eq!(
        keys(&good("fwmark.yaml").virtual_services[0]),
        ["[2001:db8::21]:0"]
    );
}

#[test]
fn the_host_is_the_vip_unless_there_is_none() {
    let host = |name| http(&good(name).virtual_services[0]).host.clone();
    assert_eq!(host("ipv6.yaml").as_deref(), Some("[2001:db8::200]"));
    assert_eq!(
        host("empty-sections.yaml").as_deref(),
        Some("192.168.11.200")
    );
    assert_eq!(host("fwmark.yaml"), None);
}

#[test]
fn an_alias_repeats_a_check() {
    let config = good("aliases.yaml");
    let [web, mail] = config.virtual_services.as_slice() else {
        panic!("two services");
    };
    assert_eq!(web.check, mail.check);
    assert_eq!(mail.check.interval, Duration::from_millis(500));
    assert_eq!(mail.check.rise.get(), 1);
}

#[test]
fn given_sysctls_replace_the_defaults() {
    let config = good("real-server-role.yaml");
    let sysctls: Vec<_> = config
        .real_server
        .sysctls
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        sysctls,
        [
            ("net.ipv4.conf.eth0/100.arp_ignore", "1"),
            ("net.ipv4.ip_local_port_range", "32768 60999"),
        ]
    );
    assert_eq!(config.real_server.on_exit, RealServerExit::Remove);
    assert_eq!(config.real_server.vips.unwrap().len(), 2);
}

#[test]
fn real_servers_have_checks_and_forwarding_of_their_own() {
    let config = good("own-checks.yaml");
    let [web, one, other, names, marked] = config.virtual_services.as_slice() else {
        panic!("five services");
    };
    let members = |service: &VirtualService| -> Vec<_> {
        let members = service.members();
        let members = members.map(|member| {
            let kind = &member.check.kind;
            let asked = if let CheckKind::Http(_) = kind {
                "http"
            } else if let CheckKind::Stream(_) = kind {
                "tcp"
            } else if let CheckKind::Dns(_) = kind {
                "dns"
            } else if let CheckKind::Agent(_) = kind {
                "agent"
            } else {
                assert!(!kind.asks(), "{kind:?}");
                "none"
            };
            format!("{} {} {asked}", member.key, member.forwarding)
        });
        members.collect()
    };
    assert_eq!(
        members(web),
        [
            "192.168.11.21:80 direct http",
            "192.168.11.22:80 direct tcp",
            "192.168.11.23:80 direct none",
            "192.168.11.24:8080 masquerade http",
            "[2001:db8::25]:80 tunnel none",
            "192.168.11.26:80 tunnel http",
            "192.168.11.40:80 direct agent",
            "192.168.11.41:80 direct agent",
            "192.168.11.42:80 direct agent",
            "192.168.11.30:8080 masquerade none",
        ]
    );
    let rs2 = web.real_servers[1].check.as_ref().unwrap();
    assert_eq!((rs2.rise.get(), rs2.fall.get()), (1, 5));
    let shared = |n: usize| web.real_servers[n].check.as_ref().unwrap();
    assert!(Arc::ptr_eq(shared(6), shared(8)), "a range has one check");
    let CheckKind::Agent(agent) = &shared(6).kind else {
        panic!("an agent");
    };
    assert_eq!(agent.service, Some(web.key));
    let tunnels = |service: &VirtualService| -> Vec<_> {
        service.members().map(|member| member.forwarding).collect()
    };
    let gue = Forwarding::Tunnel(Tunnel::Gue {
        port: 6080.try_into().unwrap(),
        checksum: Checksum::None,
    });
    let ipip = Forwarding::Tunnel(Tunnel::Ipip);
    assert_eq!(tunnels(one), [gue, gue, ipip, Forwarding::Direct]);
    // The default host of a check is the VIP, and each address is a service of its own.
    let host = |service: &VirtualService| {
        let check = service.real_servers[0].check.as_ref().unwrap();
        let CheckKind::Http(http) = &check.kind else {
            panic!("no HTTP");
        };
        http.host.as_deref().unwrap_or_default().to_owned()
    };
    assert_ne!(host(one), host(other));
    assert_eq!(
        members(names),
        [
            "192.168.11.21:53 direct dns",
            "192.168.11.22:53 direct none"
        ]
    );
    assert_eq!(
        members(marked),
        [
            "192.168.11.21:0 direct none",
            "192.168.11.22:2525 masquerade tcp"
        ]
    );
}

/// The section says what each service would say, and a service's own key goes before it. A
/// service's check without a kind is the default one, but for the keys that the check has.
#[test]
fn defaults_hold_for_services_that_do_not_have_the_same_key() {
    let written_out = "
virtual_services:
  - name: web
    address: 192.168.11.200:80
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    quorum: 2
    on_failure: reset
    check: { http: { path: /health }, interval: 5s }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: other
    address: 192.168.11.201:80
    scheduler: wrr
    forwarding: masquerade
    quorum: 1
    on_failure: reset
    check: { tcp: {} }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
  - name: names
    address: 192.168.11.202:53
    protocol: udp
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    one_packet: true
    quorum: 2
    on_failure: reset
    check: { dns: { name: www.example.com } }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: marked
    fwmark: 7
    family: ipv4
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    one_packet: true
    quorum: 2
    on_failure: reset
    check: { http: { path: /health }, interval: 5s }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: slower
    address: 192.168.11.204:80
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    quorum: 2
    on_failure: reset
    check: { http: { path: /health }, interval: 30s, rise: 5 }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: same
    address: 192.168.11.205:80
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    quorum: 2
    on_failure: reset
    check: { http: { path: /health }, interval: 5s }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: included
    address: 192.168.11.203:80
    scheduler: mh
    scheduler_flags: [fallback]
    forwarding: tunnel
    tunnel: { type: gue }
    quorum: 2
    on_failure: reset
    check: { http: { path: /health }, interval: 5s }
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
";
    let written_out = Config::parse("written-out.yaml", written_out).unwrap();
    let services = good("defaults.yaml").virtual_services;
    assert_eq!(services.len(), 7);
    for (service, written_out) in services.iter().zip(&written_out.virtual_services) {
        assert_eq!(format!("{service:#?}"), format!("{written_out:#?}"));
    }
}

#[test]
fn all_that_ipvs_can_is_read() {
    let config = good("ipvs.yaml");
    let names: Vec<_> = config.virtual_services.iter().map(|s| &*s.name).collect();
    assert_eq!(
        names,
        [
            "web-192.168.11.200-80",
            "web-192.168.11.200-443",
            "six-2001-db8--200-80",
            "six-192.168.12.200-80",
            "sip",
            "marked"
        ]
    );
    let [web, https, six, four, sip, marked] = config.virtual_services.as_slice() else {
        panic!("six services");
    };
    assert_eq!(
        keys(https),
        [
            "192.168.11.21:443",
            "192.168.11.22:443",
            "192.168.11.23:443",
            "192.168.11.60:443"
        ]
    );
    let names = |service: &VirtualService| -> Vec<_> {
        let names = service.real_servers.iter().map(|s| s.name.to_string());
        names.collect()
    };
    assert_eq!(
        names(web),
        [
            "rs-192.168.11.21",
            "rs-192.168.11.22",
            "rs-192.168.11.23",
            "last"
        ]
    );
    assert_eq!(
        names(six),
        ["rs-2001-db8--2f", "rs-2001-db8--30", "four"],
        "`-` stands for `:`"
    );
    let limits = |s: &lvs_agent::config::RealServer| (s.upper_threshold, s.lower_threshold);
    assert_eq!(limits(&web.real_servers[2]), (100, 80));
    assert_eq!(limits(&web.real_servers[3]), (0, 0));
    assert_eq!(web.flags.bits(), 0x18);
    assert_eq!(marked.flags.bits(), 0x4);
    let persistence = |service: &VirtualService| {
        let persistence = service.persistence.clone().unwrap();
        (
            persistence.timeout_seconds,
            persistence.netmask,
            persistence.engine,
        )
    };
    assert_eq!(persistence(web), (600, 0xffff_ff00, None));
    assert_eq!(persistence(six), (300, 128, None));
    assert_eq!(persistence(four), (300, u32::MAX, None));
    assert_eq!(persistence(sip), (300, 0xffff_ff00, Some("sip".to_owned())));
    assert_eq!(persistence(marked), (300, 64, None));
    let gue = Tunnel::Gue {
        port: 6081.try_into().unwrap(),
        checksum: Checksum::Remote,
    };
    assert_eq!(four.forwarding, Forwarding::Tunnel(gue));
    let gre = Tunnel::Gre { checksum: true };
    assert_eq!(marked.forwarding, Forwarding::Tunnel(gre));

    let sysctls: Vec<_> = config.director.sysctls.iter().collect();
    let shown: Vec<_> = sysctls
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(
        shown,
        [
            "net.ipv4.vs.conntrack=1",
            "net.ipv4.vs.expire_nodest_conn=0",
            "net.ipv4.vs.expire_quiescent_template=1",
        ],
        "given keys are merged over the defaults"
    );
    let timeouts = [(Timeout::Tcp, 900), (Timeout::Udp, 60)];
    assert_eq!(config.director.timeouts, timeouts.into());
}

#[test]
fn a_single_status_needs_no_list() {
    let config = good("status-scalar.yaml");
    let expected = &http(&config.virtual_services[0]).expected_status;
    assert!(expected.contains(204) && !expected.contains(200));
}

#[test]
fn every_kind_of_check_is_read() {
    let config = good("checks.yaml");
    let check = |name: &str| {
        let mut services = config.virtual_services.iter();
        let found = services.find(|service| &*service.name == name);
        Arc::clone(&found.unwrap_or_else(|| panic!("no {name}")).check)
    };
    let with_body = check("http");
    assert_eq!(with_body.fast_interval, Duration::from_millis(500));
    assert_eq!(with_body.down_interval, Duration::from_secs(10));
    assert_eq!(with_body.origin.source, Some([192, 168, 11, 10].into()));
    assert_eq!(with_body.origin.interface.as_deref(), Some("eth0"));

    let CheckKind::Http(https) = &check("https").kind else {
        panic!("https");
    };
    assert_eq!(https.port, None);
    let tls = https.tls.as_ref().unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("www.example.com"));
    assert!(tls.verify && tls.client.is_some());

    let CheckKind::Stream(smtp) = &check("smtp").kind else {
        panic!("smtp");
    };
    assert_eq!(smtp.port, None);
    assert_eq!(smtp.steps[1], Step::Send(b"EHLO director\r\n".to_vec()));
    assert_eq!(
        smtp.steps[3],
        Step::Expect(Pattern::Bytes(b"\r\n".to_vec()))
    );
    assert_eq!(smtp.steps[4], Step::Send(b"QUIT\r\n".to_vec()));
    assert_eq!(check("smtp").fast_interval, check("smtp").interval);

    let CheckKind::Udp(ntp) = &check("ntp").kind else {
        panic!("ntp");
    };
    assert_eq!(ntp.send, [0xe3]);
    assert!(ntp.expect.as_ref().unwrap().end_in(b"\x24\xff").is_some());

    let kinds = [
        "imaps", "dns", "ping", "grpc", "exec", "file", "combined", "either",
    ];
    for name in kinds {
        let kind = &check(name).kind;
        let expected = match name {
            "imaps" => matches!(kind, CheckKind::Stream(imaps) if imaps.tls.is_some()),
            "dns" => matches!(kind, CheckKind::Dns(dns) if dns.port == 53),
            "ping" => *kind == CheckKind::Ping,
            "grpc" => matches!(kind, CheckKind::Grpc(grpc) if grpc.tls.is_some()),
            "exec" => matches!(kind, CheckKind::Exec(exec) if exec.advice),
            "file" => matches!(kind, CheckKind::File(_)),
            "combined" => matches!(kind, CheckKind::All(parts) if parts.len() == 2),
            _ => matches!(kind, CheckKind::Any(parts) if parts[1] == CheckKind::Ping),
        };
        assert!(expected, "{name}: {kind:?}");
    }
}

#[test]
fn an_agent_is_asked_for_the_service_of_its_check() {
    let config = good("checks.yaml");
    let mut services = config.virtual_services.iter();
    let service = services.find(|service| &*service.name == "agent").unwrap();
    let expected = |port| {
        CheckKind::Agent(AgentCheck {
            port,
            service: Some(service.key),
        })
    };
    let CheckKind::All(parts) = &service.check.kind else {
        panic!("all");
    };
    assert_eq!(*parts, [expected(9477), expected(9478)]);
    let sorry_server = service.pool.sorry_server.as_ref().unwrap();
    assert_eq!(sorry_server.check.kind, expected(9477));
}

#[test]
fn missing_check_over_udp_is_an_error_without_a_warning() {
    for check in ["", "check: { interval: 5s }"] {
        let text = format!(
            "virtual_services:\n  - name: names\n    address: 192.168.11.200:53\n    \
             protocol: udp\n    {check}\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
        );
        let errors = Config::parse("a.yaml", &text).unwrap_err();
        assert!(errors.to_string().contains("needs a check of its own"));
        assert_eq!(errors.warnings(), []);
    }
}

#[test]
fn an_agent_that_listens_on_lo_alone_is_warned_of() {
    let warnings = |listen: &str| {
        let text = format!(
            "http: {{ listen: \"{listen}\" }}\nvirtual_services:\n  - name: web\n    \
             address: 192.168.11.200:80\n    check: {{ agent: {{}} }}\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
        );
        let config = Config::parse("a.yaml", &text).unwrap();
        let warnings = config.warnings.iter().map(ToString::to_string);
        warnings.collect::<Vec<_>>()
    };
    for reached in ["0.0.0.0:9477", "[::]:9477", "192.168.11.21:9477"] {
        assert_eq!(warnings(reached), Vec::<String>::new(), "{reached}");
    }
    for unreached in ["127.0.0.1:9477", "0.0.0.0:9478"] {
        let [warning] = &*warnings(unreached) else {
            panic!("{unreached}");
        };
        assert!(warning.contains("`web`") && warning.contains(unreached));
        assert!(
            warning.contains("write `listen: 0.0.0.0:9477`"),
            "{warning}"
        );
    }
}

#[test]
fn the_link_is_the_interface_of_the_vips_unless_another_is_named() {
    let names = |file: &str| {
        let director = good(file).director;
        (director.interface, director.link, director.garp_refresh)
    };
    let eth0 = Some("eth0".to_owned());
    let minute = Some(Duration::from_mins(1));
    let other = Some("lvs0".to_owned());
    assert_eq!(names("link.yaml"), (other, eth0.clone(), minute));
    assert_eq!(names("link-alone.yaml"), (None, eth0.clone(), None));
}

/// The cluster of the how-to.
fn assert_how_to(config: &Config) {
    assert_eq!(config.http.listen, "127.0.0.1:9477".parse().unwrap());
    assert_eq!(
        config.control.socket,
        Path::new("/run/lvs-agent/control.sock")
    );
    assert_eq!(config.state_dir, Path::new("/var/lib/lvs-agent"));

    let director = &config.director;
    assert_eq!(director.interface.as_deref(), Some("eth0"));
    assert_eq!(director.link.as_deref(), Some("eth0"));
    assert_eq!(director.garp_refresh, None);
    assert_eq!(director.resync_interval, Duration::from_secs(10));
    assert_eq!(director.on_exit, DirectorExit::Keep);
    assert_eq!(director.on_arp_conflict, OnArpConflict::Warn);

    let role = &config.real_server;
    assert_eq!(role.interface, "lo");
    assert_eq!(role.vips, None);
    assert_eq!(role.resync_interval, Duration::from_secs(10));
    assert_eq!(role.on_exit, RealServerExit::Keep);
    let sysctls: BTreeMap<_, _> = role
        .sysctls
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        sysctls,
        BTreeMap::from([
            ("net.ipv4.conf.lo.arp_ignore", "1"),
            ("net.ipv4.conf.lo.arp_announce", "2"),
            ("net.ipv4.conf.all.arp_ignore", "1"),
            ("net.ipv4.conf.all.arp_announce", "2"),
            ("net.ipv4.conf.default.rp_filter", "1"),
        ])
    );

    let [web] = config.virtual_services.as_slice() else {
        panic!("one service");
    };
    assert_eq!(&*web.name, "web");
    assert_eq!(
        web.key,
        "tcp 192.168.11.200:80".parse::<ServiceKey>().unwrap()
    );
    assert_eq!(web.scheduler, "wlc".parse::<Scheduler>().unwrap());
    assert_eq!(web.forwarding, Forwarding::Direct);
    assert_eq!(keys(web), ["192.168.11.21:80", "192.168.11.22:80"]);
    let names: Vec<_> = web
        .real_servers
        .iter()
        .map(|server| &*server.name)
        .collect();
    assert_eq!(names, ["rs1", "rs2"]);
    assert!(
        web.real_servers
            .iter()
            .all(|server| server.weight == Weight::ONE)
    );

    let check = &web.check;
    let asked = http(web);
    assert_eq!(asked.port.unwrap_or(80), 80);
    let statuses: Vec<_> = (0..=999)
        .filter(|status| asked.expected_status.contains(*status))
        .collect();
    assert_eq!(statuses, (200..=299).collect::<Vec<_>>());
    assert_eq!(check.interval, Duration::from_secs(1));
    assert_eq!(check.timeout, Duration::from_secs(1));
    assert_eq!((check.rise.get(), check.fall.get()), (2, 3));
}

#[test]
fn the_examples_are_the_cluster_of_the_how_to() {
    for path in files("config", "yaml") {
        let config = Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        assert_how_to(&config);
        let http = http(&config.virtual_services[0]);
        let (target, host) = (http.path.as_str(), http.host.as_deref());
        match path.file_name().unwrap().to_str().unwrap() {
            "minimal.yaml" => assert_eq!((target, host), ("/", Some("192.168.11.200"))),
            "cluster.yaml" => {
                assert_eq!((target, host), ("/index.html", Some("www.example.com")));
            }
            other => panic!("{other} has no test"),
        }
    }
}

#[test]
fn all_problems_are_in_the_order_of_the_file() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken/twenty-mistakes.yaml");
    let lines: Vec<usize> = explanation(&path)
        .lines()
        .filter_map(|line| {
            line.strip_prefix("twenty-mistakes.yaml:")?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

/// So many services of 20 real servers each.
fn large_cluster(services: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from("virtual_services:\n");
    for i in 0..services {
        let (high, low) = (i / 250, i % 250 + 1);
        writeln!(
            text,
            "  - name: service-{i}\n    address: 10.0.{high}.{low}:80\n    \
             check: {{ http: {{ path: /health }}, interval: 1s, timeout: 1s, rise: 2, fall: 3 }}\n    \
             real_servers:"
        )
        .unwrap();
        for j in 0..20 {
            writeln!(
                text,
                "      - {{ name: rs{j}, address: 10.{}.{high}.{low}, weight: 1 }}",
                j + 1
            )
            .unwrap();
        }
    }
    text
}

#[test]
fn twenty_thousand_real_servers_load() {
    let config =
        Config::parse("large.yaml", &large_cluster(1000)).unwrap_or_else(|e| panic!("{e}"));
    let real_servers = config
        .virtual_services
        .iter()
        .map(|service| service.real_servers.len());
    assert_eq!(real_servers.sum::<usize>(), 20_000);
}

/// On one line, where a search from the line's start for each would take minutes.
#[test]
fn of_twenty_thousand_problems_on_one_line_a_hundred_are_told() {
    let real_servers: Vec<_> = (0..20_000)
        .map(|i| format!("{{ name: rs{i}, address: no }}"))
        .collect();
    let text = format!(
        "virtual_services: [{{ name: web, address: '192.168.11.200:80', real_servers: [{}] }}]",
        real_servers.join(", ")
    );
    let message = Config::parse("large.yaml", &text).unwrap_err().to_string();
    assert!(message.ends_with("\n100 problems and 19900 more in large.yaml"));
}

const CLUSTER: &str = include_str!("../config/cluster.yaml");

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        let _ = Config::parse("any.yaml", &text).map_err(|errors| errors.to_string());
    }

    #[test]
    fn text_of_yaml_characters_is_survived(text in "[-a-c0-2:,?&*!|>'\"%@{}\\[\\]#~<\\\\. \n\t]{0,80}") {
        let _ = Config::parse("any.yaml", &text).map_err(|errors| errors.to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The good file with pieces cut out, doubled, and replaced.
    #[test]
    fn a_mutated_file_is_survived(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..40_usize, "[-a-z0-9:,&*'\"{}\\[\\] \n\té漢]{0,6}"),
            1..6,
        )
    ) {
        let mut text: Vec<char> = CLUSTER.chars().filter(|c| *c != '#').collect();
        for (at, length, put) in changes {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        let _ = Config::parse("any.yaml", &text).map_err(|errors| errors.to_string());
    }
}

#[test]
fn removed_real_server_goes_at_once_unless_it_is_drained() {
    let read = |director: &str| {
        let text = format!(
            "director: {{ {director} }}\nvirtual_services:\n  - name: web\n    \
             address: 192.168.11.200:80\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
        );
        Config::parse("test.yaml", &text).unwrap().director
    };
    let read = |director| {
        let section = read(director);
        (section.on_removal, section.removal_deadline.as_secs())
    };
    assert_eq!(read(""), (DirectorRemoval::Remove, 300));
    assert_eq!(read("removal_deadline: 7s"), (DirectorRemoval::Remove, 7));
    assert_eq!(read("on_removal: drain"), (DirectorRemoval::Drain, 300));
    let both = "removal_deadline: 7s, on_removal: drain";
    assert_eq!(read(both), (DirectorRemoval::Drain, 7));
}

#[test]
fn the_manual_has_every_key() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/manual/configuration-reference.md");
    expect_file![path].assert_eq(&config::reference());
}

/// The page for man(1) has the keys, the mappings and the meanings of the
/// manual's page, in the same order.
#[test]
fn the_manual_page_has_every_key() {
    let page = config::manual_page();
    let mut rest = page.as_str();
    for line in config::reference().lines() {
        let name = match line.strip_prefix("## `") {
            Some(mapping) => mapping.split('`').next(),
            None => line
                .strip_prefix("| `")
                .and_then(|row| row.split('`').next()),
        };
        let Some(name) = name else { continue };
        let name = name.replace('-', r"\-");
        let at = rest
            .find(&name)
            .unwrap_or_else(|| panic!("{name} is missing in {page}"));
        rest = &rest[at + name.len()..];
    }
    assert!(!page.contains('`') && !page.contains("](#"), "{page}");
}

/// What is logged, and shown at `/status`, has places, and nothing of the file.
#[test]
fn public_message_has_no_text_of_the_file() {
    let text = "http: { listen: secret-one }\nstate_dir: secret-two\ncontrol: secret-three\n\
                secret-four: 1\nnotify: secret-five\nvirtual_services: secret-six\n";
    let errors = Config::parse("a.yaml", text).unwrap_err();
    let public = errors.public();
    assert!(errors.to_string().contains("secret-one"), "{errors}");
    assert!(!public.contains("secret"), "{public}");
    assert!(public.starts_with("a.yaml:1:17: "), "{public}");
    let end = "and so on; 6 problems";
    assert!(public.ends_with(end), "{public}");
    assert_eq!(public.lines().count(), 1);
}

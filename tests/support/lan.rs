use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Namespace;

/// Distinguishes the LANs of one process; the process id does the rest.
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The how-to's LAN, 192.168.11.0/24: one bridge, and hosts whose `eth0` is on
/// it. No host holds the VIP yet. Dropping it kills what runs on the hosts.
pub(crate) struct Lan {
    /// The switch; the port of a host has the host's name.
    pub(crate) bridge: Namespace,
    /// 192.168.11.1
    pub(crate) client: Namespace,
    /// 192.168.11.10
    pub(crate) director: Namespace,
    /// 192.168.11.21
    pub(crate) rs1: Namespace,
    /// 192.168.11.22
    pub(crate) rs2: Namespace,
}

const HOSTS: [(&str, &str); 4] = [
    ("client", "192.168.11.1"),
    ("director", "192.168.11.10"),
    ("rs1", "192.168.11.21"),
    ("rs2", "192.168.11.22"),
];

impl Lan {
    /// Builds the LAN; every interface is up when it returns.
    pub(crate) fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("lvs-{}-{number}", std::process::id());

        // One `ip` for all hosts where it can be: a fork costs 0.1 s in the lab.
        let mut outside = format!("netns add {prefix}-bridge\n");
        let mut switch = String::from("link add br0 type bridge\nlink set br0 up\n");
        for (host, _) in HOSTS {
            let _ = writeln!(outside, "netns add {prefix}-{host}");
            let _ = writeln!(
                outside,
                "link add eth0 netns {prefix}-{host} type veth \
                 peer name {host} netns {prefix}-bridge"
            );
            let _ = writeln!(switch, "link set {host} master br0 up");
        }
        ip_batch(&[], &outside);
        ip_batch(&["-n", &format!("{prefix}-bridge")], &switch);
        for (host, address) in HOSTS {
            ip_batch(
                &["-n", &format!("{prefix}-{host}")],
                &format!("link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n"),
            );
        }

        let open = |host: &str| Namespace::open(format!("{prefix}-{host}"));
        Self {
            bridge: open("bridge"),
            client: open("client"),
            director: open("director"),
            rs1: open("rs1"),
            rs2: open("rs2"),
        }
    }

    fn namespaces(&self) -> [&Namespace; 5] {
        [
            &self.bridge,
            &self.client,
            &self.director,
            &self.rs1,
            &self.rs2,
        ]
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        let mut remove = String::new();
        for namespace in self.namespaces() {
            namespace.kill_all();
            let _ = writeln!(remove, "netns del {}", namespace.name());
        }
        ip_batch(&[], &remove);
    }
}

/// Runs `ip OPTIONS -batch -` over `lines`; panics if one of them fails.
fn ip_batch(options: &[&str], lines: &str) {
    let mut ip = Command::new("ip")
        .args(options)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("to start ip");
    let mut input = ip.stdin.take().expect("a pipe to ip");
    input.write_all(lines.as_bytes()).expect("to write to ip");
    drop(input);
    let output = ip.wait_with_output().expect("the end of ip");
    assert!(
        output.status.success(),
        "ip {options:?}: {}\nin:\n{lines}",
        String::from_utf8_lossy(&output.stderr)
    );
}

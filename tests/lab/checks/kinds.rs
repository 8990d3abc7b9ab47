//! Every kind of check: a server that is well, hangs, is stopped, and answers
//! what it should not.

use std::fs::{self, create_dir, create_dir_all};
use std::os::unix::fs::chown;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::User;

use super::authority::Authority;
use super::server::Server;
use super::{Director, Expected, service};
use crate::support::{Lan, Namespace, PATIENCE, Site, until};

/// What the programs of the `exec` check start when they hang; the number is
/// what they are known by.
const HANG: &str = "sleep 86413 & exec sleep 86413";

/// Asks for the address of www.example.com (RFC 1035, section 4).
const QUESTION: &str = "12 34 01 00 00 01 00 00 00 00 00 00 \
                        03 77 77 77 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00 00 01 00 01";

/// One kind of check, and what comes of it.
struct Kind {
    name: &'static str,
    protocol: &'static str,
    port: u16,
    /// `DIR` stands for the test's directory.
    check: &'static str,
    /// The result and a part of the detail when all servers are well, …
    well: Outcome,
    /// … are wrong, …
    wrong: Outcome,
    /// … are stopped, …
    stopped: Outcome,
    /// … and hang.
    hanging: Outcome,
}

type Outcome = (&'static str, &'static str);

const REFUSED: Outcome = ("refused", "connection refused");
const TIMEOUT: Outcome = ("timeout", "timed out after 5s while ");
const TCP: &str = "tcp";

const KINDS: [Kind; 19] = [
    Kind {
        name: "http",
        protocol: TCP,
        port: 80,
        check: "http: { path: /health }",
        well: ("ok", "HTTP 200"),
        wrong: ("status", "HTTP 503, expected 200-299"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "http-body",
        protocol: TCP,
        port: 81,
        check: "http: { port: 80, path: /page, expect: { body: well } }",
        well: ("ok", "HTTP 200"),
        wrong: ("body", "HTTP 200, without \"well\" in its body"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "https",
        protocol: TCP,
        port: 443,
        check: "https: { path: /health, host: www.example.com, ca: DIR/ca.pem }",
        well: ("ok", "HTTP 200"),
        wrong: ("status", "HTTP 503, expected 200-299"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "tls",
        protocol: TCP,
        port: 636,
        check: "tls: { server_name: www.example.com, ca: DIR/ca.pem }",
        well: ("ok", "connected with TLS"),
        wrong: ("tls", "not a TLS answer"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "smtp",
        protocol: TCP,
        port: 25,
        check: r#"tcp: { steps: [{ expect: "220 " }, { send: "HELO director\r\n" },
            { expect: "250 " }, { send: "QUIT\r\n" }, { expect: "221 " }] }"#,
        well: ("ok", "connected"),
        wrong: ("body", "expected \"220 \", got \"554 5.7.1 "),
        stopped: REFUSED,
        hanging: (
            "timeout",
            "while waiting for the text of step 1, of which nothing came, expected \"220 \"",
        ),
    },
    Kind {
        name: "redis",
        protocol: TCP,
        port: 6379,
        check: r#"tcp: { steps: [{ send: "PING\r\n" }, { expect: "+PONG\r\n" }] }"#,
        well: ("ok", "connected"),
        wrong: ("body", "got \"-NOAUTH Authentication required."),
        stopped: REFUSED,
        hanging: (
            "timeout",
            "while waiting for the text of step 2, of which nothing came, expected \"+PONG",
        ),
    },
    Kind {
        name: "tcp",
        protocol: TCP,
        port: 6380,
        // The kernel answers for a program that is stopped by a signal.
        check: "tcp: { port: 6379 }",
        well: ("ok", "connected"),
        wrong: ("ok", "connected"),
        stopped: REFUSED,
        hanging: ("ok", "connected"),
    },
    Kind {
        name: "dns",
        protocol: "udp",
        port: 53,
        check: "dns: { name: www.example.com, answers: [192.0.2.1] }",
        well: ("ok", "1 A record"),
        wrong: ("body", "expected 192.0.2.1, found 1 A record: 192.0.2.9"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "dns-too-long-for-udp",
        protocol: TCP,
        port: 53,
        check: "dns: { name: long.example.com, type: TXT }",
        well: ("ok", "4 TXT records"),
        wrong: ("status", "NXDOMAIN, expected NOERROR"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "udp",
        protocol: "udp",
        port: 54,
        check: r#"udp: { port: 53, send: { hex: "QUESTION" },
            expect: { regex: '(?-u)^\x12\x34.*\xc0\x00\x02\x01$' } }"#,
        well: ("ok", "answered with "),
        wrong: ("body", "got \"\\x124"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "udp-silence",
        protocol: "udp",
        port: 55,
        check: r#"udp: { port: 53, send: { hex: "QUESTION" } }"#,
        well: ("ok", "answered with "),
        wrong: ("ok", "answered with "),
        stopped: REFUSED,
        hanging: ("ok", "not refused"),
    },
    Kind {
        name: "ping",
        protocol: TCP,
        port: 7,
        check: "ping: {}",
        well: ("ok", "echo reply"),
        wrong: ("unreachable", "forbidden on the way (by ICMP)"),
        stopped: TIMEOUT,
        hanging: TIMEOUT,
    },
    Kind {
        name: "grpc",
        protocol: TCP,
        port: 2379,
        check: "grpc: {}",
        well: ("ok", "SERVING"),
        wrong: ("status", "HTTP 404, expected 200"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "grpc-unknown-service",
        protocol: TCP,
        port: 2381,
        check: "grpc: { port: 2379, service: shop.Cart }",
        well: ("status", "gRPC status 5: no such service"),
        wrong: ("status", "HTTP 404, expected 200"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "grpc-tls",
        protocol: TCP,
        port: 2380,
        check: "grpc: { tls: true, server_name: www.example.com, ca: DIR/ca.pem,
            client_certificate: DIR/client.pem, client_key: DIR/client.key }",
        well: ("ok", "SERVING"),
        wrong: ("status", "HTTP 404, expected 200"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "agent",
        protocol: TCP,
        port: 9999,
        check: "haproxy_agent: { port: 9999 }",
        well: ("ok", "says up"),
        wrong: (
            "protocol",
            "the agent said nothing that is known, but `<html>",
        ),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
    Kind {
        name: "exec",
        protocol: TCP,
        port: 1,
        check: r#"exec: { command: [/bin/sh, DIR/check, "{address}", "{port}"] }"#,
        well: ("ok", "exit code 0"),
        wrong: ("status", "exit code 3"),
        stopped: ("status", "ended by signal 9"),
        hanging: (
            "timeout",
            "timed out after 5s while waiting for the end of the program",
        ),
    },
    Kind {
        name: "file",
        protocol: TCP,
        port: 2,
        check: r#"file: { path: "DIR/says-{address}" }"#,
        well: ("ok", "says up"),
        wrong: ("status", "says down"),
        stopped: ("ok", "no file"),
        hanging: ("ok", "says up"),
    },
    Kind {
        name: "all",
        protocol: TCP,
        port: 3,
        check: "all: [{ http: { port: 80, path: /health } }, { haproxy_agent: { port: 9999 } }]",
        well: ("ok", "HTTP 200"),
        wrong: ("status", "HTTP 503"),
        stopped: REFUSED,
        hanging: TIMEOUT,
    },
];

impl Kind {
    fn service(&self, directory: &Path) -> String {
        let check = self.check.replace("DIR", &directory.display().to_string());
        let check = check.replace("QUESTION", QUESTION);
        let check = format!("{check}, interval: 1s, timeout: 5s, rise: 1, fall: 1");
        service(self.name, self.protocol, self.port, &check, "")
    }
}

/// How the servers are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Well,
    Wrong,
    Stopped,
    Hanging,
}

/// The programs on rs1, and what on the director stands for a server.
struct Servers<'a> {
    host: &'a Namespace,
    directory: &'a Path,
    running: Vec<Server>,
}

impl Servers<'_> {
    fn be(&mut self, state: State) {
        let ping = match state {
            State::Well => "accept",
            State::Wrong => "reject with icmp type host-prohibited",
            State::Stopped | State::Hanging => "drop",
        };
        self.host.run("nft flush chain ip checks input");
        self.host.run(&format!(
            "nft add rule ip checks input icmp type echo-request {ping}"
        ));
        let write = |name: &str, text: &str| {
            let part = self.directory.join("part");
            fs::write(&part, text).unwrap();
            fs::rename(part, self.directory.join(name)).unwrap();
        };
        // It sees that its arguments are the real server.
        let program = match state {
            State::Well => r#"test "$*" = "192.168.11.21 1""#,
            State::Wrong => "exit 3",
            State::Stopped => "kill -KILL $$",
            State::Hanging => HANG,
        };
        write("check", program);
        let says = "says-192.168.11.21";
        match state {
            State::Well => write(says, "up\n"),
            State::Wrong => write(says, "down # by hand\n"),
            State::Stopped => fs::remove_file(self.directory.join(says)).unwrap(),
            State::Hanging => {}
        }
        match state {
            State::Well | State::Wrong => {
                self.running.clear();
                self.running = self.start(state == State::Well);
            }
            State::Stopped => self.running.clear(),
            State::Hanging => self
                .running
                .iter()
                .for_each(|server| server.signal(Signal::SIGSTOP)),
        }
    }

    fn start(&self, well: bool) -> Vec<Server> {
        let start = |line: &str| Server::start(self.host, line);
        let at = self.directory.display();
        let mut servers = vec![
            start(&format!(
                "nginx -e stderr -c {at}/{}",
                nginx(self.directory, well)
            )),
            start(&format!(
                "/usr/lib/postfix/sbin/master -d -c {}",
                postfix(self.directory, well)
            )),
            start(&format!(
                "redis-server --port 6379 --bind 0.0.0.0 --protected-mode no{}",
                if well { "" } else { " --requirepass secret" }
            )),
        ];
        servers.push(start(&format!(
            "dnsmasq --no-daemon --user=root --conf-file=/dev/null --no-resolv --no-hosts \
             --local=/example.com/ --address=/www.example.com/{}",
            if well {
                let text = "x".repeat(200);
                let long = format!(" --txt-record=long.example.com,{text}").repeat(4);
                format!("192.0.2.1{long}")
            } else {
                "192.0.2.9".to_owned()
            }
        )));
        let line = self.directory.join("line");
        fs::write(&line, if well { "up\n" } else { "<html>\n" }).unwrap();
        servers.push(start(&format!(
            "socat -U TCP-LISTEN:9999,fork,reuseaddr FILE:{}",
            line.display()
        )));
        if well {
            servers.push(start(&format!(
                "etcd --data-dir {at}/etcd --log-level error \
                 --listen-peer-urls http://127.0.0.1:2382 \
                 --listen-client-urls http://0.0.0.0:2379,https://0.0.0.0:2380 \
                 --advertise-client-urls http://127.0.0.1:2379 \
                 --cert-file {at}/server.pem --key-file {at}/server.key \
                 --client-cert-auth --trusted-ca-file {at}/ca.pem"
            )));
        }
        servers
    }
}

/// The name of its configuration file. When it is not well, it also stands in
/// for etcd, as a web server that knows nothing of gRPC.
fn nginx(directory: &Path, well: bool) -> &'static str {
    let at = directory.display();
    let (status, page, tls) = if well {
        (200, "all is well", "ssl")
    } else {
        (503, "ill", "")
    };
    let grpc = if well {
        String::new()
    } else {
        "server { listen 2379 http2; listen 2380 ssl http2; return 404; }".to_owned()
    };
    // One process, which is the one that signals reach.
    let configuration = format!(
        "daemon off;
        master_process off;
        pid {at}/nginx.pid;
        error_log stderr;
        events {{}}
        http {{
            access_log off;
            client_body_temp_path {at}/body;
            proxy_temp_path {at}/proxy;
            fastcgi_temp_path {at}/fastcgi;
            uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            ssl_certificate {at}/server.pem;
            ssl_certificate_key {at}/server.key;
            server {{
                listen 80;
                listen 443 ssl;
                location /health {{ return {status}; }}
                location /page {{ return 200 '{page}'; }}
            }}
            server {{ listen 636 {tls}; return 200; }}
            {grpc}
        }}
        "
    );
    fs::write(directory.join("nginx.conf"), configuration).unwrap();
    "nginx.conf"
}

/// Its configuration directory. Debian's own user for it is made when the
/// package is installed, so it uses two that every Debian has.
fn postfix(directory: &Path, well: bool) -> String {
    let home = directory.join(if well {
        "postfix-well"
    } else {
        "postfix-wrong"
    });
    let owner = User::from_name("mail")
        .unwrap()
        .expect("Debian's user mail");
    if !home.exists() {
        create_dir(&home).unwrap();
        for path in ["data", "queue/pid", "queue/private", "queue/public"] {
            create_dir_all(home.join(path)).unwrap();
        }
        for path in ["data", "queue/private", "queue/public"] {
            chown(home.join(path), Some(owner.uid.as_raw()), None).unwrap();
        }
    }
    let at = home.display();
    let clients = if well { "permit" } else { "reject" };
    let main = format!(
        "compatibility_level = 3.6
queue_directory = {at}/queue
data_directory = {at}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = mail
setgid_group = games
myhostname = mail.example.com
mydestination =
local_recipient_maps =
alias_maps =
inet_interfaces = all
smtpd_delay_reject = no
smtpd_client_restrictions = {clients}
maillog_file = /dev/stdout
"
    );
    fs::write(home.join("main.cf"), main).unwrap();
    let services = "
25       inet       n - n - - smtpd
anvil    unix       - - n - 1 anvil
proxymap unix       - - n - - proxymap
rewrite  unix       - - n - - trivial-rewrite
postlog  unix-dgram n - n - 1 postlogd
";
    fs::write(home.join("master.cf"), services).unwrap();
    home.display().to_string()
}

#[test]
fn every_kind_of_check_finds_servers_healthy_hanging_stopped_and_wrong() {
    let lan = Lan::new();
    let site = Site::new("");
    let directory = tempfile::tempdir_in(site.directory()).unwrap();
    // Postfix looks for its files as another user.
    for path in [site.directory(), directory.path()] {
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(path, everybody).unwrap();
    }
    let directory = directory.path();
    let ca = Authority::new(directory, "ca");
    ca.sign("server", "www.example.com", 2090);
    ca.sign("client", "director.example.com", 2090);

    lan.rs1.run("nft add table ip checks");
    lan.rs1
        .run("nft add chain ip checks input { type filter hook input priority 0 ; }");
    let mut servers = Servers {
        host: &lan.rs1,
        directory,
        running: Vec::new(),
    };
    servers.be(State::Well);
    let services: Vec<_> = KINDS.iter().map(|kind| kind.service(directory)).collect();
    let director = Director::start(&lan.director, &site, &services);
    let wait_for = |state: State| {
        let expected = KINDS.iter().map(|kind| {
            let (result, detail) = match state {
                State::Well => kind.well,
                State::Wrong => kind.wrong,
                State::Stopped => kind.stopped,
                State::Hanging => kind.hanging,
            };
            (kind.name, u32::from(result == "ok"), result, detail)
        });
        let expected: Vec<Expected<'_>> = expected.collect();
        director.wait_for(&format!("verdicts when {state:?}"), &expected);
    };

    wait_for(State::Well);
    servers.be(State::Hanging);
    wait_for(State::Hanging);
    servers.be(State::Stopped);
    wait_for(State::Stopped);
    servers.be(State::Wrong);
    wait_for(State::Wrong);
    servers.be(State::Well);
    wait_for(State::Well);

    // What the hanging program had started went with it.
    until(PATIENCE, "end of all that hung", || {
        let mut pgrep = std::process::Command::new("pgrep");
        pgrep.args(["-af", "sleep 86413"]);
        let left = lan.director.output(pgrep).stdout;
        if left.is_empty() {
            Ok(())
        } else {
            Err(String::from_utf8(left))
        }
    });
}

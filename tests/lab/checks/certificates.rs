//! HTTPS with certificates that are good, and that are not, each of them shown
//! by nginx.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::authority::Authority;
use super::server::Server;
use super::{Director, service};
use crate::cluster::{metric, shown};
use crate::support::{Lan, Namespace, Site};

/// Of each virtual service the name, the file of nginx's certificate, a key of
/// the check, and what comes of it.
const CASES: [(&str, &str, &str, &str, &str); 7] = [
    ("good", "good", CLIENT, "ok", "HTTP 200"),
    (
        "expired",
        "expired",
        CLIENT,
        "tls",
        "the certificate has expired",
    ),
    (
        "wrong-name",
        "wrong-name",
        CLIENT,
        "tls",
        "the certificate is for mail.example.com, and not for www.example.com",
    ),
    (
        "unknown-ca",
        "unknown-ca",
        CLIENT,
        "tls",
        "the certificate is from an unknown authority",
    ),
    ("unverified", "unknown-ca", UNVERIFIED, "ok", "HTTP 200"),
    ("no-client", "good", CA, "status", "HTTP 400"),
    ("strange-client", "good", STRANGER, "status", "HTTP 400"),
];

const CA: &str = "ca: DIR/ca.pem";
const CLIENT: &str =
    "ca: DIR/ca.pem, client_certificate: DIR/client.pem, client_key: DIR/client.key";
const UNVERIFIED: &str =
    "verify: false, client_certificate: DIR/client.pem, client_key: DIR/client.key";
const STRANGER: &str =
    "ca: DIR/ca.pem, client_certificate: DIR/stranger.pem, client_key: DIR/stranger.key";

#[test]
fn a_bad_certificate_takes_a_server_down_and_says_why() {
    let lan = Lan::new();
    let site = Site::new("");
    let directory = site.directory();
    let ca = Authority::new(directory, "ca");
    let other = Authority::new(directory, "other");
    ca.sign("good", "www.example.com", 2087);
    ca.sign("expired", "www.example.com", 2020);
    ca.sign("wrong-name", "mail.example.com", 2087);
    other.sign("unknown-ca", "www.example.com", 2087);
    ca.sign("client", "director.example.com", 2087);
    other.sign("stranger", "director.example.com", 2087);

    let at = directory.display();
    let mut hosts = String::new();
    let mut services = Vec::new();
    for ((name, certificate, keys, ..), port) in CASES.iter().zip(4431..) {
        let _ = write!(
            hosts,
            "server {{
                listen {port} ssl;
                ssl_certificate {at}/{certificate}.pem;
                ssl_certificate_key {at}/{certificate}.key;
                ssl_client_certificate {at}/ca.pem;
                ssl_verify_client on;
                return 200;
            }}
            "
        );
        let keys = keys.replace("DIR", &at.to_string());
        let check = format!(
            "https: {{ host: www.example.com, port: {port}, {keys} }}, \
             timeout: 10s, rise: 1, fall: 1"
        );
        services.push(service(name, "tcp", port, &check, ""));
    }
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
            {hosts}
        }}
        "
    );
    let file = directory.join("nginx.conf");
    fs::write(&file, configuration).unwrap();
    let nginx = || Server::start(&lan.rs1, &format!("nginx -e stderr -c {}", file.display()));
    let running = nginx();
    let director = Director::start(&lan.director, &site, &services);
    let expected =
        CASES.map(|(name, _, _, result, detail)| (name, u32::from(result == "ok"), result, detail));
    director.wait_for("a verdict for each certificate", &expected);

    let metrics = shown(&lan.director, "/metrics");
    for service in ["expired", "wrong-name", "unknown-ca"] {
        assert!(!metrics.contains(&expiry(service)), "{metrics}");
    }
    assert_expiry(&lan.director, "good", directory);

    // Renewed in place, and nginx started again: all are good then.
    drop(running);
    for name in ["expired", "wrong-name", "unknown-ca"] {
        ca.sign(name, "www.example.com", 2088);
    }
    let _running = nginx();
    let renewed = ["good", "expired", "wrong-name", "unknown-ca"];
    let expected = renewed.map(|name| (name, 1, "ok", "HTTP 200"));
    director.wait_for("good certificates", &expected);
    assert_expiry(&lan.director, "expired", directory);
}

fn expiry(service: &str) -> String {
    let labels = format!("service=\"{service}\",real_server=\"rs1\"");
    format!("lvs_certificate_expiry_timestamp_seconds{{{labels}}}")
}

/// The metric is what openssl reads from the certificate of the same name.
fn assert_expiry(director: &Namespace, service: &str, directory: &Path) {
    let mut command = Command::new("sh");
    let line = r#"end=$(openssl x509 -enddate -noout -in "$1") && date -d "${end#notAfter=}" +%s"#;
    let file = directory.join(format!("{service}.pem"));
    let output = command.args(["-c", line, "sh"]).arg(file).output().unwrap();
    let end = String::from_utf8(output.stdout).unwrap();
    let end: f64 = end.trim().parse().expect("seconds since 1970");
    let shown = metric(director, &expiry(service));
    assert!((shown - end).abs() < 0.5, "{shown} and not {end}");
}

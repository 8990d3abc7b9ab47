//! TLS as `openssl s_server` speaks it, with certificates good and odd.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use serde_json::Value;

use super::{AMPLE, Process, Site, until};

/// One server: its name, `openssl req -x509 …` (see `certificate`), the options
/// of `openssl s_server`, the check's keys, and the result and its detail.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const ANY: &str = "verify: false";
/// The certificate itself is the trusted one.
const OWN: &str = "host: www.example.com, ca: CERT";
const P256: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

const CASES: &[Case] = &[
    // With verification off, nothing of a certificate fails the check.
    ("v1", "v1", "", ANY, "ok", "HTTP 200"),
    ("v1-tls12", "v1", "-tls1_2", ANY, "ok", "HTTP 200"),
    ("rsa-1024", "-newkey rsa:1024", "", ANY, "ok", "HTTP 200"),
    (
        "rsa-1024-tls12",
        "-newkey rsa:1024",
        "-tls1_2",
        ANY,
        "ok",
        "HTTP 200",
    ),
    (
        "rsa-512-tls12",
        "-newkey rsa:512",
        "-tls1_2",
        ANY,
        "ok",
        "HTTP 200",
    ),
    (
        "rsa-4096",
        "-newkey rsa:4096",
        "-tls1_2",
        ANY,
        "ok",
        "HTTP 200",
    ),
    (
        "p-384",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-384",
        "",
        ANY,
        "ok",
        "HTTP 200",
    ),
    (
        "p-521",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
        "",
        ANY,
        "ok",
        "HTTP 200",
    ),
    ("sha1", "-newkey rsa:2048 -sha1", "", ANY, "ok", "HTTP 200"),
    (
        "md5",
        "-newkey rsa:2048 -md5",
        "-tls1_2",
        ANY,
        "ok",
        "HTTP 200",
    ),
    ("ed25519", "-newkey ed25519", "", ANY, "ok", "HTTP 200"),
    ("ed448", "-newkey ed448", "", ANY, "ok", "HTTP 200"),
    (
        "rsa-pss",
        "-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048",
        "",
        ANY,
        "ok",
        "HTTP 200",
    ),
    ("expired", "expired", "", ANY, "ok", "HTTP 200"),
    ("not-yet", "not-yet", "", ANY, "ok", "HTTP 200"),
    (
        "unknown-critical",
        "-newkey rsa:2048 -addext 1.2.3.4=critical,ASN1:UTF8String:x",
        "",
        ANY,
        "ok",
        "HTTP 200",
    ),
    (
        "malformed",
        "-newkey rsa:2048 -addext subjectAltName=critical,DER:ff",
        "",
        ANY,
        "ok",
        "HTTP 200",
    ),
    // What the agent cannot speak is told as that.
    (
        "tls11",
        P256,
        "-tls1_1",
        ANY,
        "tls",
        "TLS 1.2 and TLS 1.3, which are what",
    ),
    (
        "rsa-key-exchange",
        "-newkey rsa:2048",
        "-tls1_2 -cipher AES128-GCM-SHA256:@SECLEVEL=0",
        ANY,
        "tls",
        "the agent offers ECDHE",
    ),
    (
        "cbc",
        "-newkey rsa:2048",
        "-tls1_2 -cipher ECDHE-RSA-AES128-SHA:@SECLEVEL=0",
        ANY,
        "tls",
        "the agent offers ECDHE",
    ),
    (
        "dhe",
        "-newkey rsa:2048",
        "-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
        ANY,
        "tls",
        "the agent offers ECDHE",
    ),
    (
        "p-521-verified",
        "-newkey ec -pkeyopt ec_paramgen_curve:P-521",
        "",
        OWN,
        "tls",
        "",
    ),
    // One that is trusted itself, whatever it says of its use.
    ("own", "-newkey rsa:2048", "", OWN, "ok", "HTTP 200"),
    (
        "own-tls12",
        "-newkey rsa:2048",
        "-tls1_2",
        OWN,
        "ok",
        "HTTP 200",
    ),
    ("own-p-256", P256, "", OWN, "ok", "HTTP 200"),
    ("own-p-256-tls12", P256, "-tls1_2", OWN, "ok", "HTTP 200"),
    ("own-v1", "v1", "", OWN, "ok", "HTTP 200"),
    ("own-v1-tls12", "v1", "-tls1_2", OWN, "ok", "HTTP 200"),
    (
        "own-alternative",
        "-newkey rsa:2048 -subj /CN=other -addext subjectAltName=DNS:*.example.com",
        "",
        OWN,
        "ok",
        "HTTP 200",
    ),
    (
        "own-no-authority",
        "-newkey rsa:2048 -addext basicConstraints=critical,CA:FALSE \
         -addext subjectAltName=DNS:www.example.com",
        "",
        OWN,
        "ok",
        "HTTP 200",
    ),
    (
        "own-address",
        "-newkey rsa:2048 -addext subjectAltName=IP:ADDRESS",
        "",
        "server_name: ADDRESS, ca: CERT",
        "ok",
        "HTTP 200",
    ),
    (
        "own-wrong-name",
        "-newkey rsa:2048 -subj /CN=mail.example.com",
        "",
        OWN,
        "tls",
        "and not for www.example.com",
    ),
    (
        "own-wrong-alternative",
        "-newkey rsa:2048 -addext subjectAltName=DNS:mail.example.com",
        "",
        OWN,
        "tls",
        "and not for www.example.com",
    ),
    ("own-expired", "expired", "", OWN, "tls", "has expired"),
    ("own-not-yet", "not-yet", "", OWN, "tls", "not valid yet"),
    // Another's certificate is not trusted.
    (
        "stranger",
        "-newkey rsa:2048",
        "",
        "host: www.example.com, ca: OTHER",
        "tls",
        "unknown authority",
    ),
];

#[test]
fn every_certificate_is_what_it_should_be() {
    let site = Site::new();
    openssl(
        &site.path(""),
        "other",
        "req -x509 -nodes -newkey rsa:2048 -subj /CN=www.example.com",
    );
    let (mut services, mut servers) = (String::new(), Vec::new());
    for (case, host) in CASES.iter().zip(1..) {
        let (name, made, options, keys, ..) = case;
        let address = free(&site, host);
        certificate(&site, name, made, address);
        servers.push(serve(&site, name, options, address));
        let cert = site.path(name).with_extension("crt");
        let other = site.path("other").with_extension("crt");
        let keys = keys
            .replace("ADDRESS", &address.ip().to_string())
            .replace("CERT", &cert.display().to_string())
            .replace("OTHER", &other.display().to_string());
        let (ip, port) = (address.ip(), address.port());
        write!(
            services,
            "  - name: {name}\n    address: 192.0.2.{host}:443\n    \
             check: {{ https: {{ port: {port}, {keys} }}, timeout: 20s, rise: 1, fall: 1 }}\n    \
             real_servers: [{{ name: rs, address: {ip} }}]\n"
        )
        .unwrap();
    }
    site.configure(&services);
    let _agent = site.agent();
    until(AMPLE * 4, "the verdict for each certificate", || {
        let wrong: Vec<String> = (0..)
            .zip(CASES)
            .filter_map(|(service, case)| {
                let (name, .., result, detail) = case;
                let probe: Value = site.real_server(service, 0)["last_probe"].take();
                let as_wanted = probe["result"] == *result
                    && probe["detail"]
                        .as_str()
                        .unwrap_or_default()
                        .contains(detail);
                (!as_wanted).then(|| format!("{name}: {probe}"))
            })
            .collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    });
}

fn free(site: &Site, host: u8) -> SocketAddr {
    let listener = TcpListener::bind((site.ip(host), 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A running `openssl s_server` that answers any request with a page.
fn serve(site: &Site, name: &str, options: &str, address: SocketAddr) -> Process {
    let mut command = Command::new("openssl");
    command
        .arg("s_server")
        .args(["-www", "-accept", &address.to_string()])
        .arg("-cert")
        .arg(site.path(name).with_extension("crt"))
        .arg("-key")
        .arg(site.path(name).with_extension("key"));
    if !options.contains("-cipher") {
        command.args(["-cipher", "ALL:@SECLEVEL=0"]);
    }
    command.args(options.split_whitespace());
    Process::start(command, tempfile::tempdir().unwrap())
}

/// Makes `NAME.crt` and `NAME.key`.
fn certificate(site: &Site, name: &str, made: &str, address: SocketAddr) {
    let directory = site.path("");
    match made {
        "expired" => dated(&directory, name, (2001, 2002)),
        "not-yet" => dated(&directory, name, (2090, 2091)),
        "v1" => {
            let request = "req -new -nodes -newkey rsa:2048 -subj /CN=www.example.com";
            openssl(&directory, name, request);
            fs::rename(
                directory.join(name).with_extension("crt"),
                directory.join("csr"),
            )
            .unwrap();
            let sign = format!("x509 -req -in csr -signkey {name}.key -days 30 -out {name}.crt");
            run(&directory, &sign);
        }
        options => {
            let subject = if options.contains("-subj") {
                ""
            } else {
                "-subj /CN=www.example.com"
            };
            let options = options.replace("ADDRESS", &address.ip().to_string());
            openssl(
                &directory,
                name,
                &format!("req -x509 -nodes {options} {subject}"),
            );
        }
    }
}

fn openssl(directory: &Path, name: &str, arguments: &str) {
    run(
        directory,
        &format!("{arguments} -keyout {name}.key -out {name}.crt"),
    );
}

fn run(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command
        .current_dir(directory)
        .args(arguments.split_whitespace());
    let output = command.output().expect("openssl is installed");
    assert!(output.status.success(), "{arguments}: {output:?}");
}

/// A certificate for these years, which `openssl req` of Debian 12 cannot make.
fn dated(directory: &Path, name: &str, (from, to): (i32, i32)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["www.example.com".to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "www.example.com");
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    let path = directory.join(name);
    fs::write(path.with_extension("crt"), certificate.pem()).unwrap();
    fs::write(path.with_extension("key"), key.serialize_pem()).unwrap();
}

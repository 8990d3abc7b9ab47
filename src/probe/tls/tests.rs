use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::config::{
    CheckKind, ClientCertificate, ClientKey, ExpectedBody, Pattern, Secret, Step, StreamCheck,
};
use crate::model::{CertificateExpiry, ProbeResult};
use crate::probe::Outcome;
use crate::probe::fixture::{SHORT, ask, ask_within, assert_outcome, serve, server_that_sends};
use crate::status::fixture;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `name` until the end of `year`, and its key, in PEM.
fn certificate(authority: &Authority, name: &str, year: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(year, 12, 31);
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// What a server needs that shows this certificate; it asks for one of the
/// client's by `clients`, if given.
fn config((chain, key): (String, String), clients: Option<&Authority>) -> Arc<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

/// Says `220 hello` over TLS with this certificate; asks for one of the
/// client's by `clients`, if given.
fn server(certificate: (String, String), clients: Option<&Authority>) -> SocketAddr {
    let config = config(certificate, clients);
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        // A client that refuses the certificate is part of the tests.
        let mut request = Vec::new();
        let mut byte = [0];
        if stream.write_all(b"220 hello\r\n").is_err() {
            return;
        }
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            request.push(byte[0]);
        }
    })
}

/// Files that are gone with it.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn trusting(ca: &Path) -> TlsSettings {
    TlsSettings {
        server_name: Some("rs1.example.com".to_owned()),
        ca: Some(ca.to_owned()),
        client: None,
        verify: true,
    }
}

fn tls(settings: &TlsSettings) -> CheckKind {
    CheckKind::Stream(StreamCheck {
        port: None,
        tls: Some(settings.clone()),
        steps: vec![Step::Expect(Pattern::Text("220 ".to_owned()))],
    })
}

async fn connect(target: SocketAddr, settings: &TlsSettings) -> Outcome {
    ask(target, tls(settings)).await
}

#[tokio::test]
async fn the_certificate_must_be_valid_for_the_name() {
    let (files, ours) = (Files::new(), authority("ours"));
    let settings = trusting(&files.write("ca.pem", &ours.pem()));
    let good = server(certificate(&ours, "rs1.example.com", 2090), None);
    let outcome = connect(good, &settings).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected with TLS");
    let end: SystemTime = date_time_ymd(2090, 12, 31).into();
    let port = good.port();
    assert_eq!(
        outcome.certificate_expiry,
        Some(CertificateExpiry { at: end, port })
    );

    let (theirs, wrong_name) = (authority("theirs"), "rs2.example.com");
    for (target, detail) in [
        (
            server(certificate(&ours, "rs1.example.com", 2001), None),
            "the certificate has expired",
        ),
        (
            server(certificate(&ours, wrong_name, 2090), None),
            "the certificate is for rs2.example.com, and not for rs1.example.com",
        ),
        (
            server(certificate(&theirs, "rs1.example.com", 2090), None),
            "the certificate is from an unknown authority",
        ),
        (
            server_that_sends(b"220 this is not TLS\r\n"),
            "not a TLS answer",
        ),
    ] {
        let outcome = connect(target, &settings).await;
        assert_outcome(&outcome, ProbeResult::Tls, detail);
    }
    let hanging = ask_within(SHORT, server_that_sends(b""), tls(&settings)).await;
    assert_eq!(hanging.result, ProbeResult::Timeout);
}

/// A file system that hangs is this host's own trouble, however short the time is.
#[tokio::test]
async fn files_that_are_not_read_in_time_say_nothing_of_the_server() {
    use crate::runtime::file_work::{self, FileUse};
    let (files, ours) = (Files::new(), authority("ours"));
    let ca = files.write("ca.pem", &ours.pem());
    let good = server(certificate(&ours, "rs1.example.com", 2090), None);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn({
        let ca = ca.clone();
        async move {
            let hangs = move || held.recv().is_err();
            file_work::run_patiently(FileUse::Tls, &ca, hangs).await
        }
    });
    tokio::task::yield_now().await;
    let outcome = ask_within(SHORT, good, tls(&trusting(&ca))).await;
    let detail =
        "the files of TLS are not read in time: their file system hangs, or this host is busy";
    assert_outcome(&outcome, ProbeResult::Internal, detail);
    drop(release);
    assert!(busy.await.unwrap().is_ok());
}

#[tokio::test]
async fn without_a_name_the_address_must_be_in_the_certificate() {
    let (files, ours) = (Files::new(), authority("ours"));
    let settings = TlsSettings {
        server_name: None,
        ..trusting(&files.write("ca.pem", &ours.pem()))
    };
    let good = server(certificate(&ours, "127.0.0.1", 2090), None);
    assert_eq!(connect(good, &settings).await.result, ProbeResult::Ok);
    let named = server(certificate(&ours, "rs1.example.com", 2090), None);
    assert_eq!(connect(named, &settings).await.result, ProbeResult::Tls);
}

#[tokio::test]
async fn unverified_takes_any_certificate_and_tells_its_end() {
    let expired = server(certificate(&authority("any"), "other", 2001), None);
    let settings = TlsSettings {
        server_name: None,
        ca: None,
        client: None,
        verify: false,
    };
    let outcome = connect(expired, &settings).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected with TLS");
    let end: SystemTime = date_time_ymd(2001, 12, 31).into();
    let port = expired.port();
    assert_eq!(
        outcome.certificate_expiry,
        Some(CertificateExpiry { at: end, port })
    );
}

#[tokio::test]
async fn the_client_shows_its_certificate() {
    let (files, ours) = (Files::new(), authority("ours"));
    let anonymous = trusting(&files.write("ca.pem", &ours.pem()));
    let (chain, key) = certificate(&ours, "director.example.com", 2090);
    let known = TlsSettings {
        client: Some(ClientCertificate {
            certificate: files.write("client.pem", &chain),
            key: ClientKey::File(files.write("client.key", &key)),
        }),
        ..anonymous.clone()
    };
    let target = server(certificate(&ours, "rs1.example.com", 2090), Some(&ours));
    assert_eq!(connect(target, &known).await.result, ProbeResult::Ok);
    let outcome = connect(target, &anonymous).await;
    assert_eq!(outcome.result, ProbeResult::Tls, "{outcome:?}");
}

#[tokio::test]
async fn the_clients_key_can_be_in_the_configuration() {
    let (files, ours) = (Files::new(), authority("ours"));
    let (chain, key) = certificate(&ours, "director.example.com", 2090);
    let known = |key| TlsSettings {
        client: Some(ClientCertificate {
            certificate: files.write("client.pem", &chain),
            key,
        }),
        ..trusting(&files.write("ca.pem", &ours.pem()))
    };
    let target = server(certificate(&ours, "rs1.example.com", 2090), Some(&ours));
    let pem = ClientKey::Pem(Secret::from(&*key));
    assert_eq!(connect(target, &known(pem)).await.result, ProbeResult::Ok);

    // The line breaks get lost in an environment file.
    let one_line = key.replace('\n', " ");
    let secret = key.lines().nth(1).unwrap();
    let bytes = format!("{:?}", secret.as_bytes());
    for broken in [one_line.trim_end(), one_line.trim_end_matches([' ', '-'])] {
        for key in [
            ClientKey::Pem(Secret::from(broken)),
            ClientKey::File(files.write("client.key", broken)),
        ] {
            let outcome = connect(target, &known(key)).await;
            assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
            let text = format!("{outcome:?}");
            assert!(text.contains("the key "), "{text}");
            let shown = text.contains(secret) || text.contains(bytes.trim_matches(['[', ']']));
            assert!(!shown, "{text}");
        }
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_say_nothing_of_the_real_server() {
    let (files, ours) = (Files::new(), authority("ours"));
    let target = server(certificate(&ours, "rs1.example.com", 2090), None);
    let empty = files.write("empty.pem", "no certificate\n");
    let ca = files.write("ca.pem", &ours.pem());
    for settings in [
        trusting(Path::new("/nonexistent/ca.pem")),
        trusting(&empty),
        TlsSettings {
            client: Some(ClientCertificate {
                certificate: ca.clone(),
                key: ClientKey::File(empty.clone()),
            }),
            ..trusting(&ca)
        },
    ] {
        let outcome = connect(target, &settings).await;
        assert_eq!(outcome.result, ProbeResult::Internal, "{outcome:?}");
    }
}

#[tokio::test]
async fn https_asks_over_tls() {
    let (files, ours) = (Files::new(), authority("ours"));
    let settings = trusting(&files.write("ca.pem", &ours.pem()));
    let http = crate::config::HttpCheck {
        port: None,
        tls: Some(settings),
        ..fixture::http_check()
    };
    // What the server says is no HTTP, so TLS was passed and HTTP spoken.
    let target = server(certificate(&ours, "rs1.example.com", 2090), None);
    let outcome = ask(target, CheckKind::Http(http)).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
}

/// Answers a request over TLS by `answer`, and ends the connection without
/// `close_notify`.
fn abrupt(certificate: (String, String), answer: &'static [u8]) -> SocketAddr {
    let config = config(certificate, None);
    serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let (mut request, mut byte) = (Vec::new(), [0]);
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
            request.push(byte[0]);
        }
        let _ = stream.write_all(answer);
        let _ = stream.flush();
    })
}

#[tokio::test]
async fn the_end_of_the_connection_ends_what_has_no_length_of_its_own() {
    let (files, ours) = (Files::new(), authority("ours"));
    let settings = trusting(&files.write("ca.pem", &ours.pem()));
    let http = |expected: Option<&str>| {
        CheckKind::Http(crate::config::HttpCheck {
            port: None,
            tls: Some(settings.clone()),
            expected_body: expected.map(|text| ExpectedBody::With(Pattern::Text(text.to_owned()))),
            ..fixture::http_check()
        })
    };
    let server = |answer| abrupt(certificate(&ours, "rs1.example.com", 2090), answer);
    for (answer, expected, result, detail) in [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell".as_slice(),
            None,
            ProbeResult::Ok,
            "HTTP 200",
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\nwell",
            None,
            ProbeResult::Ok,
            "HTTP 200",
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nwell",
            Some("well"),
            ProbeResult::Ok,
            "HTTP 200",
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nbad",
            Some("well"),
            ProbeResult::Body,
            "HTTP 200, without \"well\" in its body",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nwell",
            None,
            ProbeResult::Protocol,
            "the answer was cut short",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n",
            None,
            ProbeResult::Protocol,
            "the answer was cut short",
        ),
        (b"", None, ProbeResult::Protocol, "closed without an answer"),
    ] {
        let outcome = ask(server(answer), http(expected)).await;
        assert_outcome(&outcome, result, detail);
    }

    // The same in a conversation.
    let steps = |expected: &str| {
        CheckKind::Stream(StreamCheck {
            port: None,
            tls: Some(settings.clone()),
            steps: vec![
                Step::Send(b"\r\n\r\n".to_vec()),
                Step::Expect(Pattern::Text(expected.to_owned())),
            ],
        })
    };
    let outcome = ask(server(b"220 hello\r\n"), steps("220 hello\r\n")).await;
    assert_outcome(&outcome, ProbeResult::Ok, "connected with TLS");
    let outcome = ask(server(b"554 no"), steps("220 ")).await;
    assert_eq!(outcome.result, ProbeResult::Body, "{outcome:?}");
    let outcome = ask(server(b""), steps("220 ")).await;
    assert_eq!(outcome.result, ProbeResult::Protocol, "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_hangs_up_during_the_handshake_is_told_as_that() {
    let settings = TlsSettings {
        server_name: None,
        ca: None,
        client: None,
        verify: false,
    };
    let closing = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    let outcome = connect(closing, &settings).await;
    assert_outcome(
        &outcome,
        ProbeResult::Tls,
        "the server closed the connection during the TLS handshake",
    );
}

/// The request is answered before it comes, and then by a reset.
#[tokio::test]
async fn an_answer_before_the_request_passes_over_tls_too() {
    let certificate = certificate(&authority("any"), "other", 2090);
    let config = config(certificate, None);
    let hasty = serve(move |stream| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell");
        let _ = stream.flush();
    });
    for round in 0..100 {
        let http = CheckKind::Http(crate::config::HttpCheck {
            port: None,
            tls: Some(TlsSettings {
                server_name: None,
                ca: None,
                client: None,
                verify: false,
            }),
            expected_body: Some(ExpectedBody::With(Pattern::Text("well".to_owned()))),
            ..fixture::http_check()
        });
        let outcome = ask(hasty, http).await;
        assert_eq!(outcome.result, ProbeResult::Ok, "{round}: {outcome:?}");
    }
}

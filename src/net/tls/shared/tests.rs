use std::fs;
use std::path::Path;
use std::sync::mpsc;

use rcgen::{CertificateParams, KeyPair};
use tokio::time::{advance, timeout};

use super::*;
use crate::config::{ClientCertificate, ClientKey, TlsSettings};
use crate::net::tls::TlsConfigs;
use crate::runtime::clock;
use crate::runtime::file_work::{self, FileUse};
use crate::status::document::{Filter, json};
use crate::status::{Examiner, Snapshot, fixture};

const AMPLE: Duration = Duration::from_secs(20);

fn settings(host: usize, ca: &Path) -> TlsSettings {
    TlsSettings {
        server_name: Some(format!("rs{host}.example.com")),
        ca: Some(ca.to_owned()),
        client: None,
        verify: true,
    }
}

fn authority() -> String {
    let params = CertificateParams::new(vec!["ca.example.com".to_owned()]).unwrap();
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

async fn get(configs: &TlsConfigs, settings: &TlsSettings) -> Result<Arc<ClientConfig>, TlsError> {
    configs.config(settings, Application::Any).await
}

#[tokio::test]
async fn services_of_different_hosts_share_one_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, authority()).unwrap();
    let second = directory.path().join("second.pem");
    fs::write(&second, authority()).unwrap();
    let configs = TlsConfigs::new();
    let first = get(&configs, &settings(0, &ca)).await.unwrap();
    for host in 0..200 {
        let own = get(&configs, &settings(host, &ca)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &own), "{host}");
    }
    let http2 = configs.config(&settings(0, &ca), Application::Http2).await;
    assert_eq!(http2.unwrap().alpn_protocols, [b"h2".to_vec()]);
    for other in [
        TlsSettings {
            verify: false,
            ..settings(0, &ca)
        },
        settings(0, &second),
    ] {
        let other = get(&configs, &other).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
    }
}

/// The conditions of files of TLS that `/status` shows.
fn status(snapshot: &Snapshot) -> Vec<String> {
    Examiner::default().step(snapshot, clock::wall());
    let status: serde_json::Value =
        serde_json::from_slice(&json(snapshot, &Filter::default()).unwrap()).unwrap();
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .filter(|condition| condition["type"] == "tls_files_stale")
        .map(|condition| {
            let text = |key: &str| condition[key].as_str().unwrap();
            format!("{} | {}", text("message"), text("fix"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_read_again_are_in_the_status_until_they_can_be() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, authority()).unwrap();
    let snapshot = fixture::director();
    let configs = TlsConfigs::new().showing(Arc::clone(&snapshot.tls_not_read));
    let wanted = settings(0, &ca);
    // Others that fail for the same file are said once with it.
    let other = TlsSettings {
        verify: false,
        client: Some(ClientCertificate {
            certificate: ca.clone(),
            key: ClientKey::File(directory.path().join("missing.key")),
        }),
        ..settings(0, &ca)
    };
    get(&configs, &wanted).await.unwrap();
    get(&configs, &other).await.unwrap_err();
    assert_eq!(
        status(&snapshot),
        [""; 0],
        "what was never read fails its check"
    );

    let until = async |expected: &[String]| {
        let look = async {
            while status(&snapshot) != expected {
                advance(AGAIN).await;
                get(&configs, &wanted).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let shown = timeout(FRESH * 1000, look).await;
        shown.unwrap_or_else(|_| panic!("{:?}", status(&snapshot)));
    };
    let at = ca.display();
    fs::remove_file(&ca).unwrap();
    let gone = format!(
        "the files of TLS cannot be read again: what was read before is used: the certificate \
         {at}: I/O error: No such file or directory (os error 2) | put the file there and let the agent's \
         user read it: see `namei -l {at}`"
    );
    until(&[gone]).await;
    fs::write(&ca, "no PEM").unwrap();
    let damaged = format!(
        "the files of TLS cannot be read again: what was read before is used: {at} has no \
         certificate in PEM | write the certificate to it in PEM: see `openssl x509 -noout -text \
         -in {at}`"
    );
    until(&[damaged]).await;
    fs::write(&ca, authority()).unwrap();
    until(&[]).await;

    // What is no longer configured is asked for no more.
    fs::remove_file(&ca).unwrap();
    while status(&snapshot).is_empty() {
        advance(FRESH).await;
        get(&configs, &wanted).await.unwrap();
        tokio::task::yield_now().await;
    }
    snapshot.tls_not_read.forget();
    assert_eq!(status(&snapshot), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn old_configuration_is_read_again_while_nobody_waits() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, authority()).unwrap();
    let configs = TlsConfigs::new();
    let wanted = settings(0, &ca);
    let first = get(&configs, &wanted).await.unwrap();

    // Somebody else's work on the file keeps it from being read.
    let (release, held) = mpsc::channel::<()>();
    let busy = tokio::spawn({
        let ca = ca.clone();
        async move {
            let hangs = move || held.recv().is_err();
            let deadline = clock::monotonic() + FRESH * 10;
            file_work::run(FileUse::Tls, &ca, deadline.into(), hangs).await
        }
    });
    tokio::task::yield_now().await;
    advance(FRESH * 2).await;
    for host in 0..200 {
        let config = get(&configs, &settings(host, &ca)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &config), "the last one that loaded");
    }
    drop(release);
    assert!(busy.await.unwrap().is_ok());
    let newer = async {
        loop {
            let config = get(&configs, &wanted).await.unwrap();
            if !Arc::ptr_eq(&first, &config) {
                break config;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(AMPLE, newer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn file_that_goes_bad_leaves_what_was_read_before() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let configs = TlsConfigs::new();
    let wanted = settings(0, &ca);
    let error = get(&configs, &wanted).await.unwrap_err();
    let message = error_chain(&error);
    assert!(message.contains(&ca.display().to_string()), "{message}");
    fs::write(&ca, authority()).unwrap();
    advance(AGAIN).await;
    let first = get(&configs, &wanted).await.unwrap();

    fs::write(&ca, "no certificate").unwrap();
    let state = {
        let configs = configs.configs.lock();
        Arc::clone(configs.values().next().unwrap())
    };
    advance(FRESH).await;
    for _ in 0..3 {
        let ended = state.read.notified();
        let config = get(&configs, &wanted).await.unwrap();
        assert!(Arc::ptr_eq(&first, &config));
        ended.await;
        assert!(state.state.lock().error.is_some());
        advance(AGAIN).await;
    }
    fs::write(&ca, authority()).unwrap();
    let ended = state.read.notified();
    drop(get(&configs, &wanted).await.unwrap());
    ended.await;
    assert!(state.state.lock().error.is_none());
    let newer = get(&configs, &wanted).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &newer));
}

#[tokio::test]
async fn refuses_a_path_that_is_no_file() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (path, what) in [
        (fifo.as_path(), "this is a FIFO"),
        (Path::new("/dev/zero"), "this is a device"),
        (directory.path(), "directory"),
    ] {
        let configs = TlsConfigs::new();
        let error = get(&configs, &settings(0, path)).await.unwrap_err();
        let message = error_chain(&error);
        assert!(message.contains(what), "{message}");
    }
}

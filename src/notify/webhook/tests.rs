use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::config::{Secret, TlsSettings, WebhookFormat};
use crate::probe::fixture::{
    keep_open, never_answers, never_reads, serve_on, small_buffer_listener, tls_server,
    wait_for_no_socket,
};

const LIMIT: Duration = Duration::from_millis(300);

/// Begins an answer, and does not end it.
fn half() -> SocketAddr {
    serve_on(small_buffer_listener(), |mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le");
        keep_open(stream);
    })
}

/// The same after a TLS handshake.
fn deaf_over_tls() -> SocketAddr {
    tls_server(small_buffer_listener(), &[], |mut stream| {
        let _ = stream.flush();
        std::mem::forget(stream);
    })
}

#[tokio::test]
async fn no_connection_outlives_an_attempt_that_is_given_up() {
    for (name, scheme, peer) in [
        ("reads nothing", "http", never_reads as fn() -> SocketAddr),
        ("answers nothing", "http", never_answers),
        ("answers half", "http", half),
        ("shakes no hands", "https", never_reads),
        ("says nothing after the handshake", "https", deaf_over_tls),
    ] {
        let peer = peer();
        let poster = Poster::new(
            Webhook {
                url: Secret::from(&*format!("{scheme}://{peer}/")),
                // More than the buffers of the connection hold.
                headers: BTreeMap::from([(
                    "x-long".to_owned(),
                    Secret::from(&*"x".repeat(1024 * 1024)),
                )]),
                format: WebhookFormat::Event,
                tls: Some(TlsSettings {
                    server_name: None,
                    ca: None,
                    client: None,
                    verify: false,
                }),
            },
            Arc::new(TlsConfigs::new()),
            LIMIT,
        );
        for _ in 0..3 {
            let attempt = timeout(LIMIT, poster.post(b"{}".to_vec())).await;
            // Half an answer may come before the request is sent, which fails at once.
            assert!(!matches!(attempt, Ok(Ok(()))), "{name}: {attempt:?}");
        }
        wait_for_no_socket(name, peer).await;
    }
}

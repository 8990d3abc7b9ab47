use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::http::AppState;
use crate::metrics::Metrics;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::liveness::{Liveness, Loop};
use crate::status::document::Filter;
use crate::status::fixture;

fn shown() -> SharedState {
    SharedState::new(AppState {
        weight_updates: Arc::default(),
        snapshot: Arc::new(fixture::director()),
        metrics: Arc::new(Metrics::new(["web", "marked"]).unwrap()),
        liveness: Arc::new(Liveness::new(
            clock::monotonic(),
            Duration::from_secs(10),
            [Loop::Reconcile],
        )),
    })
}

#[tokio::test]
async fn the_status_is_served_and_the_file_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made/on/the/way/control.sock");
    let socket = bind(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let names: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["control.sock"]);

    let server = tokio::spawn(serve(socket, shown(), requests().0));
    let status = get_status(&path, &Filter::default()).await.unwrap();
    assert_eq!(status.mode, "director");
    assert_eq!(status.virtual_services.unwrap().len(), 2);

    server.abort();
    assert!(server.await.unwrap_err().is_cancelled());
    assert!(!path.exists());
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    assert!(matches!(error, ControlError::NoSocket(_)), "{error}");
}

#[tokio::test]
async fn a_socket_left_behind_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    assert!(matches!(error, ControlError::NobodyListens(_)), "{error}");

    let first = bind(&path).unwrap();
    let error = bind(&path).unwrap_err();
    assert!(matches!(error, BindError::InUse(_)), "{error}");
    assert_eq!(
        error.to_string(),
        format!(
            "another lvs-agent listens on {}: stop it, or give this one another control.socket",
            path.display()
        )
    );
    drop(first);
    bind(&path).unwrap();
}

#[tokio::test]
async fn a_later_owner_keeps_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let socket = bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    drop(socket);
    assert!(path.exists());
    let error = bind(&path).unwrap_err();
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
}

#[tokio::test]
async fn answer_that_is_not_of_an_agent_is_named_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            .unwrap();
    });
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    assert!(
        matches!(error, ControlError::NotUnderstood { .. }),
        "{error}"
    );
    server.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    assert!(matches!(error, ControlError::NoAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x".repeat(120));
    let error = bind(&path.join("control.sock")).unwrap_err();
    assert!(matches!(error, BindError::Io { .. }), "{error}");
}

/// It accepts until its backlog is full, and answers nobody.
#[tokio::test]
async fn foreign_socket_that_never_answers_does_not_hang_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    // listen(2) may shrink it: 0 has room for one.
    let backlog = nix::sys::socket::Backlog::new(0).unwrap();
    nix::sys::socket::listen(&listener, backlog).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    for _ in 0..3 {
        let error = bind(&path).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)), "{error}");
    }
}

#[tokio::test]
async fn status_of_newer_agent_is_refused_though_it_could_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        let body = r#"{"schema":2,"version":"99.0.0"}"#;
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
    });
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    let message = error.to_string();
    assert!(message.contains("has version 99.0.0"), "{message}");
    server.join().unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, "").unwrap();
    let error = get_status(&path, &Filter::default()).await.unwrap_err();
    assert!(matches!(error, ControlError::NotASocket(_)), "{error}");
}

/// Answers one connection with these bytes after it has read a request, or without reading, and
/// ends the connection.
fn end_after(path: &Path, answer: &'static [u8], reads: bool) -> std::thread::JoinHandle<()> {
    use std::io::{Read as _, Write as _};
    let listener = UnixListener::bind(path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if reads {
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        }
        stream.write_all(answer).unwrap();
    })
}

#[tokio::test]
async fn agent_that_ends_before_its_answer_is_named_with_what_to_do() {
    let answers: [(&[u8], bool); 4] = [
        (b"", true),
        (b"", false),
        (b"HTTP/1.1 200 OK\r\nContent-", true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{", true),
    ];
    for (answer, reads) in answers {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let shown = path.display();

        let server = end_after(&path, answer, reads);
        let error = get_status(&path, &Filter::default()).await.unwrap_err();
        let expected =
            format!("the agent ended before it answered on {shown}: ask again when the agent runs");
        assert_eq!(error_chain(&error), expected, "{answer:?}");
        server.join().unwrap();
        fs::remove_file(&path).unwrap();

        let server = end_after(&path, answer, reads);
        let error = operate(&path, &Operation::Reload).await.unwrap_err();
        let expected = format!(
            "the agent ended before it answered on {shown}: the operation may have been carried out \
             wholly, in part or not at all; when the agent runs, `lvs-agent status --socket {shown}` \
             shows what is in effect"
        );
        assert_eq!(error_chain(&error), expected, "{answer:?}");
        server.join().unwrap();
    }
}

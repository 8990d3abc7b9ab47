use std::fs;
use std::sync::mpsc;

use super::*;

/// What is asked, and what is said before, for a file with this text.
fn asked(text: Option<&str>, default_is_there: bool) -> (Result<PathBuf, ConfigErrors>, String) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config.yaml");
    let default = directory.path().join("default.sock");
    if let Some(text) = text {
        fs::write(&config, text).unwrap();
    }
    if default_is_there {
        fs::write(&default, "").unwrap();
    }
    let arguments = ControlSocket {
        socket: None,
        config: Some(config),
        real_server: false,
    };
    let mut message = String::new();
    let found = socket_or(arguments, &default, |note| message = note);
    let found = found.map(|socket| match socket.strip_prefix(directory.path()) {
        Ok(name) => name.to_owned(),
        Err(_) => socket,
    });
    (found, message)
}

#[test]
fn a_file_that_does_not_tell_the_socket_leads_to_the_default_one() {
    for text in [
        None,
        Some(""),
        Some("virtual_services: ["),
        Some("control: { socket: 5 }\nvirtual_services: []\n"),
        Some("control: {\n  socket: /run/own.sock\nvirtual_services: [\n"),
    ] {
        let (found, message) = asked(text, true);
        assert_eq!(found, Ok(PathBuf::from("default.sock")), "{text:?}");
        for part in [
            "config.yaml does not tell",
            "default.sock;",
            "--socket PATH",
        ] {
            assert!(message.contains(part), "{text:?}: {message}");
        }
        let (found, message) = asked(text, false);
        assert!(found.is_err(), "{text:?}");
        assert!(message.contains("default.sock;"), "{message}");
    }
}

#[test]
fn a_broken_file_may_still_tell_the_socket() {
    for text in [
        "control: { socket: /run/own.sock }\nvirtual_services:\n  - [\n",
        "http: {\ncontrol:\n  # here\n\n  socket: /run/own.sock # own\ndirector: {}\n",
        "control: { socket: /run/own.sock }\nvirtual_services: 5\n",
    ] {
        let (found, message) = asked(Some(text), true);
        assert_eq!(found, Ok(PathBuf::from("/run/own.sock")), "{text}");
        assert_eq!(message, "");
    }
}

#[test]
fn a_thread_that_hangs_holds_no_command_up() {
    let (release, held) = mpsc::channel::<()>();
    let done = block_on(async {
        let (hangs, hanging) = tokio::sync::oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let _ = hangs.send(());
            let _ = held.recv_timeout(Duration::from_mins(1));
        });
        hanging.await.unwrap();
        Ok(ExitStatus::Success)
    });
    assert_eq!(done.unwrap(), ExitStatus::Success);
    assert!(release.send(()).is_ok(), "it hangs still");
}

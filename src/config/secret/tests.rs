use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::super::error::{ConfigErrors, ConfigWarning};
use super::super::yaml;
use super::*;

const PRINTABLE: Form<'_> = Form {
    wanted: "a text of printable ASCII",
    hint: "write it",
    fits: |text| text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()),
};

/// The secret that a value is, what is wrong, and what is hardly meant.
fn read(text: &str, if_missing: IfMissing) -> (Option<Secret>, String, String) {
    let mut budget = yaml::MAX_VALUES;
    let node = yaml::parse(text, 0, &mut budget).ok().flatten().unwrap();
    let mut problems = Problems::reading_secrets(if_missing);
    problems.add_file("a.yaml");
    let value = Value {
        name: "token",
        node: &node,
        key: None,
    };
    let secret = value.secret(PRINTABLE, &mut problems).ok();
    let texts = [("a.yaml".to_owned(), text.to_owned())];
    let (problems, warnings) = problems.into_all();
    let warnings = ConfigWarning::all(&texts, warnings);
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let errors = ConfigErrors::new(&texts, problems);
    (secret, errors.to_string(), warnings.join("\n"))
}

fn exposed(text: &str) -> String {
    let (secret, errors, warnings) = read(text, IfMissing::Problem);
    let secret = secret.unwrap_or_else(|| panic!("{errors}"));
    assert_eq!(warnings, "");
    secret.expose().unwrap().to_owned()
}

/// Its directory, and `{ file: PATH }`.
fn file(bytes: &[u8], mode: u32) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let source = format!("{{ file: {} }}", path.display());
    (directory, source)
}

#[test]
fn nothing_formats_a_secret() {
    let secret = Secret::from("hunter2");
    assert_eq!(
        format!("{secret} {secret:?} {secret:#?}"),
        "[secret] [secret] [secret]"
    );
    let (_directory, source) = file(b"hunter2", 0o600);
    let mut reader = SecretReader::new(IfMissing::Problem);
    let path = source.trim_start_matches("{ file: ").trim_end_matches(" }");
    assert_eq!(
        reader.file(Path::new(path)).as_ref().unwrap().bytes,
        b"hunter2"
    );
    let debugged = format!("{reader:?}");
    assert!(
        !debugged.contains("hunter2") && !debugged.contains("104"),
        "{debugged}"
    );
}

#[test]
fn a_secret_is_a_text_or_what_a_variable_or_a_file_has() {
    assert_eq!(exposed("hunter2"), "hunter2");
    let path = std::env::var("PATH").unwrap();
    assert_eq!(exposed("{ env: PATH }"), path);
    for (bytes, text) in [
        (&b"hunter2"[..], "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 ", " hunter2 "),
    ] {
        let (_directory, source) = file(bytes, 0o640);
        assert_eq!(exposed(&source), text);
    }
}

#[test]
fn refuses_content_that_does_not_fit_without_showing_it() {
    for bytes in [
        &b"hunter2\n\n"[..],
        b"hunter2\r",
        b"hunter2\nX-Other: 1",
        b"hunter2\0",
        b"hunter2\xff",
        b"hunter2 \xc3\xa4",
        b"\n",
        b"",
        &vec![b'x'; 64 * 1024 + 1],
    ] {
        let (_directory, source) = file(bytes, 0o600);
        for if_missing in [IfMissing::Problem, IfMissing::Warning] {
            let (_, errors, warnings) = read(&source, if_missing);
            let message = errors + &warnings;
            assert!(message.contains("a.yaml:1:"), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        let (secret, ..) = read(&source, IfMissing::Problem);
        assert_eq!(secret, None, "{bytes:?}");
    }
}

#[test]
fn missing_secret_is_an_error_for_the_agent_and_a_warning_for_other_commands() {
    for source in [
        "{ env: LVS_AGENT_IS_NOT_SET }",
        "{ file: /nonexistent/token }",
        "{ file: / }",
        "{ file: /dev/null }",
        "{ credential: lvs-agent-token }",
    ] {
        let (secret, errors, _) = read(source, IfMissing::Problem);
        assert_eq!(secret, None, "{source}");
        assert!(errors.starts_with("a.yaml:1:1: "), "{errors}");
        let (secret, errors, warnings) = read(source, IfMissing::Warning);
        assert_eq!(secret, Some(Secret::UNKNOWN), "{source}: {errors}");
        assert!(warnings.starts_with("a.yaml:1:1: warning: "), "{warnings}");
        assert_eq!(secret.unwrap().expose(), None);
        let (secret, _, warnings) = read(source, IfMissing::Unread);
        assert_eq!((secret, &*warnings), (Some(Secret::UNKNOWN), ""));
    }
}

#[test]
fn warns_of_a_file_that_every_user_may_read() {
    let (directory, source) = file(b"hunter2", 0o604);
    let (secret, _, warnings) = read(&source, IfMissing::Problem);
    assert_eq!(secret, Some("hunter2".into()));
    let path = directory.path().join("token");
    let path = path.display();
    let first = format!("a.yaml:1:1: warning: every user of this host may read `{path}`\n");
    assert!(warnings.starts_with(&first), "{warnings}");
    assert!(
        warnings.ends_with(&format!("hint: chmod o= {path}")),
        "{warnings}"
    );
}

#[test]
fn a_file_is_read_once_for_a_configuration() {
    let (directory, source) = file(b"one", 0o600);
    let mut reader = SecretReader::new(IfMissing::Problem);
    let path = directory.path().join("token");
    assert_eq!(reader.file(&path).as_ref().unwrap().bytes, b"one");
    fs::write(&path, "two").unwrap();
    assert_eq!(reader.file(&path).as_ref().unwrap().bytes, b"one");
    assert_eq!(exposed(&source), "two", "another configuration");
}

#[test]
fn places_are_named_as_variables_files_and_credentials_are() {
    for (source, expected) in [
        ("{}", "`token` says no place of a secret"),
        ("{ env: A, file: /b }", "a secret is in one place"),
        ("{ evn: A }", "did you mean `env`?"),
        ("{ env: $A }", "must be the name of an environment variable"),
        ("{ env: 1A }", "must be the name of an environment variable"),
        (
            "{ env: 'A=B' }",
            "must be the name of an environment variable",
        ),
        ("{ file: token }", "must be an absolute path"),
        ("{ credential: a/b }", "must be the name of a credential"),
        ("{ credential: .. }", "must be the name of a credential"),
        ("{ credential: '' }", "must be the name of a credential"),
        ("[a]", "must be a text of printable ASCII, not a list"),
    ] {
        let (secret, errors, _) = read(source, IfMissing::Unread);
        assert_eq!(secret, None, "{source}");
        assert!(errors.contains(expected), "{source}: {errors}");
    }
}

/// What is wrong with a file that should have a private key, and with one for certificates.
fn checked(bytes: &[u8]) -> (String, String) {
    let (directory, _) = file(bytes, 0o600);
    let path = directory.path().join("token");
    let mut budget = yaml::MAX_VALUES;
    let text = path.display().to_string();
    let node = yaml::parse(&text, 0, &mut budget).ok().flatten().unwrap();
    let mut problems = Problems::reading_secrets(IfMissing::Warning);
    let value = Value {
        name: "client_key",
        node: &node,
        key: None,
    };
    value.warn_of_no_certificate(&path, &mut problems);
    let is_refused = value.key_file(&path, &mut problems).is_err();
    let (problems, warnings) = problems.into_all();
    let texts = [("a.yaml".to_owned(), text)];
    let warnings = ConfigWarning::all(&texts, warnings);
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let errors = ConfigErrors::new(&texts, problems).to_string();
    assert_eq!(is_refused, !errors.starts_with("0 "), "{errors}");
    (errors, warnings.join(""))
}

#[test]
fn a_file_of_a_key_or_of_certificates_has_them() {
    let signed = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    let key = signed.signing_key.serialize_pem();
    let certificate = signed.cert.pem();
    let (errors, warnings) = checked(key.as_bytes());
    assert!(!errors.contains("private key"), "{errors}");
    assert!(
        warnings.contains("does not have certificates in PEM"),
        "{warnings}"
    );
    let (errors, warnings) = checked(certificate.as_bytes());
    assert!(
        errors.contains("does not have a private key in PEM"),
        "{errors}"
    );
    assert_eq!(warnings, "");
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let (errors, _) = checked(encrypted.as_bytes());
    assert!(
        errors.contains("is encrypted") && errors.contains("openssl pkey"),
        "{errors}"
    );
    // Line breaks that got lost, and a key that is cut.
    for broken in [key.replace('\n', " "), key.chars().take(60).collect()] {
        let (errors, _) = checked(broken.as_bytes());
        assert!(
            errors.contains("does not have a private key in PEM"),
            "{errors}"
        );
    }
}

#[test]
fn the_hint_about_a_file_that_cannot_be_read_fits_its_cause() {
    let (_directory, large) = file(&vec![b'x'; 64 * 1024 + 1], 0o600);
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (source, cause, hint) in [
        (
            large,
            "it is larger than 64 KiB",
            "that has the secret and nothing else",
        ),
        (
            format!("{{ file: {} }}", fifo.display()),
            "this is a FIFO, not a regular file",
            "name a regular file",
        ),
        (
            "{ file: /etc }".to_owned(),
            "Is a directory",
            "name the file with the secret",
        ),
        (
            "{ file: /nonexistent }".to_owned(),
            "No such file",
            "let the agent's user read",
        ),
    ] {
        let (_, errors, _) = read(&source, IfMissing::Problem);
        assert!(errors.contains(cause) && errors.contains(hint), "{errors}");
    }
}

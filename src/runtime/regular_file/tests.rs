use std::io::Read as _;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

#[test]
fn refuses_a_file_that_is_not_regular_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    fs::write(path("file"), "text").unwrap();
    let mut text = String::new();
    open(&path("file"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "text");

    mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(path("socket")).unwrap();
    for (path, what) in [
        (path("fifo"), "a FIFO"),
        (path("socket"), "a socket"),
        ("/dev/null".into(), "a device"),
    ] {
        let error = open(&path).unwrap_err();
        let expected = format!("this is {what}, not a regular file");
        assert_eq!(error.to_string(), expected, "{}", path.display());
    }

    let error = open(&path("absent")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let error = open(directory.path()).unwrap().read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
}

use std::fs;

use rustix::io::Errno;

use super::*;

const UNIT: &str = "lvs-agent-director";

fn write(errno: Errno) -> StoredFileError {
    StoredFileError::Write("/srv/my lvs/drains.json".into(), errno.into())
}

#[test]
fn fix_follows_from_the_cause() {
    let remount = "see `findmnt -T '/srv/my lvs'`: if the file system is mounted read-only (`ro`)";
    for (errno, expected) in [
        (Errno::NOSPC, "make room: see `df -h '/srv/my lvs'`"),
        (Errno::DQUOT, "make room: see `df -h '/srv/my lvs'`"),
        (Errno::ROFS, remount),
        (
            Errno::ACCESS,
            "see owner and mode by `ls -ld '/srv/my lvs' '/srv/my lvs/drains.json'`",
        ),
        (Errno::PERM, "see owner and mode by `ls -ld "),
        (
            Errno::TIMEDOUT,
            "see why the file system does not answer: `timeout 5 stat '/srv/my lvs'`",
        ),
        (Errno::STALE, "see why the file system does not answer: "),
        (
            Errno::ISDIR,
            "see by `namei -l '/srv/my lvs/drains.json'` what is in the way",
        ),
        (Errno::NOTDIR, "see by `namei -l "),
        (
            Errno::IO,
            "see `ls -ld '/srv/my lvs' '/srv/my lvs/drains.json'`",
        ),
    ] {
        let fix = fix(&write(errno), UNIT);
        assert!(fix.starts_with(expected), "{errno}: {fix}");
        assert_eq!(fix.contains("make room"), expected.contains("make room"));
    }
}

#[test]
fn read_only_file_system_may_be_the_units_alone() {
    let made = StoredFileError::Directory("/srv/lvs".into(), Errno::ROFS.into());
    let written = StoredFileError::Write("/srv/lvs/drains.json".into(), Errno::ROFS.into());
    for error in [made, written] {
        let fix = fix(&error, UNIT);
        let unit = "add `ReadWritePaths=/srv/lvs` under [Service] by `systemctl edit \
                    lvs-agent-director`";
        assert!(fix.contains(unit), "{fix}");
    }
}

#[test]
fn fix_names_the_file_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let state_dir = directory.path().join("state");
    fs::write(&state_dir, "").unwrap();
    for path in [state_dir.clone(), state_dir.join("below")] {
        let error = fs::create_dir_all(&path).unwrap_err();
        let fix = fix(&StoredFileError::Directory(path, error), UNIT);
        assert!(
            fix.ends_with("what is in the way, and move it away"),
            "{fix}"
        );
    }
    let error = StoredFileError::SetAside("/a/drains.json".into(), Errno::EXIST.into());
    let expected = "see `ls -l /a/drains.json.damaged*`, and remove some";
    assert_eq!(fix(&error, UNIT), expected);
}

#[test]
fn newer_file_is_its_programs() {
    let error = StoredFileError::Newer {
        path: "/a/drains.json".into(),
        version: 2,
        moved: "drain again what it names",
    };
    let expected = "run the lvs-agent that wrote /a/drains.json; or move it away, and drain again \
                    what it names";
    assert_eq!(fix(&error, UNIT), expected);
}

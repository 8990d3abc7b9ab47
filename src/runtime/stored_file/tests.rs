use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::SystemTime;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::set_aside::MOST_ASIDE;
use super::*;

static NEEDED: Purpose = purpose(true);
static DISPENSABLE: Purpose = purpose(false);

const fn purpose(is_needed: bool) -> Purpose {
    Purpose {
        version: 3,
        is_needed,
        severity: Severity::Warning,
        consequence: "something is forgotten",
        fix: "remember it",
        moved: "remember it",
    }
}

/// A number, which is all that these files hold.
fn number(text: &[u8]) -> Content<u64> {
    match serde_json::from_slice(text) {
        Ok(value) => Content { value, cause: None },
        Err(error) => Content {
            value: 0,
            cause: Some(error.to_string()),
        },
    }
}

type Known = OnDisk<u64>;

/// What is known after it was written.
fn save(file: &StoredFile, value: u64, before: &Known) -> Result<Known, StoredFileError> {
    let saved = file.save(value, before, serde_json::to_vec, number);
    saved.map(|(on_disk, _)| on_disk)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn damaged_files_take_one_free_name_after_the_other_and_none_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let file = StoredFile::new(directory.path().join("some.json"), &NEEDED);
    for number_of_file in 0..MOST_ASIDE {
        fs::write(file.path(), format!("damaged {number_of_file}")).unwrap();
        let damage = file.load(IfDamaged::SetAside, number).unwrap().damage;
        assert!(damage.unwrap().is_set_aside());
        assert!(!file.path().exists());
    }
    let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(read("some.json.damaged"), "damaged 0");
    assert_eq!(read("some.json.damaged.1"), "damaged 1");
    assert_eq!(read("some.json.damaged.99"), "damaged 99");

    // No name is free: the file stays, and is not overwritten.
    fs::write(file.path(), "one too many").unwrap();
    let damage = file.load(IfDamaged::SetAside, number).unwrap().damage;
    let message = damage.unwrap().to_string();
    assert!(
        message.contains("stays where it is (100 files"),
        "{message}"
    );
    let refused = save(&file, 7, &OnDisk::Damaged).unwrap_err();
    assert!(
        matches!(refused, StoredFileError::SetAside(..)),
        "{refused}"
    );
    assert_eq!(read("some.json"), "one too many");
    fs::remove_file(directory.path().join("some.json.damaged.5")).unwrap();
    let saved = file.save(7, &OnDisk::Damaged, serde_json::to_vec, number);
    let (_, damage) = saved.unwrap();
    assert!(damage.unwrap().is_set_aside());
    assert_eq!(read("some.json.damaged.5"), "one too many");
    assert_eq!(file.load(IfDamaged::Leave, number).unwrap().value, 7);
}

#[test]
fn reader_leaves_a_damaged_file_and_reports_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = StoredFile::new(directory.path().join("some.json"), &NEEDED);
    for (damaged, cause) in [("", "it is empty"), ("1 2", "trailing characters")] {
        fs::write(file.path(), damaged).unwrap();
        let damage = file.load(IfDamaged::Leave, number).unwrap().damage.unwrap();
        let condition = damage.condition(SystemTime::UNIX_EPOCH);
        assert_eq!(condition.subject, file.path().display().to_string());
        assert!(condition.message.contains(cause), "{condition:?}");
        assert!(
            condition.message.ends_with(": something is forgotten"),
            "{condition:?}"
        );
        assert!(
            condition
                .fix
                .starts_with("start the agent, which takes over what can be read"),
            "{condition:?}"
        );
        assert_eq!(names(directory.path()), ["some.json"]);
        assert_eq!(fs::read_to_string(file.path()).unwrap(), damaged);
    }
}

#[test]
fn file_of_newer_version_is_refused_whatever_its_shape_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    for purpose in [&NEEDED, &DISPENSABLE] {
        let file = StoredFile::new(directory.path().join("some.json"), purpose);
        for version in [4, u64::MAX] {
            let newer = format!(r#"{{"version":{version},"other":[]}}"#);
            fs::write(file.path(), &newer).unwrap();
            for refused in [
                file.load(IfDamaged::SetAside, number).map(|_| ()),
                file.load(IfDamaged::Leave, number).map(|_| ()),
                save(&file, 7, &OnDisk::Damaged).map(|_| ()),
                save(&file, 7, &OnDisk::Unknown).map(|_| ()),
                file.refuse_newer(),
            ] {
                let message = refused.unwrap_err().to_string();
                let expected = format!("has version {version}, which a newer lvs-agent wrote");
                assert!(message.contains(&expected), "{message}");
            }
            assert_eq!(fs::read_to_string(file.path()).unwrap(), newer);
            assert_eq!(names(directory.path()), ["some.json"]);
        }
    }
}

#[test]
fn too_large_a_file_is_damaged_and_one_that_cannot_be_read_depends_on_the_purpose() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.json");
    let needed = StoredFile::new(path.clone(), &NEEDED);
    let dispensable = StoredFile::new(path.clone(), &DISPENSABLE);
    let sparse = fs::File::create(&path).unwrap();
    sparse.set_len(LARGEST + 1).unwrap();
    let reported = |file: &StoredFile| {
        let damage = file.load(IfDamaged::Leave, number).unwrap().damage;
        damage.unwrap().to_string()
    };
    for file in [&needed, &dispensable] {
        assert!(
            reported(file).contains("it is larger than 64 MiB"),
            "{}",
            reported(file)
        );
    }
    fs::remove_file(&path).unwrap();
    fs::write(directory.path().join("file"), "7").unwrap();
    let below_a_file = directory.path().join("file/some.json");
    let needed = StoredFile::new(below_a_file.clone(), &NEEDED);
    let dispensable = StoredFile::new(below_a_file, &DISPENSABLE);
    let refused = needed.load(IfDamaged::SetAside, number);
    assert!(matches!(refused, Err(StoredFileError::Read(..))));
    assert!(reported(&dispensable).contains("ot a directory"));
}

/// Nothing of it can be what the agent once wrote, so no start depends on it.
#[test]
fn sets_aside_what_is_no_regular_file_for_any_purpose() {
    type Make = fn(&Path);
    let kinds: [(&str, Make); 5] = [
        ("this is a directory", |path| fs::create_dir(path).unwrap()),
        ("this is a FIFO", |path| {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
        ("this is a socket", |path| {
            UnixListener::bind(path).unwrap();
        }),
        ("a link to `nowhere`, which cannot be followed", |path| {
            symlink("nowhere", path).unwrap();
        }),
        ("a link to `some.json`, which cannot be followed", |path| {
            symlink("some.json", path).unwrap();
        }),
    ];
    for purpose in [&NEEDED, &DISPENSABLE] {
        for (cause, make) in kinds {
            let directory = tempfile::tempdir().unwrap();
            let file = StoredFile::new(directory.path().join("some.json"), purpose);
            make(file.path());
            let left = file.load(IfDamaged::Leave, number).unwrap().damage;
            let left = left.unwrap().to_string();
            assert!(left.contains(cause), "{left}");
            let damage = file.load(IfDamaged::SetAside, number).unwrap().damage;
            assert!(damage.unwrap().is_set_aside(), "{cause}");
            assert_eq!(names(directory.path()), ["some.json.damaged"], "{cause}");
            save(&file, 7, &OnDisk::Unknown).unwrap();
            assert_eq!(file.load(IfDamaged::Leave, number).unwrap().value, 7);
        }
    }
}

#[test]
fn only_files_changed_by_another_program_are_written_again() {
    type Change = fn(&Path);
    let directory = tempfile::tempdir().unwrap();
    let file = StoredFile::new(directory.path().join("made/some.json"), &NEEDED);
    // Nothing is to be remembered, and nothing is: no file is made.
    let nothing = file.load(IfDamaged::SetAside, number).unwrap();
    save(&file, 0, &nothing.on_disk()).unwrap();
    assert!(!file.path().exists());

    save(&file, 7, &nothing.on_disk()).unwrap();
    let mut known = file.load(IfDamaged::SetAside, number).unwrap().on_disk();
    let changes: [Change; 7] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, "70").unwrap(),
        |path| fs::write(path, "").unwrap(),
        |path| fs::rename(path, path.with_extension("away")).unwrap(),
        |path| {
            fs::copy(path, path.with_extension("copy")).unwrap();
            fs::rename(path.with_extension("copy"), path).unwrap();
        },
        |path| {
            fs::rename(path, path.with_extension("away")).unwrap();
            symlink("nowhere", path).unwrap();
        },
        |path| {
            let made = path.parent().unwrap();
            fs::rename(made, made.with_extension("away")).unwrap();
        },
    ];
    for change in changes {
        let before = Stamp::of(file.path());
        known = save(&file, 7, &known).unwrap();
        assert!(!file.check_for_changes());
        assert_eq!(Stamp::of(file.path()), before);
        change(file.path());
        assert!(!file.is_changed());
        assert!(file.check_for_changes() && file.clone().is_changed());
        known = save(&file, 7, &known).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "7");
        assert!(
            names(file.directory())
                .iter()
                .all(|name| !name.contains("damaged"))
        );
    }
}

#[test]
fn directory_that_takes_the_name_of_the_file_is_set_aside_by_the_next_write() {
    let directory = tempfile::tempdir().unwrap();
    let file = StoredFile::new(directory.path().join("some.json"), &NEEDED);
    let known = save(&file, 7, &OnDisk::Unknown).unwrap();
    fs::remove_file(file.path()).unwrap();
    fs::create_dir(file.path()).unwrap();
    fs::write(file.path().join("inside"), "kept").unwrap();
    let (_, damage) = file.save(7, &known, serde_json::to_vec, number).unwrap();
    let damage = damage.unwrap();
    assert!(damage.is_set_aside(), "{damage}");
    assert_eq!(names(directory.path()), ["some.json", "some.json.damaged"]);
    let inside = directory.path().join("some.json.damaged/inside");
    assert_eq!(fs::read_to_string(inside).unwrap(), "kept");
    assert_eq!(file.load(IfDamaged::Leave, number).unwrap().value, 7);
}

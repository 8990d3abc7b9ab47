use super::*;

static NEEDED: Purpose = purpose(true);
static DISPENSABLE: Purpose = purpose(false);

const fn purpose(is_needed: bool) -> Purpose {
    Purpose {
        version: 3,
        is_needed,
        severity: Severity::Warning,
        loss: "something is forgotten",
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
    let said = damage.unwrap().to_string();
    assert!(said.contains("stays where it is (100 files"), "{said}");
    let refused = file.save(b"7", number).unwrap_err();
    assert!(
        matches!(refused, StoredFileError::SetAside(..)),
        "{refused}"
    );
    assert_eq!(read("some.json"), "one too many");
    fs::remove_file(directory.path().join("some.json.damaged.5")).unwrap();
    let damage = file.save(b"7", number).unwrap().unwrap();
    assert!(damage.is_set_aside());
    assert_eq!(read("some.json.damaged.5"), "one too many");
    assert_eq!(file.load(IfDamaged::Leave, number).unwrap().value, 7);
}

#[test]
fn who_only_reads_leaves_a_damaged_file_and_says_so() {
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
            condition.fix.starts_with("remember it; then"),
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
                file.save(b"7", number).map(|_| ()),
                file.refuse_newer(),
            ] {
                let said = refused.unwrap_err().to_string();
                let expected = format!("has version {version}, which a newer lvs-agent wrote");
                assert!(said.contains(&expected), "{said}");
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
    let said = |file: &StoredFile| {
        let damage = file.load(IfDamaged::Leave, number).unwrap().damage;
        damage.unwrap().to_string()
    };
    for file in [&needed, &dispensable] {
        assert!(
            said(file).contains("it is larger than 64 MiB"),
            "{}",
            said(file)
        );
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let refused = needed.load(IfDamaged::SetAside, number);
    assert!(matches!(refused, Err(StoredFileError::Read(..))));
    assert!(path.is_dir());
    assert!(said(&dispensable).contains("irectory"));
}

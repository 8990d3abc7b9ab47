use std::fs;

use serde_json::Value;

use super::*;
use crate::model::Timeout;
use crate::status::fixture;

#[test]
fn saved_content_is_loaded_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(&directory.path().join("made/when/needed"), Role::Director);
    assert_eq!(
        load(&file).owned,
        Owned::default(),
        "no file, nothing owned"
    );
    save(&file, owned()).unwrap();
    assert_eq!(load(&file).owned, owned());
    save(&file, Owned::default()).unwrap();
    assert_eq!(load(&file).owned, Owned::default());
}

fn save(file: &StateFile, owned: Owned) -> Result<(), StoredFileError> {
    let saved = file.0.save(owned, &OnDisk::Unknown, text, content);
    saved.map(|_| ())
}

fn load(file: &StateFile) -> LoadedStateFile {
    file.load(IfDamaged::SetAside).unwrap()
}

#[test]
fn damaged_file_is_lost_as_a_whole_and_a_new_one_can_be_saved() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Role::Director);
    save(&file, owned()).unwrap();
    let whole = fs::read(file.path()).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 3] {
        fs::write(file.path(), &whole[..length]).unwrap();
        let remembered = load(&file);
        assert_eq!(remembered.owned, Owned::default());
        assert_eq!(remembered.memory, StateFileStatus::Damaged);
        save(&file, owned()).unwrap();
        assert_eq!(load(&file).owned, owned());
    }
}

#[test]
fn text_of_another_form_or_an_earlier_version_is_damage() {
    for (text, cause) in [
        ("[]", "it is not an object"),
        ("[1,[],[],{},{},[]]", "it is not an object"),
        (
            r#"{"version":0,"services":[],"addresses":[],"sysctls":{},"timeouts":{},"leaving":[]}"#,
            "it has version 0, which no lvs-agent writes",
        ),
    ] {
        assert_eq!(content(text.as_bytes()).cause.as_deref(), Some(cause));
    }
}

/// Every object of the file that [`owned`] makes.
const OBJECTS: [&str; 5] = [
    "",
    "/addresses/0",
    "/sysctls/net.ipv4.conf.all.arp_ignore",
    "/timeouts/tcpfin",
    "/leaving/0",
];

#[test]
fn keys_that_the_version_does_not_have_and_arrays_in_place_of_objects_are_damage() {
    let whole = String::from_utf8(text(&owned()).unwrap()).unwrap();
    let damage = |damaged: &dyn Fn(&mut Value)| {
        let mut file = serde_json::from_str(&whole).unwrap();
        damaged(&mut file);
        let Content { value, cause } = content(file.to_string().as_bytes());
        assert_eq!(value, Owned::default(), "{file}");
        cause.unwrap_or_else(|| panic!("no damage: {file}"))
    };
    for object in OBJECTS {
        let cause = damage(&|file| {
            let object = file.pointer_mut(object).unwrap().as_object_mut().unwrap();
            object.insert("vips".to_owned(), Value::Null);
        });
        assert!(cause.contains("unknown field `vips`"), "{object}: {cause}");
        let cause = damage(&|file| {
            let object = file.pointer_mut(object).unwrap();
            let members = object.as_object().unwrap().values().cloned();
            *object = members.collect();
        });
        let is_named = cause.contains("an object");
        assert!(is_named, "{object}: {cause}");
    }
}

#[test]
fn damage_of_a_real_server_names_nothing_that_only_a_director_has() {
    let directory = tempfile::tempdir().unwrap();
    for (role, has_services) in [(Role::Director, true), (Role::RealServer, false)] {
        let file = StateFile::new(directory.path(), role);
        fs::write(file.path(), "{").unwrap();
        let damage = load(&file).damage.unwrap();
        let reported = format!("{damage}; {}", damage.fix());
        for named in ["ipvsadm", "virtual services", "time-outs"] {
            assert_eq!(reported.contains(named), has_services, "{reported}");
        }
        for named in ["ip address", "VIPs", "kernel parameters"] {
            assert!(reported.contains(named), "{reported}");
        }
    }
}

#[test]
fn vips_of_a_director_whose_file_is_damaged_are_not_known() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Role::Director);
    assert_eq!(file.vips(), Some(BTreeSet::new()));
    save(&file, owned()).unwrap();
    assert_eq!(file.vips().map(|vips| vips.len()), Some(2));
    for text in ["", "{", r#"{"version":2}"#] {
        fs::write(file.path(), text).unwrap();
        assert_eq!(file.vips(), None, "{text}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), text);
    }
}

#[test]
fn a_newer_programs_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Role::RealServer);
    fs::write(
        file.path(),
        br#"{"version":2,"services":{"shape":"unknown"}}"#,
    )
    .unwrap();
    assert!(matches!(
        file.load(IfDamaged::SetAside),
        Err(StoredFileError::Newer { version: 2, .. })
    ));
}

#[test]
fn a_full_or_forbidden_directory_is_an_error_and_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let file = StateFile::new(&in_the_way, Role::Director);
    assert!(matches!(
        save(&file, owned()),
        Err(StoredFileError::Directory(..))
    ));
}

fn owned() -> Owned {
    let sysctl = OwnedSysctl {
        ours: "1".into(),
        original: Some("0".into()),
    };
    let lost = OwnedSysctl {
        ours: "2".into(),
        original: None,
    };
    let timeout = OwnedTimeout {
        ours: 30,
        original: 120,
    };
    let leaving = (
        "tcp [2001:db8::200]:80".parse().unwrap(),
        "[2001:db8::21]:80".parse().unwrap(),
    );
    let removal = PendingRemoval {
        has_weight: false,
        service: "web".into(),
        real_server: "rs1".into(),
        deadline: fixture::start(),
    };
    Owned {
        services: ["tcp [2001:db8::200]:80", "fwmark 10 ipv4"]
            .map(|s| s.parse().unwrap())
            .into(),
        addresses: [LocalAddress {
            interface: "lo".into(),
            address: [192, 168, 11, 200].into(),
        }]
        .into(),
        sysctls: [
            ("net.ipv4.conf.all.arp_ignore".parse().unwrap(), sysctl),
            ("net.ipv4.conf.all.arp_announce".parse().unwrap(), lost),
        ]
        .into(),
        timeouts: [(Timeout::TcpFin, timeout)].into(),
        leaving: [(leaving, removal)].into(),
    }
}

use super::*;
use crate::model::Timeout;
use crate::status::fixture;

#[test]
fn what_is_saved_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(&directory.path().join("made/when/needed"), Mode::Director);
    assert_eq!(
        file.load().unwrap().owned,
        Owned::default(),
        "no file, nothing owned"
    );
    file.save(&owned()).unwrap();
    assert_eq!(file.load().unwrap().owned, owned());
    file.save(&Owned::default()).unwrap();
    assert_eq!(file.load().unwrap().owned, Owned::default());
}

#[test]
fn the_first_programs_file_without_time_outs_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Mode::Director);
    fs::write(
        &file.path,
        br#"{"version":1,"services":["tcp 192.168.11.200:80"],"addresses":[],"sysctls":{}}"#,
    )
    .unwrap();
    let owned = file.load().unwrap().owned;
    assert_eq!((owned.services.len(), owned.timeouts.len()), (1, 0));
}

#[test]
fn a_damaged_file_is_set_aside_and_not_lost() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Mode::Director);
    file.save(&owned()).unwrap();
    let whole = fs::read(&file.path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 3] {
        fs::write(&file.path, &whole[..length]).unwrap();
        let remembered = file.load().unwrap();
        assert_eq!(remembered.owned, Owned::default());
        assert_eq!(remembered.memory, StateFileStatus::Lost);
        file.save(&owned()).unwrap();
        assert_eq!(file.load().unwrap().owned, owned());
        let aside = fs::read(directory.path().join("director.json.damaged")).unwrap();
        assert_eq!(aside, whole[..length]);
    }
}

#[test]
fn a_newer_programs_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = StateFile::new(directory.path(), Mode::RealServer);
    fs::write(
        &file.path,
        br#"{"version":2,"services":{"shape":"unknown"}}"#,
    )
    .unwrap();
    assert!(matches!(
        file.load(),
        Err(StateFileError::Newer { version: 2, .. })
    ));
}

#[test]
fn a_full_or_forbidden_directory_is_an_error_and_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let in_the_way = directory.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let file = StateFile::new(&in_the_way, Mode::Director);
    assert!(matches!(
        file.save(&owned()),
        Err(StateFileError::Directory(..))
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
    let leaver = Leaver {
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
        leaving: [(leaving, leaver)].into(),
    }
}

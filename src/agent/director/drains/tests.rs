use std::fs;

use super::*;
use crate::model::{FreezeReason, Persistence, RealServerKey, ServiceKey};
use crate::runtime::stored_file::IfDamaged;
use crate::status::fixture;

fn web() -> (Config, ServiceKey, RealServerKey) {
    let config = fixture::config();
    let service = &config.virtual_services[0];
    let keys = (service.key, service.real_servers[0].key);
    (config, keys.0, keys.1)
}

#[test]
fn hashing_without_its_fallback_is_told() {
    let (mut config, ..) = web();
    let service = &mut config.virtual_services[0];
    assert_eq!(notes(service, None), [""; 0]);
    service.scheduler = "sh".parse().unwrap();
    let told = notes(service, None);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("web has scheduler sh"), "{told:?}");
    service.flags = ServiceFlags::FALLBACK;
    assert_eq!(notes(service, None), [""; 0]);
    service.flags = ServiceFlags::default();
    let with_sorry_server = fixture::config().virtual_services.remove(1);
    service.pool = with_sorry_server.pool;
    assert_eq!(notes(service, None), [""; 0], "it brings the flag with it");
}

#[test]
fn persistence_that_outlives_the_drain_is_told() {
    let (mut config, ..) = web();
    let service = &mut config.virtual_services[0];
    let directory = tempfile::tempdir().unwrap();
    let sysctls = Sysctls::below(directory.path());
    let path = directory
        .path()
        .join("net/ipv4/vs/expire_quiescent_template");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "0\n").unwrap();
    assert_eq!(notes(service, Some(&sysctls)), [""; 0], "not persistent");
    service.persistence = Some(Persistence {
        timeout_seconds: 300,
        netmask: u32::MAX,
        engine: None,
    });
    assert!(notes(service, Some(&sysctls))[0].contains("expire_quiescent_template is 0: clients"));
    fs::write(&path, "1\n").unwrap();
    assert_eq!(notes(service, Some(&sysctls)), [""; 0]);
    fs::remove_file(&path).unwrap();
    assert!(notes(service, Some(&sysctls))[0].contains("is not there"));
    assert_eq!(notes(service, None), [""; 0], "no kernel, no clients");
}

#[tokio::test]
async fn what_left_the_configuration_is_forgotten_by_name_and_nothing_else() {
    let (mut config, service, real_server) = web();
    let directory = tempfile::tempdir().unwrap();
    config.state_dir = directory.path().to_owned();
    let file = || DrainFile::new(directory.path());
    let drained: Drained = [((service, real_server), None)].into();
    let (mut gone, mut moved) = (config.clone(), config.clone());
    gone.virtual_services[0].real_servers.remove(0);
    moved.virtual_services[0].real_servers[0].key = "192.0.2.99:80".parse().unwrap();
    for (after, why) in [
        (
            &gone,
            "web/rs1 is no longer drained: it is no longer configured",
        ),
        (
            &moved,
            "web/rs1 is no longer drained: it has another address",
        ),
    ] {
        file().save(drained.clone(), &OnDisk::Unknown).unwrap();
        let mut drains = load(&config, &Arc::default()).await;
        assert_eq!(drains.drained, drained);
        let ended = drains.forget_unconfigured(&config, after).await;
        assert_eq!(ended.len(), 1, "{ended:?}");
        assert!(ended[0].starts_with(why), "{ended:?}");
        assert_eq!(saved(&file()), Drained::new());
    }
}

/// What the file holds, which is not damaged.
fn saved(file: &DrainFile) -> Drained {
    let loaded = file.load(IfDamaged::SetAside).unwrap();
    assert!(loaded.damage.is_none(), "{:?}", loaded.damage);
    loaded.value
}

async fn load(config: &Config, shown: &SharedConditions) -> DrainStore {
    let file = DrainFile::new(&config.state_dir);
    let drains = DrainStore::load(config, file, Writing::Real, shown).await;
    drains.unwrap()
}

#[tokio::test]
async fn what_could_not_be_written_is_shown_and_written_later() {
    let (mut config, service, real_server) = web();
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("state");
    config.state_dir.clone_from(&blocked);
    let shown = SharedConditions::default();
    let file = || DrainFile::new(&blocked);
    let mut drains = load(&config, &shown).await;
    drains.remember().await;
    assert_eq!((drains.not_saved(), blocked.exists()), (None, false));

    fs::write(&blocked, "").unwrap();
    drains.drained.insert((service, real_server), None);
    drains.remember().await;
    let error = drains.not_saved().unwrap();
    assert_eq!(shown.list().len(), 1);
    assert!(error.contains("is not remembered"), "{error}");
    let drains = Arc::new(Mutex::new(drains));
    let keep = tokio::spawn(keep(Arc::clone(&drains)));
    fs::remove_file(&blocked).unwrap();
    let mended = async {
        while !shown.list().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, mended).await.unwrap();
    keep.abort();
    let drained = [((service, real_server), None)].into();
    assert_eq!(saved(&file()), drained);
}

#[test]
fn a_deadline_goes_on_and_is_never_out_of_reach() {
    let far = clock::wall() + Duration::from_secs(40);
    let left = again(Some(far)).until - clock::monotonic();
    assert!((38..=40).contains(&left.as_secs()), "{left:?}");
    let past = again(Some(SystemTime::UNIX_EPOCH)).until;
    assert!(past <= clock::monotonic());
    let left = in_from_now(Duration::MAX).until - clock::monotonic();
    assert!(left <= drains::LONGEST_DEADLINE);
}

#[test]
fn who_drains_is_told_what_becomes_of_a_service_of_which_no_real_server_serves() {
    let snapshot = fixture::director();
    let [web, marked] = snapshot.services.as_slice() else {
        panic!("there are two services");
    };
    let none_serves = "has no other real server that serves: ";
    assert_eq!(
        empty_pool_note(web, true),
        format!("note: web {none_serves}new connections are refused until one serves")
    );
    let fails = "new connections are refused until the sorry server or a real server passes its \
                 check";
    let frozen = "new connections are refused, as the sorry server does not take over while all \
                  weights are frozen";
    for (is_frozen, then) in [(false, fails), (true, frozen)] {
        let expected = format!("note: marked {none_serves}{then}");
        assert_eq!(empty_pool_note(marked, is_frozen), expected);
    }
    marked.pool.lock().standing.sorry_serves = true;
    let expected = format!("note: marked {none_serves}the sorry server takes over");
    assert_eq!(empty_pool_note(marked, true), expected);
}

#[test]
fn who_undrains_while_weights_are_held_is_told() {
    let snapshot = crate::status::fixture::director();
    assert_eq!(held_notes(&snapshot), [""; 0]);
    snapshot.frozen.lock().insert(FreezeReason::Link);
    assert_eq!(
        held_notes(&snapshot),
        [
            "note: its weight stays as it is while all weights are frozen: the director's own link is down"
        ]
    );
}

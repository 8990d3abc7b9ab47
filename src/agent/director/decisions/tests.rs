use std::fs;

use super::*;
use crate::agent::decisions::WantedDrain;
use crate::model::{Decision, OperatorWeight, RealServerKey, ServiceKey};
use crate::runtime::stored_file::IfDamaged;
use crate::status::fixture;

fn web() -> (Config, ServiceKey, RealServerKey) {
    let config = fixture::config();
    let service = &config.virtual_services[0];
    let keys = (service.key, service.real_servers[0].key);
    (config, keys.0, keys.1)
}

#[tokio::test]
async fn forgets_exactly_the_decisions_that_left_the_configuration() {
    let (mut config, service, real_server) = web();
    let directory = tempfile::tempdir().unwrap();
    config.state_dir = directory.path().to_owned();
    let file = || DecisionFile::new(directory.path());
    let key = (service, real_server);
    let wanted = Decisions {
        drains: [(key, drain())].into(),
        weights: [(key, half())].into(),
    };
    let (mut gone, mut moved) = (config.clone(), config.clone());
    gone.virtual_services[0].real_servers.remove(0);
    moved.virtual_services[0].real_servers[0].key = "192.0.2.99:80".parse().unwrap();
    for (after, why) in [
        (&gone, "it is no longer configured"),
        (
            &moved,
            "it has another address now, or its service has; ask for it again if it shall be",
        ),
    ] {
        file().save(&wanted);
        let mut store = load(&config, &Arc::default()).await;
        assert_eq!(store.decisions, wanted);
        let ended = store.forget_unconfigured(&config, &config).await;
        assert_eq!((ended, &store.decisions), (vec![], &wanted), "it is there");
        let ended = store.forget_unconfigured(&config, after).await;
        let expected = [
            format!("web/rs1 is no longer drained: {why}"),
            format!("web/rs1 has no longer the weight that an operator set: {why}"),
        ];
        assert_eq!(ended, expected);
        assert_eq!(saved(&file()), Decisions::default());
    }
}

fn drain() -> WantedDrain {
    WantedDrain {
        deadline: fixture::start(),
        decision: Decision::default(),
    }
}

fn half() -> OperatorWeight {
    OperatorWeight {
        set: "50%".parse().unwrap(),
        decision: Decision::default(),
    }
}

/// What the file holds, which is not damaged.
fn saved(file: &DecisionFile) -> Decisions {
    let loaded = file.load(IfDamaged::SetAside).unwrap();
    assert!(loaded.damage.is_none(), "{:?}", loaded.damage);
    loaded.value
}

async fn load(config: &Config, shown: &SharedConditions) -> DecisionStore {
    let file = DecisionFile::new(&config.state_dir);
    let store = DecisionStore::load(config, file, Writing::Real, shown).await;
    store.unwrap()
}

#[tokio::test]
async fn failed_write_is_shown_and_tried_again() {
    let (mut config, service, real_server) = web();
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("state");
    config.state_dir.clone_from(&blocked);
    let shown = SharedConditions::default();
    let file = || DecisionFile::new(&blocked);
    let mut store = load(&config, &shown).await;
    store.remember().await;
    assert_eq!((store.not_saved(), blocked.exists()), (None, false));

    fs::write(&blocked, "").unwrap();
    let key = (service, real_server);
    store.decisions.weights.insert(key, half());
    store.remember().await;
    let error = store.not_saved().unwrap();
    assert_eq!(shown.list().len(), 1);
    assert!(error.contains("is not remembered"), "{error}");
    let store = Arc::new(Mutex::new(store));
    let keep = tokio::spawn(keep(Arc::clone(&store)));
    fs::remove_file(&blocked).unwrap();
    let repaired = async {
        while !shown.list().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, repaired).await.unwrap();
    keep.abort();
    let wanted = Decisions {
        weights: [(key, half())].into(),
        ..Decisions::default()
    };
    assert_eq!(saved(&file()), wanted);
}

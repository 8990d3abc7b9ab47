use super::*;
use crate::model::Connections;
use crate::status::fixture;

#[test]
fn each_target_names_a_real_server_that_takes_commands_or_nothing_is_found() {
    let snapshot = fixture::director();
    let found = |texts: &[&str]| {
        let targets: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
        find(&snapshot, &targets)
    };
    let id = |service, real_server| RealServerId {
        service,
        real_server,
    };
    let (rs1, rs2, rs6) = (id(0, 0), id(0, 1), id(1, 0));
    for (texts, expected) in [
        (&["web/rs2"][..], &[rs2][..]),
        (&["*/rs6"], &[rs6]),
        (&["web"], &[rs1, rs2]),
        (&["marked/*"], &[rs6]),
        (&["192.168.11.22"], &[rs2]),
        (&["192.168.11.200:80"], &[rs1, rs2]),
        (&["marked", "web/rs2", "*/rs2"], &[rs2, rs6]),
    ] {
        let found: Vec<_> = found(texts).unwrap().into_iter().collect();
        assert_eq!(found, expected, "{texts:?}");
    }
    snapshot.leaving.lock().push(LeavingRecord {
        service: "web".to_owned(),
        real_server: "rs3".to_owned(),
        service_key: snapshot.services[0].key,
        key: "192.168.11.23:80".parse().unwrap(),
        connections: Connections::default(),
        deadline: fixture::start(),
        serves: false,
    });
    for (name, why) in [
        ("web/rs3", "it is no longer configured"),
        ("*/rs3", "it is no longer configured"),
        ("marked/sorry_server", "a sorry server serves only while"),
        ("*/sorry_server", "a sorry server serves only while"),
        ("web/sorry_server", "no real server is called"),
        ("marked/rs3", "no real server is called"),
    ] {
        let error = found(&["web/rs1", name]).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
        assert!(error.contains(why), "{error}");
    }
    snapshot.leaving.lock()[0].serves = true;
    let error = found(&["web/rs3"]).unwrap_err().to_string();
    assert!(
        error.contains("serves until a configured real server"),
        "{error}"
    );
    let targets = ["*/rs3".parse().unwrap(), "web".parse().unwrap()];
    assert_eq!(still_serving(&snapshot, &targets), ["web/rs3"]);
    assert!(still_serving(&snapshot, &["marked".parse().unwrap()]).is_empty());
    for wrong in ["web/rs6", "*/nobody", "nobody/rs1"] {
        let error = found(&["web/rs1", wrong]).unwrap_err().to_string();
        assert!(
            error.ends_with(": see `lvs-agent status` for what there is"),
            "{error}"
        );
    }
}

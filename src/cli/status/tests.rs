use super::*;
use crate::model::{Condition, ConditionType, Severity};
use crate::status::document::json;
use crate::status::{Snapshot, fixture};

fn status(snapshot: &Snapshot, filter: &Filter) -> StatusResponse {
    serde_json::from_slice(&json(snapshot, filter).unwrap()).unwrap()
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let form = Form {
        json: false,
        summary: false,
        part: Part::Everything,
    };
    let filter = Filter::default();
    for watch in [false, true] {
        let error = show(&path, &filter, form, watch).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "there is no control socket {}: is lvs-agent running?",
                path.display()
            )
        );
    }
}

#[test]
fn findings_are_what_is_down_and_problems_within_the_targets() {
    let snapshot = fixture::director();
    let finds = |targets: &[&str]| {
        let targets = targets.iter().map(|target| target.parse().unwrap());
        let filter = Filter {
            targets: targets.collect(),
            problems: true,
        };
        has_findings(&status(&snapshot, &filter))
    };
    assert!(finds(&[]), "rs2 is down");
    assert!(finds(&["web"]));
    assert!(finds(&["marked", "web/rs2"]));
    assert!(!finds(&["web/rs1"]));
    assert!(!finds(&["marked"]));
    let condition = |severity| Condition {
        kind: ConditionType::StateFileDamaged,
        subject: "drains.json".to_owned(),
        severity,
        message: "it is damaged".to_owned(),
        fix: "remove it".to_owned(),
        since: fixture::start(),
    };
    snapshot.conditions.raise(condition(Severity::Warning));
    assert!(!finds(&["marked"]), "a warning");
    snapshot.conditions.raise(condition(Severity::Problem));
    assert!(finds(&["marked"]), "a problem of the host");
}

#[test]
fn json_of_a_summary_has_numbers_instead_of_services() {
    let form = Form {
        json: true,
        summary: true,
        part: Part::Everything,
    };
    let status = status(&fixture::director(), &Filter::default());
    let json = display(status, form).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["totals"]["down"], 1);
    assert!(json.get("virtual_services").is_none(), "{json}");
}

#[tokio::test]
async fn ready_services_are_no_problems_of_a_real_server() {
    use crate::control::{bind, requests, serve};
    use crate::http::{AppState, SharedState};
    use crate::metrics::Metrics;
    use crate::runtime::liveness::{Liveness, Loop};
    use std::sync::Arc;

    let snapshot = fixture::real_server();
    for readiness in snapshot.readiness.lock().iter_mut() {
        let mut ready = readiness.services[0].clone();
        ready.service.name = "ready".into();
        ready.issues.clear();
        readiness.services.push(ready);
    }
    let loops = [Loop::Reconcile];
    let liveness = Liveness::new(clock::monotonic(), Duration::from_secs(10), loops);
    let shown = SharedState::new(AppState {
        weight_updates: Arc::default(),
        snapshot: Arc::new(snapshot),
        metrics: Arc::new(Metrics::new([""; 0]).unwrap()),
        liveness: Arc::new(liveness),
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let _server = tokio::spawn(serve(bind(&path).unwrap(), shown, requests().0));
    let names = async |part, target: Option<&str>| {
        let targets = target.iter().map(|target| target.parse().unwrap());
        let filter = Filter {
            targets: targets.collect(),
            problems: part == Part::Problems,
        };
        let status = ask(&path, &filter, part)
            .await
            .map_err(|error| error.to_string())?;
        let services = status.readiness.unwrap().services.into_iter();
        Ok::<_, String>(services.map(|one| one.name).collect::<Vec<_>>())
    };
    assert_eq!(
        names(Part::Everything, None).await.unwrap(),
        ["web", "ready"]
    );
    assert_eq!(names(Part::Problems, None).await.unwrap(), ["web"]);
    assert_eq!(
        names(Part::Services, Some("ready")).await.unwrap(),
        ["ready"]
    );
    let error = names(Part::Services, Some("raedy")).await.unwrap_err();
    assert_eq!(
        error,
        "no virtual service is called `raedy`, did you mean `ready`?"
    );
}

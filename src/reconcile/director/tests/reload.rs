//! How often a reload reads the table.

use super::*;

const THIRD: &str = "tcp 192.168.11.202:80";

/// Two services; the second has no mark.
fn two_services() -> Config {
    let text = "
virtual_services:
  - name: web
    address: 192.168.11.200:80
    real_servers:
      - { name: rs1, address: 192.168.11.21 }
      - { name: rs2, address: 192.168.11.22 }
  - name: marked
    address: 192.168.11.202:80
    real_servers: [ { name: rs1, address: 192.168.11.21 } ]
";
    let mut config = Config::parse("test", text).unwrap();
    config.director.resync_interval = RESYNC;
    config
}

async fn start() -> Lab {
    let mut lab = Lab::new();
    lab.config = two_services();
    let lab = lab.run().await;
    lab.intend(RS1, 1).await;
    lab.intend(RS2, 2).await;
    lab.calls.lock().unwrap().clear();
    lab
}

/// A reload as the agent makes it: it begins with an observation.
async fn begin(lab: &Lab, config: &Config) -> Weights {
    let (found, answer) = oneshot::channel();
    let config = Arc::new(config.clone());
    let to_loop = lab.requests.lock().unwrap().clone().unwrap();
    let request = ReconcileRequest::Observe { config, found };
    to_loop.send(request).await.ok().unwrap();
    answer.await.unwrap().unwrap()
}

fn with_weight(weight: u32) -> Config {
    let mut config = two_services();
    config.virtual_services[0].real_servers[0].weight = Weight::new(weight).unwrap();
    config
}

#[tokio::test(start_paused = true)]
async fn whole_table_is_read_once_and_what_was_written_a_second_time() {
    let lab = start().await;
    let config = with_weight(5);
    let found = begin(&lab, &config).await;
    assert_eq!(found.len(), 3);
    let steps = lab.reload(config, &[(RIP1, 5), (RIP2, 2)]).await;
    // The real server of the second service has weight 5, too.
    assert_eq!(steps.unwrap(), 2);
    let calls = lab.calls.lock().unwrap().clone();
    let number = |call: &str| calls.iter().filter(|one| *one == call).count();
    assert_eq!(number("list services"), 1, "{calls:?}");
    assert_eq!(number(&format!("list {WEB}")), 2, "{calls:?}");
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=5 192.168.11.22:80=2");
}

#[tokio::test(start_paused = true)]
async fn service_that_no_step_concerns_is_not_read_after_the_steps() {
    let lab = start().await;
    let config = two_services();
    begin(&lab, &config).await;
    lab.calls.lock().unwrap().clear();
    let steps = lab.reload(config, &[(RIP1, 0), (RIP2, 7)]).await;
    // rs1 of the first service, rs2 of the first.
    assert_eq!(steps.unwrap(), 2);
    let calls = lab.calls.lock().unwrap().clone();
    assert!(calls.contains(&format!("list {WEB}")), "{calls:?}");
    assert!(!calls.contains(&format!("list {THIRD}")), "{calls:?}");
    assert!(!calls.contains(&"list services".to_owned()), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn weight_written_since_the_observation_is_not_written_again() {
    let lab = start().await;
    let config = with_weight(5);
    begin(&lab, &config).await;
    lab.intend(RS2, 9).await;
    lab.calls.lock().unwrap().clear();
    let steps = lab.reload(config, &[(RIP1, 0), (RIP2, 9)]).await;
    assert_eq!(steps.unwrap(), 1);
    assert_eq!(
        lab.writes(),
        ["set real server 192.168.11.21:80 of tcp 192.168.11.200:80"]
    );
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=9");
}

#[tokio::test(start_paused = true)]
async fn observation_that_is_too_old_is_made_again() {
    let lab = start().await;
    let config = with_weight(5);
    begin(&lab, &config).await;
    lab.write_as_another(&[set_destination(WEB, RIP2, 7)]).await;
    // A resync would make the observation out of date as well.
    advance(RESYNC).await;
    lab.calls.lock().unwrap().clear();
    let steps = lab.reload(config, &[(RIP1, 0), (RIP2, 2)]).await;
    assert!(steps.is_ok());
    let calls = lab.calls.lock().unwrap().clone();
    assert!(calls.contains(&"list services".to_owned()), "{calls:?}");
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=2");
}

#[tokio::test(start_paused = true)]
async fn change_of_another_program_during_a_reload_is_repaired_by_the_resync() {
    let lab = start().await;
    let config = with_weight(5);
    begin(&lab, &config).await;
    lab.write_as_another(&[set_destination(WEB, RIP2, 7)]).await;
    let steps = lab.reload(config, &[(RIP1, 0), (RIP2, 2)]).await;
    assert_eq!(steps.unwrap(), 1);
    advance(RESYNC).await;
    settle().await;
    assert_eq!(lab.table(WEB), "wlc 192.168.11.21:80=0 192.168.11.22:80=2");
}

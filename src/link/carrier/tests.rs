use super::*;

#[tokio::test]
async fn missing_interface_differs_from_one_without_carrier() {
    let mut host = Host::new();
    let missing = inspect(&mut host, "nosuch0").await.unwrap();
    assert_eq!(missing, Some(FreezeReason::NoInterface));
    let there = inspect(&mut host, "lo").await.unwrap();
    assert_ne!(there, Some(FreezeReason::NoInterface));
}

/// Else the director's own link could take weights away before they are frozen.
#[test]
fn link_is_looked_at_before_three_probes_of_the_shortest_interval_have_failed() {
    let cluster = |interval: &str| {
        let cluster = format!(
            "virtual_services:
  - name: web
    address: 192.0.2.1:80
    check: {{ tcp: {{}}, interval: {interval}, timeout: 50ms, fall: 3 }}
    real_servers: [{{ name: rs1, address: 192.0.2.11 }}]
"
        );
        Config::parse("cluster.yaml", &cluster)
    };
    assert!(cluster("99ms").is_err());
    let config = cluster("100ms").unwrap();
    let check = &config.virtual_services[0].check;
    let failed = check.interval * u32::from(check.fall.get());
    assert!(PERIOD + DEBOUNCE < failed, "{failed:?}");
}

/// Against this machine's kernel, each in a network namespace of its own.
mod netns {
    use super::super::*;
    use crate::kernel::namespace::{in_namespace, run};
    use crate::runtime::clock;
    use crate::status::fixture;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits for a report other than the last one.
    async fn next(problem: &mut watch::Receiver<Option<FreezeReason>>) -> Option<FreezeReason> {
        let changed = timeout(PATIENCE, problem.changed()).await;
        changed.expect("a report in time").unwrap();
        problem.borrow_and_update().clone()
    }

    #[test]
    #[ignore = "needs root: run by tests/run.sh"]
    fn each_change_of_the_carrier_is_reported_without_waiting_for_a_regular_look() {
        in_namespace(async || {
            run("ip", "link add eth0 type veth peer name eth1");
            run("ip", "link set eth0 up");
            run("ip", "link set eth1 up");
            let mut config = fixture::config();
            config.director.link = Some("eth0".to_owned());
            let (_newest, config) = watch::channel(Arc::new(config));
            let (report, mut problem) = watch::channel(None);
            let watching = tokio::spawn(watch(config, report, false));
            // The task looks, and opens its socket.
            sleep(Duration::from_millis(500)).await;

            let mut waited = Duration::ZERO;
            for _ in 0..5 {
                for (state, expected) in [("down", Some(FreezeReason::Link)), ("up", None)] {
                    run("ip", &format!("link set eth1 {state}"));
                    let changed = clock::monotonic();
                    assert_eq!(next(&mut problem).await, expected, "eth1 {state}");
                    waited += clock::monotonic() - changed;
                }
            }
            let mean = waited / 10;
            assert!(mean < Duration::from_millis(60), "{mean:?} per change");

            run("ip", "link del eth0");
            assert_eq!(next(&mut problem).await, Some(FreezeReason::NoInterface));
            run("ip", "link add eth0 type veth peer name eth1");
            assert_eq!(next(&mut problem).await, Some(FreezeReason::Link));
            watching.abort();
        });
    }
}

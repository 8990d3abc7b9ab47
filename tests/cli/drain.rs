//! What an operator decides on a real server.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{AMPLE, Behaviour, Ended, Server, Site, end, until};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

fn run(site: &Site, words: &[&str]) -> Ended {
    end(site.command(words[0], &words[1..]))
}

fn wait_for(site: &Site, place: usize, wanted: impl Fn(&Value) -> bool) -> Value {
    until(AMPLE, "state of a real server", || {
        let shown = site.real_server(0, place);
        if wanted(&shown) {
            Ok(shown)
        } else {
            Err(shown)
        }
    })
}

fn up(shown: &Value) -> bool {
    shown["health"] == "up" && shown["weight"]["kernel"] == 1
}

#[test]
fn a_drain_outlives_verdicts_reloads_and_the_process() {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    site.configure(&site.service("web", 1, CHECK, &[1, 2]));
    let mut agent = site.agent();
    wait_for(&site, 0, up);
    let ended = run(&site, &["drain", "web/rs1", "--wait"]);
    assert_eq!((ended.code, &*ended.stderr), (0, ""));
    assert!(
        ended.stdout.starts_with("web/rs1: draining, 0 active"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.ends_with("web/rs1: drained\n"),
        "{}",
        ended.stdout
    );
    let drained = |shown: &Value| shown["admin"] == "drained" && shown["weight"]["kernel"] == 0;
    wait_for(&site, 0, drained);

    server.set(Behaviour::Close);
    wait_for(&site, 0, |shown| shown["health"] == "down");
    server.set(Behaviour::good());
    let shown = wait_for(&site, 0, |shown| shown["health"] == "up");
    assert!(drained(&shown), "health does not end it: {shown}");

    site.configure(&site.service("web", 1, CHECK, &[2, 1]));
    assert_eq!(run(&site, &["reload"]).code, 0);
    assert!(
        drained(&site.real_server(0, 1)),
        "{}",
        site.real_server(0, 1)
    );

    agent.signal(Signal::SIGKILL);
    agent.wait(AMPLE);
    let _agent = site.agent();
    wait_for(&site, 0, up);
    wait_for(&site, 1, drained);

    assert_eq!(run(&site, &["undrain", "web/rs1"]).code, 0);
    wait_for(&site, 1, |shown| up(shown) && shown["admin"] == "enabled");
}

#[test]
fn one_real_server_in_every_service() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    let services = site.service("one", 1, CHECK, &[1]) + &site.service("two", 2, CHECK, &[1]);
    site.configure(&services);
    let _agent = site.agent();
    wait_for(&site, 0, up);
    let ended = run(&site, &["drain", "*/rs1", "--wait"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    for service in [0, 1] {
        assert_eq!(site.real_server(service, 0)["admin"], "drained");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let site = Site::new();
    site.configure(&site.service("web", 1, CHECK, &[1]));
    let _agent = site.agent();
    for (target, sentence) in [
        ("web/rs9", "no real server is called `web/rs9`"),
        ("rs1", "`rs1` is not SERVICE/REAL_SERVER"),
    ] {
        for command in ["drain", "undrain"] {
            let ended = run(&site, &[command, target]);
            assert_eq!((ended.code, &*ended.stdout), (1, ""));
            assert!(ended.stderr.contains(sentence), "{}", ended.stderr);
        }
    }
    assert_eq!(run(&site, &["drain", "web/rs1", "--deadline", "5"]).code, 2);
}

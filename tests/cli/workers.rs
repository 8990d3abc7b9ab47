//! The threads that carry out probes: one for few real servers, so that no thread wakes another
//! for each probe, and two for many.

use std::collections::BTreeMap;
use std::fs;

use super::{AMPLE, Agent, Behaviour, Server, Site, end, until};

/// How often each worker has waited, by the number of its thread (`proc_pid_status(5)`).
fn waits_of_workers(agent: &Agent) -> BTreeMap<String, u64> {
    let threads = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let waits = threads.filter_map(|thread| {
        let thread = thread.unwrap();
        // A thread that has ended meanwhile has no files.
        let status = fs::read_to_string(thread.path().join("status")).ok()?;
        let value = |key| status.lines().find_map(|line| line.strip_prefix(key));
        let is_worker = value("Name:\t") == Some("tokio-rt-worker");
        let waits = value("voluntary_ctxt_switches:\t")?.parse().unwrap();
        is_worker.then(|| (thread.file_name().into_string().unwrap(), waits))
    });
    waits.collect()
}

/// The number of all workers, and of those that worked while 50 probes came.
fn workers(agent: &Agent, servers: &Server) -> (usize, usize) {
    let before = waits_of_workers(agent);
    let probes = servers.arrivals().len() + 50;
    until(AMPLE, "50 probes", || {
        let made = servers.arrivals().len();
        if made < probes { Err(made) } else { Ok(()) }
    });
    let after = waits_of_workers(agent);
    let worked = after.iter().filter(|(id, waits)| before[*id] < **waits);
    (after.len(), worked.count())
}

#[test]
fn second_worker_rests_until_a_reload_brings_many_real_servers() {
    let site = Site::new();
    let hosts = [1, 2, 3];
    let servers = Server::start(&hosts.map(|host| site.server(host)), Behaviour::good());
    let few = site.service("web", 1, "interval: 100ms, timeout: 100ms", &hosts);
    site.configure(&few);
    let agent = site.agent();
    site.wait_for(&["up", "up", "up"]);
    assert_eq!(workers(&agent, &servers), (2, 1));
    let many = "  - name: many\n    address: 192.0.2.2:80\n    check: none\n    \
                real_servers: [{ name: rs, address: 10.20.0.0-10.20.7.208 }]\n";
    site.configure(&(few + many));
    assert_eq!(end(site.command("reload", &[])).code, 0);
    until(AMPLE, "work of both workers", || {
        let workers = workers(&agent, &servers);
        if workers == (2, 2) {
            Ok(())
        } else {
            Err(workers)
        }
    });
}

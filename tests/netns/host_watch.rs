//! What another program changes on a real server is repaired within a second,
//! also where the regular comparison is a day away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Lan, Namespace, Site, until};
use crate::witness::{
    BEFORE, DEADLINE, OURS, addresses, configuration, drift, has_vip, set_sysctls, start, status,
    sysctls, wait_for_vip,
};

/// How soon it has to be repaired.
const SOON: Duration = Duration::from_secs(1);

/// A machine that does nothing else for a moment repairs within that time; one
/// that does is given another chance.
const ROUNDS: usize = 5;

fn once_a_day(real_server: &str) -> String {
    configuration(real_server).replace("resync_interval: 1s", "resync_interval: 1day")
}

/// Lets another program change the host until the agent has once been as quick as it has
/// to be; it has to repair what was done each time.
fn repaired_in_time(change: impl Fn(), repaired: impl Fn()) {
    let mut taken = Vec::new();
    for _ in 0..ROUNDS {
        change();
        let start = now();
        repaired();
        let took = now() - start;
        taken.push(took);
        if took < SOON {
            return;
        }
    }
    panic!("repaired too late each time: {taken:?}");
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is measured")]
fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing else shows that no repair follows"
)]
fn pause(time: Duration) {
    thread::sleep(time);
}

fn wait_for_ours(host: &Namespace) {
    until(DEADLINE, "agent's sysctls", || {
        let seen = sysctls(host);
        let mut both = seen.iter().zip(OURS);
        if both.all(|((_, have), (_, want))| have == want) {
            Ok(())
        } else {
            Err(seen)
        }
    });
}

#[test]
fn a_deleted_vip_and_a_changed_sysctl_are_set_again_within_a_second() {
    let lan = Lan::new();
    let site = Site::new(&once_a_day(""));
    let mut agent = start(&site, &lan.rs1);
    repaired_in_time(
        || drop(lan.rs1.run("ip address del 192.168.11.200/32 dev lo")),
        || wait_for_vip(&lan.rs1),
    );
    assert!(drift(&lan.rs1, "address_missing") >= 1);
    agent.wait_for_line(DEADLINE, |line| {
        line.contains("drift, repaired: + address 192.168.11.200/32 on lo")
    });
    let ignore = [("net.ipv4.conf.all.arp_ignore", "0")];
    repaired_in_time(|| set_sysctls(&lan.rs1, ignore), || wait_for_ours(&lan.rs1));
    assert!(drift(&lan.rs1, "sysctl_changed") >= 1);
}

#[test]
fn the_vip_comes_with_the_hosts_own_address_when_that_comes_late() {
    let lan = Lan::new();
    set_sysctls(&lan.client, BEFORE);
    let site = Site::new(&once_a_day(""));
    let mut agent = site.run(&lan.client, &["--real-server"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("real server: no VIP"));
    lan.client.run("ip address add 192.168.11.22/24 dev eth0");
    wait_for_vip(&lan.client);
    wait_for_ours(&lan.client);
    assert_eq!(drift(&lan.client, "address_missing"), 0, "it is no drift");
}

#[test]
fn an_interface_that_goes_is_shown_and_gets_its_vips_when_it_is_back() {
    let lan = Lan::new();
    let add = "ip link add wan0 type veth peer name wan1";
    lan.rs1.run(add);
    let site = Site::new(&once_a_day("  interface: wan0"));
    let _agent = start(&site, &lan.rs1);
    let held = || addresses(&lan.rs1, "wan0").join("\n");
    assert!(held().contains("192.168.11.200/32"), "{}", held());

    lan.rs1.run("ip link del wan0");
    until(DEADLINE, "VIP that is shown as missing", || {
        let status = status(&lan.rs1);
        let shown = &status["vips"][0]["configured"];
        if *shown == false { Ok(()) } else { Err(status) }
    });
    let error = status(&lan.rs1)["reconcile"]["error"].to_string();
    assert!(error.contains("there is no interface `wan0`"), "{error}");

    lan.rs1.run(add);
    until(DEADLINE, "VIP on the new interface", || {
        let held = held();
        if held.contains("192.168.11.200/32") {
            Ok(())
        } else {
            Err(held)
        }
    });
    until(DEADLINE, "VIP that is shown", || {
        let status = status(&lan.rs1);
        let shown = &status["vips"][0]["configured"];
        if *shown == true { Ok(()) } else { Err(status) }
    });
}

/// Both want it otherwise, and neither gives in.
#[test]
fn a_program_that_deletes_the_vip_again_and_again_makes_no_busy_loop() {
    let lan = Lan::new();
    let site = Site::new(&once_a_day(""));
    let _agent = start(&site, &lan.rs1);
    let ending = AtomicBool::new(false);
    let (deletions, took) = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut deletions = 0_u64;
            while !ending.load(Ordering::Relaxed) {
                if has_vip(&lan.rs1) {
                    lan.rs1.run("ip address del 192.168.11.200/32 dev lo");
                    deletions += 1;
                }
            }
            deletions
        });
        let start = now();
        until(DEADLINE, "repair after repair", || {
            match drift(&lan.rs1, "address_missing") {
                repairs if repairs >= 10 => Ok(()),
                repairs => Err(repairs),
            }
        });
        pause(Duration::from_secs(3));
        ending.store(true, Ordering::Relaxed);
        (other.join().unwrap(), now() - start)
    });
    let most = 11 + took.as_secs() / 10;
    assert!(
        (10..=most + 1).contains(&deletions),
        "{deletions} within {took:?}"
    );
    wait_for_vip(&lan.rs1);
}

#[test]
fn alternative_name_of_an_interface_is_reported_with_its_real_name() {
    let lan = Lan::new();
    lan.rs1.run("ip link add wan0 type veth peer name wan1");
    lan.rs1.run("ip link property add dev wan0 altname lan0");
    let site = Site::new(&once_a_day("  interface: lan0"));
    let (code, printed) = site.finish(&lan.rs1, &["run", "--real-server"]);
    assert_eq!(code, 1, "{printed}");
    let expected = "`lan0` is another name of interface `wan0`: write `wan0` in the configuration";
    assert!(printed.contains(expected), "{printed}");
}

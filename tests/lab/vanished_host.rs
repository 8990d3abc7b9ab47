//! How soon a host that vanishes without a word has weight 0 in the kernel.

use std::time::Duration;

use crate::support::{Lan, Site, nginx};
use crate::watch::{measure, number_of_rounds, print, wait_for_weight};

/// How often, unless `ROUNDS` says something else.
const ROUNDS: usize = 20;

const INTERVAL: Duration = Duration::from_secs(1);
const FAST_INTERVAL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(500);
const FALL: u32 = 3;

/// Prints figures, and fails by none. The link of the real server goes down at the switch, so
/// that nothing answers for the real server, and its own kernel says nothing.
#[test]
#[ignore = "measures for minutes, and proves nothing: see tests/README.md"]
fn time_from_a_vanished_host_to_weight_0_beside_the_bound() {
    let lan = Lan::new();
    let _server = nginx(&lan.rs1, "rs1");
    let site = Site::new(&format!(
        "http: {{ listen: 127.0.0.1:9477 }}\n\
         director: {{ interface: eth0 }}\n\
         virtual_services:\n\
         \x20 - name: web\n\
         \x20   address: 192.168.11.200:80\n\
         \x20   flap_damping: false\n\
         \x20   check: {{ http: {{}}, interval: {INTERVAL:?}, fast_interval: {FAST_INTERVAL:?}, \
         timeout: {TIMEOUT:?}, rise: 1, fall: {FALL} }}\n\
         \x20   real_servers: [{{ name: rs1, address: 192.168.11.21 }}]\n"
    ));
    let _agent = site.start(&lan.director, &[]);
    let vanish = || drop(lan.bridge.run("ip link set rs1 down"));
    let once = |_| {
        wait_for_weight(&lan.director, 1);
        let time = measure(&lan.director, vanish);
        lan.bridge.run("ip link set rs1 up");
        time
    };
    let times: Vec<_> = (0..number_of_rounds(ROUNDS)).map(once).collect();
    let bound = INTERVAL + TIMEOUT + (FALL - 1) * (FAST_INTERVAL + TIMEOUT);
    let later = times.iter().filter(|time| **time > bound).count();
    print(
        "lvs-agent, interval 1s, fast_interval 200ms, timeout 500ms, fall 3",
        times,
    );
    eprintln!(
        "interval + timeout + (fall - 1) * (fast_interval + timeout) is {bound:?}; {later} took longer"
    );
}

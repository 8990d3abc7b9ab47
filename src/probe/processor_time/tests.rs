use super::*;
use crate::config::Config;
use crate::probe::probe_targets;

/// For two real servers with this check, in microseconds.
fn microseconds(check: &str) -> u128 {
    let text = format!(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check: {check}\n    \
         real_servers:\n      - {{ name: rs1, address: 192.168.11.21 }}\n      - {{ name: rs2, \
         address: 192.168.11.22 }}\n"
    );
    let config = Config::parse("test.yaml", &text).unwrap();
    processor_time(&probe_targets(&config)).as_micros()
}

#[test]
fn time_grows_with_the_number_of_probes_a_second_and_with_what_each_costs() {
    assert_eq!(microseconds("none"), 0);
    assert_eq!(microseconds("{ http: {}, interval: 1s }"), 160);
    let often = "{ http: {}, interval: 500ms, timeout: 500ms }";
    assert_eq!(microseconds(often), 320);
    let both = "{ http: {}, interval: 1s, via: both }";
    assert_eq!(microseconds(both), 320);
    assert_eq!(microseconds("{ https: {}, interval: 1s }"), 2000);
    assert_eq!(microseconds("{ tls: {}, interval: 2s }"), 1000);
    let program = "{ exec: { command: [/bin/true] }, interval: 2s }";
    assert_eq!(microseconds(program), 2000);
    let all = "{ all: [{ http: {} }, { tls: { port: 443 } }], interval: 1s }";
    assert_eq!(microseconds(all), 2160);
}

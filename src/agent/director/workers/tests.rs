use std::fmt::Write as _;

use super::*;
use crate::probe::probe_targets;

fn need_second(real_servers: usize, check: &str) -> bool {
    let mut text = format!(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check: {check}\n    \
         real_servers:\n"
    );
    for number in 0..real_servers {
        let (high, low) = (number / 250, 1 + number % 250);
        let address = format!("10.1.{high}.{low}");
        writeln!(text, "      - {{ name: rs{number}, address: {address} }}").unwrap();
    }
    let config = Config::parse("test.yaml", &text).unwrap();
    needs_second(&config, &probe_targets(&config))
}

#[test]
fn many_probes_a_second_or_a_large_table_need_a_second_worker() {
    let second = "{ http: {}, interval: 1s }";
    assert!(!need_second(3, second));
    assert!(!need_second(LARGEST_TABLE, second));
    assert!(need_second(LARGEST_TABLE + 1, second));
    assert!(!need_second(LARGEST_TABLE, "none"));
    assert!(need_second(LARGEST_TABLE + 1, "none"));
    let often = "{ http: {}, interval: 100ms, timeout: 100ms }";
    assert!(!need_second(300, often));
    assert!(need_second(320, often));
    assert!(!need_second(250, "{ https: {}, interval: 1s }"));
    assert!(need_second(260, "{ https: {}, interval: 1s }"));
}

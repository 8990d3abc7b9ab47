use super::*;

/// Each as `target, real server`.
fn found(config: &str) -> Vec<String> {
    let config = Config::parse("cluster.yaml", config).unwrap();
    let targets = canary_targets(&config).into_iter();
    let shown = targets.map(|canary| format!("{}, {}", canary.target, canary.path.real_server));
    shown.collect()
}

#[test]
fn the_first_check_through_a_vip_of_each_family_has_a_canary() {
    let found = found(
        "
virtual_services:
  - name: plain
    address: 192.0.2.1:80
    check: { http: {} }
    real_servers: [{ name: rs1, address: 192.0.2.11 }]
  - name: first
    address: 192.0.2.2:80
    check: { http: { port: 8080 }, via: vip }
    real_servers: [{ name: rs1, address: 192.0.2.12 }, { name: rs2, address: 192.0.2.13 }]
  - name: second
    address: 192.0.2.3:80
    check: { http: {}, via: both }
    real_servers: [{ name: rs1, address: 192.0.2.14 }]
  - name: other
    address: \"[2001:db8::200]:80\"
    check: { http: {}, via: both }
    real_servers: [{ name: rs1, address: \"2001:db8::21\" }]
",
    );
    let expected = [
        "192.0.2.2:8080, 192.0.2.12",
        "[2001:db8::200]:80, 2001:db8::21",
    ];
    assert_eq!(found, expected);
}

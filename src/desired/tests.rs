use super::*;

fn found(services: &str) -> Vec<String> {
    let text = format!("virtual_services:\n{services}");
    let config = Config::parse("test.yaml", &text).unwrap();
    let host = BTreeSet::from(["192.168.11.21", "2001:db8::21"].map(|ip| ip.parse().unwrap()));
    vips(&config, &host)
        .into_iter()
        .map(|vip| vip.to_string())
        .collect()
}

fn service(name: &str, address: &str, real_server: &str) -> String {
    format!(
        "  - name: {name}\n    address: \"{address}\"\n    \
         real_servers: [{{ name: rs1, address: \"{real_server}\" }}]\n"
    )
}

#[test]
fn a_loopback_address_is_no_vip_of_a_real_server() {
    let services = [
        service("four", "127.0.0.1:80", "192.168.11.21"),
        service("five", "127.8.9.10:80", "192.168.11.21"),
        service("six", "[::1]:80", "2001:db8::21"),
    ]
    .concat();
    assert_eq!(found(&services), [""; 0]);
    let services = services + &service("web", "192.168.11.200:80", "192.168.11.21");
    assert_eq!(found(&services), ["192.168.11.200"]);
}

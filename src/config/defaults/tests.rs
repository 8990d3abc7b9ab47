use super::super::{Config, Report};
use super::*;

#[test]
fn wrong_value_of_each_default_is_one_problem_whether_or_not_services_take_it() {
    let services = "virtual_services:
  - { name: web, address: '192.168.11.200:80', real_servers: &rs [{ name: rs1, address: 192.168.11.21 }] }
  - { name: other, address: '192.168.11.201:80', real_servers: *rs }
";
    for key in DEFAULTS.keys() {
        let name = key.name;
        let text = format!("defaults:\n  {name}: [1]\n{services}");
        let errors = Config::parse("a.yaml", &text).unwrap_err();
        let [report] = errors.reports() else {
            panic!("{name}: {errors}");
        };
        let message = report.message();
        assert!(message.starts_with("in `defaults"), "{name}: {message}");
        assert_eq!(report.line_and_column().unwrap().0, 2, "{name}: {message}");
    }
}

#[test]
fn problem_with_a_default_names_the_key_and_the_services_that_have_the_problem() {
    let text = "defaults: { quorum: 2, persistence: { timeout: 5m, netmask: 64 } }
virtual_services:
  - { name: one, address: '[2001:db8::200]:80', real_servers: [{ name: rs1, address: '2001:db8::21' }] }
  - { name: two, address: '[2001:db8::201]:80', real_servers: [{ name: rs1, address: '2001:db8::21' }] }
  - name: four
    address: 192.168.11.200:80
    real_servers: [{ name: rs1, address: 192.168.11.21, weight: 2 }]
";
    let errors = Config::parse("a.yaml", text).unwrap_err();
    let messages: Vec<_> = errors.reports().iter().map(Report::message).collect();
    assert_eq!(
        messages,
        [
            "in `defaults.quorum`, for the virtual service `one` and 1 more: the quorum needs 2 \
             and all weights together are 1: it would never be there",
            "in `defaults.persistence`, for the virtual service `four`: `netmask` must be a \
             prefix length from 1 to 32 or a netmask, not the number 64",
        ]
    );
    let public = errors.public();
    assert!(
        !public.contains("four") && public.contains("`defaults.persistence`"),
        "{public}"
    );
}

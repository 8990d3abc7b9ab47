use super::*;
use crate::status::fixture;

#[test]
fn command_makes_the_request_of_the_check() {
    let target = "192.0.2.21:8080".parse().unwrap();
    let mut check = HttpCheck {
        host: None,
        path: "/".to_owned(),
        ..fixture::http_check()
    };
    assert_eq!(curl(target, &check), "curl -si http://192.0.2.21:8080/");
    check.method = "HEAD".to_owned();
    check.host = Some("www.example.com".to_owned());
    check.path = "/it's?a=b&c".to_owned();
    assert_eq!(
        curl(target, &check),
        r"curl -si -I -H 'Host: www.example.com' 'http://192.0.2.21:8080/it'\''s?...'"
    );
    check.method = "GET".to_owned();
    check.path = "/".to_owned();
    check.tls = Some(crate::config::TlsSettings {
        server_name: Some("www.example.com".to_owned()),
        ca: None,
        client: None,
        verify: false,
    });
    assert_eq!(
        curl("[2001:db8::21]:443".parse().unwrap(), &check),
        "curl -si -k -H 'Host: www.example.com' --connect-to '::[2001:db8::21]:443' \
         https://www.example.com:443/"
    );
}

#[test]
fn command_has_the_headers_and_the_body_and_no_secret() {
    let target = "192.0.2.21:8080".parse().unwrap();
    let header = |(name, value): (&str, &str)| (name.to_owned(), value.into());
    let mut check = HttpCheck {
        method: "POST".to_owned(),
        headers: [
            ("Accept", "text/plain"),
            ("authorization", "Basic c2VjcmV0"),
            ("X-Empty", ""),
        ]
        .map(header)
        .to_vec(),
        body: Some("it's all".into()),
        ..fixture::http_check()
    };
    assert_eq!(
        curl(target, &check),
        "curl -si -X POST -H 'Accept: ...' -H 'authorization: ...' -H 'X-Empty;' \
         -H Content-Type: --data-raw ... http://192.0.2.21:8080/"
    );
    check.headers = vec![header(("content-type", "text/plain"))];
    assert_eq!(
        curl(target, &check),
        "curl -si -X POST -H 'content-type: ...' --data-raw ... http://192.0.2.21:8080/"
    );
    check.method = "GET".to_owned();
    let with_body = curl(target, &check);
    assert!(with_body.starts_with("curl -si -X GET "), "{with_body}");
}

#[test]
fn the_vip_as_a_host_has_the_port_that_is_not_the_schemes_own() {
    let mut check = HttpCheck {
        host: Some("192.168.11.200".to_owned()),
        host_is_vip: true,
        ..fixture::http_check()
    };
    let command = curl("192.0.2.21:8080".parse().unwrap(), &check);
    assert!(command.contains("'Host: 192.168.11.200:8080'"), "{command}");
    let command = curl("192.0.2.21:80".parse().unwrap(), &check);
    assert!(command.contains("'Host: 192.168.11.200'"), "{command}");
    check.host_is_vip = false;
    let command = curl("192.0.2.21:8080".parse().unwrap(), &check);
    assert!(command.contains("'Host: 192.168.11.200'"), "{command}");
}

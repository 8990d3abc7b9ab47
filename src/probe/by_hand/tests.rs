use super::*;
use crate::snapshot::fixture;

#[test]
fn command_makes_the_request_of_the_check() {
    let target = "192.0.2.21:8080".parse().unwrap();
    let mut check = HttpCheck {
        host: None,
        path: "/".to_owned(),
        headers: vec![("authorization".to_owned(), "secret".to_owned())],
        ..fixture::http_check()
    };
    assert_eq!(curl(target, &check), "curl -si http://192.0.2.21:8080/");
    check.method = "HEAD".to_owned();
    check.host = Some("www.example.com".to_owned());
    check.path = "/it's?a=b&c".to_owned();
    assert_eq!(
        curl(target, &check),
        r"curl -si -X HEAD -H 'Host: www.example.com' 'http://192.0.2.21:8080/it'\''s?...'"
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

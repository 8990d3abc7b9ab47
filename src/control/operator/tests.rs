use nix::unistd::geteuid;

use super::*;

#[tokio::test]
async fn the_peer_of_a_socket_has_a_number_and_a_name() {
    let (here, _there) = UnixStream::pair().unwrap();
    let own = geteuid();
    let operator = Operator::of(&here);
    assert_eq!(operator.to_string(), format!("uid {own}"));
    let name = User::from_uid(own).unwrap().unwrap().name;
    let named = operator.named().await;
    assert_eq!(named.to_string(), format!("{name} (uid {own})"));
}

#[tokio::test]
async fn a_user_without_a_name_is_a_number() {
    let operator = Operator {
        uid: Some(4_000_000_123),
        name: None,
    };
    assert_eq!(operator.named().await.to_string(), "uid 4000000123");
}

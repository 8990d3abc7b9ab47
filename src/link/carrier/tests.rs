use super::*;

#[tokio::test]
async fn an_interface_that_is_not_there_is_not_one_without_a_carrier() {
    let mut links = Addresses::new();
    let missing = look(&mut links, "nosuch0").await.unwrap();
    assert_eq!(missing, Some(FreezeReason::NoInterface));
    let there = look(&mut links, "lo").await.unwrap();
    assert_ne!(there, Some(FreezeReason::NoInterface));
}

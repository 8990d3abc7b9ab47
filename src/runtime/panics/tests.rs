use super::*;

#[tokio::test]
async fn message_of_a_panic_is_bounded() {
    assert_eq!(caught(async { 7 }).await, Ok(7));
    let formatted = caught(async { panic!("index {} of {}", 3, 2) });
    assert_eq!(formatted.await, Err("index 3 of 2".to_owned()));
    let plain = caught(async { panic!("a\nb") });
    assert_eq!(plain.await, Err("a\\nb".to_owned()));
    let long = caught(async { panic!("{}", "x".repeat(1000)) });
    assert_eq!(long.await.unwrap_err().len(), LONGEST);
    let other = caught(async { std::panic::panic_any(7) });
    assert_eq!(other.await, Err("without a message".to_owned()));
}

#[test]
fn the_watched_future_is_kept_once() {
    let room = [0_u8; 1000];
    let large = async move {
        tokio::task::yield_now().await;
        room
    };
    let alone = size_of_val(&large);
    let watched = size_of_val(&caught(large));
    assert!(watched < alone + 100, "{watched} bytes for one of {alone}");
}

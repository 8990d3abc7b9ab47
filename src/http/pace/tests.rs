use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::task::JoinSet;

use super::*;

/// Writes so many bytes to each of so many readers that take them at once. Returns how long
/// that took.
async fn write_to(readers: usize, pace: &Arc<Pace>, bytes: usize) -> Duration {
    let begun = clock::monotonic();
    let mut tasks = JoinSet::new();
    for _ in 0..readers {
        let (near, mut far) = duplex(16 * PIECE);
        let mut paced = Paced::new(near, Arc::clone(pace));
        tasks.spawn(async move {
            paced.write_all(&vec![1; bytes]).await.unwrap();
        });
        tasks.spawn(async move {
            let mut read = Vec::new();
            far.read_to_end(&mut read).await.unwrap();
            assert_eq!(read.len(), bytes);
        });
    }
    tasks.join_all().await;
    clock::monotonic() - begun
}

#[tokio::test(start_paused = true)]
async fn the_first_piece_of_each_connection_is_written_at_once() {
    let pace = Arc::new(Pace::default());
    assert_eq!(write_to(100, &pace, PIECE).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn many_readers_take_as_long_as_one_that_reads_as_much() {
    for readers in [1, 10, 100] {
        let pace = Arc::new(Pace::default());
        // The first pieces are written beside the pace.
        let took = write_to(readers, &pace, PIECE + 1000 / readers * PIECE).await;
        let difference = took.abs_diff(1000 * PIECE_TIME);
        assert!(difference <= LAG, "{readers} readers: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_gains_by_waiting() {
    let pace = Arc::new(Pace::default());
    write_to(1, &pace, 2 * PIECE).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    let took = write_to(1, &pace, PIECE + 1000 * PIECE).await;
    assert!(took + 2 * LAG >= 1000 * PIECE_TIME, "{took:?}");
}

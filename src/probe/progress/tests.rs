use std::time::Duration;

use super::*;

fn progress() -> Progress {
    Progress::new(Duration::from_millis(400))
}

#[test]
fn a_time_out_says_what_the_probe_was_doing() {
    let progress = progress();
    progress.begin(Activity::Connecting);
    assert_eq!(
        progress.late().detail,
        "timed out after 400ms while connecting"
    );
    progress.begin(Activity::Head);
    assert_eq!(
        progress.late().detail,
        "timed out after 400ms while waiting for the head of the answer, of which nothing came"
    );
    progress.came(b"HTTP/1.1 200 OK\r\n");
    assert_eq!(
        progress.late().detail,
        "timed out after 400ms while waiting for the head of the answer, \
         of which 17 bytes came: \"HTTP/1.1 200 OK\\r\\n\""
    );
    progress.begin(Activity::Body);
    progress.came(&[b'x'; 50]);
    progress.came(&[b'y'; 50]);
    let (x, y) = ("x".repeat(50), "y".repeat(10));
    assert_eq!(
        progress.late().detail,
        format!(
            "timed out after 400ms while reading the body, of which 100 bytes came: \"{x}{y}...\""
        )
    );
    progress.blocked(true);
    assert_eq!(
        progress.late().detail,
        "timed out after 400ms while reading the body, and the other end does not take what is sent"
    );
}

#[test]
fn no_more_may_come_than_what_is_done_needs() {
    let progress = progress();
    progress.begin(Activity::Head);
    assert_eq!(progress.room(), Some(32 * KIB));
    progress.took(32 * KIB - 1);
    assert_eq!(progress.room(), Some(1));
    progress.took(1);
    assert!(progress.stopped().is_none());
    assert_eq!(progress.room(), None);
    let stopped = progress.stopped().unwrap();
    assert_eq!(stopped.result, ProbeResult::Protocol);
    assert_eq!(
        stopped.detail,
        "more than 32 KiB came while waiting for the head of the answer"
    );
}

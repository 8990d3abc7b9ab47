use std::env;
use std::fmt::Debug;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// From the first look to the second; it doubles from look to look.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A look costs what others need to get ahead: most start a process.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// How long this machine takes for what is usual, in percent: `tests/run.sh` and
/// the lab's guest measure that once, at their start.
static SLOWNESS: LazyLock<u32> = LazyLock::new(|| {
    let measured = env::var("TEST_SLOWNESS").ok();
    measured.and_then(|text| text.parse().ok()).unwrap_or(100)
});

/// So much time on a machine of the usual speed, and more on a slower one.
pub(crate) fn here(usual: Duration) -> Duration {
    usual * *SLOWNESS / 100
}

/// Asks `attempt` again and again until it gives `Ok`, and returns that.
/// `deadline` is for a machine of the usual speed; a slower one has more.
///
/// # Panics
///
/// When `deadline` has passed; it tells `what` did not come and the last `Err`.
pub(crate) fn until<T, Seen: Debug>(
    deadline: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, Seen>,
) -> T {
    let deadline = here(deadline);
    let end = now() + deadline;
    let mut rest = FIRST_PAUSE;
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(seen) if now() >= end => {
                panic!("no {what} within {deadline:?}; the last seen: {seen:#?}")
            }
            Err(_) => {
                pause(rest);
                rest = (rest * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the agent's clock is not for tests"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause between two looks, on a test's own thread"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

use super::*;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The thread slept from the instant 0, and woke that late.
fn late_by(late: Duration) -> (Arc<Standstill>, Instant, Instant) {
    let standstill = Standstill::unknown();
    let start = clock::monotonic();
    standstill.sleeps(start);
    (standstill, start, start + SLEEP + late)
}

#[test]
fn counts_the_time_that_the_thread_overslept() {
    let (standstill, start, woke) = late_by(ms(3000));
    // Before the thread has woken itself, and after.
    assert_eq!(standstill.between(start, woke), ms(3000));
    standstill.woke(woke);
    standstill.sleeps(woke);
    assert_eq!(standstill.between(start, woke), ms(3000));
    assert_eq!(standstill.between(start, woke + ms(50)), ms(3000));
}

#[test]
fn counts_only_what_lies_between_the_two_instants() {
    let (standstill, start, woke) = late_by(ms(3000));
    standstill.woke(woke);
    standstill.sleeps(woke);
    let later = start + SLEEP + ms(2000);
    assert_eq!(standstill.between(later, woke), ms(1000));
    assert_eq!(standstill.between(woke, woke + ms(50)), Duration::ZERO);
}

#[test]
fn counts_no_short_delay() {
    let (standstill, start, woke) = late_by(SHORTEST.saturating_sub(ms(1)));
    assert_eq!(standstill.between(start, woke), Duration::ZERO);
    standstill.woke(woke);
    assert_eq!(standstill.between(start, woke), Duration::ZERO);
}

#[test]
fn remembers_a_bounded_number() {
    let standstill = Standstill::unknown();
    let start = clock::monotonic();
    let mut now = start;
    for _ in 0..2 * REMEMBERED {
        standstill.sleeps(now);
        now += SLEEP + SHORTEST;
        standstill.woke(now);
    }
    standstill.sleeps(now);
    let remembered = u32::try_from(REMEMBERED).unwrap();
    assert_eq!(standstill.between(start, now), SHORTEST * remembered);
}

/// The runtime is blocked, as by a peer that never lets its reader wait; the
/// process runs.
#[tokio::test]
async fn a_blocked_runtime_is_no_standstill() {
    let standstill = Standstill::watch().unwrap();
    let (start, blocked) = (clock::monotonic(), ms(1500));
    while clock::monotonic() - start < blocked {
        thread::park_timeout(blocked);
    }
    // Far less: the machine that runs the tests may be busy.
    assert!(standstill.between(start, clock::monotonic()) < ms(1000));
}

#[test]
fn a_thread_that_dies_is_no_standstill() {
    let standstill = Standstill::unknown();
    let weak = Arc::downgrade(&standstill);
    let measuring = thread::spawn(move || measure(&weak, |_| panic!("a fault of the thread")));
    let died = measuring.join();
    assert!(died.is_err());
    let now = clock::monotonic();
    assert_eq!(standstill.between(now, now + ms(10_000)), Duration::ZERO);
}

use super::*;

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 11, 200));
const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 11, 201));

/// Announcements with a clock of their own.
struct Fixture {
    announcements: Announcements,
    start: Instant,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        let start = crate::runtime::clock::monotonic();
        Self {
            announcements: Announcements::default(),
            start,
            now: start,
        }
    }

    /// Holds these VIPs from now on.
    fn hold(&mut self, vips: &[IpAddr]) {
        let held = vips.iter().copied().collect();
        self.announcements.hold(&held, self.now);
    }

    fn conflicts(&mut self, vips: &[IpAddr]) {
        let vips = vips.iter().copied().collect();
        self.announcements.conflicts(vips, self.now);
    }

    fn link(&mut self, down: bool) {
        self.announcements.link(down, self.now);
    }

    /// All that is sent within so many milliseconds, and when.
    fn run(&mut self, milliseconds: u64) -> Vec<(u128, Send)> {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut sent = Vec::new();
        while let Some(at) = self.announcements.next_deadline()
            && at <= end
        {
            self.now = at;
            let sends = self.announcements.due(at);
            let at = at.duration_since(self.start).as_millis();
            sent.extend(sends.into_iter().map(|send| (at, send)));
        }
        self.now = end;
        sent
    }
}

#[test]
fn asks_then_announces_five_times_and_five_times_more_after_five_seconds() {
    let mut fixture = Fixture::new();
    fixture.hold(&[VIP]);
    assert_eq!(
        fixture.run(60_000),
        [
            (0, Send::Question(VIP)),
            (250, Send::Announcement(VIP, 5)),
            (5250, Send::Announcement(VIP, 5)),
        ]
    );
    fixture.hold(&[VIP]);
    assert_eq!(fixture.run(60_000), []);
}

#[test]
fn announces_a_vip_again_that_went_and_came_back() {
    let mut fixture = Fixture::new();
    fixture.hold(&[VIP]);
    fixture.run(300);
    fixture.hold(&[]);
    assert_eq!(fixture.run(9700), [], "its second burst is not sent");
    fixture.hold(&[VIP]);
    let sent = fixture.run(10_000);
    assert_eq!(sent[1], (10_250, Send::Announcement(VIP, 5)));
}

#[test]
fn does_not_announce_while_another_host_has_it_and_does_when_that_is_over() {
    let mut fixture = Fixture::new();
    fixture.hold(&[VIP, OTHER]);
    assert_eq!(fixture.run(100).len(), 2, "both are asked for");
    fixture.conflicts(&[VIP]);
    let sent = fixture.run(20_000);
    assert_eq!(
        sent,
        [
            (251, Send::Announcement(OTHER, 5)),
            (5251, Send::Announcement(OTHER, 5)),
        ]
    );
    fixture.conflicts(&[]);
    let sent = fixture.run(20_000);
    assert_eq!(
        sent,
        [
            (20_100, Send::Question(VIP)),
            (20_350, Send::Announcement(VIP, 5)),
            (25_350, Send::Announcement(VIP, 5)),
        ]
    );
}

#[test]
fn a_conflict_that_begins_between_the_bursts_stops_the_second() {
    let mut fixture = Fixture::new();
    fixture.hold(&[VIP]);
    fixture.run(1000);
    fixture.conflicts(&[VIP]);
    assert_eq!(fixture.run(60_000), []);
}

#[test]
fn announces_all_when_the_link_is_back_and_nothing_while_it_is_down() {
    let mut fixture = Fixture::new();
    fixture.hold(&[VIP]);
    fixture.run(10_000);
    fixture.link(true);
    fixture.hold(&[VIP, OTHER]);
    assert_eq!(fixture.run(10_000), []);
    fixture.link(false);
    let sent = fixture.run(300);
    assert_eq!(
        sent,
        [
            (20_000, Send::Question(VIP)),
            (20_001, Send::Question(OTHER)),
            (20_250, Send::Announcement(VIP, 5)),
            (20_251, Send::Announcement(OTHER, 5)),
        ]
    );
}

#[test]
fn the_refresh_is_one_announcement_each_time_and_can_be_changed() {
    let mut fixture = Fixture::new();
    let minute = Some(Duration::from_mins(1));
    fixture.announcements.refresh(minute, fixture.now);
    fixture.hold(&[VIP]);
    fixture.run(6000);
    let sent = fixture.run(120_000);
    assert_eq!(
        sent,
        [
            (65_250, Send::Announcement(VIP, 1)),
            (125_250, Send::Announcement(VIP, 1)),
        ]
    );
    fixture.conflicts(&[VIP]);
    assert_eq!(fixture.run(300_000), [], "not while another has it");
    fixture.conflicts(&[]);
    fixture.run(6000);
    fixture.announcements.refresh(None, fixture.now);
    assert_eq!(fixture.run(300_000), []);
    fixture.announcements.refresh(minute, fixture.now);
    assert_eq!(fixture.run(60_000).len(), 1);
}

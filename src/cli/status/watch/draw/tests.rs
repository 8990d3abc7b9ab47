use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent};
use expect_test::{Expect, expect};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::*;
use crate::model::FreezeReason;
use crate::status::document::{Filter, json};
use crate::status::{Snapshot, fixture};

fn view(snapshot: &Snapshot, has_colours: bool) -> View {
    fixture::examine(snapshot);
    let json = json(snapshot, &Filter::default()).unwrap();
    let status = serde_json::from_slice(&json).unwrap();
    View::new(Filter::default(), status, has_colours, now())
}

fn now() -> SystemTime {
    fixture::start() + Duration::from_secs(65)
}

fn drawn(view: &mut View, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view, now())).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let lines = buffer.content.chunks(width).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn check(view: &mut View, width: u16, height: u16, expected: &Expect) {
    expected.assert_eq(&text(&drawn(view, width, height)));
}

fn press(view: &mut View, keys: &str) {
    for letter in keys.chars() {
        view.key(KeyEvent::from(KeyCode::Char(letter)), now());
    }
}

#[test]
fn director_on_80_by_24() {
    let mut view = view(&fixture::director(), false);
    press(&mut view, "jj");
    check(
        &mut view,
        80,
        24,
        &expect![[r"
            lvs1: director, lvs-agent 0.1.0, the kernel was as configured 5s ago
            real servers: 1 of 3 down, 1 up, 1 unknown, 0 draining, 0 drained
            conditions: 0 problems, 0 warnings
              REAL SERVER   HEALTH   FOR    KERNEL  LAST PROBE
            web  tcp 192.168.11.200:80  wlc  direct
              rs1           up       1m 3s       1  HTTP 200, port 80, 1.2ms, 5s ago
              rs2           down     35s      none  connection refused, port 80, 300us, 5...
            marked  fwmark 10 ipv6  wlc  direct
              rs6           unknown  1m 5s    none  none yet
              sorry_server  unknown  1m 5s    none  none yet





            web/rs2, 192.168.11.22:80: down since 2026-01-02T03:04:35.000Z
            last probe: connection refused, port 80, 300us, 5s ago
            application_down; fix: on 192.168.11.22, see whether the service runs: `ss
            -ltnup 'sport = :80'` and its log; if it does, what a firewall there drops: `nft
            list ruleset`
            weight: 2 configured, 0 desired, none in the kernel; connections: 0 active, 0
            inactive

            3 of 6  q: quit  p: everything  s: as configured  /: filter
        "]],
    );
}

#[test]
fn conditions_are_on_top_and_the_rest_of_them_is_a_number() {
    let snapshot = fixture::with_arp_conflicts();
    snapshot
        .frozen
        .lock()
        .extend([FreezeReason::Link, FreezeReason::Clock]);
    let mut view = view(&snapshot, false);
    let shown = text(&drawn(&mut view, 80, 18));
    let shown: Vec<_> = shown.lines().skip(3).take(7).collect();
    expect![[r"
        problem weights_frozen clock for 5s: verdicts that depend on the dates of
        certificates are frozen: the director's clock is wrong, by all certificates that
        real servers show
          fix: timedatectl set-ntp true
        and 3 more: `lvs-agent status --problems`
          REAL SERVER   HEALTH                      FOR    KERNEL  LAST PROBE
        web  tcp 192.168.11.200:80  wlc  direct"]]
    .assert_eq(&shown.join("\n"));
    let shown = text(&drawn(&mut view, 30, 9));
    let shown: Vec<_> = shown.lines().skip(3).take(4).collect();
    expect![[r"
        problem weights_frozen clock
        for 5s: verdicts that depend
        on the dates of certificates
          REAL SERVER  HEALTH  FOR  .."]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn texts_are_broken_at_blanks_and_long_words_anywhere() {
    for (text, lines) in [
        ("one two three", &["one two", "three"][..]),
        ("  fix: ab", &["  fix:", "ab"]),
        ("12345678901234567", &["12345678", "90123456", "7"]),
        ("a 1234567890", &["a", "12345678", "90"]),
        ("", &[""]),
        ("机机机机机", &["机机机机", "机"]),
    ] {
        assert_eq!(wrapped(text, 8), lines, "{text}");
    }
}

#[test]
fn lost_agent_is_on_top() {
    let mut view = view(&fixture::director(), false);
    view.answer(Err("nobody listens there".to_owned()), now());
    let shown = text(&drawn(&mut view, 80, 24));
    let expected = "no answer, what follows is 0s old: nobody listens there";
    assert_eq!(shown.lines().nth(1), Some(expected), "{shown}");
}

#[test]
fn real_server_on_60_by_10() {
    check(
        &mut view(&fixture::real_server(), false),
        60,
        10,
        &expect![[r"
            web1: real server, lvs-agent 0.1.0, the kernel has not be...
            conditions: 0 problems, 0 warnings
            SERVICE  READY  WHY NOT
            web      no     arp_ignore is 0 on eth0: this host answer...
            arp_ignore is 0 on eth0: this host answers ARP for the VIP




            1 of 1  q: quit  p: everything  s: as configured  /: filter
        "]],
    );
}

#[test]
fn typed_filter_is_on_the_last_line() {
    let mut view = view(&fixture::director(), false);
    press(&mut view, "/rs2");
    let shown = text(&drawn(&mut view, 80, 24));
    assert!(
        shown.lines().last().unwrap().starts_with("/rs2_ "),
        "{shown}"
    );
    assert!(!shown.contains("rs1"), "{shown}");
    view.key(KeyEvent::from(KeyCode::Enter), now());
    press(&mut view, "ps");
    let shown = text(&drawn(&mut view, 80, 24));
    let keys = "1 of 1  q: quit  p: problems  s: worst first  /: filter: rs2";
    assert_eq!(shown.lines().last(), Some(keys), "{shown}");
}

#[test]
fn small_screens_have_what_fits() {
    for (width, height) in [(1, 1), (10, 3), (20, 5), (200, 60)] {
        let mut view = view(&fixture::with_arp_conflicts(), true);
        let buffer = drawn(&mut view, width, height);
        assert_eq!(buffer.area.height, height);
    }
}

/// The colour and the modifiers of the first cell of a text.
fn style_of(buffer: &Buffer, wanted: &str) -> (Color, Modifier) {
    let text = text(buffer);
    let lines = text.lines().zip(0..);
    let mut places = lines.filter_map(|(line, y)| Some((line.find(wanted)?, y)));
    let (x, y) = places
        .next()
        .unwrap_or_else(|| panic!("{wanted} in {text}"));
    let cell = buffer.cell((u16::try_from(x).unwrap(), y)).unwrap();
    (cell.fg, cell.modifier)
}

#[test]
fn down_is_red_and_the_selected_row_is_reversed() {
    let snapshot = fixture::director();
    snapshot.arp.lock().error = Some("it needs CAP_NET_RAW".to_owned());
    let mut coloured = view(&snapshot, true);
    press(&mut coloured, "j");
    let buffer = drawn(&mut coloured, 80, 24);
    assert_eq!(
        style_of(&buffer, "down   "),
        (Color::Red, Modifier::empty())
    );
    assert_eq!(
        style_of(&buffer, "warning arp_audit"),
        (Color::Yellow, Modifier::empty())
    );
    assert_eq!(
        style_of(&buffer, "  rs1"),
        (Color::Reset, Modifier::REVERSED)
    );
    let mut plain = view(&snapshot, false);
    let buffer = drawn(&mut plain, 80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
    assert_eq!(style_of(&buffer, "down   ").1, Modifier::BOLD);
}

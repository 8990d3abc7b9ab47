//! `lvs-agent status` on a terminal.

use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::termios::LocalFlags;

use super::pty::Terminal;
use super::{AMPLE, Behaviour, Server, Site, end};

const CHECK: &str = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";

/// `web` with rs1 and rs2, which are up, and `mail` with rs3, which is down.
fn site() -> (Site, Server) {
    let site = Site::new();
    let server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let services = site.service("web", 1, CHECK, &[1, 2]) + &site.service("mail", 2, CHECK, &[3]);
    site.configure(&services);
    (site, server)
}

/// A subcommand on a terminal that shows colours.
fn on_terminal(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command("status", arguments);
    command.env("TERM", "xterm-256color");
    command
}

/// The view when it has shown that rs1 and rs2 are up and that rs3 is down.
fn view(site: &Site, arguments: &[&str]) -> Terminal {
    let arguments = [&["--watch"], arguments].concat();
    let mut terminal = Terminal::start(&on_terminal(site, &arguments), 80, 24);
    terminal.wait_for_text(AMPLE, "real servers: 1 of 3 down, 2 up,");
    terminal
}

/// What a shell needs of a terminal.
fn assert_restored(terminal: &Terminal) {
    let screen = terminal.screen();
    assert!(!screen.alternate_screen(), "{}", screen.contents());
    assert!(!screen.hide_cursor(), "the cursor is hidden");
    let flags = terminal.mode().local_flags;
    let wanted = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    assert!(flags.contains(wanted), "{flags:?}");
}

#[test]
fn view_follows_keys_and_gives_the_terminal_back() {
    let (site, _server) = site();
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    let mut terminal = view(&site, &[]);
    let shown = terminal.wait_for_text(AMPLE, "1 of 5");
    assert!(terminal.screen().alternate_screen());
    assert!(!terminal.mode().local_flags.contains(LocalFlags::ICANON));
    for text in ["web  tcp 192.0.2.1:80", "rs1", "rs3", "q: quit"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }

    // Down, and what is known of the selected real server.
    terminal.enter("\x1b[B");
    terminal.wait_for(AMPLE, |screen| {
        let text = screen.contents();
        text.contains("2 of 5") && text.contains("web/rs1, ") && text.contains("last probe: HTTP")
    });
    terminal.enter("/rs3");
    terminal.wait_for(AMPLE, |screen| {
        let text = screen.contents();
        text.contains("/rs3_") && !text.contains("rs1") && text.contains("rs3")
    });
    terminal.enter("\r\x7f");
    terminal.wait_for_text(AMPLE, "/: filter: rs3");
    // Escape ends the filter, and is no key by itself here.
    terminal.enter("/");
    terminal.wait_for_text(AMPLE, "/rs3_");
    terminal.enter("\x1b");
    terminal.wait_for_text(AMPLE, "of 5");
    terminal.enter("p");
    terminal.wait_for(AMPLE, |screen| {
        let text = screen.contents();
        text.contains("p: problems") && !text.contains("rs1") && text.contains("rs3")
    });
    terminal.enter("s");
    terminal.wait_for_text(AMPLE, "mail/rs3");
    terminal.enter("q");
    assert_eq!(terminal.wait(AMPLE), 0);
    assert_restored(&terminal);
}

#[test]
fn escape_control_c_and_signals_give_the_terminal_back() {
    let (site, _server) = site();
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    for key in ["\x1b", "\x03"] {
        let mut terminal = view(&site, &[]);
        terminal.enter(key);
        assert_eq!(terminal.wait(AMPLE), 0, "{key:?}");
        assert_restored(&terminal);
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut terminal = view(&site, &["--exit-code"]);
        terminal.signal(signal);
        assert_eq!(terminal.wait(AMPLE), 3, "{signal}: rs3 is down");
        assert_restored(&terminal);
    }
}

#[test]
fn lost_agent_is_shown_and_found_again() {
    let (site, _server) = site();
    let agent = site.agent();
    site.wait_for(&["up", "up"]);
    let mut terminal = view(&site, &[]);
    drop(agent);
    let shown = terminal.wait_for_text(AMPLE, "no answer, what follows is");
    assert!(shown.contains("rs1"), "the last status stays: {shown}");
    let _agent = site.agent();
    terminal.wait_for(AMPLE, |screen| {
        let text = screen.contents();
        !text.contains("no answer") && text.contains("1 of 3 down, 2 up")
    });
    terminal.enter("q");
    assert_eq!(terminal.wait(AMPLE), 0);
    assert_restored(&terminal);
}

#[test]
fn absent_agent_is_an_error_on_an_untouched_terminal() {
    let (site, _server) = site();
    let mut terminal = Terminal::start(&on_terminal(&site, &["--watch"]), 80, 24);
    assert_eq!(terminal.wait(AMPLE), 1);
    let written = terminal.written();
    assert!(written.contains("there is no control socket"), "{written}");
    assert!(!written.contains('\x1b'), "{written:?}");
}

#[test]
fn table_fits_the_terminal_and_is_whole_in_a_pipe() {
    let (site, _server) = site();
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    let whole = end(site.command("status", &["web"])).stdout;
    assert!(whole.contains("INACTIVE"), "{whole}");
    assert!(!whole.contains('\x1b'), "{whole:?}");
    for columns in [80, 60] {
        let mut terminal = Terminal::start(&on_terminal(&site, &["web"]), columns, 24);
        assert_eq!(terminal.wait(AMPLE), 0);
        let shown = terminal.screen().contents();
        let table = shown
            .lines()
            .filter(|line| line.contains("rs1") || line.contains("HEALTH"));
        let table: Vec<_> = table.collect();
        assert_eq!(table.len(), 2, "no line of it is wrapped: {shown}");
        for text in ["REAL SERVER", "HEALTH", "KERNEL", "LAST PROBE"] {
            assert!(table[0].contains(text), "{text}: {shown}");
        }
        assert!(!shown.contains("INACTIVE"), "{shown}");
    }
}

#[test]
fn terminal_without_a_screen_gets_one_status_after_the_other_and_no_escapes() {
    let (site, _server) = site();
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    for (option, once) in [
        ("--problems", "REAL SERVER"),
        ("--summary", "real servers:"),
        ("--json", "\"schema\":"),
    ] {
        let mut command = site.command("status", &["--watch", option, "mail"]);
        command.env("TERM", "dumb");
        let mut terminal = Terminal::start(&command, 100, 1000);
        terminal.wait_for(AMPLE, |screen| screen.contents().matches(once).count() >= 2);
        // What a shell runs in the background, as these tests may be, ignores the signal of
        // control-C.
        terminal.signal(Signal::SIGTERM);
        terminal.wait(AMPLE);
        let written = terminal.written();
        assert!(!written.contains('\x1b'), "{option}: {written:?}");
    }
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (site, _server) = site();
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    super::until(AMPLE, "verdict on rs3", || {
        let shown = site.real_server(1, 0);
        if shown["health"] == "down" {
            Ok(())
        } else {
            Err(shown)
        }
    });
    let written = |name: &str, value: &str| {
        let mut command = on_terminal(&site, &["mail"]);
        command.env(name, value);
        let mut terminal = Terminal::start(&command, 80, 24);
        assert_eq!(terminal.wait(AMPLE), 0);
        terminal.written()
    };
    for (name, value) in [("TERM", "xterm"), ("NO_COLOR", "")] {
        let written = written(name, value);
        assert!(
            written.contains("\x1b[31mdown"),
            "{name}={value}: {written:?}"
        );
    }
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let written = written(name, value);
        assert!(!written.contains('\x1b'), "{name}={value}: {written:?}");
        assert!(written.contains("down"), "{name}={value}: {written:?}");
    }
}

//! What commands print on a terminal and nowhere else: colours, progress, and lines that
//! fit.

use std::process::Command;

use super::pty::Terminal;
use super::{AMPLE, Behaviour, Server, Site, end, program};

/// The program on a terminal of these columns: its exit code, and all that it wrote.
fn written(command: &Command, columns: u16) -> (i32, String) {
    let mut terminal = Terminal::start(command, columns, 24);
    let code = terminal.wait(AMPLE);
    (code, terminal.written())
}

/// Where there are no colours: the variable that says so, with its value.
const PLAIN: [(&str, &str); 2] = [("NO_COLOR", "1"), ("TERM", "dumb")];

#[test]
fn plan_colours_additions_on_a_terminal_alone() {
    let site = Site::new();
    let vips = "real_server: { vips: [192.0.2.1] }\n";
    site.configure(&(site.service("web", 1, "interval: 1s", &[1]) + vips));
    let mut command = site.command("plan", &["--real-server"]);
    command.env("TERM", "xterm-256color");
    let (code, text) = written(&command, 80);
    assert_eq!(code, 3, "{text}");
    let line = text.lines().find(|line| line.contains("192.0.2.1/32"));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    let is_green = line.starts_with("\x1b[32m+ ") && line.trim_end().ends_with("\x1b[0m");
    assert!(is_green, "{line:?}");

    for (name, value) in PLAIN {
        let mut command = site.command("plan", &["--real-server"]);
        command.env("TERM", "xterm-256color").env(name, value);
        let (code, text) = written(&command, 80);
        assert!(code == 3 && !text.contains('\x1b'), "{name}: {text}");
    }
    let ended = end(site.command("plan", &["--real-server"]));
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
}

#[test]
fn drain_that_waits_shows_its_progress_in_one_line() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1), site.server(2)], Behaviour::good());
    let check = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";
    let service = site.service("web", 1, check, &[1, 2]);
    // A drain of UDP takes as long as its deadline.
    site.configure(&service.replace("    check:", "    protocol: udp\n    check:"));
    let _agent = site.agent();
    site.wait_for(&["up", "up"]);
    let words = ["web/rs1", "--wait", "--deadline", "4s"];
    let mut command = site.command("drain", &words);
    command.env("TERM", "xterm");
    let mut terminal = Terminal::start(&command, 40, 24);
    // The line is cut where the terminal ends.
    for elapsed in ["1s of 4s: web/rs1: 0 active", "2s of 4s: web/rs1: 0 active"] {
        terminal.wait_for_text(AMPLE, elapsed);
    }
    let progress = terminal.screen().contents();
    assert_eq!(progress.matches(" of 4s").count(), 1, "{progress}");
    assert_eq!(terminal.wait(AMPLE), 0);
    let shown = terminal.screen().contents();
    let last = shown.trim_end().lines().last();
    assert_eq!(last, Some("web/rs1: drained"), "{shown}");
    assert!(!shown.contains(" of 4s"), "{shown}");

    let mut command = site.command("drain", &["web/rs2", "--wait", "--deadline", "1s"]);
    command.env("TERM", "dumb");
    let (code, text) = written(&command, 80);
    assert_eq!(code, 0, "{text}");
    assert!(!text.contains('\x1b') && !text.contains(" of 1s"), "{text}");
}

#[test]
fn error_of_a_drain_that_waits_takes_the_place_of_its_progress() {
    let site = Site::new();
    let _server = Server::start(&[site.server(1)], Behaviour::good());
    let check = "interval: 200ms, timeout: 1s, rise: 1, fall: 1";
    let service = site.service("web", 1, check, &[1]);
    site.configure(&service.replace("    check:", "    protocol: udp\n    check:"));
    let agent = site.agent();
    site.wait_for(&["up"]);
    let mut command = site.command("drain", &["web/rs1", "--wait", "--deadline", "1m"]);
    command.env("TERM", "xterm");
    let mut terminal = Terminal::start(&command, 100, 24);
    terminal.wait_for_text(AMPLE, "1s of 1m: web/rs1");
    drop(agent);
    assert_ne!(terminal.wait(AMPLE), 0);
    let shown = terminal.screen().contents();
    assert!(!shown.contains(" of 1m"), "{shown}");
    let is_error = |line: &str| line.starts_with("lvs-agent: ");
    assert!(shown.lines().any(is_error), "{shown}");
}

#[test]
fn help_fits_the_terminal_and_has_colours_there_alone() {
    let mut command = program(&["run", "--help"]);
    command.env("TERM", "xterm-256color");
    let mut terminal = Terminal::start(&command, 60, 120);
    assert_eq!(terminal.wait(AMPLE), 0);
    let screen = terminal.screen();
    let wrapped = (0..120).filter(|row| screen.row_wrapped(*row)).count();
    assert_eq!(wrapped, 0, "{}", screen.contents());
    assert!(screen.contents().contains("LVS_AGENT_LOG"));
    assert!(terminal.written().contains("\x1b["));

    command.env("NO_COLOR", "1");
    let (code, text) = written(&command, 60);
    assert!(code == 0 && !text.contains('\x1b'), "{text}");
    let ended = end(program(&["run", "--help"]));
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    let longest = ended.stdout.lines().map(str::len).max();
    assert!(longest <= Some(100), "{longest:?}: {}", ended.stdout);

    let mut command = program(&["plan", "--jsn"]);
    command.env("TERM", "xterm-256color");
    let (code, text) = written(&command, 80);
    assert!(code == 2 && text.contains("\x1b["), "{text}");
    let ended = end(program(&["plan", "--jsn"]));
    assert!(
        ended.code == 2 && !ended.stderr.contains('\x1b'),
        "{ended:?}"
    );
}

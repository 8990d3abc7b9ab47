//! File systems that hang: FUSE ones whose server never answers. What needs
//! their files goes without, and all else goes on.
#![expect(
    clippy::disallowed_methods,
    reason = "how long the agent takes is what these tests are about"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Lan, Process, Site, here, until};
use crate::web_server::WebServer;
use crate::witness::{DEADLINE, status};

/// How long a signal to end may take, whatever hangs.
const END: Duration = Duration::from_secs(3);

/// A mounted file system that answers nothing. It goes when this is dropped,
/// and whatever hangs there fails then.
struct Hung {
    server: Child,
    directory: PathBuf,
}

impl Hung {
    fn mount(directory: &Path) -> Self {
        let mut server = Command::new("sh")
            .args(["-c", "exec 7<>/dev/fuse && mount -i -t fuse -o \
                   fd=7,rootmode=40000,user_id=0,group_id=0 hung \"$1\" && echo mounted && exec cat"])
            .arg("sh")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output_text = String::new();
        let mut output = BufReader::new(server.stdout.as_mut().unwrap());
        output.read_line(&mut output_text).unwrap();
        assert_eq!(output_text, "mounted\n", "/dev/fuse can be used");
        Self {
            server,
            directory: directory.to_owned(),
        }
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(&self.directory)
            .status();
    }
}

fn director(site: &Site, lan: &Lan) -> Process {
    site.start(&lan.director, &["--table", "memory"])
}

fn threads(agent: &Process) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    tasks.count()
}

fn ends_in_time(agent: &mut Process) {
    agent.signal(Signal::SIGTERM);
    let began = Instant::now();
    let ended = agent.wait(DEADLINE);
    let took = began.elapsed();
    assert!(took < here(END), "{took:?}");
    assert!(ended.success(), "{ended}");
}

/// One service with a plain check, and `https` ones whose authority is `ca`.
fn services(https: usize, ca: &Path) -> String {
    let check = "interval: 1s, timeout: 900ms, rise: 1, fall: 2";
    let mut text = "director: { resync_interval: 1s }\nvirtual_services:\n  - name: plain\n    \
         address: 192.168.11.200:80\n    check: { interval: 100ms, timeout: 500ms, rise: 1, fall: 2 }\n    \
         real_servers: [{ name: rs1, address: 192.168.11.21 }]\n"
        .to_owned();
    for n in 0..https {
        let port = 8000 + n;
        let ca = ca.display();
        writeln!(
            text,
            "  - name: https-{n}\n    address: 192.168.11.200:{port}\n    check: {{ https: {{ \
             path: /, host: rs{n}.example.com, port: 80, ca: {ca} }}, {check} }}\n    \
             real_servers: [{{ name: rs1, address: 192.168.11.21 }}]"
        )
        .unwrap();
    }
    text
}

fn weight(lan: &Lan, wanted: u32) {
    until(DEADLINE, "this weight in the table", || {
        let mut shown = status(&lan.director);
        let shown = shown["virtual_services"][0]["real_servers"][0]["weight"].take();
        if shown["kernel"] == wanted {
            Ok(())
        } else {
            Err(shown)
        }
    });
}

#[test]
fn authority_on_a_hung_file_system_holds_up_nothing_else() {
    const HTTPS: usize = 50;
    let lan = Lan::new();
    let rs1 = WebServer::start(&lan.rs1);
    let directory = tempfile::tempdir().unwrap();
    let _hung = Hung::mount(directory.path());
    let site = Site::new(&services(HTTPS, &directory.path().join("ca.pem")));
    let mut agent = director(&site, &lan);
    let shown = until(DEADLINE, "that the file is named", || {
        let shown = status(&lan.director);
        let last = &shown["virtual_services"][HTTPS]["real_servers"][0]["last_probe"];
        let message = last["detail"].as_str().unwrap_or_default();
        if message.contains("does not answer") && message.contains("ca.pem") {
            assert_eq!(last["result"], "internal", "{last}");
            Ok(shown)
        } else {
            Err(last.clone())
        }
    });
    assert_eq!(
        shown["virtual_services"].as_array().unwrap().len(),
        HTTPS + 1
    );
    weight(&lan, 1);
    drop(rs1);
    weight(&lan, 0);
    let _rs1 = WebServer::start(&lan.rs1);
    weight(&lan, 1);
    // Two workers, those for files, and some of the agent's own.
    let now = threads(&agent);
    assert!(now < 20, "{now} threads");
    ends_in_time(&mut agent);
}

#[test]
fn hung_state_directory_delays_no_weight_reload_or_exit() {
    let lan = Lan::new();
    let rs1 = WebServer::start(&lan.rs1);
    let site = Site::new(&services(0, Path::new("")));
    let mut agent = director(&site, &lan);
    weight(&lan, 1);
    let hung = Hung::mount(&site.state_directory());
    // With another service the state file is to be written.
    let more = services(0, Path::new(""))
        + "  - name: more\n    address: 192.168.11.200:81\n    real_servers: [{ name: rs1, address: \
           192.168.11.21 }]\n";
    site.write_configuration(&more);
    let (code, message) = site.finish(&lan.director, &["reload"]);
    assert_eq!(code, 0, "{message}");
    let began = Instant::now();
    drop(rs1);
    weight(&lan, 0);
    let rs1 = WebServer::start(&lan.rs1);
    weight(&lan, 1);
    let took = began.elapsed();
    assert!(took < here(DEADLINE / 2), "{took:?}");
    let message = agent.wait_for_line(DEADLINE, |line| line.contains("is not remembered"));
    assert!(message.contains("does not answer"), "{message}");

    // A drain holds, and says what is not sure.
    let (code, message) = site.finish(&lan.director, &["drain", "plain/rs1"]);
    assert_eq!(code, 0, "{message}");
    weight(&lan, 0);
    ends_in_time(&mut agent);
    drop(hung);
    drop(rs1);

    // Nobody knows what is owned: the start fails, soon and in clear words.
    let _hung = Hung::mount(&site.state_directory());
    let mut second = site.run(&lan.director, &["--table", "memory"]);
    let ended = second.wait(DEADLINE);
    assert_eq!(ended.code(), Some(1));
    let output = second.output();
    let last = output.lines().last().unwrap();
    assert!(last.contains("does not answer"), "{output}");
    assert!(
        last.contains(&site.state_directory().display().to_string()),
        "{output}"
    );
}

#[test]
fn configuration_program_and_checked_file_that_hang_hold_up_nothing_else() {
    let lan = Lan::new();
    let rs1 = WebServer::start(&lan.rs1);
    let site = Site::new(&services(0, Path::new("")));
    let hung_there = site.directory().join("hung");
    fs::create_dir(&hung_there).unwrap();
    let mut text = services(0, Path::new(""));
    let there = hung_there.display();
    for n in 0..20 {
        let port = 8000 + n;
        let check = if n < 10 {
            format!("exec: {{ command: [{there}/check-{n}] }}")
        } else {
            format!("file: {{ path: {there}/state-{n} }}")
        };
        writeln!(
            text,
            "  - name: hung-{n}\n    address: 192.168.11.200:{port}\n    check: {{ {check}, \
             interval: 500ms, timeout: 400ms, rise: 1, fall: 2 }}\n    real_servers: [{{ name: \
             rs1, address: 192.168.11.21 }}]"
        )
        .unwrap();
    }
    site.write_configuration(&text);
    let _hung = Hung::mount(&hung_there);
    let mut agent = director(&site, &lan);
    for service in [1, 20] {
        until(DEADLINE, "that the file is named", || {
            let mut shown = status(&lan.director);
            let last = shown["virtual_services"][service]["real_servers"][0]["last_probe"].take();
            let message = last["detail"].as_str().unwrap_or_default();
            if last["result"] == "internal" && message.contains(&hung_there.display().to_string()) {
                Ok(())
            } else {
                Err(last)
            }
        });
    }
    weight(&lan, 1);
    drop(rs1);
    weight(&lan, 0);
    let now = threads(&agent);
    assert!(now < 20, "{now} threads");

    text.insert_str(0, &format!("include: {there}/*.yaml\n"));
    site.write_configuration(&text);
    agent.signal(Signal::SIGHUP);
    let message = agent.wait_for_line(DEADLINE, |line| {
        line.contains("the configuration is not reloaded")
    });
    assert!(message.contains("does not answer"), "{message}");
    // And while it is being read.
    agent.signal(Signal::SIGHUP);
    ends_in_time(&mut agent);
}

#[test]
fn secret_that_hangs_refuses_the_reload_and_holds_up_nothing_else() {
    let lan = Lan::new();
    let rs1 = WebServer::start(&lan.rs1);
    let good = services(0, Path::new(""));
    let site = Site::new(&good);
    let hung_there = site.directory().join("hung");
    fs::create_dir(&hung_there).unwrap();
    let _hung = Hung::mount(&hung_there);
    let mut agent = director(&site, &lan);
    weight(&lan, 1);

    let there = hung_there.display();
    let notify = format!("notify: [{{ webhook: {{ url: {{ file: {there}/url }} }} }}]\n");
    site.write_configuration(&(notify + &good));
    agent.signal(Signal::SIGHUP);
    let log_line = agent.wait_for_line(DEADLINE, |line| {
        line.contains("the configuration is not reloaded")
    });
    assert!(log_line.contains("does not answer"), "{log_line}");
    drop(rs1);
    weight(&lan, 0);
    // And while it is being read.
    agent.signal(Signal::SIGHUP);
    ends_in_time(&mut agent);
}

//! What an agent says, as HAProxy reads it and as lvs-agent does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::{Lan, Namespace, Process, Site, until};
use crate::witness::{DEADLINE, status};

/// What is said, one after the other. The configured weight is 20 for both.
const LINES: [&str; 20] = [
    "up 75%",
    "250%",
    "hello 50% world",
    "40 7.5% 5%% up",
    "DRAIN",
    "20%",
    "up",
    "ready",
    "maint,100%\tready",
    "down",
    "30%",
    "ready 40%",
    "stopped # planned  work",
    "up",
    "Fail disk full",
    "down up",
    "up 60%#no reason",
    "maxconn:30",
    "up # 10%",
    "up 100% 50%",
];

/// A line, and how often it was sent.
type SharedLine = Arc<Mutex<(&'static str, usize)>>;

/// Says a line on this port until another one is set.
fn serve(host: &Namespace, port: u16) -> SharedLine {
    let listener = host.enter(|| TcpListener::bind(("0.0.0.0", port)).unwrap());
    let shared = SharedLine::default();
    let line = Arc::clone(&shared);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (text, times) = &mut *line.lock().unwrap();
            *times += 1;
            // The client may have gone.
            let _ = stream.unwrap().write_all(format!("{text}\n").as_bytes());
        }
    });
    shared
}

fn haproxy(host: &Namespace, directory: &Path) -> Process {
    let configuration = directory.join("haproxy.cfg");
    let at = directory.display();
    fs::write(
        &configuration,
        format!(
            "global\n  stats socket {at}/stats\n  maxconn 100\ndefaults\n  mode tcp\n  \
             timeout connect 5s\n  timeout client 5s\n  timeout server 5s\nlisten web\n  \
             bind unix@{at}/front\n  balance roundrobin\n  \
             server rs1 192.168.11.21:80 weight 20 agent-check agent-port 9998 agent-inter 100ms\n"
        ),
    )
    .unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(configuration);
    host.spawn(command)
}

/// The weight that new connections count with, as HAProxy shows it: 0 where
/// there are none.
fn weight_of_haproxy(directory: &Path) -> Result<u64, String> {
    let table = UnixStream::connect(directory.join("stats")).and_then(|mut socket| {
        let mut table = String::new();
        socket.write_all(b"show stat\n")?;
        socket.read_to_string(&mut table)?;
        Ok(table)
    });
    let table = table.map_err(|error| error.to_string())?;
    let mut rows = table.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let head = rows.next().ok_or("no table")?;
    let row = rows
        .find(|row| row.get(1) == Some(&"rs1"))
        .ok_or("no rs1")?;
    let field = |name| {
        let mut fields = head.iter().zip(&row);
        fields
            .find_map(|(field, value)| (*field == name).then_some(*value))
            .unwrap_or_default()
    };
    let status = field("status");
    if status.starts_with("DOWN") || status.starts_with("DRAIN") || status.starts_with("MAINT") {
        return Ok(0);
    }
    field("weight").parse().map_err(|_| status.to_owned())
}

#[test]
fn each_line_gives_the_weight_that_haproxy_gives() {
    let lan = Lan::new();
    let both = [9999, 9998].map(|port| serve(&lan.rs1, port));
    let site = Site::new(
        "virtual_services:\n  - name: web\n    address: 192.168.11.200:80\n    check:\n      \
         haproxy_agent: { port: 9999 }\n      interval: 100ms\n      timeout: 5s\n      \
         rise: 1\n      fall: 1\n    flap_damping: false\n    \
         real_servers: [{ name: rs1, address: 192.168.11.21, weight: 20 }]\n",
    );
    let _haproxy = haproxy(&lan.director, site.directory());
    let mut agent = site.run(&lan.director, &["--table", "memory"]);
    agent.wait_for_line(DEADLINE, |line| line.contains("director: "));
    let mut seen = Vec::new();
    for line in LINES {
        for one in &both {
            *one.lock().unwrap() = (line, 0);
        }
        // Who asks again has taken the answer before.
        until(DEADLINE, "two probes of both", || {
            let times = both.each_ref().map(|one| one.lock().unwrap().1);
            if times.iter().all(|times| *times > 1) {
                Ok(())
            } else {
                Err(times)
            }
        });
        let ours = until(DEADLINE, "the same weight of both", || {
            let shown = status(&lan.director)["virtual_services"][0]["real_servers"][0].take();
            let ours = shown["weight"]["desired"].as_u64();
            let theirs = weight_of_haproxy(site.directory());
            let heard = shown["last_probe"]["detail"].as_str().unwrap_or_default();
            match (ours, &theirs) {
                (Some(ours), Ok(theirs)) if ours == *theirs && agrees(heard, line) => Ok(ours),
                _ => Err((line, ours, theirs, heard.to_owned())),
            }
        });
        seen.push(ours);
    }
    assert_eq!(
        seen,
        [
            15, 50, 10, 10, 0, 0, 0, 4, 20, 0, 0, 0, 0, 8, 0, 8, 8, 8, 8, 10
        ]
    );
}

/// Whether what is shown comes of this line.
fn agrees(shown: &str, line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let word = shown.trim_start_matches("says ");
    let word = word.split([' ', ';', ':']).next().unwrap_or_default();
    line.contains(word) || (word == "only" && line.contains("maxconn"))
}

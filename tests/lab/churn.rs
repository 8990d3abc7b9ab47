//! Another program that adds and removes virtual services of its own without
//! a pause: the kernel goes on with a dump by counting, so that a dump in
//! several messages leaves out what was there all the time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::cluster::{metric, shown};
use crate::support::{Lan, Namespace, PATIENCE, Site, ipvsadm_save, until};

const OURS: u16 = 150;
const OTHERS: u16 = 120;

/// `ipvsadm -R`, which is told to add and to remove services until it is dropped.
struct OtherProgram {
    child: Child,
    over: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

impl OtherProgram {
    fn start(director: &Namespace) -> Self {
        let mut command = Command::new("ipvsadm");
        command.arg("-R").stdin(Stdio::piped());
        let mut child = director.enter(|| command.spawn()).expect("ipvsadm");
        let mut stdin = child.stdin.take().expect("its standard input");
        let mut lines = String::new();
        for number in 0..OTHERS {
            let _ = writeln!(lines, "-A -t 192.168.99.1:{} -s rr", 2000 + number);
        }
        for number in 0..OTHERS {
            let _ = writeln!(lines, "-D -t 192.168.99.1:{}", 2000 + number);
        }
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let writer = thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                stdin.write_all(lines.as_bytes()).expect("ipvsadm reads");
            }
        });
        Self {
            child,
            over,
            writer: Some(writer),
        }
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let written = self.writer.take().map(JoinHandle::join);
        let ended = self.child.wait();
        if !thread::panicking() {
            written.expect("a thread").expect("all lines were taken");
            assert!(ended.expect("ipvsadm").success());
        }
    }
}

fn configuration(services: u16) -> String {
    let mut text = String::from(
        "http: { listen: 127.0.0.1:9477 }\ndirector: { resync_interval: 1s }\nvirtual_services:\n",
    );
    for number in 0..services {
        let _ = writeln!(
            text,
            "  - {{ name: s{number}, address: \"192.168.11.200:{}\", \
             check: {{ tcp: {{}}, interval: 1m }}, \
             real_servers: [ {{ name: rs1, address: 192.168.11.21 }} ] }}",
            8000 + number
        );
    }
    text
}

#[test]
fn services_of_others_that_come_and_go_hide_none_of_ours() {
    let lan = Lan::new();
    let director = &lan.director;
    let site = Site::new(&configuration(OURS));
    let _agent = site.start(director, &[]);
    let ours = || {
        let table = ipvsadm_save(director);
        let ours = table
            .lines()
            .filter(|line| line.contains("-A -t 192.168.11.200"));
        ours.count()
    };
    // A dump may lack some, for other tests remove services, too.
    let wait_for = |number| {
        until(PATIENCE, "services of ours", || match ours() {
            found if found == number => Ok(()),
            found => Err(found),
        });
    };
    wait_for(usize::from(OURS));

    let other = OtherProgram::start(director);
    let passes = || metric(director, "lvs_reconcile_duration_seconds_count");
    let before = passes();
    until(PATIENCE, "ten resyncs", || match passes() {
        now if now >= before + 10.0 => Ok(()),
        now => Err(now),
    });
    let metrics = shown(director, "/metrics");
    let drift: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("lvs_drift_total{"))
        .collect();
    assert!(!drift.is_empty());
    assert!(drift.iter().all(|line| line.ends_with(" 0")), "{drift:#?}");
    let (code, printed) = site.finish(director, &["plan"]);
    assert_eq!(code, 0, "{printed}");

    site.write_configuration(&configuration(1));
    let (code, printed) = site.finish(director, &["reload"]);
    assert_eq!(code, 0, "{printed}");
    until(PATIENCE, "end of all that left", || {
        // The file first: what is removed after this reading is in it still.
        let remembered = std::fs::read_to_string(site.state_directory().join("director.json"));
        let remembered = remembered.expect("the state file");
        let owned = remembered.matches("tcp 192.168.11.200:").count();
        match ours() {
            1 => Ok(()),
            left => {
                // What is neither removed nor remembered stays for ever.
                assert!(owned >= left, "{left} are left, {owned} of them remembered");
                Err((left, owned))
            }
        }
    });
    drop(other);
    wait_for(1);
}

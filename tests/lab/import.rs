//! A table that another program left: imported, and taken over as it is.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::cluster::shown;
use crate::support::{Lan, PATIENCE, PROGRAM, Site, Web, ipvsadm_save, until};

const TABLE: &str = "\
-A -t 192.168.11.200:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.168.11.200:80 -r 192.168.11.21 -g -w 3
-a -t 192.168.11.200:80 -r 192.168.11.22 -g -w 2
-A -t 192.168.11.201:8080 -s sh -b sh-fallback,sh-port
-a -t 192.168.11.201:8080 -r 192.168.11.21:80 -m -w 1
-a -t 192.168.11.201:8080 -r 192.168.11.22:80 -m -w 7
-A -t 192.168.11.202:80 -s rr
-a -t 192.168.11.202:80 -r 192.168.11.21 -i -w 1
-a -t 192.168.11.202:80 -r 192.168.11.22 -i -w 0
-A -f 7 -s wrr -o
-a -f 7 -r 192.168.11.22 -g -w 4
";

#[test]
fn imported_table_is_adopted_without_a_change() {
    let lan = Lan::new();
    let director = &lan.director;
    let _webs = [Web::start(&lan.rs1, "rs1"), Web::start(&lan.rs2, "rs2")];
    for line in TABLE.lines() {
        director.run(&format!("ipvsadm {line}"));
    }
    let before = ipvsadm_save(director);
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    fs::write(&saved, director.run("ipvsadm -S -n")).unwrap();
    let mut import = Command::new(PROGRAM);
    import.args(["import", "ipvsadm"]).arg(&saved);
    let imported = director.output(import);
    let notes = String::from_utf8(imported.stderr).unwrap();
    assert_eq!(imported.status.code(), Some(0), "{notes}");

    let site = Site::new(&String::from_utf8(imported.stdout).unwrap());
    let agent = site.start(director, &[]);
    until(PATIENCE, "every real server up", || {
        let status: Value = serde_json::from_str(&shown(director, "/status")).unwrap();
        let services = status["virtual_services"].as_array().unwrap().iter();
        let servers = services.flat_map(|service| service["real_servers"].as_array().unwrap());
        let health: Vec<_> = servers.map(|server| server["health"].clone()).collect();
        if health == ["up"; 7] {
            Ok(())
        } else {
            Err(health)
        }
    });
    assert_eq!(ipvsadm_save(director), before, "{}", agent.output());
    let (code, printed) = site.finish(director, &["plan"]);
    assert_eq!(code, 0, "{printed}");
}

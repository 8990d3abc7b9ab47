//! The systemd units: their bound of memory and their capabilities.

use std::collections::BTreeSet;
use std::fs;

use super::assert_none;
use super::page::{Piece, page, root, spans};

const DIRECTOR: &str = "deploy/lvs-agent-director.service";
const REAL_SERVER: &str = "deploy/lvs-agent-real-server.service";
const EXEC_USER: &str = "deploy/lvs-agent-director.service.d/exec-user.conf";

/// The value of a setting of a unit.
fn setting(unit: &str, name: &str) -> String {
    let text = fs::read_to_string(root().join(unit)).unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value
        .unwrap_or_else(|| panic!("{unit} has no {name}="))
        .to_owned()
}

#[test]
fn memory_of_the_units_is_in_the_limits() {
    let page = page("deploy/manual/limits.md");
    let mut lines = page.lines.iter();
    let row = lines
        .find(|line| line.text.contains("`MemoryMax=`"))
        .unwrap();
    let mut wrong = Vec::new();
    for (unit, host) in [(DIRECTOR, "a director"), (REAL_SERVER, "a real server")] {
        let value = setting(unit, "MemoryMax")
            .replace('G', " GiB")
            .replace('M', " MiB");
        let phrase = format!("{value} on {host}");
        if !row.text.contains(&phrase) {
            wrong.push(format!("{}: {unit} has {phrase}", page.at(row.number)));
        }
    }
    assert_none(&wrong);
}

#[test]
fn capabilities_of_the_units_are_in_the_table() {
    let page = page("deploy/manual/security.md");
    let tables = page.tables();
    let table = tables
        .iter()
        .find(|table| table.head[0] == "capability")
        .unwrap();
    let cells = table.rows.iter().map(|(line, cells)| Piece {
        line: *line,
        text: cells[0].clone(),
    });
    let listed: BTreeSet<_> = cells
        .flat_map(|cell| spans(&cell))
        .map(|span| span.text)
        .collect();
    let mut wrong = Vec::new();
    for unit in [DIRECTOR, REAL_SERVER, EXEC_USER] {
        for capability in setting(unit, "CapabilityBoundingSet").split(' ') {
            if !listed.contains(capability) {
                let at = page.at(table.line);
                wrong.push(format!("{at}: {unit} grants {capability} as well"));
            }
        }
    }
    assert_none(&wrong);
}

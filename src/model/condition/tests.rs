use std::collections::BTreeSet;
use std::fs;

use expect_test::expect_file;

use super::*;

#[test]
fn names_differ_and_each_type_has_a_severity() {
    let names: BTreeSet<_> = ConditionType::ALL
        .iter()
        .map(|kind| kind.as_str())
        .collect();
    assert_eq!(names.len(), ConditionType::ALL.len());
    for kind in ConditionType::ALL {
        assert!(!kind.declaration().severities.is_empty(), "{kind}");
    }
}

#[test]
fn table_of_the_manual_is_the_declaration() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/manual/conditions.md");
    let manual = fs::read_to_string(path).unwrap();
    let rows = ConditionType::ALL.iter().map(|kind| {
        let declared = kind.declaration();
        let severities: Vec<_> = declared.severities.iter().map(|it| it.as_str()).collect();
        format!(
            "| `{}` | {} | {} | {} |\n",
            declared.name,
            severities.join(", "),
            declared.subject,
            declared.meaning
        )
    });
    let rows: String = rows.collect();
    let head = "|---|---|---|---|\n";
    let (before, rest) = manual.split_once(head).unwrap();
    let after = rest.split_inclusive('\n');
    let after: String = after.skip_while(|line| line.starts_with("| `")).collect();
    expect_file![path].assert_eq(&format!("{before}{head}{rows}{after}"));
}

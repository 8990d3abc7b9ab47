use super::*;

#[test]
fn a_pattern_fits_as_in_a_shell() {
    let directory = tempfile::tempdir().unwrap();
    for name in [
        "a.yaml", "b.yaml", "ab.yaml", "a.yaml~", ".a.yaml", "[a].yaml",
    ] {
        fs::write(directory.path().join(name), "").unwrap();
    }
    for (pattern, wanted) in [
        ("*.yaml", vec!["[a].yaml", "a.yaml", "ab.yaml", "b.yaml"]),
        ("?.yaml", vec!["a.yaml", "b.yaml"]),
        ("[!a].yaml", vec!["b.yaml"]),
        ("[[]a].yaml", vec!["[a].yaml"]),
        (".*", vec![".a.yaml"]),
        ("a*l", vec!["a.yaml", "ab.yaml"]),
        ("*.yml", vec![]),
    ] {
        let found = matching(directory.path(), &Pattern::new(pattern).unwrap()).unwrap();
        let names = found.iter().map(|path| path.file_name().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), wanted, "{pattern}");
    }
}

#[test]
fn a_pattern_with_many_wildcards_takes_no_exponential_time() {
    let pattern = Pattern::new(&("*a".repeat(100) + "b")).unwrap();
    assert!(!pattern.matches(&"a".repeat(4000)));
}

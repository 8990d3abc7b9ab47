use super::*;

fn checked(text: &str) -> (Result<(), CheckConfigError>, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut out = Vec::new();
    let result = run(file.path(), &mut out);
    let out = String::from_utf8(out).unwrap();
    (
        result,
        out.replace(&file.path().display().to_string(), "FILE"),
    )
}

#[test]
fn a_valid_file_is_counted() {
    let (result, out) = checked(include_str!("../../../config/minimal.yaml"));
    result.unwrap();
    assert_eq!(out, "FILE: valid: 1 virtual service, 2 real servers\n");
}

#[test]
fn an_invalid_file_prints_nothing_but_its_problems() {
    let (result, out) = checked("virtual_services: []");
    assert_eq!(out, "");
    let error = result.unwrap_err();
    assert!(matches!(error, CheckConfigError::Invalid(_)));
    assert!(
        error
            .to_string()
            .contains(":1:1: the list `virtual_services` is empty\n")
    );
}

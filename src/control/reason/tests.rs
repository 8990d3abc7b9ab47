use super::*;

#[test]
fn reason_is_bounded_and_shown_on_one_line() {
    let longest = "é".repeat(LONGEST);
    assert_eq!(longest.parse::<Reason>().unwrap().to_string(), longest);
    let reason: Reason = " new\nkernel\u{1b}[31m \u{202e} ".parse().unwrap();
    assert_eq!(reason.to_string(), "new kernel [31m \\u{202e}");
    let sent = serde_json::to_string(&reason).unwrap();
    assert_eq!(serde_json::from_str::<Reason>(&sent).unwrap(), reason);
    assert_eq!(" \n".parse::<Reason>(), Err(ReasonError::Empty));
    let too_long = longest + "x";
    assert_eq!(
        too_long.parse::<Reason>(),
        Err(ReasonError::TooLong(LONGEST + 1))
    );
    let sent = serde_json::to_string(&too_long).unwrap();
    assert!(serde_json::from_str::<Reason>(&sent).is_err());
}

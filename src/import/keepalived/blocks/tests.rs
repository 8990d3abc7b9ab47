use super::super::super::SourceText;
use super::super::lines;
use super::*;

fn parsed(text: &str) -> Result<Vec<Statement>, ImportError> {
    let mut notes = Notes::new("keepalived");
    let main = SourceText::new("test".to_owned(), text.as_bytes())?;
    let lines = lines::read(main, &mut |_, _| Ok(Vec::new()), &mut notes)?;
    parse(&lines, &mut notes)
}

/// Each statement with its block in braces.
fn shown(statements: &[Statement]) -> String {
    let shown = statements.iter().map(|one| {
        let words = one.words.join("|");
        match &one.block {
            Some(block) => format!("{words}{{{}}}", shown(block)),
            None => words,
        }
    });
    shown.collect::<Vec<_>>().join(";")
}

fn ok(text: &str) -> String {
    shown(&parsed(text).unwrap())
}

fn refused(text: &str) -> String {
    parsed(text).unwrap_err().to_string()
}

#[test]
fn blocks_may_begin_and_end_anywhere() {
    let wanted = "a|1{b|2{c};d}";
    for text in [
        "a 1 {\n  b 2 {\n c\n }\n d\n}\n",
        "a 1\n{\nb 2\n\n{\nc\n}\nd\n}",
        "a 1 { b 2 { c }\nd }",
        "a 1{\nb 2{\nc\n}\nd\n}",
    ] {
        assert_eq!(ok(text), wanted, "{text}");
    }
}

#[test]
fn comments_and_quotes_are_as_in_the_manual_page() {
    for (text, wanted) in [
        ("a b # c\n! d\ne ! f", "a|b;e"),
        (r#"a "b # c ! d" e"#, "a|b # c ! d|e"),
        (r#"abcd" efg h jkl "mnop"#, "abcd efg h jkl mnop"),
        (r#"abcd "efg h jkl" mnop"#, "abcd|efg h jkl|mnop"),
        (r"a 'b c' it's", "a|b c|it's"),
        (r#"a "b \"c\" \x41\t\\d""#, "a|b \"c\" A\t\\d"),
        (r#"a "x 'y z'""#, "a|x 'y z'"),
        (r#"regex "^a{2}$" b{1,3}"#, "regex|^a{2}$|b{1,3}"),
        ("a $b ${c} d", "a|$b|${c}|d"),
    ] {
        assert_eq!(ok(text), wanted, "{text}");
    }
}

#[test]
fn definitions_are_replaced_by_their_values() {
    for (text, wanted) in [
        ("$A=1\na $A ${A}2 $AB $A", "a|1|12|$AB|1"),
        (
            "$A=10.2.${B}\n$B=0\na ${A}.1\n$B=10\na ${A}.1",
            "a|10.2.0.1;a|10.2.10.1",
        ),
        (
            "$R= \\\n real 1 { \\\n w ${W} \\\n }\n$W=5\n$R",
            "real|1{w|5}",
        ),
        ("$A=\na $A b", "a|b"),
    ] {
        assert_eq!(ok(text), wanted, "{text}");
    }
    let text = refused("$A=${B}\n$B=${A}\n\na ${A}\n");
    assert!(text.starts_with("test:4: definitions are put in"), "{text}");
    let doubled = "$A=${B}${B}\n$B=${C}${C}\n$C=${A}x\na ${A}\n";
    assert!(
        refused(doubled).starts_with("test:4: "),
        "{}",
        refused(doubled)
    );
}

#[test]
fn unbalanced_braces_are_reported_with_their_line() {
    for (text, expected) in [
        ("a {\nb {\n}\n", "test:1: the block of `a` is not closed"),
        ("a {\n}\n}\n", "test:3: this `}` closes no block"),
        ("\n{\n}\n", "test:2: a `{` follows no keyword"),
        ("a { } {\n", "test:1: a `{` follows no keyword"),
    ] {
        let text = refused(text);
        assert!(text.starts_with(expected), "{text}");
    }
    let text = refused(&"a {\n".repeat(100_000));
    assert!(text.contains("nested more than 32 deep"), "{text}");
}

#[test]
fn quote_that_is_not_closed_ends_with_its_line() {
    assert_eq!(ok("a \"b c\nd"), "a|b c;d");
}

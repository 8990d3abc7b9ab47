use super::*;

fn source(name: &str, text: &str) -> Source {
    Source {
        name: name.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

#[test]
fn digest_depends_on_every_byte_and_its_file_and_on_no_name() {
    let digest = |texts: &[&str]| {
        let sources: Vec<_> = texts.iter().map(|text| source("a", text)).collect();
        sha256(&sources)
    };
    let one = digest(&["ab", "c"]);
    assert_eq!(one.len(), 64);
    assert_eq!(one, sha256(&[source("x", "ab"), source("y", "c")]));
    for other in [
        &["a", "bc"][..],
        &["abc"],
        &["ab", "c", ""],
        &["c", "ab"],
        &["ab", "d"],
    ] {
        assert_ne!(one, digest(other), "{other:?}");
    }
}

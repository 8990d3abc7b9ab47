use super::*;

#[test]
fn interpreter_is_the_first_word_of_a_script() {
    for (page, expected) in [
        (&b"#!/bin/sh\n"[..], Some("/bin/sh")),
        (
            b"#! /usr/bin/env python3 -u\nimport os",
            Some("/usr/bin/env"),
        ),
        (b"#!\t/bin/bash", Some("/bin/bash")),
        (b"#!\n/bin/sh", None),
        (b"#!", None),
        (b"\x7fELF", None),
        (b"", None),
    ] {
        assert_eq!(interpreter(page).as_deref(), expected.map(Path::new));
    }
}

//! A file of another program; the first byte says of which one.

use std::path::Path;

use super::{Format, SourceText, import};
use crate::config::Config;

/// Whatever comes of the file is valid, and each note is one line.
pub fn foreign_file(bytes: &[u8]) {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let format = match first {
        b'k' => Format::Keepalived,
        b'l' => Format::Ldirectord,
        _ => Format::Ipvsadm,
    };
    let Ok(main) = SourceText::new("fuzzed".to_owned(), text) else {
        return;
    };
    // An included file has its name in it, which may include again.
    let mut number = 0_usize;
    let mut included = |pattern: &str, _: &Path| {
        number += 1;
        let source = SourceText::new(number.to_string(), pattern.as_bytes())?;
        Ok(vec![source])
    };
    if let Ok(imported) = import(format, main, &mut included) {
        assert!(Config::parse("imported.yaml", &imported.yaml).is_ok());
        assert!(imported.notes.iter().all(|note| !note.contains('\n')));
    }
}

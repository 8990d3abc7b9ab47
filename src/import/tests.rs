use super::*;
use crate::config::Config;

/// What comes of a text, which must be a valid configuration.
pub(super) fn imported(format: Format, text: &str) -> (Config, Imported) {
    let imported = import_text(format, text).unwrap();
    let config = Config::parse("imported.yaml", &imported.yaml);
    let config = config.unwrap_or_else(|errors| panic!("{errors}\n{}", imported.yaml));
    (config, imported)
}

pub(super) fn import_text(format: Format, text: &str) -> Result<Imported, ImportError> {
    let main = SourceText::new("test".to_owned(), text.as_bytes())?;
    import(format, main, &mut |_, _| Ok(Vec::new()))
}

/// Why a text is refused.
pub(super) fn refused(format: Format, text: &str) -> String {
    import_text(format, text).unwrap_err().to_string()
}

/// Whether a note on this line contains the text.
pub(super) fn has_note(imported: &Imported, line: usize, text: &str) -> bool {
    let location = format!("test:{line}: ");
    let mut notes = imported.notes.iter();
    notes.any(|note| note.starts_with(&location) && note.contains(text))
}

#[test]
fn every_note_is_a_comment_as_well() {
    let table = "-A -t 192.168.11.200:80 -s nope -b odd\n-a -t 192.168.11.200:80 -r 10.0.0.1:80\n\
                 -A -t www:80\n";
    let (_, imported) = imported(Format::Ipvsadm, table);
    assert_eq!(imported.notes.len(), 3, "{:#?}", imported.notes);
    let words = |text: &str| text.replace("\n#  ", "");
    for note in &imported.notes {
        assert!(
            words(&imported.yaml).contains(&**note),
            "{note}\n{}",
            imported.yaml
        );
    }
}

#[test]
fn service_that_our_reader_refuses_is_a_comment() {
    let table = "-A -t 192.168.11.200:80 -s not.a.name\n-a -t 192.168.11.200:80 -r 10.0.0.1:80\n\
                 -A -t 192.168.11.201:80\n-a -t 192.168.11.201:80 -r 10.0.0.1:80\n";
    let (config, imported) = imported(Format::Ipvsadm, table);
    assert_eq!(config.virtual_services.len(), 1);
    assert!(has_note(
        &imported,
        1,
        "`scheduler` must be the name of a scheduler"
    ));
    assert!(
        imported
            .yaml
            .contains("\n#    address: 192.168.11.200:80\n"),
        "{}",
        imported.yaml
    );
}

#[test]
fn refuses_file_without_a_service() {
    for format in [Format::Keepalived, Format::Ldirectord, Format::Ipvsadm] {
        let message = refused(format, "\n");
        assert_eq!(
            message,
            format!(
                "test: there is no virtual service in this file of {}: nothing can be imported",
                format.name()
            )
        );
    }
}

#[test]
fn refuses_binary_data_and_accepts_other_encodings() {
    let error = SourceText::new("test".to_owned(), b"-A\0").unwrap_err();
    assert!(error.to_string().contains("NUL bytes"), "{error}");
    let large = vec![b' '; usize::try_from(LARGEST).unwrap() + 1];
    let error = SourceText::new("test".to_owned(), &large).unwrap_err();
    assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
    let main = SourceText::new("test".to_owned(), b"\xef\xbb\xbf\n# caf\xe9\n").unwrap();
    assert_eq!(
        (main.damaged, main.text.as_str()),
        (Some(2), "\n# caf\u{fffd}\n")
    );
}

#[test]
fn names_are_the_same_in_another_order() {
    let service = |port: u16, servers: [u8; 2]| {
        let key = format!("-t 192.168.11.200:{port}");
        let [one, other] = servers.map(|last| format!("-a {key} -r 10.0.0.{last}:{port}\n"));
        format!("-A {key}\n{one}{other}")
    };
    let names = |text: &str| {
        let (config, _) = imported(Format::Ipvsadm, text);
        let mut names: Vec<_> = config
            .virtual_services
            .iter()
            .flat_map(|service| {
                let servers = service.real_servers.iter();
                servers.map(|server| format!("{}/{}", service.name, server.name))
            })
            .collect();
        names.sort();
        names
    };
    let one = names(&(service(80, [1, 2]) + &service(443, [3, 4])));
    let other = names(&(service(443, [4, 3]) + &service(80, [2, 1])));
    assert_eq!(one, other);
    assert_eq!(one.first().unwrap(), "192.168.11.200-443/10.0.0.3");
}

#[test]
fn service_is_not_imported_twice_and_a_vip_is_no_real_server() {
    let table = "-A -t 192.168.11.200:80\n-a -t 192.168.11.200:80 -r 10.0.0.1:80\n\
                 -a -t 192.168.11.200:80 -r 192.168.11.200:80\n\
                 -a -t 192.168.11.200:80 -r 10.0.0.1:80\n\
                 -A -t 192.168.11.200:80\n-a -t 192.168.11.200:80 -r 10.0.0.2:80\n";
    let (config, imported) = imported(Format::Ipvsadm, table);
    let [service] = &*config.virtual_services else {
        panic!("{}", imported.yaml);
    };
    assert_eq!(service.real_servers.len(), 1, "{}", imported.yaml);
    assert!(has_note(&imported, 3, "its address is a VIP"));
    assert!(has_note(&imported, 4, "has it already, from test:2"));
    assert!(has_note(&imported, 5, "test:1 has it already"));
}

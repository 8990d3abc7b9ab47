//! The keys of TLS, which stand beside those of the check that uses it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use super::super::declaration::SERVER_NAME;
use super::super::fields::Fields;
use super::super::node::Content;
use super::super::pem;
use super::super::problem::{Parsed, Problems};
use super::super::scalar::Value;
use super::super::secret::{Form, Secret};

/// How a server proves who it is, and the client too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsSettings {
    /// The name that is asked for (SNI) and that the certificate must be for;
    /// `None` for the address that is probed.
    pub server_name: Option<String>,
    /// Certificates of authorities in PEM; `None` for those of this host.
    pub ca: Option<PathBuf>,
    /// How the client proves who it is.
    pub client: Option<ClientCertificate>,
    /// Whether the server's certificate must be valid.
    pub verify: bool,
}

/// A client's certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientCertificate {
    /// The file of the certificate, in PEM.
    pub certificate: PathBuf,
    /// Its key.
    pub key: ClientKey,
}

/// The key of a client's certificate, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientKey {
    /// In a file, which is read again now and then.
    File(PathBuf),
    /// The key itself.
    Pem(Secret),
}

impl fmt::Display for ClientKey {
    /// Where it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Pem(_) => f.write_str("of `client_key`"),
        }
    }
}

/// The longest name in the DNS, as text (RFC 1035, section 2.3.4).
const LONGEST_NAME: usize = 253;

/// `host` is what the server is otherwise called, with or without a port.
pub(super) fn settings(
    fields: &Fields<'_>,
    host: Option<&str>,
    problems: &mut Problems,
) -> Parsed<TlsSettings> {
    let server_name = fields.maybe("server_name", |value| value.server_name(problems));
    let server_name = server_name.map(|name| name.or_else(|| host.map(without_port)));
    let trust = trust(fields, problems);
    let certificate = fields.maybe("client_certificate", |value| {
        let path = value.path(None, problems)?;
        value.warn_of_no_certificate(&path, problems);
        Ok((path, value.node.location))
    });
    let key = fields.maybe("client_key", |value| {
        Ok((client_key(value, problems)?, value.node.location))
    });
    let client = match (certificate?, key?) {
        (Some((certificate, _)), Some((key, _))) => Some(ClientCertificate { certificate, key }),
        (None, None) => None,
        (Some((_, location)), None) => {
            return Err(problems.add(
                location,
                "`client_certificate` needs `client_key` beside it",
                "add the path of the certificate's key, in PEM",
            ));
        }
        (None, Some((_, location))) => {
            return Err(problems.add(
                location,
                "`client_key` needs `client_certificate` beside it",
                "add the path of the key's certificate, in PEM",
            ));
        }
    };
    let (ca, verify) = trust?;
    Ok(TlsSettings {
        server_name: server_name?,
        ca,
        client,
        verify,
    })
}

/// A text is the path of the key's file.
fn client_key(value: Value<'_>, problems: &mut Problems) -> Parsed<ClientKey> {
    let Content::Mapping(_) = value.node.content() else {
        let path = value.path(None, problems)?;
        value.warn_of_readers(&path, problems);
        value.key_file(&path, problems)?;
        return Ok(ClientKey::File(path));
    };
    let source = value.secret_source(problems)?;
    if let Some(path) = value.secret_file(&source, problems)? {
        value.key_file(&path, problems)?;
        return Ok(ClientKey::File(path));
    }
    let form = Form {
        wanted: "a key in PEM, with its line breaks",
        hint: "write the path of the key's file",
        fits: |text| pem::is_key(text.as_bytes()),
    };
    value.secret(form, problems).map(ClientKey::Pem)
}

/// `ca` and `verify`: whose word the server's certificate needs.
pub(in crate::config) fn trust(
    fields: &Fields<'_>,
    problems: &mut Problems,
) -> Parsed<(Option<PathBuf>, bool)> {
    let verify = fields.truth("verify", problems);
    let ca = match fields.optional("ca") {
        Ok(Some(entry)) if verify == Ok(false) => Err(problems.add(
            entry.key.location,
            "`ca` says whom to trust, and `verify: false` trusts everybody",
            "remove one of the two",
        )),
        Ok(Some(entry)) => {
            let value = Value::of(entry);
            let path = value.path(None, problems);
            path.map(|path| {
                value.warn_of_no_certificate(&path, problems);
                Some(path)
            })
        }
        Ok(None) => Ok(None),
        Err(reported) => Err(reported),
    };
    Ok((ca?, verify?))
}

/// The host of a `Host` header.
fn without_port(host: &str) -> String {
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(bare, _)| bare),
        None => host.rsplit_once(':').map_or(host, |(bare, _)| bare),
    };
    bare.to_owned()
}

impl Value<'_> {
    fn server_name(self, problems: &mut Problems) -> Parsed<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_name = |text: &str| {
            let name = (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain);
            name || text.parse::<IpAddr>().is_ok()
        };
        self.text(SERVER_NAME, is_name, problems).map(str::to_owned)
    }
}

//! The block `SSL`, which holds for every `SSL_GET`.

use super::super::check::Kind;
use super::super::note::Notes;
use super::blocks::Statement;

/// The certificate of keepalived as a client.
#[derive(Debug, Default)]
pub(super) struct ClientTls {
    certificate: Option<String>,
    key: Option<String>,
}

impl ClientTls {
    pub(super) fn read(statement: &Statement, notes: &mut Notes) -> Self {
        let mut tls = Self::default();
        for inner in statement.block() {
            match inner.keyword() {
                "certificate" => tls.certificate = Some(inner.argument(0).to_owned()),
                "key" => tls.key = Some(inner.argument(0).to_owned()),
                "ca" => {
                    let text = "`ca` is left out, since keepalived accepts any certificate: to \
                                have certificates verified, remove `verify: false` and write `ca`";
                    notes.add(inner.location, text);
                }
                "password" => {
                    let text = "`password` is left out: the file of `client_key` must have no \
                                password here";
                    notes.add(inner.location, text);
                }
                _ => inner.note_unsupported(notes),
            }
        }
        if tls.certificate.is_some() != tls.key.is_some() {
            let text = "the certificate of the client is left out: it needs both `certificate` \
                        and `key`";
            notes.add(statement.location, text);
            tls = Self::default();
        }
        tls
    }

    /// keepalived accepts any certificate.
    pub(super) fn write(&self, kind: Kind) -> Kind {
        let kind = kind.with("verify", false);
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => kind
                .with("client_certificate", certificate.as_str())
                .with("client_key", key.as_str()),
            _ => kind,
        }
    }
}

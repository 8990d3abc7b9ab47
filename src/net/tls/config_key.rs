//! What two configurations of TLS have to have in common to be one.

use std::path::PathBuf;

use crate::config::{ClientCertificate, ClientKey, TlsSettings};

/// What a configuration consists of: all of the settings but the server's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TlsConfigKey {
    pub(super) ca: Option<PathBuf>,
    pub(super) client: Option<ClientCertificate>,
    pub(super) verify: bool,
}

impl TlsConfigKey {
    pub(super) fn of(settings: &TlsSettings) -> Self {
        let TlsSettings {
            server_name: _,
            ca,
            client,
            verify,
        } = settings;
        Self {
            ca: ca.clone(),
            client: client.clone(),
            verify: *verify,
        }
    }

    /// The files, for people.
    pub(super) fn files(&self) -> String {
        let client = self.client.iter().flat_map(|client| {
            let key = match &client.key {
                ClientKey::File(path) => Some(path),
                ClientKey::Pem(_) => None,
            };
            [Some(&client.certificate), key].into_iter().flatten()
        });
        let files = self.ca.iter().chain(client);
        let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
        if files.is_empty() {
            "the certificates of the system".to_owned()
        } else {
            files.join(", ")
        }
    }
}

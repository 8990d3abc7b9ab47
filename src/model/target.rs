//! The real servers that a command names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseError;

/// A real server of one virtual service, or of every virtual service that has one of that name.
/// Written `web/rs1` or `*/rs1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Target {
    /// `None` for every virtual service.
    service: Option<String>,
    real_server: String,
}

impl Target {
    /// Whether the virtual service of this name is meant.
    pub(crate) fn has_service(&self, name: &str) -> bool {
        self.service.as_ref().is_none_or(|service| service == name)
    }

    /// Whether the real server of this name is meant, in a service that is.
    pub(crate) fn has_real_server(&self, name: &str) -> bool {
        self.real_server == name
    }
}

impl TryFrom<String> for Target {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl FromStr for Target {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once('/') {
            Some((service, real_server)) if !service.is_empty() && !real_server.is_empty() => {
                Ok(Self {
                    service: (service != "*").then(|| service.to_owned()),
                    real_server: real_server.to_owned(),
                })
            }
            _ => Err(ParseError::new(
                text,
                "a virtual service and a real server, such as `web/rs1` or `*/rs1`",
            )),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service.as_deref().unwrap_or("*");
        write!(f, "{service}/{}", self.real_server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_one_real_server_or_that_name_in_every_service() {
        let one: Target = "web/rs1".parse().unwrap();
        assert!(one.has_service("web") && !one.has_service("*"));
        assert!(one.has_real_server("rs1") && !one.has_real_server("rs2"));
        let every: Target = "*/rs1".parse().unwrap();
        assert!(every.has_service("web") && every.has_service("mail"));
        for text in ["web/rs1", "*/rs1", "we*/*"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for wrong in ["", "/", "web", "web/", "/rs1"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }
}

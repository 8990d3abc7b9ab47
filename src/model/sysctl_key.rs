use std::fmt;
use std::str::FromStr;

use super::ParseError;

/// The name of a kernel parameter, such as `net.ipv4.conf.all.arp_ignore`.
///
/// As in sysctl(8), `.` separates; a `/` within a component stands for a `.`
/// of the file's name (`net.ipv4.conf.eth0/100.arp_ignore`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SysctlKey(Box<str>);

impl SysctlKey {
    /// Whether it is one of IPVS's own, which exist with the kernel's table only.
    pub fn is_of_ipvs(&self) -> bool {
        self.path_components()
            .take(3)
            .eq(["net", "ipv4", "vs"].map(str::to_owned))
    }

    /// The key as it is written in configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components of the path below `/proc/sys`.
    pub fn path_components(&self) -> impl Iterator<Item = String> {
        self.0
            .split('.')
            .map(|component| component.replace('/', "."))
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SysctlKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'@');
        let component = |c: &str| !c.is_empty() && !c.starts_with('/') && c.bytes().all(plain);
        if text.contains('.') && text.split('.').all(component) {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(
                text,
                "a sysctl such as `net.ipv4.conf.all.arp_ignore`",
            ))
        }
    }
}

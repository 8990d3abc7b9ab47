//! Names of kernel parameters.

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
    /// The key as it is written in configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How a key is written right whose interface has its `.` as a `.`:
    /// `net.ipv4.conf.eth0.100.arp_ignore`, which names nothing.
    pub fn of_dotted_interface(&self) -> Option<Self> {
        let parts: Vec<_> = self.0.split('.').collect();
        let [
            net,
            family,
            table @ ("conf" | "neigh"),
            interface @ ..,
            name,
        ] = &*parts
        else {
            return None;
        };
        (interface.len() > 1).then(|| {
            let interface = interface.join("/");
            Self(format!("{net}.{family}.{table}.{interface}.{name}").into())
        })
    }

    /// Whether a value does what another one is wanted for: the same one does,
    /// and of `arp_ignore` and `arp_announce` one that answers and tells less
    /// (`Documentation/networking/ip-sysctl.rst`): an administrator who set it
    /// meant it.
    pub fn is_satisfied(&self, have: &str, want: &str) -> bool {
        let stricter: &[(&str, &[&str])] = match self.0.rsplit('.').next() {
            Some("arp_ignore") => &[("1", &["2", "8"]), ("2", &["8"])],
            Some("arp_announce") => &[("1", &["2"])],
            _ => &[],
        };
        let stricter = stricter.iter().find(|(wanted, _)| *wanted == want);
        have == want || stricter.is_some_and(|(_, stricter)| stricter.contains(&have))
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

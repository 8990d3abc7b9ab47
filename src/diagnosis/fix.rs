use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// What to do about the failure of one probe, known where the failure was seen:
/// words and commands that need no filling in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fix {
    host: FixHost,
    text: Cow<'static, str>,
}

/// The host on which a fix is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FixHost {
    RealServer,
    Director,
}

impl Fix {
    /// On the real server.
    pub(crate) fn there(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            host: FixHost::RealServer,
            text: text.into(),
        }
    }

    /// On the director, or in its configuration.
    pub(crate) fn here(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            host: FixHost::Director,
            text: text.into(),
        }
    }

    /// A sentence for people, who may be on any host.
    pub(crate) fn for_real_server(&self, real_server: IpAddr) -> impl fmt::Display {
        fmt::from_fn(move |f| match self.host {
            FixHost::RealServer => write!(f, "on {real_server}, {}", self.text),
            FixHost::Director => write!(f, "on this director, {}", self.text),
        })
    }
}

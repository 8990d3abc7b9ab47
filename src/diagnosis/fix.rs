//! A fix with its commands, and the host on which the commands are run.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// The fix for the failure of one probe, as the check suggests it: a sentence
/// with complete commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fix {
    host: FixHost,
    text: Cow<'static, str>,
}

/// The host on which a fix is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FixHost {
    RealServer,
    Director,
}

impl Fix {
    /// On the real server.
    pub(crate) fn on_real_server(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            host: FixHost::RealServer,
            text: text.into(),
        }
    }

    /// On the director, or in its configuration.
    pub(crate) fn on_director(text: impl Into<Cow<'static, str>>) -> Self {
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

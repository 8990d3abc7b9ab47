//! Which names a request may ask by, so that a page of a foreign site that
//! points its name here (DNS rebinding) reads nothing.
//!
//! A browser takes such a page and this agent for one site, and sends neither
//! `Origin` nor `Sec-Fetch-Site: cross-site`: the name in `Host` alone tells.
//! People, directors and kubelets ask by address, by `localhost` or by the
//! name of the host, without a domain or in a domain that this host says is
//! its own: anybody may give the host's name to a host in a domain of theirs.
//! Prometheus and other machines may ask by an alias that the agent cannot
//! know; they have that for what only machines ask for, unless the request
//! shows that a browser made it.

use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::SharedState;
use crate::runtime::file_work::{self, FileUse};
use crate::runtime::{clock, regular_file};

/// What machines ask for.
const FOR_MACHINES: [&str; 3] = ["/metrics", "/livez", "/readyz"];

/// The domains that names without one are looked for in (resolv.conf(5)).
const RESOLVER: &str = "/etc/resolv.conf";

/// Names of this host, and of others (hosts(5)).
const HOSTS: &str = "/etc/hosts";

/// The most that is read of each.
const MOST: u64 = 256 * 1024;

/// How long a look at them may take.
const LOOK: Duration = Duration::from_secs(1);

/// Refuses a request by a name that is not this host's.
pub(super) async fn check(
    State(shown): State<SharedState>,
    request: Request,
    next: Next,
) -> Response {
    let own = shown.view().snapshot.process.host.clone();
    let machine = FOR_MACHINES.contains(&request.uri().path()) && !is_of_browser(request.headers());
    // hyper takes the authority of an absolute request target as the host, as RFC 9112 has it.
    let named = request.uri().authority().map(|a| a.as_str().to_owned());
    let named = named.or_else(|| {
        let host = request.headers().get(header::HOST)?;
        Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
    });
    let is_own = match named.filter(|_| !machine) {
        None => true,
        Some(named) => match kind(&named, &own) {
            Name::Own => true,
            Name::Foreign => false,
            Name::InDomain(name) => own_names(own.clone()).await.include(&name),
        },
    };
    if is_own {
        return next.run(request).await;
    }
    let text = "This agent is asked by an address or name of its host, not by another name: a \
                page of a foreign site could point its own name here. A name with a domain is the \
                host's if hostname(1) prints it, /etc/hosts has it beside the host's name, or \
                /etc/resolv.conf searches the domain. By another name, machines read /metrics, \
                /livez and /readyz.\n";
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// What a name in `Host` is.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// An IP address, `localhost`, the name of the host, or none.
    Own,
    Foreign,
    /// The first label of the host's name in another domain than the name has.
    InDomain(String),
}

fn kind(named: &str, own: &str) -> Name {
    let own_or_foreign = |is_own| if is_own { Name::Own } else { Name::Foreign };
    let (bracketed, plain) = (named.strip_prefix('['), named);
    if let Some((address, port)) = bracketed.and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.starts_with(':');
        return own_or_foreign(is_port && address.parse::<IpAddr>().is_ok());
    }
    if plain.contains('@') {
        return Name::Foreign;
    }
    let name = plain.rsplit_once(':').map_or(plain, |(name, _port)| name);
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    let own = own.to_lowercase();
    let is_own = name.is_empty()
        || name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name == own
        || name == first_label(&own);
    if !is_own && first_label(&name) == first_label(&own) {
        Name::InDomain(name)
    } else {
        own_or_foreign(is_own)
    }
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// The names of this host with a domain, as far as the host knows them.
#[derive(Debug, Default, PartialEq, Eq)]
struct OwnNames(Vec<String>);

impl OwnNames {
    /// Of the host `own`, from the texts of the two files.
    fn of(own: &str, resolver: &str, hosts: &str) -> Self {
        let own = own.to_lowercase();
        let label = first_label(&own);
        let words = |line: &str| -> Vec<String> {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            line.split_whitespace().map(str::to_lowercase).collect()
        };
        let mut names = Vec::new();
        for line in resolver.lines().map(words) {
            if let [key, domains @ ..] = line.as_slice()
                && matches!(&**key, "search" | "domain")
            {
                let domains = domains.iter().map(|domain| domain.trim_matches('.'));
                let domains = domains.filter(|domain| !domain.is_empty());
                names.extend(domains.map(|domain| format!("{label}.{domain}")));
            }
        }
        for line in hosts.lines().map(words) {
            let of_line = line.get(1..).unwrap_or_default();
            if of_line.iter().any(|name| *name == own || name == label) {
                let same_label = of_line.iter().filter(|name| first_label(name) == label);
                names.extend(same_label.cloned());
            }
        }
        Self(names)
    }

    fn include(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name)
    }
}

/// Read for each such request: it is rare, and both files change while the agent runs.
async fn own_names(own: String) -> OwnNames {
    let read = move || {
        let text = |path| {
            let mut text = Vec::new();
            let opened = regular_file::open(Path::new(path));
            // A host without the file has no names there.
            let _ = opened.and_then(|file: File| file.take(MOST).read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        };
        OwnNames::of(&own, &text(RESOLVER), &text(HOSTS))
    };
    let deadline = clock::monotonic() + LOOK;
    let names = file_work::run(FileUse::Users, Path::new(HOSTS), deadline.into(), read);
    names.await.unwrap_or_default()
}

/// Whether it has what browsers send and programs do not.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    let is_mozilla = agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    let names = ["origin", "referer", "cookie", "sec-fetch-site"];
    is_mozilla || names.iter().any(|name| headers.contains_key(*name))
}

#[cfg(test)]
mod tests;

//! What a reader asks the page for: the query of its address, and the links that change it.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use url::form_urlencoded::{Serializer, parse};

use crate::status::document::{RealServerStatus, ServiceStatus};

/// The characters of a filter: each of its words is looked for in each real server.
pub(super) const LONGEST_TEXT: usize = 200;

/// A column of the table of real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Health,
    Age,
    Kernel,
    Desired,
    Configured,
    Active,
    Inactive,
    Probe,
}

impl Column {
    /// All of them, from left to right.
    pub(super) const ALL: [Self; 9] = [
        Self::Name,
        Self::Health,
        Self::Age,
        Self::Kernel,
        Self::Desired,
        Self::Configured,
        Self::Active,
        Self::Inactive,
        Self::Probe,
    ];

    /// The value of `sort`.
    const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Health => "health",
            Self::Age => "for",
            Self::Kernel => "kernel",
            Self::Desired => "desired",
            Self::Configured => "configured",
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Probe => "probe",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Name => "Real server",
            Self::Health => "Health",
            Self::Age => "For",
            Self::Kernel => "Kernel weight",
            Self::Desired => "Desired weight",
            Self::Configured => "Configured weight",
            Self::Active => "Active connections",
            Self::Inactive => "Inactive connections",
            Self::Probe => "Last probe",
        }
    }

    fn compare(self, a: &RealServerStatus, b: &RealServerStatus) -> Ordering {
        /// The worst first.
        fn rank(server: &RealServerStatus) -> (u8, &str) {
            let rank = match server.health.as_str() {
                "down" => 0,
                "up" => 2,
                _ => 1,
            };
            (rank, &server.admin.state)
        }
        let weights = (&a.weight, &b.weight);
        match self {
            Self::Name => a.name.cmp(&b.name),
            Self::Health => rank(a).cmp(&rank(b)),
            Self::Age => b.since.0.cmp(&a.since.0),
            Self::Kernel => weights.0.kernel.cmp(&weights.1.kernel),
            Self::Desired => weights.0.desired.cmp(&weights.1.desired),
            Self::Configured => weights.0.configured.cmp(&weights.1.configured),
            Self::Active => a.connections.active.cmp(&b.connections.active),
            Self::Inactive => a.connections.inactive.cmp(&b.connections.inactive),
            Self::Probe => {
                let detail = |server: &RealServerStatus| {
                    let probe = server.last_probe.as_ref();
                    probe.map(|probe| probe.detail.clone())
                };
                detail(a).cmp(&detail(b))
            }
        }
    }
}

/// In which order the real servers of each service are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    column: Column,
    descending: bool,
}

impl Sort {
    /// `health`, or `-health` for the descending order.
    fn parse(text: &str) -> Option<Self> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let column = Column::ALL.into_iter().find(|one| one.name() == name)?;
        Some(Self { column, descending })
    }

    fn text(self) -> String {
        let sign = if self.descending { "-" } else { "" };
        format!("{sign}{}", self.column.name())
    }
}

/// Which part of the state is shown, and in which order: everything by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::http) struct Query {
    pub(super) text: String,
    pub(super) problems: bool,
    sort: Option<Sort>,
}

impl Query {
    /// `q=TEXT`, `problems` and `sort=COLUMN`, as the page's form and links send them.
    pub(in crate::http) fn parse(query: &str) -> Result<Self, &'static str> {
        let mut found = Self::default();
        for (key, value) in parse(query.as_bytes()) {
            let sort = Sort::parse(&value);
            match (&*key, &*value, sort) {
                ("q", text, _) if text.chars().count() > LONGEST_TEXT => {
                    return Err("The text of the filter, ?q=TEXT, has at most 200 characters.\n");
                }
                ("q", text, _) => text.trim().clone_into(&mut found.text),
                ("problems", "", _) => found.problems = true,
                ("sort", _, Some(sort)) => found.sort = Some(sort),
                _ => {
                    return Err(
                        "The page takes ?q=TEXT, ?problems and ?sort=COLUMN (or ?sort=-COLUMN), \
                         and nothing else: see / for its columns.\n",
                    );
                }
            }
        }
        Ok(found)
    }

    /// The value of the form's field for the order, which the reader does not see.
    pub(super) fn sort_text(&self) -> Option<String> {
        self.sort.map(Sort::text)
    }

    /// `aria-sort` of a column's head.
    pub(super) fn aria_sort(&self, column: Column) -> Option<&'static str> {
        let sort = self.sort.filter(|sort| sort.column == column)?;
        Some(if sort.descending {
            "descending"
        } else {
            "ascending"
        })
    }

    /// Where a column's head leads: to the ascending order, then to the descending one, then to
    /// the order by default.
    pub(super) fn link(&self, column: Column) -> String {
        let descending = match self.sort {
            Some(sort) if sort.column == column && sort.descending => None,
            Some(sort) if sort.column == column => Some(true),
            Some(_) | None => Some(false),
        };
        let mut query = Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if self.problems {
            query.append_pair("problems", "");
        }
        if let Some(descending) = descending {
            query.append_pair("sort", &Sort { column, descending }.text());
        }
        format!("?{}", query.finish())
    }

    /// The service as far as it is asked for, with its real servers in the order that is asked
    /// for. By default, those with a problem are before the others.
    pub(super) fn apply(
        &self,
        mut service: ServiceStatus,
        patience: Duration,
        now: SystemTime,
    ) -> Option<ServiceStatus> {
        if self.problems && !service.keep_problems(patience, now) {
            return None;
        }
        if !self.text.is_empty() && !keep_matching(&self.text, &mut service) {
            return None;
        }
        let servers = &mut service.real_servers;
        match self.sort {
            None => servers.sort_by_key(|server| !server.has_problem(patience, now)),
            Some(sort) if sort.descending => {
                servers.sort_by(|a, b| sort.column.compare(b, a));
            }
            Some(sort) => servers.sort_by(|a, b| sort.column.compare(a, b)),
        }
        Some(service)
    }
}

/// Keeps the real servers that have each word of `text` in what is shown of them or of their
/// service. `false` if nothing of the service has all words.
fn keep_matching(text: &str, service: &mut ServiceStatus) -> bool {
    let of_service = format!(
        "{} {} {} {}",
        service.name,
        service.key(),
        service.scheduler,
        service.forwarding_and_tunnel()
    );
    let of_service = of_service.to_lowercase();
    let text = text.to_lowercase();
    let words = text.split_whitespace();
    let missing: Vec<_> = words.filter(|word| !of_service.contains(word)).collect();
    if missing.is_empty() {
        return true;
    }
    let matches = |server: &RealServerStatus| {
        let text = searched(server);
        missing.iter().all(|word| text.contains(word))
    };
    service.real_servers.retain(matches);
    let sorry_server = service.sorry_server.as_ref();
    !service.real_servers.is_empty() || sorry_server.is_some_and(|sorry| matches(&sorry.server))
}

/// What a word is looked for in.
fn searched(server: &RealServerStatus) -> String {
    let admin = &server.admin;
    let admin_state = Some(&admin.state).filter(|state| *state != "enabled");
    let probe = server.last_probe.as_ref();
    let probe = probe.map_or(server.no_probe(), |probe| probe.detail.as_str());
    let address = server.address_and_forwarding();
    let optional = [
        admin_state,
        admin.by.as_ref(),
        admin.reason.as_ref(),
        server.quiesced.as_ref(),
        server.diagnosis.as_ref(),
    ];
    let optional = optional.into_iter().flatten().map(String::as_str);
    let texts = [&server.name, &*address, &server.health, probe];
    let mut all = String::new();
    for text in texts.into_iter().chain(optional) {
        all.push_str(text);
        all.push('\n');
    }
    all.to_lowercase()
}

#[cfg(test)]
mod tests;

//! The rows of the view's table.

use std::cmp::Reverse;
use std::time::SystemTime;

use crate::cli::status::table::{Cell, Column};
use crate::cli::status::text::{REAL_SERVERS, SERVED, heading, health, row, served_rows};
use crate::cli::terminal::Tone;
use crate::model::Health;
use crate::status::document::{RealServerStatus, ServiceStatus, StatusResponse};

/// The order of real servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Below their virtual services, as the configuration has them.
    Configured,
    /// What is down, then what is not up for other reasons.
    Worst,
    /// The newest change of health first.
    Changed,
    /// The most active connections first.
    Active,
}

impl Sort {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Configured => Self::Worst,
            Self::Worst => Self::Changed,
            Self::Changed => Self::Active,
            Self::Active => Self::Configured,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "as configured",
            Self::Worst => "worst first",
            Self::Changed => "newest first",
            Self::Active => "busiest first",
        }
    }

    fn apply(self, servers: &mut [(&ServiceStatus, &RealServerStatus)]) {
        match self {
            Self::Configured => {}
            Self::Worst => servers.sort_by_key(|(_, one)| badness(one)),
            Self::Changed => servers.sort_by_key(|(_, one)| Reverse(one.since.0)),
            Self::Active => servers.sort_by_key(|(_, one)| Reverse(one.connections.active)),
        }
    }
}

fn badness(real_server: &RealServerStatus) -> u8 {
    let is = |health: Health| real_server.health == health.as_str();
    match real_server.admin.state.as_str() {
        _ if is(Health::Down) => 0,
        _ if is(Health::Unknown) => 1,
        "enabled" if real_server.quiesced.is_none() && real_server.fix.is_none() => 4,
        "enabled" => 2,
        _ => 3,
    }
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) service: String,
    /// `None` of a virtual service.
    pub(super) real_server: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) subject: Subject,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// A virtual service, above its real servers.
    Heading(Cell),
    Cells(Vec<Cell>),
}

/// The columns of the status's rows.
pub(super) fn columns(status: &StatusResponse) -> &'static [Column] {
    if status.virtual_services.is_some() {
        REAL_SERVERS
    } else {
        SERVED
    }
}

/// The rows in which `search` is found, letters of either case.
pub(super) fn rows(status: &StatusResponse, search: &str, sort: Sort, now: SystemTime) -> Vec<Row> {
    let search = search.to_lowercase();
    let finds = |text: String| search.is_empty() || text.to_lowercase().contains(&search);
    let Some(services) = &status.virtual_services else {
        let served = status.readiness.iter().flat_map(served_rows);
        let names = status.readiness.iter().flat_map(|one| &one.services);
        let rows = served.zip(names).map(|(cells, service)| Row {
            subject: subject(&service.name, None),
            content: Content::Cells(cells),
        });
        return rows.filter(|row| finds(row.text())).collect();
    };
    let found = |service: &ServiceStatus, one: &RealServerStatus| {
        let probe = one.last_probe.as_ref();
        let detail = probe.map_or(one.no_probe(), |probe| probe.detail.as_str());
        finds(format!(
            "{}/{} {} {} {detail} {}",
            service.name,
            one.name,
            one.address_and_forwarding(),
            health(one, now),
            service.key()
        ))
    };
    if sort == Sort::Configured {
        let rows = services.iter().flat_map(|service| {
            let servers = service.servers().filter(|one| found(service, one));
            let servers: Vec<_> = servers.map(|one| server_row(service, one, now)).collect();
            let is_shown = !servers.is_empty() || finds(heading(service));
            let heading = is_shown.then(|| heading_row(service));
            heading.into_iter().chain(servers)
        });
        return rows.collect();
    }
    let servers = services.iter().flat_map(|service| {
        let servers = service.servers().map(move |one| (service, one));
        servers.filter(|(service, one)| found(service, one))
    });
    let mut servers: Vec<_> = servers.collect();
    sort.apply(&mut servers);
    let rows = servers.into_iter().map(|(service, one)| {
        let mut row = server_row(service, one, now);
        if let Content::Cells(cells) = &mut row.content
            && let Some(name) = cells.first_mut()
        {
            *name = format!("{}/{}", service.name, one.name).into();
        }
        row
    });
    rows.collect()
}

fn heading_row(service: &ServiceStatus) -> Row {
    let warnings = service.warnings();
    let tone = (!warnings.is_empty()).then_some(Tone::Problem);
    let texts = std::iter::once(heading(service)).chain(warnings);
    let text = texts.collect::<Vec<_>>().join("  ");
    Row {
        subject: subject(&service.name, None),
        content: Content::Heading(Cell { text, tone }),
    }
}

fn server_row(service: &ServiceStatus, one: &RealServerStatus, now: SystemTime) -> Row {
    Row {
        subject: subject(&service.name, Some(&one.name)),
        content: Content::Cells(row(one, now)),
    }
}

fn subject(service: &str, real_server: Option<&str>) -> Subject {
    Subject {
        service: service.to_owned(),
        real_server: real_server.map(str::to_owned),
    }
}

impl Row {
    fn text(&self) -> String {
        match &self.content {
            Content::Heading(cell) => cell.text.clone(),
            Content::Cells(cells) => {
                let texts: Vec<_> = cells.iter().map(|cell| cell.text.as_str()).collect();
                texts.join(" ")
            }
        }
    }
}

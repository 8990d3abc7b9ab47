//! Problems with the values of the section `defaults`: each is said once, with the key and the
//! virtual services that have the problem.

use std::sync::Arc;

use super::super::node::{Entry, Location};
use super::{Problem, quoted};

/// Where the section is in its file.
#[derive(Debug)]
pub(in crate::config) struct DefaultsText {
    /// The keys in the file's order, and where each begins.
    keys: Vec<(Location, Box<str>)>,
    /// Where the next section begins, if there is one.
    end: Option<Location>,
}

impl DefaultsText {
    pub(in crate::config) fn new<'n>(
        entries: impl Iterator<Item = &'n Entry>,
        end: Option<Location>,
    ) -> Self {
        let keys = entries.map(|entry| (entry.key.location, entry.key.value.clone()));
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        Self { keys, end }
    }

    /// The key of the section that has this in its value.
    pub(super) fn key(&self, location: Location) -> Option<&str> {
        let mut keys = self.keys.iter().rev();
        let (start, key) = keys.find(|(start, _)| *start <= location)?;
        let is_within = start.file == location.file && self.end.is_none_or(|end| location < end);
        is_within.then_some(key)
    }
}

/// Which default has a problem, and in which virtual service.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) key: Box<str>,
    /// `None` where the default is wrong whatever takes it.
    pub(super) service: Option<Arc<str>>,
}

/// One problem with one default.
#[derive(Debug)]
pub(super) struct InheritedProblem {
    problem: Problem,
    key: Box<str>,
    services: Option<Services>,
}

/// The virtual services that have a problem.
#[derive(Debug)]
struct Services {
    first: Arc<str>,
    last: Arc<str>,
    /// The number of those after the first.
    others: usize,
}

impl InheritedProblem {
    pub(super) fn new(problem: Problem, origin: Origin) -> Self {
        let services = origin.service.map(|service| Services {
            first: Arc::clone(&service),
            last: service,
            others: 0,
        });
        Self {
            problem,
            key: origin.key,
            services,
        }
    }

    /// Whether this is the same problem, which then counts for one more virtual service: the
    /// numbers in its message may be another service's.
    pub(super) fn is_also(&mut self, problem: &Problem, origin: &Origin) -> bool {
        let own = (self.problem.location, &self.problem.hint);
        if own != (problem.location, &problem.hint) {
            return false;
        }
        let is_same = self.problem.message == problem.message;
        match (&mut self.services, &origin.service) {
            (Some(services), Some(service)) if services.last != *service => {
                services.last = Arc::clone(service);
                services.others += 1;
                true
            }
            (Some(_), Some(_)) | (None, None) => is_same,
            (Some(_), None) => false,
            (None, Some(_)) => true,
        }
    }

    /// The problem with a message that says where it comes from.
    pub(super) fn into_problem(self) -> Problem {
        let (key, message) = (self.key, self.problem.message);
        let section = if message.starts_with(&format!("`{key}`")) {
            "in `defaults`".to_owned()
        } else {
            format!("in `defaults.{key}`")
        };
        let services = self.services.map(|services| {
            let first = quoted(&services.first);
            match services.others {
                0 => format!(", for the virtual service {first}"),
                others => format!(", for the virtual service {first} and {others} more"),
            }
        });
        let services = services.unwrap_or_default();
        Problem {
            message: format!("{section}{services}: {message}"),
            ..self.problem
        }
    }
}

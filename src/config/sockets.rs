//! The control sockets that a file names, whatever else is wrong with it.

use std::path::PathBuf;

use super::declaration::CONFIGURATION;
use super::fields::Fields;
use super::node::Node;
use super::problem::Problems;
use super::{sections, syntax, yaml};

/// The control sockets of the two roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// Of a director's agent.
    pub director: PathBuf,
    /// Of a real server's agent.
    pub real_server: PathBuf,
}

/// `None` for a text that does not say so.
pub(super) fn sockets(text: &str) -> Option<Sockets> {
    let root = |text: &str| {
        let mut budget = yaml::MAX_VALUES;
        yaml::parse(text, 0, &mut budget)
    };
    // Commands do not wait for the services, of which there may be thousands.
    if let Ok(Some(root)) = root(&without_services(text)) {
        return sockets_of(&root);
    }
    match root(text) {
        Ok(root) => sockets_of(&root?),
        Err(_) => sockets_of(&root(&control_lines(text)?).ok()??),
    }
}

fn sockets_of(root: &Node) -> Option<Sockets> {
    let mut problems = Problems::default();
    let fields = Fields::read(root, &CONFIGURATION, &mut problems).ok()?;
    let entry = fields.optional("control").ok()?;
    let shared = sections::control(entry, &mut problems).ok()?;
    let of_role = |section| {
        let entry = fields.optional(section).ok()?;
        let own = sections::control_of_role(entry);
        Some(own.unwrap_or_else(|| shared.clone()).socket)
    };
    Some(Sockets {
        director: of_role("director")?,
        real_server: of_role("real_server")?,
    })
}

/// The text without the lines of the sections `virtual_services`, where they are written in
/// lines of their own. What follows a key at the beginning of a line is indented, but the items
/// of a list.
fn without_services(text: &str) -> String {
    let mut is_of_services = false;
    let lines = syntax::lines(text).filter(|line| {
        if line.starts_with("virtual_services:") {
            is_of_services = true;
        } else if !(line.is_empty() || line.starts_with([' ', '-', '#'])) {
            is_of_services = false;
        }
        !is_of_services
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The lines of the `control` section, as far as the next line that is not indented.
fn control_lines(text: &str) -> Option<String> {
    let mut lines = syntax::lines(text).skip_while(|line| !line.starts_with("control:"));
    let head = lines.next()?;
    let body = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let section: Vec<_> = std::iter::once(head).chain(body).collect();
    Some(section.join("\n"))
}

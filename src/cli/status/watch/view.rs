//! What the view shows, and what keys do to it.

use std::time::SystemTime;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::Answer;
use super::rows::{Row, Sort, rows};
use crate::cli::status::has_findings;
use crate::status::document::{
    Filter, RealServerStatus, ServedStatus, ServiceStatus, StatusResponse,
};

/// What comes after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    Leave,
}

/// What a row is about.
#[derive(Debug)]
pub(super) enum Selection<'v> {
    Service(&'v ServiceStatus),
    RealServer(&'v ServiceStatus, &'v RealServerStatus),
    /// A virtual service on a real server.
    Served(&'v ServedStatus),
}

/// The state of the view.
#[derive(Debug)]
pub(super) struct View {
    /// What the agent is asked for.
    filter: Filter,
    pub(super) status: StatusResponse,
    /// When the status came.
    pub(super) answered: SystemTime,
    /// Why the agent does not answer now.
    pub(super) lost: Option<String>,
    pub(super) search: String,
    /// Whether keys are letters of `search`.
    pub(super) is_typing: bool,
    pub(super) sort: Sort,
    pub(super) rows: Vec<Row>,
    /// An index into `rows`.
    pub(super) selected: usize,
    /// The first row on the screen.
    pub(super) first: usize,
    /// How many rows the screen had when it was last drawn.
    pub(super) page: usize,
    pub(super) has_colours: bool,
}

impl View {
    pub(super) fn new(
        filter: Filter,
        status: StatusResponse,
        has_colours: bool,
        now: SystemTime,
    ) -> Self {
        let sort = Sort::Configured;
        Self {
            filter,
            rows: rows(&status, "", sort, now),
            status,
            answered: now,
            lost: None,
            search: String::new(),
            is_typing: false,
            sort,
            selected: 0,
            first: 0,
            page: 1,
            has_colours,
        }
    }

    /// What the agent is to be asked for.
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn has_findings(&self) -> bool {
        has_findings(&self.status)
    }

    /// Takes what the agent said. The last status stays while there is no other.
    pub(super) fn answer(&mut self, answer: Answer, now: SystemTime) {
        match answer {
            Ok(status) => {
                self.status = status;
                self.answered = now;
                self.lost = None;
                self.rebuild(now);
            }
            Err(error) => self.lost = Some(error),
        }
    }

    /// What a key does.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most keys do nothing, and no new one should"
    )]
    pub(super) fn key(&mut self, key: KeyEvent, now: SystemTime) -> Step {
        if key.kind == KeyEventKind::Release {
            return Step::Stay;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let leaves = key.code == KeyCode::Char('c');
            return if leaves { Step::Leave } else { Step::Stay };
        }
        if self.is_typing {
            self.type_key(key.code);
            self.rebuild(now);
            return Step::Stay;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Step::Leave,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('p') => self.filter.problems = !self.filter.problems,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.rebuild(now);
            }
            code => self.move_selection(code),
        }
        Step::Stay
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a few keys are no text; the others may move"
    )]
    fn type_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(letter) => self.search.push(letter),
            KeyCode::Backspace => {
                self.search.pop();
            }
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.search.clear();
            }
            code => self.move_selection(code),
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most keys do nothing, and no new one should"
    )]
    fn move_selection(&mut self, code: KeyCode) {
        let last = self.rows.len().saturating_sub(1);
        let selected = match code {
            KeyCode::Up | KeyCode::Char('k') => self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected + 1,
            KeyCode::PageUp => self.selected.saturating_sub(self.page),
            KeyCode::PageDown => self.selected + self.page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => self.selected,
        };
        self.selected = selected.min(last);
    }

    /// Makes the rows again; what was selected stays so, wherever it is now.
    fn rebuild(&mut self, now: SystemTime) {
        let rows = rows(&self.status, &self.search, self.sort, now);
        let before = std::mem::replace(&mut self.rows, rows);
        let subject = before.get(self.selected).map(|row| &row.subject);
        let place = self
            .rows
            .iter()
            .position(|row| Some(&row.subject) == subject);
        let last = self.rows.len().saturating_sub(1);
        self.selected = place.unwrap_or(self.selected).min(last);
    }

    /// Scrolls so that the selected row is among `page` rows.
    pub(super) fn scroll(&mut self, page: usize) {
        self.page = page.max(1);
        let lowest = (self.selected + 1).saturating_sub(self.page);
        let last_page = self.rows.len().saturating_sub(self.page);
        self.first = self.first.clamp(lowest, self.selected).min(last_page);
    }

    /// What the selected row is about.
    pub(super) fn selection(&self) -> Option<Selection<'_>> {
        let subject = &self.rows.get(self.selected)?.subject;
        let Some(services) = &self.status.virtual_services else {
            let mut served = self.status.readiness.iter().flat_map(|one| &one.services);
            let service = served.find(|service| service.name == subject.service);
            return service.map(Selection::Served);
        };
        let mut services = services.iter();
        let service = services.find(|service| service.name == subject.service)?;
        let Some(name) = &subject.real_server else {
            return Some(Selection::Service(service));
        };
        let real_server = service.servers().find(|one| one.name == *name)?;
        Some(Selection::RealServer(service, real_server))
    }
}

#[cfg(test)]
mod tests;

//! The view as it is drawn.

use std::time::SystemTime;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::rows::{Content, Row, columns};
use super::view::{Selection, View};
use crate::cli::status::summary;
use crate::cli::status::table::{self, Cell};
use crate::cli::status::text::{heading, health, last_probe, tone_of};
use crate::cli::terminal::Tone;
use crate::model::age;
use crate::status::document::{RealServerStatus, ServiceStatus};

/// The most lines on what is selected.
const DETAILS: u16 = 8;

/// The lines of the table, with its head, that come before those.
const TABLE: u16 = 7;

/// Of the screen's lines, one of so many may be about conditions.
const CONDITIONS: usize = 3;

/// Draws the view as of `now`.
pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View, now: SystemTime) {
    let area = frame.area();
    let width = usize::from(area.width);
    let head = head(view, now, width);
    let conditions = conditions(view, now, usize::from(area.height), width);
    let (above, between) = (length(head.len()), length(conditions.len()));
    let table = length(view.rows.len() + 1).min(TABLE);
    let used = [above, between, table, 1];
    let left = used.into_iter().fold(area.height, u16::saturating_sub);
    let [top, middle, table, below, keys] = area.layout(&Layout::vertical([
        Constraint::Length(above),
        Constraint::Length(between),
        Constraint::Min(2),
        Constraint::Length(left.min(DETAILS)),
        Constraint::Length(1),
    ]));
    let has_colours = view.has_colours;
    frame.render_widget(lines(head, has_colours), top);
    frame.render_widget(lines(conditions, has_colours), middle);
    draw_table(frame, view, table);
    let details = details_of(view, now).into_iter();
    let details = details
        .flat_map(|text| wrapped(&text, width))
        .map(Cell::from);
    frame.render_widget(lines(details.collect(), has_colours), below);
    frame.render_widget(Line::raw(table::cut(&keys_of(view), width)), keys);
    reverse(frame, keys);
}

fn length(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

/// Swaps the colours of the text and of the blanks behind it.
fn reverse(frame: &mut Frame<'_>, area: Rect) {
    let style = Style::new().add_modifier(Modifier::REVERSED);
    frame.buffer_mut().set_style(area, style);
}

fn style(tone: Option<Tone>, has_colours: bool) -> Style {
    match tone {
        Some(Tone::Problem) if has_colours => Style::new().fg(Color::Red),
        Some(Tone::Warning) if has_colours => Style::new().fg(Color::Yellow),
        Some(Tone::Addition) if has_colours => Style::new().fg(Color::Green),
        Some(Tone::Problem) => Style::new().add_modifier(Modifier::BOLD),
        Some(Tone::Warning | Tone::Addition) | None => Style::new(),
    }
}

fn lines(cells: Vec<Cell>, has_colours: bool) -> Text<'static> {
    let lines = cells.into_iter().map(|cell| {
        let style = style(cell.tone, has_colours);
        Line::styled(cell.text, style)
    });
    lines.collect()
}

/// Who answers, and the numbers.
fn head(view: &View, now: SystemTime, width: usize) -> Vec<Cell> {
    let status = &view.status;
    let (host, version, role) = (&status.host, &status.version, summary::role(status));
    let convergence = status.convergence(|at| age(at, now));
    let mut head: Vec<Cell> =
        vec![format!("{host}: {role}, lvs-agent {version}, {convergence}").into()];
    if let Some(error) = &view.lost {
        let since = age(view.answered, now);
        head.push(Cell {
            text: format!("no answer, what follows is {since} old: {error}"),
            tone: Some(Tone::Problem),
        });
    }
    head.extend(status.reservations().map(|reservation| Cell {
        text: reservation.to_owned(),
        tone: Some(Tone::Warning),
    }));
    if let Some(totals) = &status.totals {
        head.push(Cell {
            text: summary::real_servers(totals),
            tone: (totals.down > 0).then_some(Tone::Problem),
        });
    }
    let (text, tone) = summary::conditions(status);
    head.push(Cell { text, tone });
    cut_lines(head, width)
}

fn cut_lines(cells: Vec<Cell>, width: usize) -> Vec<Cell> {
    let cells = cells.into_iter().map(|Cell { text, tone }| Cell {
        text: table::cut(&text, width),
        tone,
    });
    cells.collect()
}

/// The conditions but those of real servers that are down, which stand in the table: as many
/// as have room, and at least the beginning of the first.
fn conditions(view: &View, now: SystemTime, height: usize, width: usize) -> Vec<Cell> {
    let most = (height / CONDITIONS).max(2);
    let mut shown: Vec<Cell> = Vec::new();
    let mut conditions = view.status.listed_conditions();
    let mut more = 0;
    for condition in &mut conditions {
        let summary = condition.summary(|at| age(at, now));
        let summary = wrapped(&summary, width).into_iter().map(|text| Cell {
            text,
            tone: Some(tone_of(condition)),
        });
        let fix = wrapped(&format!("  fix: {}", condition.fix), width);
        let lines: Vec<_> = summary.chain(fix.into_iter().map(Cell::from)).collect();
        if shown.len() + lines.len() > most && !shown.is_empty() {
            more = 1;
            break;
        }
        shown.extend(lines.into_iter().take(most));
    }
    more += conditions.count();
    if more > 0 {
        let text = format!("and {more} more: `lvs-agent status --problems`");
        shown.push(table::cut(&text, width).into());
    }
    shown
}

/// The text in lines of so many columns, broken at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_inclusive(' ') {
        let end = line.width() + word.trim_end().width();
        if end > width && !line.trim().is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            let is_blank = character == ' ';
            if line.width() + character.width().unwrap_or(0) > width && !is_blank {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    let lines = lines.into_iter().map(|line| line.trim_end().to_owned());
    lines.collect()
}

fn draw_table(frame: &mut Frame<'_>, view: &mut View, area: Rect) {
    let [head, body] = area.layout(&Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
    ]));
    view.scroll(body.height.into());
    let shown = || view.rows.iter().skip(view.first).take(body.height.into());
    let cells = shown().filter_map(|row| match &row.content {
        Content::Cells(cells) => Some(cells.as_slice()),
        Content::Heading(_) => None,
    });
    let width = usize::from(area.width);
    let layout = table::Layout::new(columns(&view.status), cells, Some(width));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let titles = spans(layout.head(), view.has_colours);
    frame.render_widget(Line::from(titles).style(bold), head);
    for ((row, index), area) in shown().zip(view.first..).zip(body.rows()) {
        let spans = row_spans(row, &layout, width, view.has_colours);
        frame.render_widget(Line::from(spans), area);
        if index == view.selected {
            reverse(frame, area);
        }
    }
}

fn row_spans(
    row: &Row,
    layout: &table::Layout,
    width: usize,
    has_colours: bool,
) -> Vec<Span<'static>> {
    let pieces = match &row.content {
        Content::Heading(cell) => cut_lines(vec![cell.clone()], width),
        Content::Cells(cells) => layout.line(cells),
    };
    spans(pieces, has_colours)
}

fn spans(pieces: Vec<Cell>, has_colours: bool) -> Vec<Span<'static>> {
    let spans = pieces
        .into_iter()
        .map(|piece| Span::styled(piece.text, style(piece.tone, has_colours)));
    spans.collect()
}

/// What is known of the selected row.
fn details_of(view: &View, now: SystemTime) -> Vec<String> {
    match view.selection() {
        Some(Selection::RealServer(service, real_server)) => {
            let is_frozen = view.status.all_weights_are_frozen();
            details_of_real_server(service, real_server, is_frozen, now)
        }
        Some(Selection::Service(service)) => {
            let mut details = vec![heading(service)];
            details.extend(service.warnings());
            details
        }
        Some(Selection::Served(service)) => service.reasons.clone(),
        None => Vec::new(),
    }
}

fn details_of_real_server(
    service: &ServiceStatus,
    real_server: &RealServerStatus,
    is_frozen: bool,
    now: SystemTime,
) -> Vec<String> {
    let RealServerStatus {
        name,
        weight,
        connections,
        since,
        ..
    } = real_server;
    let health = health(real_server, now);
    let address = real_server.address_and_forwarding();
    let mut details = vec![format!(
        "{}/{name}, {address}: {health} since {since}",
        service.name
    )];
    details.extend(real_server.decision_lines(now, &age));
    details.push(format!("last probe: {}", last_probe(real_server, now)));
    if let (Some(diagnosis), Some(fix), false) =
        (&real_server.diagnosis, &real_server.fix, is_frozen)
    {
        details.push(format!("{diagnosis}; fix: {fix}"));
    }
    details.push(format!(
        "weight: {} configured, {} desired, {} in the kernel; connections: {} active, {} inactive",
        weight.summary(),
        weight.desired,
        weight
            .kernel
            .map_or("none".to_owned(), |one| one.to_string()),
        connections.active,
        connections.inactive
    ));
    details
}

/// The last line: what keys do, or what is typed.
fn keys_of(view: &View) -> String {
    let View {
        search,
        is_typing,
        sort,
        rows,
        selected,
        ..
    } = view;
    if *is_typing {
        return format!("/{search}_  Enter: keep it  Esc: no filter");
    }
    let place = if rows.is_empty() { 0 } else { selected + 1 };
    let shown = if view.filter().problems {
        "problems"
    } else {
        "everything"
    };
    let search = if search.is_empty() {
        "filter".to_owned()
    } else {
        format!("filter: {search}")
    };
    format!(
        "{place} of {}  q: quit  p: {shown}  s: {}  /: {search}",
        rows.len(),
        sort.as_str()
    )
}

#[cfg(test)]
mod tests;

//! Tables that fit the width of a terminal.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::cli::terminal::{Canvas, Tone};

/// Between two columns.
const GAP: usize = 2;

/// The last column is cut to no fewer columns of the terminal while others can give way.
const LEAST: usize = 24;

/// Ends a text of which a part is left out.
const CUT: &str = "...";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alignment {
    Left,
    Right,
}

/// A column of a table; the last one of a table is cut where the others leave it no room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    alignment: Alignment,
    /// Where there is no room, the column of the highest rank is left out first; one of
    /// rank 0 never is.
    rank: u8,
}

impl Column {
    pub(super) const fn left(title: &'static str) -> Self {
        Self {
            title,
            alignment: Alignment::Left,
            rank: 0,
        }
    }

    pub(super) const fn right(title: &'static str) -> Self {
        Self {
            alignment: Alignment::Right,
            ..Self::left(title)
        }
    }

    pub(super) const fn gives_way(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// A text with what it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Option<Tone>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// How wide each column of a table is.
#[derive(Debug)]
pub(super) struct Layout {
    columns: &'static [Column],
    /// `None` for a column that is left out.
    widths: Vec<Option<usize>>,
    limit: Option<usize>,
}

impl Layout {
    /// Each column as wide as its widest cell, as far as `limit` leaves room.
    pub(super) fn new<'r>(
        columns: &'static [Column],
        rows: impl IntoIterator<Item = &'r [Cell]>,
        limit: Option<usize>,
    ) -> Self {
        let mut natural: Vec<_> = columns.iter().map(|column| column.title.width()).collect();
        for row in rows {
            for (width, cell) in natural.iter_mut().zip(row) {
                *width = (*width).max(cell.text.width());
            }
        }
        let mut widths: Vec<_> = natural.into_iter().map(Some).collect();
        if let Some(limit) = limit {
            fit(columns, &mut widths, limit);
        }
        Self {
            columns,
            widths,
            limit,
        }
    }

    pub(super) fn head(&self) -> Vec<Cell> {
        let titles: Vec<_> = self.columns.iter().map(|one| one.title.into()).collect();
        self.line(&titles)
    }

    /// The pieces of a row's line, without blanks at its end.
    pub(super) fn line(&self, row: &[Cell]) -> Vec<Cell> {
        let mut pieces: Vec<Cell> = Vec::new();
        for ((cell, column), width) in row.iter().zip(self.columns).zip(&self.widths) {
            let Some(width) = *width else { continue };
            if !pieces.is_empty() {
                pieces.push(" ".repeat(GAP).into());
            }
            let text = cut(&cell.text, width);
            let blanks = " ".repeat(width.saturating_sub(text.width())).into();
            let cell = Cell {
                text,
                tone: cell.tone,
            };
            match column.alignment {
                Alignment::Left => pieces.extend([cell, blanks]),
                Alignment::Right => pieces.extend([blanks, cell]),
            }
        }
        let ends_blank = |piece: &Cell| piece.text.trim_end().is_empty();
        while pieces.pop_if(|piece| ends_blank(piece)).is_some() {}
        match self.limit {
            Some(limit) => cut_line(pieces, limit),
            None => pieces,
        }
    }
}

/// Cuts the last column, and leaves out others where that is not enough.
fn fit(columns: &[Column], widths: &mut [Option<usize>], limit: usize) {
    loop {
        let shown: Vec<_> = widths.iter().flatten().collect();
        let gaps = GAP * shown.len().saturating_sub(1);
        let total = shown.into_iter().sum::<usize>() + gaps;
        let excess = total.saturating_sub(limit);
        if excess == 0 {
            return;
        }
        let ranks = columns.iter().zip(&*widths).enumerate();
        let shown = ranks.filter(|(_, (column, width))| column.rank > 0 && width.is_some());
        let first = shown.max_by_key(|(_, (column, _))| column.rank);
        let first = first.map(|(index, _)| index);
        if let Some(last) = widths.last_mut().and_then(Option::as_mut)
            && (*last >= excess + LEAST || first.is_none())
        {
            *last = last.saturating_sub(excess);
            return;
        }
        let Some(width) = first.and_then(|first| widths.get_mut(first)) else {
            return;
        };
        *width = None;
    }
}

/// The beginning of the text that fits so many columns.
pub(in crate::cli) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let end = CUT.get(..width.min(CUT.len())).unwrap_or_default();
    let room = width - end.len();
    let mut used = 0;
    let kept = text.chars().take_while(|character| {
        used += character.width().unwrap_or(0);
        used <= room
    });
    kept.chain(end.chars()).collect()
}

fn cut_line(pieces: Vec<Cell>, limit: usize) -> Vec<Cell> {
    let mut left = limit;
    let mut kept = Vec::new();
    for Cell { text, tone } in pieces {
        let text = cut(&text, left);
        left -= text.width().min(left);
        kept.push(Cell { text, tone });
    }
    kept
}

/// Writes rows below their head.
pub(super) fn write(
    out: &mut impl Write,
    columns: &'static [Column],
    rows: &[Vec<Cell>],
    canvas: Canvas,
) -> io::Result<()> {
    let layout = Layout::new(columns, rows.iter().map(Vec::as_slice), canvas.width);
    let lines = rows.iter().map(|row| layout.line(row));
    for line in std::iter::once(layout.head()).chain(lines) {
        for Cell { text, tone } in line {
            write!(out, "{}", canvas.paint(&text, tone))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! One page of the manual: its code blocks, tables, links and code spans.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A page as lines, each known to be code or prose.
pub(crate) struct Page {
    /// Relative to the repository.
    pub(crate) name: String,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Line {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Prose,
    /// A line of a fenced YAML block.
    Yaml,
    /// A line of another fenced or of an indented block.
    Code,
    Fence,
}

/// A piece of a page with the line on which it begins.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// A table: the cells of its head and of its rows.
pub(crate) struct Table {
    /// The last heading before it.
    pub(crate) heading: String,
    pub(crate) line: usize,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All pages, in the order of their names.
/// The pages that people write: without the reference of keys, which the
/// program's own declaration of keys is compared with (`tests/config.rs`).
pub(crate) fn written_pages() -> Vec<Page> {
    let mut pages = pages();
    pages.retain(|page| !page.name.ends_with("configuration-reference.md"));
    pages
}

pub(crate) fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned(), "deploy/CHANGELOG.md".to_owned()];
    for entry in fs::read_dir(root().join("deploy/manual")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name)
            .extension()
            .is_some_and(|found| found == "md")
        {
            names.push(format!("deploy/manual/{name}"));
        }
    }
    assert!(names.len() > 2, "the manual has no pages");
    names.sort();
    names.into_iter().map(Page::read).collect()
}

/// The page of this name.
pub(crate) fn page(name: &str) -> Page {
    Page::read(name.to_owned())
}

impl Page {
    fn read(name: String) -> Self {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        let mut lines: Vec<Line> = Vec::new();
        let mut fenced = None;
        for (number, text) in (1..).zip(text.lines()) {
            let before = lines.last();
            let indented = text.starts_with("    ")
                && before.is_some_and(|line| line.kind == Kind::Code || line.text.is_empty());
            let kind = match (text.strip_prefix("```"), fenced) {
                (Some(language), None) => {
                    let yaml = language == "yaml";
                    fenced = Some(if yaml { Kind::Yaml } else { Kind::Code });
                    Kind::Fence
                }
                (Some(_), Some(_)) => {
                    fenced = None;
                    Kind::Fence
                }
                (None, Some(kind)) => kind,
                (None, None) if indented => Kind::Code,
                (None, None) => Kind::Prose,
            };
            let text = text.to_owned();
            lines.push(Line { number, text, kind });
        }
        Self { name, lines }
    }

    /// `FILE:LINE` as the start of a message.
    pub(crate) fn at(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    /// The blocks of lines of this kind.
    pub(crate) fn blocks(&self, kind: Kind) -> Vec<Piece> {
        let mut blocks: Vec<(usize, Piece)> = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            if line.kind != kind {
                continue;
            }
            match blocks.last_mut() {
                Some((last, block)) if *last + 1 == index => {
                    block.text.push_str(&line.text);
                    block.text.push('\n');
                    *last = index;
                }
                _ => {
                    let text = format!("{}\n", line.text);
                    let line = line.number;
                    blocks.push((index, Piece { line, text }));
                }
            }
        }
        blocks.into_iter().map(|(_, block)| block).collect()
    }

    /// The paragraphs, list items, headings and rows of tables.
    pub(crate) fn paragraphs(&self) -> Vec<Piece> {
        let mut paragraphs: Vec<Piece> = Vec::new();
        let mut joined = false;
        for line in &self.lines {
            let row = line.text.starts_with('|');
            if line.kind != Kind::Prose || line.text.is_empty() || row {
                joined = false;
            }
            if line.kind != Kind::Prose || line.text.is_empty() {
                continue;
            }
            match paragraphs.last_mut() {
                Some(paragraph) if joined => {
                    paragraph.text.push('\n');
                    paragraph.text.push_str(&line.text);
                }
                _ => paragraphs.push(Piece {
                    line: line.number,
                    text: line.text.clone(),
                }),
            }
            joined = !row;
        }
        paragraphs
    }

    /// What stands between backticks in the prose.
    pub(crate) fn spans(&self) -> Vec<Piece> {
        let paragraphs = self.paragraphs();
        paragraphs.iter().flat_map(spans).collect()
    }

    pub(crate) fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = Vec::new();
        let mut heading = String::new();
        let mut inside = false;
        for line in self.lines.iter().filter(|line| line.kind == Kind::Prose) {
            if let Some(text) = line.text.strip_prefix('#') {
                text.trim_start_matches('#').trim().clone_into(&mut heading);
            }
            let Some(row) = line.text.strip_prefix('|') else {
                inside = false;
                continue;
            };
            let cells = cells(row.strip_suffix('|').unwrap_or(row));
            match tables.last_mut() {
                Some(table) if inside => table.rows.push((line.number, cells)),
                _ => tables.push(Table {
                    heading: heading.clone(),
                    line: line.number,
                    head: cells,
                    rows: Vec::new(),
                }),
            }
            inside = true;
        }
        for table in &mut tables {
            // The line of dashes.
            table.rows.remove(0);
        }
        tables
    }

    /// The targets of `[text](target)`.
    pub(crate) fn links(&self) -> Vec<Piece> {
        let mut links = Vec::new();
        for paragraph in self.paragraphs() {
            for (start, _) in paragraph.text.match_indices("](") {
                let rest = &paragraph.text[start + 2..];
                let target = rest.split_once(')').map_or(rest, |(target, _)| target);
                links.push(Piece {
                    line: paragraph.line + newlines(&paragraph.text, 0..start),
                    text: target.to_owned(),
                });
            }
        }
        links
    }

    /// The anchors of its headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> Vec<String> {
        let lines = self.lines.iter();
        let headings = lines.filter(|line| line.kind == Kind::Prose && line.text.starts_with('#'));
        let anchor = |line: &Line| {
            let text = line.text.trim_start_matches('#').trim().to_lowercase();
            let kept = text.chars();
            kept.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        };
        headings.map(anchor).collect()
    }
}

/// What stands between backticks.
pub(crate) fn spans(piece: &Piece) -> Vec<Piece> {
    let mut spans = Vec::new();
    let text = &piece.text;
    let ticks: Vec<usize> = text.match_indices('`').map(|(at, _)| at).collect();
    assert!(
        ticks.len().is_multiple_of(2),
        "line {}: a backtick is alone: {text}",
        piece.line
    );
    for pair in ticks.chunks_exact(2) {
        let span = &text[pair[0] + 1..pair[1]];
        let words: Vec<_> = span.split_whitespace().collect();
        spans.push(Piece {
            line: piece.line + newlines(text, 0..pair[0]),
            text: words.join(" ").replace("\\|", "|"),
        });
    }
    spans
}

fn newlines(text: &str, range: Range<usize>) -> usize {
    text[range].matches('\n').count()
}

/// The cells of a row; `\|` is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.replace("\\|", "\u{0}");
    let cells = row.split('|');
    cells
        .map(|cell| cell.trim().replace('\u{0}', "\\|"))
        .collect()
}

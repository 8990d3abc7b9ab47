//! The abilities of standard output: its width, and whether it shows colours.

use std::env;
use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

/// How much a text matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Shown in red.
    Problem,
    /// Shown in yellow.
    Warning,
    /// Shown in green.
    Addition,
}

/// What a text may use where it is shown; by default nothing, as in a pipe or a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Canvas {
    /// The columns; `None` for as many as a line takes.
    pub(crate) width: Option<usize>,
    pub(crate) has_colours: bool,
}

impl Canvas {
    /// Standard output as it is now.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        if !stdout.is_terminal() {
            return Self::default();
        }
        // A terminal that does not know its size has 0 columns.
        let columns = tcgetwinsize(&stdout).map_or(0, |size| usize::from(size.ws_col));
        let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: (columns > 0).then_some(columns),
            has_colours: !is_refused && !is_dumb(),
        }
    }

    pub(crate) fn paint(self, text: &str, tone: Option<Tone>) -> String {
        // ECMA-48, select graphic rendition.
        match tone.filter(|_| self.has_colours) {
            Some(Tone::Problem) => format!("\x1b[31m{text}\x1b[0m"),
            Some(Tone::Warning) => format!("\x1b[33m{text}\x1b[0m"),
            Some(Tone::Addition) => format!("\x1b[32m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// Whether the screen of this terminal can be written anywhere but at its end, and keys can
/// be read.
pub(crate) fn has_screen() -> bool {
    can_rewrite_line() && io::stdin().is_terminal()
}

/// Whether the last line of standard output can be replaced.
pub(crate) fn can_rewrite_line() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

//! `status --watch` on a terminal: a view of the whole screen with keys.

mod draw;
mod rows;
mod view;

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::pin;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::sync::{mpsc, watch};

use self::draw::draw;
use self::view::{Step, View};
use super::text::Part;
use super::{PERIOD, StatusError, ask};
use crate::cli::terminal::Canvas;
use crate::runtime::clock;
use crate::runtime::error_chain::error_chain;
use crate::runtime::signals::Terminate;
use crate::status::document::{Filter, StatusResponse};

/// What the agent said, or why there is no answer.
type Answer = Result<StatusResponse, String>;

/// The terminal while the view has all of it. Dropping it gives the terminal back as it was,
/// and so does a panic, before its message is written.
struct Screen(DefaultTerminal);

impl Screen {
    fn enter() -> io::Result<Self> {
        let terminal = ratatui::try_init();
        terminal.map(Self).inspect_err(|_| {
            // A part of it may have been done.
            let _ = ratatui::try_restore();
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone, there is nothing to give back.
        let _ = self.0.show_cursor();
        let _ = ratatui::try_restore();
    }
}

/// Shows the view until a key or a signal ends it. Returns whether the last status has findings.
pub(super) async fn run(socket: &Path, filter: Filter) -> Result<bool, StatusError> {
    let status = ask(socket, &filter, part_of(&filter)).await?;
    let has_colours = Canvas::stdout().has_colours;
    let mut view = View::new(filter, status, has_colours, clock::wall());
    let mut terminate = Terminate::new().map_err(StatusError::Terminal)?;
    let (asked, questions) = watch::channel(view.filter().clone());
    let (answers, mut answered) = mpsc::channel(1);
    let mut asking = pin!(ask_again(socket, questions, answers));
    let mut screen = Screen::enter().map_err(StatusError::Terminal)?;
    let mut events = EventStream::new();
    loop {
        let now = clock::wall();
        let drawn = screen.0.draw(|frame| draw(frame, &mut view, now));
        drawn.map_err(StatusError::Terminal)?;
        tokio::select! {
            never = &mut asking => match never {},
            Some(answer) = answered.recv() => view.answer(answer, clock::wall()),
            event = events.next() => match event {
                None => break,
                Some(Err(error)) => return Err(StatusError::Terminal(error)),
                Some(Ok(Event::Key(key))) => match view.key(key, clock::wall()) {
                    Step::Stay => {}
                    Step::Leave => break,
                },
                // The next drawing has the new size.
                Some(Ok(_)) => {}
            },
            _ = terminate.recv() => break,
            // The age of an answer grows while none comes.
            () = tokio::time::sleep(PERIOD) => {}
        }
        asked.send_if_modified(|filter| {
            let is_other = filter != view.filter();
            filter.clone_from(view.filter());
            is_other
        });
    }
    Ok(view.has_findings())
}

/// Asks every second, and at once when the question changes.
async fn ask_again(
    socket: &Path,
    mut questions: watch::Receiver<Filter>,
    answers: mpsc::Sender<Answer>,
) -> Infallible {
    loop {
        let _ = tokio::time::timeout(PERIOD, questions.changed()).await;
        let filter = questions.borrow_and_update().clone();
        let answer = ask(socket, &filter, part_of(&filter)).await;
        // Nobody takes it any more only when the view ends.
        let _ = answers
            .send(answer.map_err(|error| error_chain(&error)))
            .await;
    }
}

fn part_of(filter: &Filter) -> Part {
    if filter.problems {
        Part::Problems
    } else {
        Part::Everything
    }
}

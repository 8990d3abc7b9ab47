//! What is large is rendered on a thread of its own, one at a time, and shared
//! between the readers that wait for it.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use thiserror::Error;
use tokio::sync::{Mutex, oneshot};

use super::connection_slots::{ConnectionSlot, Reader};
use super::page::Query;
use super::sink::{Encoding, Sink};
use crate::metrics::Format;
use crate::runtime::shared::Shared;
use crate::runtime::{clock, low_priority};
use crate::status::document::Filter;

/// How many renderings of one resource may be in memory, for readers that take
/// their time.
const IN_MEMORY: usize = 2;

/// How old the oldest of them is when its readers end for a newer one. Until
/// then, the newest one is shown again.
const READING_TIME: Duration = Duration::from_secs(5);

/// A large resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Large {
    Metrics(Format),
    /// The series of some virtual services, by their names.
    FilteredMetrics(Format, BTreeSet<String>),
    Status,
    /// A part of the status.
    FilteredStatus(Filter),
    Page,
    /// A part of the page, or another order: only readers of the same one share a rendering.
    FilteredPage(Query),
}

/// What is rendered: only readers of the same share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) large: Large,
    pub(super) encoding: Encoding,
}

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub(super) enum RenderError {
    #[error("too many clients read what is large")]
    TooMany,
    #[error("no thread for it can be started")]
    Thread(#[source] io::Error),
    #[error("its thread ended")]
    Ended,
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it cannot be compressed")]
    Compress(#[from] io::Error),
}

#[derive(Debug)]
struct Rendering {
    wanted: Wanted,
    text: Vec<u8>,
    begun: Instant,
    readers: Shared<Vec<Weak<ConnectionSlot>>>,
}

/// One reader's hold on a rendering, until its last byte is written.
struct RenderedBytes {
    rendering: Arc<Rendering>,
    reader: Reader,
}

impl AsRef<[u8]> for RenderedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.rendering.text
    }
}

impl Drop for RenderedBytes {
    fn drop(&mut self) {
        self.reader.done();
    }
}

/// What a reader finds before a rendering is made for it.
enum Found {
    /// A rendering that the reader shares.
    Rendering(Arc<Rendering>),
    /// As many as may be in memory, and none that it can share.
    NoRoom,
    Nothing,
}

/// Of one resource.
#[derive(Debug, Default)]
struct RenderingCache {
    /// In memory as long as anybody reads them; the newest is the last.
    alive: Vec<Weak<Rendering>>,
    waiting: usize,
    /// The newest, as long as anybody waits who may share it.
    kept: Option<Arc<Rendering>>,
}

/// All that is rendered.
#[derive(Debug, Default)]
pub(super) struct Renderings {
    /// Held by whatever renders.
    turn: Arc<Mutex<()>>,
    metrics: Arc<Shared<RenderingCache>>,
    filtered_metrics: Arc<Shared<RenderingCache>>,
    status: Arc<Shared<RenderingCache>>,
    filtered_status: Arc<Shared<RenderingCache>>,
    page: Arc<Shared<RenderingCache>>,
    filtered_page: Arc<Shared<RenderingCache>>,
}

/// A reader that waits for a rendering.
struct Waiting<'a>(&'a Shared<RenderingCache>);

impl<'a> Waiting<'a> {
    fn at(resource: &'a Shared<RenderingCache>) -> Self {
        resource.lock().waiting += 1;
        Self(resource)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut resource = self.0.lock();
        resource.waiting = resource.waiting.saturating_sub(1);
        if resource.waiting == 0 {
            resource.kept = None;
        }
    }
}

impl Renderings {
    /// The resource as `render` makes it, or as it was made for another reader
    /// since this one asked for it.
    pub(super) async fn get(
        &self,
        wanted: Wanted,
        slot: &Arc<ConnectionSlot>,
        render: impl FnOnce(&mut Sink) -> Result<(), RenderError> + Send + 'static,
    ) -> Result<Bytes, RenderError> {
        let asked = clock::monotonic();
        let reading = ConnectionSlot::reads(slot).ok_or(RenderError::TooMany)?;
        let resource = match wanted.large {
            Large::Metrics(_) => &self.metrics,
            Large::FilteredMetrics(..) => &self.filtered_metrics,
            Large::Status => &self.status,
            Large::FilteredStatus(_) => &self.filtered_status,
            Large::Page => &self.page,
            Large::FilteredPage(_) => &self.filtered_page,
        };
        let _waiting = Waiting::at(resource);
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let begun = clock::monotonic();
        match resource.lock().there(&wanted, asked, begun) {
            Found::Rendering(rendering) => return Ok(rendering.shown_to(slot, reading)),
            Found::NoRoom => return Err(RenderError::TooMany),
            Found::Nothing => {}
        }
        let (done, rendered) = oneshot::channel();
        let to = Arc::clone(resource);
        let thread = low_priority::spawn("render", move || {
            let mut sink = Sink::new(wanted.encoding);
            let text = render(&mut sink).and_then(|()| Ok(sink.finish()?));
            let rendering = text.map(|text| {
                Arc::new(Rendering {
                    wanted,
                    text,
                    begun,
                    readers: Shared::default(),
                })
            });
            if let Ok(rendering) = &rendering {
                to.lock().put(rendering);
            }
            // The next one begins only now, even if nobody waits for this one any more.
            drop(turn);
            let _ = done.send(rendering);
        });
        thread.map_err(RenderError::Thread)?;
        let rendering = rendered.await.map_err(|_| RenderError::Ended)??;
        Ok(rendering.shown_to(slot, reading))
    }
}

impl RenderingCache {
    /// What is shown instead of a new rendering: one that was begun since
    /// `asked`, or the newest if there is no room for another one.
    fn there(&mut self, wanted: &Wanted, asked: Instant, now: Instant) -> Found {
        let kept = self.kept.as_ref();
        let kept = kept.filter(|kept| kept.begun >= asked && kept.wanted == *wanted);
        if let Some(kept) = kept {
            return Found::Rendering(Arc::clone(kept));
        }
        self.kept = None;
        self.alive.retain(|rendering| rendering.strong_count() > 0);
        if self.alive.len() < IN_MEMORY {
            return Found::Nothing;
        }
        let Some(oldest) = self.alive.first().and_then(Weak::upgrade) else {
            return Found::Nothing;
        };
        if now.saturating_duration_since(oldest.begun) < READING_TIME {
            let newest = self.alive.iter().rev().filter_map(Weak::upgrade);
            let mut same = newest.filter(|rendering| rendering.wanted == *wanted);
            return same.next().map_or(Found::NoRoom, Found::Rendering);
        }
        self.alive.remove(0);
        for slot in oldest.readers.lock().iter().filter_map(Weak::upgrade) {
            slot.end();
        }
        Found::Nothing
    }

    fn put(&mut self, rendering: &Arc<Rendering>) {
        self.alive.push(Arc::downgrade(rendering));
        if self.waiting > 0 {
            self.kept = Some(Arc::clone(rendering));
        }
    }
}

impl Rendering {
    /// The text without a copy of it, for as long as this reader takes.
    fn shown_to(self: &Arc<Self>, slot: &Arc<ConnectionSlot>, reader: Reader) -> Bytes {
        let mut readers = self.readers.lock();
        readers.retain(|slot| slot.strong_count() > 0);
        readers.push(Arc::downgrade(slot));
        drop(readers);
        Bytes::from_owner(RenderedBytes {
            rendering: Arc::clone(self),
            reader,
        })
    }
}

#[cfg(test)]
mod tests;

//! Threads that do one job after the other, started when they are needed.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::runtime::shared::Shared;

pub(super) type Job = Box<dyn FnOnce() + Send>;

/// Threads of one name, which end with the process. They are none of the
/// runtime's, which waits for its own when it is shut down.
pub(super) struct Threads {
    name: &'static str,
    jobs: Sender<Job>,
    waiting: Arc<Shared<Receiver<Job>>>,
    /// How many there are.
    started: Shared<usize>,
}

impl Threads {
    pub(super) fn new(name: &'static str) -> Self {
        let (jobs, waiting) = channel();
        Self {
            name,
            jobs,
            waiting: Arc::new(Shared::new(waiting)),
            started: Shared::default(),
        }
    }

    /// Has a thread do the job. `working` is how many jobs there are with this
    /// one, and so how many threads there have to be.
    pub(super) fn give(&self, job: Job, working: usize) -> io::Result<()> {
        let mut started = self.started.lock();
        // Who has counted more may have come first.
        while *started < working {
            let waiting = Arc::clone(&self.waiting);
            let thread = thread::Builder::new().name(self.name.to_owned());
            thread.spawn(move || work(&waiting))?;
            *started += 1;
        }
        let given = self.jobs.send(job);
        given.map_err(|_| io::Error::other("no thread takes the job"))
    }

    #[cfg(test)]
    pub(super) fn started(&self) -> usize {
        *self.started.lock()
    }
}

fn work(waiting: &Shared<Receiver<Job>>) {
    loop {
        let next = waiting.lock().recv();
        match next {
            // A job that panics was logged, and whoever waits for the job sees that it
            // is gone: the thread does the next one.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

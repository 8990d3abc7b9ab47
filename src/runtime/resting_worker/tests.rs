use std::collections::BTreeSet;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::*;

/// More than a task needs.
const AMPLE: Duration = Duration::from_secs(30);

fn runtime(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).build().unwrap()
}

/// A task that blocks its worker until the sender is dropped, and whether it has begun.
fn block_a_worker(runtime: &Runtime) -> (mpsc::Sender<Infallible>, mpsc::Receiver<()>) {
    let (blocks_while_kept, dropped) = mpsc::channel();
    let (begins, begun) = mpsc::channel();
    runtime.spawn(async move {
        begins.send(()).unwrap();
        let _ = dropped.recv();
    });
    (blocks_while_kept, begun)
}

#[test]
fn all_tasks_run_on_the_other_worker_while_one_rests() {
    let runtime = runtime(2);
    let resting = runtime.block_on(RestingWorker::rest());
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            runtime.spawn(async {
                let mut threads = BTreeSet::new();
                for _ in 0..50 {
                    threads.insert(format!("{:?}", thread::current().id()));
                    tokio::task::yield_now().await;
                }
                threads
            })
        })
        .collect();
    let mut threads = BTreeSet::new();
    for task in tasks {
        threads.extend(runtime.block_on(task).unwrap());
    }
    assert_eq!(threads.len(), 1, "{threads:?}");
    drop(resting);
}

#[test]
fn worker_takes_tasks_once_its_rest_ends() {
    let runtime = runtime(2);
    let resting = runtime.block_on(RestingWorker::rest());
    let (first, first_begun) = block_a_worker(&runtime);
    first_begun.recv_timeout(AMPLE).unwrap();
    let (second, second_begun) = block_a_worker(&runtime);
    let early = second_begun.recv_timeout(Duration::from_millis(50));
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "no worker is left");
    drop(resting);
    second_begun.recv_timeout(AMPLE).unwrap();
    drop((first, second));
}

#[test]
fn only_worker_of_a_runtime_does_not_rest() {
    assert!(runtime(1).block_on(RestingWorker::rest()).is_none());
    let current_thread = Builder::new_current_thread().build().unwrap();
    assert!(current_thread.block_on(RestingWorker::rest()).is_none());
}

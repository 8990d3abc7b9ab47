use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::time::Duration;

use rustix::process::getpriority_process;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;

const AMPLE: Duration = Duration::from_secs(30);

/// Tells when it is dropped.
struct Dropped(Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            let _ = tell.send(());
        }
    }
}

#[tokio::test]
async fn work_and_its_tasks_have_a_thread_with_a_low_priority() {
    let before = getpriority_process(None).unwrap();
    let (name, [own, of_task]) = run("readers", async || {
        let name = fs::read_to_string("/proc/thread-self/comm").unwrap();
        let task = tokio::spawn(async { getpriority_process(Some(gettid())).unwrap() });
        let own = getpriority_process(Some(gettid())).unwrap();
        (name, [own, task.await.unwrap()])
    })
    .await
    .unwrap();
    assert_eq!(name, "readers\n");
    assert_eq!([own, of_task], [NICE; 2]);
    assert_eq!(getpriority_process(None).unwrap(), before);
}

#[tokio::test]
async fn work_and_its_tasks_end_when_nobody_waits_for_it() {
    let (work, work_ended) = oneshot::channel();
    let (task, task_ended) = oneshot::channel();
    let (begun, has_begun) = oneshot::channel();
    let running = tokio::spawn(run("readers", move || async move {
        let _dropped = Dropped(Some(work));
        tokio::spawn(async move {
            let _dropped = Dropped(Some(task));
            begun.send(()).unwrap();
            pending::<Infallible>().await
        });
        pending::<Infallible>().await
    }));
    has_begun.await.unwrap();
    running.abort();
    for ended in [work_ended, task_ended] {
        timeout(AMPLE, ended).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn panic_is_an_error() {
    let work = async || -> Infallible { panic!("of a test") };
    let error = run("readers", work).await.unwrap_err();
    assert_eq!(error.to_string(), "it panicked: of a test");
}

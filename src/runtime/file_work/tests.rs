use std::fs;
use std::sync::mpsc;

use super::*;

const SHORT: Duration = Duration::from_millis(100);
const AMPLE: Duration = Duration::from_secs(20);

/// As long as this is held, a paused clock does not go on: the runtime sees its
/// own blocking threads, and not those of this module.
pub(super) fn paused_clock_stands() -> mpsc::Sender<()> {
    let (held, dropped) = mpsc::channel();
    tokio::task::spawn_blocking(move || dropped.recv());
    held
}

fn within(time: Duration) -> Instant {
    now() + time
}

/// Work that hangs until what it is given is dropped.
fn hanging() -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
    let (release, held) = mpsc::channel::<()>();
    (release, move || {
        // It fails when the sender is dropped.
        let _ = held.recv();
    })
}

fn threads_of(file_work: &FileWork, file_use: FileUse) -> usize {
    let mut uses = file_work.uses.iter();
    let state = uses.find(|state| state.file_use == file_use).unwrap();
    state.threads.started()
}

#[tokio::test]
async fn result_of_work_is_handed_back_from_a_named_thread() {
    let name = || std::thread::current().name().map(str::to_owned);
    for file_use in FileUse::ALL {
        let found = run(file_use, Path::new("/a"), within(AMPLE), name).await;
        assert_eq!(found.unwrap().as_deref(), Some(file_use.thread_name()));
        // prctl(2) cuts a longer one.
        assert!(file_use.thread_name().len() <= 15);
    }
    let all: usize = FileUse::ALL.map(FileUse::threads).iter().sum();
    assert_eq!(all, 32);
}

#[tokio::test]
async fn file_that_hangs_is_not_tried_again_until_it_has_ended() {
    let files = FileWork::default();
    let path = Path::new("/hung/ca.pem");
    let (release, hangs) = hanging();
    let error = files.run(FileUse::Tls, path, within(SHORT), hangs).await;
    let message = error.unwrap_err().to_string();
    assert!(
        message.starts_with("the file system of `/hung/ca.pem` does not answer"),
        "{message}"
    );
    for _ in 0..200 {
        let began = now();
        let again = files.run(FileUse::Tls, path, within(AMPLE), || ()).await;
        assert!(matches!(again, Err(FileWorkError::Hangs(_))), "{again:?}");
        assert!(now() - began < AMPLE / 2, "it fails at once");
    }
    assert_eq!(threads_of(&files, FileUse::Tls), 1);
    let other = files.run(
        FileUse::Tls,
        Path::new("/other/ca.pem"),
        within(AMPLE),
        || 7,
    );
    assert_eq!(other.await.unwrap(), 7);

    drop(release);
    let deadline = within(AMPLE);
    while files
        .run(FileUse::Tls, path, within(AMPLE), || ())
        .await
        .is_err()
    {
        assert!(now() < deadline, "it answers again");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn work_on_a_file_waits_for_the_work_before_it() {
    let files = Arc::new(FileWork::default());
    let path = Path::new("/slow/director.json");
    let (release, slow) = hanging();
    let first = tokio::spawn({
        let files = Arc::clone(&files);
        async move { files.run(FileUse::State, path, within(AMPLE), slow).await }
    });
    tokio::task::yield_now().await;
    let second = files.run(FileUse::State, path, within(SHORT), || ()).await;
    assert!(matches!(second, Err(FileWorkError::Hangs(_))), "{second:?}");
    let third = tokio::spawn({
        let files = Arc::clone(&files);
        async move { files.run(FileUse::State, path, within(AMPLE), || 3).await }
    });
    tokio::task::yield_now().await;
    assert!(!third.is_finished());
    drop(release);
    first.await.unwrap().unwrap();
    assert_eq!(third.await.unwrap().unwrap(), 3);
}

#[tokio::test]
async fn one_directory_or_one_use_that_hangs_leaves_the_others_alone() {
    let files = FileWork::default();
    let mut releases = Vec::new();
    let mut try_to_hang = async |path: &str| {
        let (release, hangs) = hanging();
        releases.push(release);
        let path = Path::new(path);
        files.run(FileUse::Checks, path, within(SHORT), hangs).await
    };
    for n in 0..50 {
        let given_up = try_to_hang(&format!("/hung/{n}")).await;
        assert!(matches!(given_up, Err(FileWorkError::Hangs(_))));
    }
    assert_eq!(
        threads_of(&files, FileUse::Checks),
        claims::PER_DIRECTORY,
        "a third file of the directory is not tried"
    );
    let well = files.run(FileUse::Checks, Path::new("/well"), within(AMPLE), || 1);
    assert_eq!(well.await.unwrap(), 1);

    for n in 0..50 {
        let given_up = try_to_hang(&format!("/hung-{n}/file")).await;
        assert!(given_up.is_err());
    }
    assert_eq!(
        threads_of(&files, FileUse::Checks),
        FileUse::Checks.threads()
    );
    let full = files
        .run(FileUse::Checks, Path::new("/late"), within(SHORT), || ())
        .await;
    let message = full.unwrap_err().to_string();
    assert!(
        message.contains("`/late` has to wait for other files"),
        "{message}"
    );
    assert!(message.contains("`timeout 5 stat /hung/0`"), "{message}");
    let other = files.run(FileUse::State, Path::new("/late"), within(AMPLE), || 2);
    assert_eq!(other.await.unwrap(), 2);
}

#[tokio::test]
async fn only_an_access_hangs_in_work_that_computes_as_well() {
    let files = Arc::new(FileWork::default());
    let state = &files.uses[2];
    let hung = || state.all_hang();
    let path = Path::new("/slow/config.yaml");
    // Each part is done when the test says so.
    let (end_computing, computed) = mpsc::channel::<()>();
    let (end_access, ended) = mpsc::channel::<()>();
    let (started, first_access) = mpsc::channel::<()>();
    let work = move || {
        access(|| ());
        started.send(()).unwrap();
        computed.recv().unwrap();
        access(|| ended.recv().unwrap());
        "done"
    };
    let working = tokio::spawn({
        let files = Arc::clone(&files);
        async move {
            let limit = Limit::EachAccess;
            files
                .run_limited(FileUse::Configuration, path, limit, work)
                .await
        }
    });
    tokio::task::yield_now().await;
    first_access.recv().unwrap();
    tokio::time::pause();
    for _ in 0..10 {
        tokio::time::advance(PATIENCE).await;
        assert!(!working.is_finished() && !hung(), "it computes");
    }
    end_computing.send(()).unwrap();
    tokio::time::resume();
    let end = now() + AMPLE;
    while state.claimed.lock()[0].deadline.is_none() {
        assert!(now() < end, "the second access does not begin");
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(PATIENCE * 2).await;
    let error = working.await.unwrap().unwrap_err();
    assert!(matches!(error, FileWorkError::Hangs(_)), "{error}");
    assert!(hung());
    end_access.send(()).unwrap();
    tokio::time::resume();
    while !state.claimed.lock().is_empty() {
        assert!(now() < end + AMPLE, "the work does not end");
        tokio::task::yield_now().await;
    }
}

/// A shutdown of the runtime waits for its own blocking threads, not for these.
#[test]
fn end_of_the_runtime_does_not_wait_for_what_hangs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (release, hangs) = hanging();
    runtime.block_on(async {
        let path = Path::new("/hung/at-the-end");
        let given_up = run(FileUse::Checks, path, within(SHORT), hangs).await;
        assert!(given_up.is_err());
    });
    // This waits for ever if a thread of the runtime hangs.
    drop(runtime);
    drop(release);
}

#[tokio::test]
async fn thread_whose_work_panicked_is_replaced() {
    let files = FileWork::default();
    let path = Path::new("/etc/passwd");
    let failed = files
        .run(FileUse::Users, path, within(AMPLE), || -> usize {
            panic!("the test wants it")
        })
        .await;
    assert!(
        matches!(failed, Err(FileWorkError::Failed(_))),
        "{failed:?}"
    );
    let read = move || fs::read(path).map(|text| text.is_empty());
    let read = files.run(FileUse::Users, path, within(AMPLE), read).await;
    assert!(!read.unwrap().unwrap());
}

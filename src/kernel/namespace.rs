//! Network namespaces for the tests that need root.

use std::process::Command;

use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a thread with a network namespace of its own, which ends
/// with the thread. The runtime is made there, for sockets belong to the
/// namespace of the thread that opens them. `lo` is up.
pub(crate) fn in_namespace(test: impl AsyncFnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("this needs root");
        run("ip", "link set lo up");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Lets the calling task read so many answers of the kernel before it has to give way to
/// others: a task may do 128 things without waiting (`tokio::task::coop`).
pub(crate) async fn give_way_after(answers: u32) {
    tokio::task::yield_now().await;
    for _ in answers..128 {
        tokio::task::coop::consume_budget().await;
    }
}

/// Takes all capabilities from the calling thread, for good.
pub(crate) fn drop_capabilities() {
    let none = rustix::thread::CapabilitySet::empty();
    let none = rustix::thread::CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    rustix::thread::set_capabilities(None, none).unwrap();
}

/// What a program prints, which must succeed.
pub(crate) fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .unwrap_or_else(|error| panic!("this needs {program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

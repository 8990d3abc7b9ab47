use std::fs::File;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

#[test]
fn second_agent_of_a_role_is_refused_with_the_pid_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let take = |role| RoleLock::take_in(directory.path(), role);
    let held = take(Role::Director).unwrap();
    let refused = take(Role::Director).unwrap_err().to_string();
    assert!(
        refused.contains(&format!("process {}", std::process::id())),
        "{refused}"
    );
    take(Role::RealServer).expect("the other role is free");
    drop(held);
    take(Role::Director).expect("free again");
}

#[test]
fn no_files_pile_up() {
    let directory = tempfile::tempdir().unwrap();
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let left = |name: &str| File::create(directory.path().join(name)).unwrap();
    left("director-1.lock");
    left("other");
    let other = left("director-2.lock");
    other.lock().unwrap();
    let held = RoleLock::take_in(directory.path(), Role::Director).unwrap();
    let names_held = names();
    assert_eq!(names_held.len(), 3, "{names_held:?}");
    assert!(!names_held.contains(&"director-1.lock".to_owned()));
    drop(held);
    assert_eq!(names(), ["director-2.lock", "other"]);
}

#[test]
fn of_many_at_once_one_has_it_though_the_file_goes_each_time() {
    let directory = tempfile::tempdir().unwrap();
    let holders = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut had = 0;
                while had < 200 {
                    let Ok(lock) = RoleLock::take_in(directory.path(), Role::Director) else {
                        std::thread::yield_now();
                        continue;
                    };
                    let others = holders.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    assert_eq!(others, 0, "held twice");
                    holders.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    drop(lock);
                    had += 1;
                }
            });
        }
    });
}

#[test]
fn state_directory_is_for_one_agent_of_each_role() {
    let directory = tempfile::tempdir().unwrap();
    let take = |role| StateLock::take_in(directory.path(), role);
    let held = take(Role::Director).unwrap();
    let refused = take(Role::Director).unwrap_err().to_string();
    let reported = [
        format!("process {}", std::process::id()),
        directory.path().display().to_string(),
        "`state_dir` of its own".to_owned(),
    ];
    for reported in reported {
        assert!(
            refused.contains(&reported),
            "{reported} is not in: {refused}"
        );
    }
    let real_server = take(Role::RealServer).expect("files of another name");
    drop((held, real_server));
    take(Role::Director).expect("free again");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn state_directory_that_cannot_be_made_is_no_reason_not_to_run() {
    // Nobody makes directories there (proc(5)).
    StateLock::take_in(Path::new("/proc/lvs-agent/state"), Role::Director).unwrap();
    // Where it leads to is not mounted yet.
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("disk"), &link).unwrap();
    StateLock::take_in(&link, Role::Director).unwrap();
}

#[test]
fn unfinished_files_of_the_own_role_are_removed_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let names = |left: &[&str]| {
        for name in left {
            File::create(directory.path().join(name)).unwrap();
        }
    };
    let ours = [".director.json.AbCd12.tmp", ".drains.json.AbCd12.tmp"];
    let others = [
        ".real_server.json.AbCd12.tmp",
        ".tmpAbCd12",
        ".director.json.tmp",
        "director.json.AbCd12.tmp",
        ".director.json.mine",
        "director.json",
    ];
    names(&ours);
    names(&others);
    drop(StateLock::take_in(directory.path(), Role::Director).unwrap());
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut left: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    let mut expected = others;
    expected.sort_unstable();
    assert_eq!(left, expected);
}

#[test]
fn path_that_is_no_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    let round = directory.path().join("round");
    std::os::unix::fs::symlink(&round, &round).unwrap();
    for no_directory in [file.clone(), file.join("below"), round] {
        let refused = StateLock::take_in(&no_directory, Role::Director).unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains(&no_directory.display().to_string()),
            "{message}"
        );
        assert!(message.contains("is no directory"), "{message}");
    }
}

#[test]
fn the_directory_that_has_the_name_of_a_moved_one_is_locked() {
    let parent = tempfile::tempdir().unwrap();
    let (directory, moved) = (parent.path().join("state"), parent.path().join("moved"));
    let take = || StateLock::take_in(&directory, Role::Director);
    let lock = take().unwrap();
    lock.look();
    fs::rename(&directory, &moved).unwrap();
    lock.look();
    assert!(!directory.exists(), "nobody has written yet");
    fs::create_dir(&directory).unwrap();
    lock.look();
    let refused = take().unwrap_err();
    assert!(matches!(refused, LockError::StateHeld { .. }), "{refused}");
    // Another agent is faster.
    fs::remove_dir_all(&directory).unwrap();
    let other = take().unwrap();
    lock.look();
    assert!(lock.is_lost.load(Ordering::Relaxed));
    drop(other);
    lock.look();
    assert!(!lock.is_lost.load(Ordering::Relaxed));
    drop(lock);
    assert!(!StateLock::path(&directory, Role::Director).exists());
}

/// Puts something at a path.
type Put = fn(&Path);

/// What is no regular file, and how the cause begins.
fn irregular() -> [(&'static str, Put); 4] {
    [
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a link to", |path| {
            std::os::unix::fs::symlink("/nonexistent/lvs-agent", path).unwrap();
        }),
        ("a link to", |path| {
            let target = path.with_extension("target");
            File::create(&target).unwrap();
            std::os::unix::fs::symlink(&target, path).unwrap();
        }),
        ("a FIFO", |path| {
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }),
    ]
}

fn damaged_path(path: &Path) -> PathBuf {
    path.with_extension("lock.damaged")
}

#[test]
fn sets_aside_what_is_no_lock_file_and_locks_the_state_directory() {
    for (what, put) in irregular() {
        let directory = tempfile::tempdir().unwrap();
        let take = || StateLock::take_in(directory.path(), Role::Director);
        let path = StateLock::path(directory.path(), Role::Director);
        put(&path);
        let found = StateLock::damage(directory.path(), Role::Director).unwrap();
        assert!(found.to_string().contains(what), "{found}");
        assert!(!found.is_set_aside(), "a reader leaves it: {found}");
        let lock = take().unwrap();
        let refused = take().unwrap_err();
        assert!(matches!(refused, LockError::StateHeld { .. }), "{refused}");
        let conditions = Conditions::default();
        lock.note_damage(&conditions);
        let [condition] = &conditions.list()[..] else {
            panic!("{what}: {:?}", conditions.list());
        };
        assert_eq!(condition.subject, damaged_path(&path).display().to_string());
        assert!(condition.message.contains(what), "{}", condition.message);
        drop(lock);
        // The next start still reports it.
        let earlier = take().unwrap();
        let earlier = earlier.damage.as_ref().unwrap().to_string();
        assert!(earlier.contains("at an earlier start"), "{earlier}");
    }
}

#[test]
fn sets_aside_what_takes_the_place_of_the_lock_file_meanwhile() {
    for (what, put) in irregular() {
        let directory = tempfile::tempdir().unwrap();
        let take = || StateLock::take_in(directory.path(), Role::Director);
        let path = StateLock::path(directory.path(), Role::Director);
        let lock = take().unwrap();
        assert!(!lock.look().is_taken, "nothing has changed");
        fs::remove_file(&path).unwrap();
        put(&path);
        let looked = lock.look();
        assert!(looked.is_taken, "{what}");
        let damage = looked.damage.unwrap().to_string();
        assert!(damage.contains(what), "{damage}");
        assert!(fs::symlink_metadata(damaged_path(&path)).is_ok(), "{what}");
        let refused = take().unwrap_err();
        assert!(matches!(refused, LockError::StateHeld { .. }), "{refused}");
    }
}

#[test]
fn sets_aside_what_is_no_lock_file_of_the_role() {
    for (what, put) in irregular() {
        let directory = tempfile::tempdir().unwrap();
        let take = || RoleLock::take_in(directory.path(), Role::Director);
        let path = RoleLock::path(directory.path(), Role::Director).unwrap();
        put(&path);
        let lock = take().unwrap();
        let refused = take().unwrap_err();
        assert!(matches!(refused, LockError::Held { .. }), "{refused}");
        let damage = lock.damage.as_ref().unwrap().to_string();
        assert!(damage.contains(what), "{damage}");
        assert!(fs::symlink_metadata(damaged_path(&path)).is_ok(), "{what}");
    }
}

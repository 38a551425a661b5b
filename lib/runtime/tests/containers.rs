//! The containers on disk, as another crate sees them.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use coffer_runtime::state::{
    Containers, Draft, Exit, Outcome, Phase, ProcessId, Removal, Running, StateError, Status,
};
use coffer_sys::dir;
use jiff::Timestamp;

fn root() -> (tempfile::TempDir, OwnedFd) {
    let folder = tempfile::tempdir().unwrap();
    let fd = dir::open(folder.path()).unwrap();
    (folder, fd)
}

fn draft(name: Option<&str>) -> Draft {
    Draft {
        name: name.map(|name| name.parse().unwrap()),
        image: "busybox:latest".to_owned(),
        manifest: None,
        command: vec!["true".to_owned()],
        labels: BTreeMap::new(),
        removal: Removal::Keep,
    }
}

#[test]
fn a_container_is_found_by_id_prefix_and_name_until_it_is_removed() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (locked, record) = containers.create(draft(Some("web"))).unwrap();
    for text in [record.id.as_str(), record.id.short(), "web"] {
        assert_eq!(*containers.find(text).unwrap().id(), record.id);
    }
    assert!(matches!(containers.find("we"), Err(StateError::NotFound { .. })));
    containers.remove(locked).unwrap();
    assert!(matches!(containers.find("web"), Err(StateError::NotFound { .. })));
    assert!(containers.names().unwrap().is_empty());
    assert!(containers.list().unwrap().is_empty());
}

#[test]
fn a_name_is_given_once() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (_locked, first) = containers.create(draft(Some("web"))).unwrap();
    let Err(StateError::NameTaken { holder, .. }) = containers.create(draft(Some("web"))) else {
        panic!("the name was given twice");
    };
    assert_eq!(holder, first.id);
    assert_eq!(containers.ids().unwrap().len(), 1);
}

#[test]
fn a_container_gets_another_name() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (_other, _) = containers.create(draft(Some("db"))).unwrap();
    let (locked, record) = containers.create(draft(Some("web"))).unwrap();
    containers.rename(&locked, record, "shop".parse().unwrap()).unwrap();
    let record = locked.record().unwrap().unwrap();
    assert_eq!((record.name.as_str(), &record.also), ("shop", &None));
    assert_eq!(*containers.find("shop").unwrap().id(), record.id);
    assert!(matches!(containers.find("web"), Err(StateError::NotFound { .. })));

    for (name, is_same) in [("shop", true), ("db", false)] {
        let refused = containers.rename(&locked, record.clone(), name.parse().unwrap());
        match refused.unwrap_err() {
            StateError::SameName { .. } => assert!(is_same),
            StateError::NameTaken { .. } => assert!(!is_same),
            error => panic!("{error}"),
        }
        assert_eq!(locked.record().unwrap().unwrap(), record, "after {name}");
    }
    containers.remove(locked).unwrap();
    assert_eq!(containers.names().unwrap().len(), 1, "the other's");
}

#[test]
fn a_rename_that_was_killed_leaves_no_name_for_good() {
    let (folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let names = folder.path().join("containers/names");
    for remove_at_once in [true, false] {
        let (locked, mut record) = containers.create(draft(Some("web"))).unwrap();
        // Killed behind the new link: the record has the old name.
        record.also = Some("shop".parse().unwrap());
        locked.save(&record).unwrap();
        std::os::unix::fs::symlink(record.id.as_str(), names.join("shop")).unwrap();
        if !remove_at_once {
            containers.rename(&locked, record, "store".parse().unwrap()).unwrap();
            let all = containers.names().unwrap();
            assert_eq!(all.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["store"]);
        }
        containers.remove(locked).unwrap();
        assert!(containers.names().unwrap().is_empty());
    }
}

#[test]
fn a_name_whose_container_has_gone_is_free() {
    let (folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let gone = folder.path().join("containers/names/web");
    std::os::unix::fs::symlink("a".repeat(64), gone).unwrap();
    containers.create(draft(Some("web"))).unwrap();
}

#[test]
fn an_ambiguous_prefix_is_said_to_be_one() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    for _ in 0..17 {
        containers.create(draft(None)).unwrap();
    }
    let ambiguous = "0123456789abcdef"
        .chars()
        .any(|c| matches!(containers.find(&c.to_string()), Err(StateError::Ambiguous { .. })));
    assert!(ambiguous, "17 ids have no first digit in common");
}

#[test]
fn a_status_is_what_the_lock_and_the_processes_say() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (locked, mut record) = containers.create(draft(None)).unwrap();
    let folder = containers.find(record.id.as_str()).unwrap();
    let status = || folder.status(containers.boot()).unwrap().1;
    assert_eq!(status(), Status::Creating);

    let me = ProcessId::of(rustix::process::getpid(), containers.boot()).unwrap();
    let running = Running { init: me.clone(), parent: me.clone(), started: Timestamp::now() };
    record.phase = Phase::Running(running.clone());
    locked.save(&record).unwrap();
    let folder_again = locked.unlock().unwrap();
    assert_eq!(status(), Status::Running(running.clone()));

    let gone = ProcessId { start_time: 1, ..me };
    record.phase = Phase::Running(Running { init: gone.clone(), parent: gone, ..running });
    folder_again.lock().unwrap().save(&record).unwrap();
    let Status::Stopped(Exit { outcome, .. }) = status() else { panic!("it runs") };
    assert_eq!(outcome, Outcome::Unknown);
}

#[test]
fn what_was_left_half_made_is_a_wreck() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (locked, record) = containers.create(draft(Some("web"))).unwrap();
    drop(locked);
    assert_eq!(containers.list().unwrap()[0].status, Status::Wreck);
    let folder = containers.find("web").unwrap();
    containers.remove(folder.try_lock().unwrap().unwrap()).unwrap();
    assert!(matches!(folder.lock(), Err(StateError::Gone { id }) if id == record.id));
}

#[test]
fn two_hundred_at_once_neither_collide_nor_leave_anything() {
    let (_folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let (locked, record) = containers.create(draft(None)).unwrap();
                locked.save(&record).unwrap();
                let folder = locked.unlock().unwrap();
                assert_eq!(folder.record().unwrap().unwrap(), record);
                containers.list().unwrap();
                containers.remove(folder.lock().unwrap()).unwrap();
            });
        }
    });
    assert!(containers.ids().unwrap().is_empty());
    assert!(containers.names().unwrap().is_empty());
}

#[test]
fn a_record_that_a_power_failure_emptied_is_a_wreck_and_one_that_is_odd_is_none() {
    let (folder, root) = root();
    let containers = Containers::open(root.as_fd()).unwrap();
    let (locked, record) = containers.create(draft(Some("web"))).unwrap();
    let path = folder.path().join("containers").join(record.id.as_str()).join("state.json");
    drop(locked);
    std::fs::File::create_new(&path).unwrap();
    assert_eq!(containers.list().unwrap()[0].status, Status::Wreck);
    std::io::Write::write_all(
        &mut std::fs::OpenOptions::new().write(true).open(&path).unwrap(),
        b"{\"version\":9}",
    )
    .unwrap();
    assert!(matches!(containers.list(), Err(StateError::Record { .. })));
}

//! Archives and trees that lead somewhere else: `coffer cp` follows none of them.

#![expect(clippy::disallowed_methods, reason = "folders that the tests made")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use coffer_rootfs::LastLink;
use coffer_runtime::files::{
    FilesError, Found, How, Into, Modes, Owners, Report, Tree, pack, unpack,
};
use coffer_sys::dir;
use coffer_tar::{END, Entry, Kind, Time, header_of};

const PLAIN: How = How { owners: Owners::Maker, modes: Modes::Plain };

fn entry(path: &str, kind: Kind) -> Entry {
    let mode = if kind == Kind::Folder { 0o755 } else { 0o644 };
    Entry { path: path.into(), kind, mode, ..Entry::default() }
}

/// An archive of these entries; each file holds `content`.
fn archive(entries: &[Entry], content: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let size = if entry.kind == Kind::File { content.len() as u64 } else { 0 };
        bytes.extend(header_of(&Entry { size, ..entry.clone() }));
        if entry.kind == Kind::File {
            bytes.extend(content.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.extend(END);
    bytes
}

fn fill(folder: &Path, entries: &[Entry]) -> Result<Report, FilesError> {
    let into = Into::Folder(dir::open(folder).unwrap());
    unpack(&archive(entries, "theirs")[..], into, PLAIN)
}

fn packed(tree: &Path, path: &str, last: LastLink) -> Result<Vec<u8>, FilesError> {
    let tree = Tree::new(dir::open(tree).unwrap());
    let mut bytes = Vec::new();
    pack(&tree.find(path.as_bytes(), last)?, b".", &mut bytes).map(|()| bytes)
}

/// A folder to unpack into, beside one that nothing may reach.
fn two() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "ours").unwrap();
    (place, inside, outside)
}

fn untouched(outside: &Path) {
    let names: Vec<_> = fs::read_dir(outside).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["precious"]);
    let precious = outside.join("precious");
    assert_eq!(fs::read_to_string(&precious).unwrap(), "ours");
    let about = fs::metadata(&precious).unwrap();
    assert_eq!((about.nlink(), about.mode() & 0o7777), (1, 0o644));
}

#[test]
fn no_entry_leads_out_of_its_folder() {
    let (_place, inside, outside) = two();
    let away = Entry { link: outside.to_str().unwrap().into(), ..entry("away", Kind::Symlink) };
    let precious = outside.join("precious");
    let hard = |target: &str| Entry { link: target.into(), ..entry("hard", Kind::HardLink) };
    for (entries, refused) in [
        (&[entry("../outside/x", Kind::File)][..], "leads out"),
        (&[entry("a/../../outside/x", Kind::File)], "leads out"),
        (&[away.clone(), entry("away/x", Kind::File)], "is no folder"),
        (&[away.clone(), entry("away/precious", Kind::File)], "is no folder"),
        (&[away.clone(), entry("away", Kind::Folder)], "cannot be copied over"),
        (&[away.clone(), entry("away/d", Kind::Folder)], "is no folder"),
        (&[away.clone(), hard("away/precious")], "has not brought"),
        (&[hard(precious.to_str().unwrap())], "has not brought"),
        (&[hard("../outside/precious")], "leads out"),
    ] {
        let said = fill(&inside, entries).unwrap_err().to_string();
        assert!(said.contains(refused), "{entries:?}: {said}");
        untouched(&outside);
        fs::remove_dir_all(&inside).unwrap();
        fs::create_dir(&inside).unwrap();
    }
    // From the root on is from the folder on.
    fill(&inside, &[entry("/etc/x", Kind::File)]).unwrap();
    assert_eq!(fs::read_to_string(inside.join("etc/x")).unwrap(), "theirs");
    // A file takes a link's place, and is not written through it.
    fill(&inside, &[away, entry("away", Kind::File)]).unwrap();
    assert_eq!(fs::read_to_string(inside.join("away")).unwrap(), "theirs");
    untouched(&outside);
}

#[test]
fn what_is_there_is_not_written_through_and_not_linked_to() {
    let (_place, inside, outside) = two();
    // It is there before the archive comes, which names it.
    fs::hard_link(outside.join("precious"), inside.join("name")).unwrap();
    let linked = Entry { link: b"name".into(), ..entry("again", Kind::HardLink) };
    let refused = fill(&inside, &[linked, entry("again", Kind::File)]).unwrap_err();
    assert!(matches!(refused, FilesError::Link(_)), "{refused}");
    fill(&inside, &[entry("name", Kind::File)]).unwrap();
    assert_eq!(fs::read_to_string(inside.join("name")).unwrap(), "theirs");
    untouched(&outside);
    // A folder that is there keeps what it has.
    fs::create_dir(inside.join("own")).unwrap();
    fs::set_permissions(inside.join("own"), Permissions::from_mode(0o700)).unwrap();
    let open = Entry { mode: 0o777, ..entry("own", Kind::Folder) };
    fill(&inside, &[open, entry("own/x", Kind::File)]).unwrap();
    assert_eq!(fs::metadata(inside.join("own")).unwrap().mode() & 0o7777, 0o700);
    let over = fill(&inside, &[entry("own", Kind::File)]).unwrap_err();
    assert!(matches!(over, FilesError::FileOverFolder(_)), "{over}");
}

#[test]
fn no_device_is_made_and_no_right_is_given() {
    let (_place, inside, _outside) = two();
    let device = Entry { device: (1, 3), ..entry("null", Kind::CharDevice) };
    let disk = Entry { device: (8, 0), ..entry("disk", Kind::BlockDevice) };
    let program = Entry { mode: 0o6755, ..entry("program", Kind::File) };
    let folder = Entry { mode: 0o2755, ..entry("folder", Kind::Folder) };
    let report = fill(&inside, &[device, disk, program, folder]).unwrap();
    assert_eq!((report.devices, report.entries), (2, 2));
    assert!(!inside.join("null").exists() && !inside.join("disk").exists());
    for name in ["program", "folder"] {
        assert_eq!(fs::metadata(inside.join(name)).unwrap().mode() & 0o7777, 0o755, "{name}");
    }
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let (_place, inside, outside) = two();
    let tree = outside.join("tree");
    fs::create_dir_all(tree.join("d/e")).unwrap();
    fs::write(tree.join("d/file"), vec![7; 200_000]).unwrap();
    fs::hard_link(tree.join("d/file"), tree.join("again")).unwrap();
    symlink("/nowhere", tree.join("d/link")).unwrap();
    fs::set_permissions(tree.join("d/file"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(tree.join("d/e"), Permissions::from_mode(0o500)).unwrap();
    let bytes = packed(&outside, "/tree", LastLink::Keep).unwrap();
    let found = Tree::new(dir::open(&inside).unwrap()).find(b"/copy", LastLink::Follow).unwrap();
    let into = Into::Place { found, path: b"/copy".into(), name: None, is_folder: false };
    unpack(&bytes[..], into, PLAIN).unwrap();
    let copy = inside.join("copy");
    for name in ["", "d", "d/e", "d/file", "d/link", "again"] {
        let [a, b] = [&tree, &copy].map(|top| fs::symlink_metadata(top.join(name)).unwrap());
        assert_eq!((a.mode(), a.mtime()), (b.mode(), b.mtime()), "{name}");
        assert_eq!(a.mtime_nsec(), b.mtime_nsec(), "{name}");
    }
    assert_eq!(fs::read(copy.join("again")).unwrap(), vec![7; 200_000]);
    let [a, b] = ["again", "d/file"].map(|name| fs::metadata(copy.join(name)).unwrap().ino());
    assert_eq!(a, b, "one file by two names");
    assert_eq!(fs::read_link(copy.join("d/link")).unwrap(), Path::new("/nowhere"));
}

/// CVE-2018-15664: somebody inside exchanges a folder and a link while files are copied.
#[test]
fn names_that_are_exchanged_lead_nowhere_else() {
    let (place, inside, outside) = two();
    fs::create_dir(inside.join("d")).unwrap();
    fs::write(inside.join("d/precious"), "own").unwrap();
    symlink(&outside, inside.join("l")).unwrap();
    let swap = |a: &str, b: &str| {
        let folder = dir::open(&inside).unwrap();
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(&folder, a, &folder, b, flags).unwrap();
    };
    let over = AtomicBool::new(false);
    let mut came = [0_u32; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap("d", "l");
            }
            // Back to where they were.
            if fs::symlink_metadata(inside.join("d")).unwrap().is_symlink() {
                swap("d", "l");
            }
        });
        for _ in 0..3000 {
            for path in ["/d", "/d/precious", "/"] {
                match packed(&inside, path, LastLink::Follow) {
                    Ok(bytes) => {
                        came[0] += 1;
                        assert!(!bytes.windows(4).any(|bytes| bytes == b"ours"), "{path}");
                    }
                    Err(_) => came[1] += 1,
                }
            }
            drop(fill(&inside, &[entry("d/new", Kind::File), entry("d/precious", Kind::File)]));
            let tree = Tree::new(dir::open(&inside).unwrap());
            if let Ok(found) = tree.find(b"/d/precious", LastLink::Follow) {
                let (path, name) = (b"/d/precious".to_vec(), Some(b"precious".to_vec()));
                let into = Into::Place { found, path, name, is_folder: false };
                drop(unpack(&archive(&[entry(".", Kind::File)], "theirs")[..], into, PLAIN));
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(came.iter().all(|count| *count > 0), "both ways were met: {came:?}");
    untouched(&outside);
    drop(place);
}

#[test]
fn links_at_the_end_stay_inside() {
    let (_place, inside, outside) = two();
    symlink(outside.join("precious"), inside.join("file")).unwrap();
    symlink("../../../outside", inside.join("folder")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    let tree = Tree::new(dir::open(&inside).unwrap());
    let find = |path: &str| tree.find(path.as_bytes(), LastLink::Follow);
    // The way to it is missing inside.
    assert!(matches!(find("/file"), Err(FilesError::NoFolder(_))));
    assert!(matches!(find("/folder"), Ok(Found::Missing(..))));
    assert!(matches!(find("/folder/precious"), Err(FilesError::NoFolder(_))));
    assert!(matches!(find("/loop"), Err(FilesError::Links(_))));
    assert!(matches!(find("/../../.."), Ok(Found::Folder(_))));
    let kept = tree.find(b"/file", LastLink::Keep).unwrap();
    assert!(matches!(kept, Found::Other(..)));
    untouched(&outside);
}

#[test]
fn the_kernels_own_files_are_not_entered() {
    let tree = Tree::of_caller().unwrap();
    for path in ["/proc/self/status", "/proc", "/sys/kernel/x", "/proc/self/root/etc/passwd"] {
        let found = tree.find(path.as_bytes(), LastLink::Follow);
        assert!(matches!(found, Err(FilesError::Kernels(_) | FilesError::Links(_))), "{found:?}");
    }
}

#[test]
fn depth_is_bounded_and_pipes_are_not_waited_for() {
    let (_place, inside, _outside) = two();
    let top = dir::open(&inside).unwrap();
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(&top, "pipe", rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let bytes = packed(&inside, "/pipe", LastLink::Keep).unwrap();
    let mut read = Entry::default();
    assert!(coffer_tar::Reader::new(&bytes[..]).next(&mut read).unwrap());
    assert_eq!(read.kind, Kind::Fifo);
    let mut here = top;
    for _ in 0..300 {
        dir::make(std::os::fd::AsFd::as_fd(&here), "d", mode).unwrap();
        here = dir::open_at(std::os::fd::AsFd::as_fd(&here), "d").unwrap();
    }
    assert!(matches!(packed(&inside, "/", LastLink::Keep), Err(FilesError::Deep(_))));
    let far = entry(&"d/".repeat(300), Kind::Folder);
    assert!(matches!(fill(&inside, &[far]), Err(FilesError::Deep(_))));
}

#[test]
fn an_archive_that_ends_early_is_of_the_other_side() {
    let (_place, inside, _outside) = two();
    let whole = archive(&[entry("x", Kind::File)], &"long".repeat(1000));
    let into = Into::Folder(dir::open(&inside).unwrap());
    let error = unpack(&whole[..1500], into, PLAIN).unwrap_err();
    assert!(error.is_of_other_side(), "{error}");
    let odd = Entry { mtime: Time { seconds: -5, nanoseconds: 7 }, ..entry("odd", Kind::File) };
    fill(&inside, &[odd]).unwrap();
    let about = fs::metadata(inside.join("odd")).unwrap();
    assert_eq!((about.mtime(), about.mtime_nsec()), (-5, 7));
}

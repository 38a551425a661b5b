//! A full disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use coffer_oci::{Descriptor, MediaType};
use coffer_store::{Format, Store, TransportError, WriteError};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::common::{files, name, put_image, scratch};

/// Runs `test` in a mount namespace of its own, in a tmpfs of one megabyte.
fn in_a_megabyte(test: impl FnOnce(&Path) + Send) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: mounting needs root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let data = Some("size=1m,mode=700");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), data).unwrap();
        test(folder.path());
    };
    // The namespace belongs to the thread, and goes with it.
    std::thread::scope(|scope| scope.spawn(run).join().unwrap());
}

/// Fills what is left of the disk.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while file.write_all(&[7; 512]).is_ok() {}
    path
}

#[test]
fn root_a_full_disk_leaves_no_part() {
    in_a_megabyte(|folder| {
        let store = Store::open(&folder.join("root")).unwrap();
        let small = put_image(&store, b"small", 1);
        store.tag(&name("web:1"), &small).unwrap();
        let content = vec![7; 2 << 20];
        let large = Descriptor::of(MediaType::OCI_LAYER, &content);
        let mut writer = store.writer(&large).unwrap().unwrap();
        let error = writer.write_all(&content).unwrap_err();
        let error = writer.failed(error);
        assert!(matches!(error, WriteError::Full { size, .. } if size == 2 << 20), "{error:?}");
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.join("root/ingest")).unwrap().count(), 0);
        assert!(store.put(&content, MediaType::OCI_LAYER).is_err());
        store.put(&content[..512 << 10], MediaType::OCI_LAYER).unwrap();
        assert_eq!(store.resolve(&name("web:1")).unwrap(), Some(small));
    });
}

#[test]
fn root_a_full_disk_keeps_the_old_names_and_can_be_pruned() {
    in_a_megabyte(|folder| {
        let mut store = Store::open(&folder.join("root")).unwrap();
        let image = put_image(&store, b"named", 1);
        store.tag(&name("web:1"), &image).unwrap();
        let waste = store.put(&[7; 64 << 10], MediaType::OCI_LAYER).unwrap();
        let part = Descriptor::of(MediaType::OCI_LAYER, &[8; 8192]);
        store.writer(&part).unwrap().unwrap().write_all(&[8; 4096]).unwrap();
        let filler = fill(folder);
        assert!(store.tag(&name("web:2"), &image).is_err());
        assert_eq!(store.images().unwrap().len(), 1);
        assert!(!files(&folder.join("root")).contains(Path::new(".index.json.tmp")));
        let pruned = store.exclusive().unwrap().prune(&[]).unwrap();
        assert_eq!((pruned.blobs, pruned.parts), (vec![waste.digest], 1));
        store.tag(&name("web:2"), &image).unwrap();
        std::fs::remove_file(filler).unwrap();
    });
}

#[test]
fn root_an_archive_that_does_not_fit_leaves_no_part() {
    in_a_megabyte(|folder| {
        let (_outside, other) = scratch();
        let image = put_image(&other, &vec![7; 4 << 20], 1);
        let mut archive = Vec::new();
        let platform = "linux/amd64".parse().unwrap();
        other.save(&[(None, image)], &platform, Format::Docker, &mut archive).unwrap();
        let mut store = Store::open(&folder.join("root")).unwrap();
        let error = store.load(&archive[..]).unwrap_err();
        assert!(matches!(
            error,
            TransportError::Blob(WriteError::Full { .. } | WriteError::Unnamed { .. })
        ));
        store.exclusive().unwrap().prune(&[]).unwrap();
        let left = files(&folder.join("root"));
        assert!(left.iter().all(|file| file.components().count() == 1), "{left:?}");
    });
}

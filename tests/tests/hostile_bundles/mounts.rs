//! Mount targets that change under the runtime's hands, in a volume that two containers share.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use coffer_tests::program::root;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::bundle::{Bundle, SECRET};

/// How often a race is run; each time, the exchange happens many times.
const ROUNDS: usize = 25;

/// Exchanges two names until it is dropped.
struct Exchange {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Exchange {
    fn start(one: PathBuf, other: PathBuf) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A bundle with a volume in which `a` is a folder and `b` leads to `to`, exchanged all the time.
fn race(script: &str, to: impl Fn(&Bundle) -> PathBuf) -> (Bundle, PathBuf) {
    let mut bundle = Bundle::new(script);
    let volume = bundle.path().join("volume");
    fs::create_dir_all(volume.join("a")).unwrap();
    symlink(to(&bundle), volume.join("b")).unwrap();
    bundle.bind(&volume, "/vol");
    (bundle, volume)
}

#[test]
fn root_cve_2021_30465_a_mount_never_lands_outside() {
    if !root() {
        return;
    }
    let script = "find / -xdev -name secret -type f | head -5; cat /vol/a/secret /vol/b/secret";
    for to in ["/", "the host's folder", "climbing"] {
        let (mut bundle, volume) = race(script, |bundle| match to {
            "/" => PathBuf::from("/"),
            "climbing" => Bundle::climb(&bundle.host()),
            _ => bundle.host(),
        });
        bundle.mount(json!({ "type": "tmpfs", "source": "tmpfs", "destination": "/vol/a/deeper" }));
        bundle.mount(json!({ "type": "tmpfs", "source": "tmpfs", "destination": "/vol/a" }));
        let exchange = Exchange::start(volume.join("a"), volume.join("b"));
        for _ in 0..ROUNDS {
            let outcome = bundle.run();
            assert!(!outcome.stdout.contains(SECRET), "{to}: {outcome}");
            bundle.untouched();
        }
        drop(exchange);
    }
}

#[test]
fn root_cve_2024_45310_no_folder_or_file_is_made_outside() {
    if !root() {
        return;
    }
    let (mut bundle, volume) = race("echo inside", Bundle::host);
    fs::write(bundle.path().join("file"), "a file").unwrap();
    let file = bundle.path().join("file");
    bundle.bind(&file, "/vol/a/made/for/a/file");
    bundle.mount(json!({ "type": "tmpfs", "source": "tmpfs", "destination": "/vol/a/new/folder" }));
    let exchange = Exchange::start(volume.join("a"), volume.join("b"));
    for _ in 0..ROUNDS {
        bundle.run();
        bundle.untouched();
    }
    drop(exchange);
}

#[test]
fn root_links_that_stand_still_lead_nowhere_either() {
    if !root() {
        return;
    }
    for (target, kind) in [("/link/new", "tmpfs"), ("/link", "tmpfs"), ("/link/secret", "bind")] {
        for climbing in [Bundle::climb as fn(&Path) -> PathBuf, |path| path.to_owned()] {
            let mut bundle = Bundle::new("cat /link/secret /secret; ls /link");
            let (host, file) = (bundle.host(), bundle.path().join("file"));
            fs::write(&file, "a file").unwrap();
            bundle.relink("link", climbing(&host));
            match kind {
                "bind" => bundle.bind(&file, target),
                _ => bundle.mount(json!({ "type": "tmpfs", "source": "t", "destination": target })),
            }
            let outcome = bundle.run();
            assert!(!outcome.stdout.contains(SECRET), "{outcome}");
            bundle.untouched();
        }
    }
}

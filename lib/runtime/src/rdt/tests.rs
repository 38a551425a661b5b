//! Classes on a folder that stands in for resctrl: no machine of ours has the hardware.

#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;

use coffer_sys::dir::{self, Durability};
use rustix::fs::Mode;
use tempfile::TempDir;

use super::*;

/// What the kernel puts into a new class or monitoring group.
fn born(folder: BorrowedFd<'_>) {
    for (name, text) in [("schemata", ""), ("tasks", "")] {
        let mode = Mode::from_raw_mode(0o644);
        dir::write_whole(folder, name, text.as_bytes(), mode, Durability::Process).unwrap();
    }
    rustix::fs::mkdirat(folder, MONITORS, Mode::RWXU).unwrap();
}

/// A host with a default class, and one that an administrator has made.
struct Host(TempDir);

impl Host {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        for name in ["", "gold"] {
            let folder = this.0.path().join(name);
            fs::create_dir_all(folder.join(MONITORS)).unwrap();
            fs::write(folder.join("tasks"), "").unwrap();
            fs::write(folder.join("schemata"), "    MB:0=70\n    L3:0=00f;1=0ff\n").unwrap();
        }
        fs::create_dir(this.0.path().join("info")).unwrap();
        this
    }

    fn resctrl(&self) -> Resctrl {
        Resctrl::stand_in(dir::open(self.0.path()).unwrap(), born)
    }

    fn wanted(&self, asked: &IntelRdt) -> Result<Wanted, RdtError> {
        Wanted::new(asked, "web", self.resctrl())
    }

    fn made(&self, asked: &IntelRdt) -> Wanted {
        let wanted = self.wanted(asked).unwrap();
        wanted.make().unwrap();
        wanted.enter(Pid::from_raw(42).unwrap()).unwrap();
        wanted
    }

    fn has(&self, path: impl AsRef<Path>) -> bool {
        self.0.path().join(path).exists()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    fn refused(&self, asked: &IntelRdt) -> String {
        self.wanted(asked).unwrap_err().to_string()
    }
}

/// A field, and what is wrong in it.
type Wrong = (&'static str, fn(&mut IntelRdt));

fn asked(change: impl FnOnce(&mut IntelRdt)) -> IntelRdt {
    let mut asked = IntelRdt::default();
    change(&mut asked);
    asked
}

#[test]
fn a_class_of_its_own_comes_and_goes_with_the_container() {
    let host = Host::new();
    let wanted = host.made(&asked(|rdt| {
        rdt.mem_bw_schema = "MB:0=20".to_owned();
        rdt.l3_cache_schema = "L3:0=f;1=1".to_owned();
        rdt.schemata = vec!["L2:0=f".to_owned(), "L3:0=7".to_owned()];
        rdt.enable_monitoring = true;
    }));
    assert_eq!(host.read("web/schemata"), "L3:0=f;1=1\nMB:0=20\nL2:0=f\nL3:0=7\n");
    assert_eq!(host.read("web/tasks"), "42");
    assert_eq!(host.read("web/mon_groups/web/tasks"), "42");
    wanted.class().remove_from(&host.resctrl()).unwrap();
    assert!(!host.has("web"));
    wanted.class().remove_from(&host.resctrl()).unwrap();
}

#[test]
fn nothing_is_written_before_all_is_checked() {
    let host = Host::new();
    host.wanted(&IntelRdt::default()).unwrap();
    assert!(!host.has("web"));
}

#[test]
fn a_named_class_is_joined_as_it_is_and_stays() {
    let host = Host::new();
    let before = host.read("gold/schemata");
    let wanted = host.made(&asked(|rdt| {
        rdt.clos_id = "gold".to_owned();
        rdt.enable_monitoring = true;
    }));
    assert_eq!((host.read("gold/tasks"), host.read("gold/schemata")), ("42".to_owned(), before));
    wanted.class().remove_from(&host.resctrl()).unwrap();
    assert!(host.has("gold") && !host.has("gold/mon_groups/web"));
}

#[test]
fn a_named_class_that_is_missing_is_made_by_its_schemata_and_stays() {
    let host = Host::new();
    let silver = asked(|rdt| {
        rdt.clos_id = "silver".to_owned();
        rdt.schemata = vec!["L3:0=3".to_owned()];
    });
    let wanted = host.made(&silver);
    assert_eq!(host.read("silver/schemata"), "L3:0=3\n");
    wanted.class().remove_from(&host.resctrl()).unwrap();
    assert!(host.has("silver"));
    // What was made for a container that there will not be goes.
    let host = Host::new();
    host.made(&silver).undo().unwrap();
    assert!(!host.has("silver"));
}

#[test]
fn the_default_class_is_a_slash() {
    let host = Host::new();
    let wanted = host.made(&asked(|rdt| rdt.clos_id = "/".to_owned()));
    assert_eq!(host.read("tasks"), "42");
    wanted.class().remove_from(&host.resctrl()).unwrap();
    assert!(host.has("tasks"));
}

#[test]
fn a_class_that_is_there_has_to_give_what_is_expected() {
    let host = Host::new();
    let gold = |l3: &str, bandwidth: &str| {
        asked(|rdt| {
            rdt.clos_id = "gold".to_owned();
            l3.clone_into(&mut rdt.l3_cache_schema);
            bandwidth.clone_into(&mut rdt.mem_bw_schema);
        })
    };
    host.wanted(&gold("L3:0=f;1=ff", "MB:0=70")).unwrap();
    assert!(host.refused(&gold("L3:0=e", "")).starts_with("linux.intelRdt.l3CacheSchema"));
    assert!(host.refused(&gold("", "MB:0=10")).starts_with("linux.intelRdt.memBwSchema"));
}

#[test]
fn what_cannot_be_is_refused_by_its_path() {
    let host = Host::new();
    fs::create_dir(host.0.path().join("gold/mon_groups/web")).unwrap();
    fs::create_dir(host.0.path().join("bare")).unwrap();
    let table: [Wrong; 13] = [
        ("closID", |rdt| rdt.clos_id = "missing".to_owned()),
        ("closID", |rdt| rdt.clos_id = "..".to_owned()),
        ("closID", |rdt| rdt.clos_id = "../gold".to_owned()),
        ("closID", |rdt| rdt.clos_id = "info".to_owned()),
        ("closID", |rdt| rdt.clos_id = "a\nb".to_owned()),
        ("l3CacheSchema", |rdt| rdt.l3_cache_schema = "MB:0=20".to_owned()),
        ("l3CacheSchema", |rdt| rdt.l3_cache_schema = "L3:0=f\nMB:0=10".to_owned()),
        ("memBwSchema", |rdt| rdt.mem_bw_schema = "L3:0=20".to_owned()),
        ("schemata", |rdt| rdt.schemata = vec!["L3:0=f\nL2:0=f".to_owned()]),
        ("schemata", |rdt| rdt.schemata = vec!["some".to_owned()]),
        ("schemata", |rdt| rdt.schemata = vec![String::new()]),
        ("enableMonitoring", |rdt| {
            rdt.clos_id = "gold".to_owned();
            rdt.enable_monitoring = true;
        }),
        ("enableMonitoring", |rdt| {
            rdt.clos_id = "bare".to_owned();
            rdt.enable_monitoring = true;
        }),
    ];
    for (field, change) in table {
        let said = host.refused(&asked(change));
        assert!(said.starts_with(&format!("linux.intelRdt.{field} ")), "{field}: {said}");
    }
    fs::create_dir(host.0.path().join("web")).unwrap();
    let said = host.refused(&IntelRdt::default());
    assert!(said.contains("somebody else's"), "{said}");
}

#[test]
fn what_the_kernel_says_is_told_and_nothing_is_left() {
    let host = Host::new();
    fs::write(host.0.path().join("info/last_cmd_status"), "Mask out of range\n").unwrap();
    let wanted = host.wanted(&asked(|rdt| rdt.l3_cache_schema = "L3:0=fffff".to_owned())).unwrap();
    // A class that cannot be made: its name is taken meanwhile, by what is no folder.
    fs::write(host.0.path().join("web"), "").unwrap();
    let said = wanted.make().unwrap_err().to_string();
    assert!(said.contains("make web (Mask out of range)"), "{said}");
    fs::remove_file(host.0.path().join("web")).unwrap();
    fn without_schemata(folder: BorrowedFd<'_>) {
        rustix::fs::mkdirat(folder, MONITORS, Mode::RWXU).unwrap();
    }
    let resctrl = Resctrl::stand_in(dir::open(host.0.path()).unwrap(), without_schemata);
    let change = asked(|rdt| rdt.l3_cache_schema = "L3:0=fffff".to_owned());
    let said = Wanted::new(&change, "web", resctrl).unwrap().make().unwrap_err().to_string();
    assert!(said.contains("schemata (Mask out of range)"), "{said}");
    assert!(!host.has("web"));
}

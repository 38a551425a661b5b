//! What `/proc` says of the machine inside: as much as the limits leave, and nothing of the host
//! that can be kept from it.

#![expect(clippy::disallowed_methods, reason = "looks at the host's own /proc")]
#![expect(clippy::unwrap_used, reason = "a test that cannot look fails")]

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use coffer_tests::bed::{self, Kernel, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::{BUSYBOX, DEBIAN};
use coffer_tests::program;

/// Files that say nothing of the host.
const EMPTY: [&str; 10] = [
    "cmdline",
    "config.gz",
    "diskstats",
    "interrupts",
    "kallsyms",
    "key-users",
    "keys",
    "softirqs",
    "timer_list",
    "zoneinfo",
];

/// What `path` says inside a container with these flags.
fn seen(coffer: &Coffer, flags: &[&str], path: &str) -> String {
    let name = coffer.take_in(&BUSYBOX);
    coffer.must(&[&["run", "--rm"], flags, &[&name, "cat", path]].concat())
}

/// The number behind `name` in a file like `/proc/meminfo`.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// How many processors the host has.
fn processors() -> usize {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

/// Seconds since the boot, by `/proc/uptime`.
fn uptime(text: &str) -> f64 {
    text.split(' ').next().unwrap().parse().unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The mounts that a process sees: its root, and where each is.
fn mounts(mountinfo: &str) -> Vec<(&str, &str)> {
    let place = |line| -> Option<(&str, &str)> {
        let mut words = str::split(line, ' ').skip(3);
        Some((words.next()?, words.next()?))
    };
    mountinfo.lines().filter_map(place).collect()
}

fn limits_are_followed() {
    let coffer = Coffer::default();
    let flags = ["-m", "256m", "--cpus", "1.5"];
    let meminfo = seen(&coffer, &flags, "/proc/meminfo");
    for name in ["MemTotal:", "MemFree:", "MemAvailable:"] {
        assert_eq!(number(&meminfo, name), Some(256 << 10), "{meminfo}");
    }
    let host = fs::read_to_string("/proc/meminfo").unwrap();
    let swap = number(&host, "SwapTotal:").map(|swap| swap.min(256 << 10));
    assert_eq!(number(&meminfo, "SwapTotal:"), swap, "{meminfo}");
    let names = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    assert_eq!(names(&meminfo), names(&host));
    let swaps = seen(&coffer, &flags, "/proc/swaps");
    assert_eq!(swaps.lines().count(), 1 + usize::from(swap != Some(0)), "{swaps}");

    for (cpus, worth) in [("1.5", 2), ("0.5", 1)] {
        let flags = ["--cpus", cpus];
        let count = processors().min(worth);
        let cpuinfo = seen(&coffer, &flags, "/proc/cpuinfo");
        let found = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        assert_eq!(found, count, "{cpuinfo}");
        let stat = seen(&coffer, &flags, "/proc/stat");
        let lines = stat.lines().filter(|line| line.starts_with("cpu"));
        assert_eq!(lines.count(), count + 1, "{stat}");
        assert_eq!(number(&stat, "intr"), Some(0), "the host's interrupts: {stat}");
        let online = seen(&coffer, &flags, "/sys/devices/system/cpu/online");
        assert_eq!(online, if count == 1 { "0\n" } else { "0-1\n" });
        assert_eq!(seen(&coffer, &flags, "/proc/loadavg"), "0.00 0.00 0.00 1/1 1\n");
    }
}

/// By the kernel's own clock, for the first process, an init's child and one that joins.
fn uptime_counts_from_the_start() {
    let coffer = Coffer::default();
    let name = coffer.take_in(&BUSYBOX);
    let host = || uptime(&fs::read_to_string("/proc/uptime").unwrap());
    for flags in [&[][..], &["--init"]] {
        let (before, boot) = (now(), host());
        let start = ["run", "-d", "--name", "box"];
        coffer.must(&[&start, flags, &[&name, "sleep", "1000"]].concat());
        let stat = coffer.must(&["exec", "box", "cat", "/proc/stat"]);
        let booted = number(&stat, "btime").unwrap();
        let inside = uptime(&coffer.must(&["exec", "box", "cat", "/proc/uptime"]));
        let most = host() - boot + 2.0;
        assert!(inside < most, "{inside} of {most} seconds");
        assert!((before - 2..=now()).contains(&booted), "{before} {booted}");
        coffer.must(&["rm", "-f", "box"]);
    }
    let first = uptime(&seen(&coffer, &[], "/proc/uptime"));
    assert!(first < host(), "{first}");
}

/// Neither where the store is, nor any mount but the container's own.
fn mounts_tell_nothing(coffer: &Coffer) {
    let text = seen(coffer, &[], "/proc/self/mountinfo");
    let found = mounts(&text);
    assert_eq!(found.iter().filter(|(_, at)| *at == "/").count(), 1, "{text}");
    for (root, at) in &found {
        let top = at.split('/').nth(1).unwrap_or_default();
        assert!(["", "proc", "dev", "sys", "etc"].contains(&top), "{at} in {text}");
        assert!(top != "etc" || root.matches('/').count() == 1, "{root} in {text}");
    }
    let store = coffer.root();
    let folder = store.parent().unwrap().file_name().unwrap().to_str().unwrap();
    for word in [folder, "/root", "/mnt", "containers"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    for file in EMPTY {
        let script = format!("test ! -e /proc/{file} || cat /proc/{file}");
        let name = coffer.take_in(&BUSYBOX);
        assert_eq!(coffer.must(&["run", "--rm", &name, "sh", "-c", &script]), "", "{file}");
    }
}

#[test]
fn root_files_follow_the_limits() {
    if program::root() {
        limits_are_followed();
    }
}

#[test]
fn root_uptime_counts_from_the_containers_start() {
    if program::root() {
        uptime_counts_from_the_start();
    }
}

#[test]
fn root_mounts_tell_nothing_of_the_host() {
    if program::root() {
        mounts_tell_nothing(&Coffer::default());
        mounts_tell_nothing(&Coffer::of_user());
    }
}

/// What the C library believes is what programs size themselves by.
#[test]
fn root_programs_count_the_processors_of_the_limit() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&DEBIAN);
    // 84 is _SC_NPROCESSORS_ONLN. Source: bits/confname.h.
    let ask = "print POSIX::sysconf(84)";
    let run = ["run", "--rm", "--cpus", "0.5", &name, "perl", "-MPOSIX", "-e", ask];
    assert_eq!(coffer.must(&run), "1");
}

#[test]
fn root_what_is_made_up_can_be_read_only() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let run = ["run", "--rm", "-m", "64m", "--cpus", "1", &name, "sh", "-c"];
    for path in ["/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu/online"] {
        let script = format!("echo x > {path}");
        let said = coffer.run(&[&run[..], &[&script]].concat());
        assert!(said.status != 0 && said.stderr.contains("Read-only"), "{path}: {said}");
    }
}

#[test]
fn root_unconfined_paths_show_the_host() {
    if !program::root() {
        return;
    }
    let coffer = Coffer::default();
    let flags = ["-m", "64m", "--cpus", "0.5", "--security-opt", "systempaths=unconfined"];
    let host = |path: &str| fs::read_to_string(path).unwrap();
    let total = |text: &str| number(text, "MemTotal:");
    assert_eq!(total(&seen(&coffer, &flags, "/proc/meminfo")), total(&host("/proc/meminfo")));
    let before = uptime(&host("/proc/uptime"));
    assert!(uptime(&seen(&coffer, &flags, "/proc/uptime")) >= before);
    assert_eq!(seen(&coffer, &flags, "/proc/cmdline"), host("/proc/cmdline"));
}

/// Which boot it is: the container's start, for who joins it too, and never the host's.
fn boots_are_the_containers(coffer: &Coffer) {
    const BOOT: &str = "/proc/sys/kernel/random/boot_id";
    let name = coffer.take_in(&BUSYBOX);
    let host = fs::read_to_string(BOOT).unwrap();
    coffer.must(&["run", "-d", "--name", "box", &name, "sleep", "1000"]);
    let inside = || coffer.must(&["exec", "box", "cat", BOOT]);
    let first = inside();
    assert_eq!((first.len(), first == host, inside() == first), (host.len(), false, true));
    let script = format!("echo x > {BOOT}");
    assert_ne!(coffer.run(&["exec", "box", "sh", "-c", &script]).status, 0, "it can be written");
    coffer.must(&["stop", "-t", "0", "box"]);
    coffer.must(&["start", "box"]);
    assert!(inside() != first && inside() != host);
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(seen(coffer, &["--security-opt", "systempaths=unconfined"], BOOT), host);
}

#[test]
fn root_a_start_is_a_boot_of_its_own() {
    if program::root() {
        boots_are_the_containers(&Coffer::default());
        boots_are_the_containers(&Coffer::of_user());
    }
}

#[test]
fn root_explain_says_which_files_are_made_up() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let told = |flags: &[&str]| {
        coffer.must(&[&["create", "--name", "box"], flags, &[&name, "true"]].concat());
        let told = coffer.run(&["explain", "box"]).stdout;
        coffer.must(&["rm", "box"]);
        told
    };
    let open = told(&[]);
    let (memory, load) = ("host memory can be read", "host load and processors can be read");
    assert!(open.contains(memory) && open.contains(load), "{open}");
    let line =
        |text: &str| text.lines().find(|l| l.starts_with("made-up files")).unwrap().to_owned();
    let made_up = line(&open);
    assert!(made_up.contains("boot_id") && made_up.ends_with("default"), "{open}");
    let half = told(&["-m", "64m"]);
    assert!(half.contains("/proc/meminfo") && !half.contains(memory), "{half}");
    assert!(half.contains(load) && !half.contains("/proc/cpuinfo"), "{half}");
    let whole = told(&["-m", "64m", "--cpus", "1"]);
    assert!(whole.contains("/proc/cpuinfo") && !whole.contains(load), "{whole}");
    assert!(whole.contains("can be asked of the kernel"), "{whole}");
}

#[test]
fn bed_plain_proc_follows_the_limits_on_linux_6_1() {
    bed::enter!(Variant::Plain, [&BUSYBOX]);
    limits_are_followed();
    uptime_counts_from_the_start();
    mounts_tell_nothing(&Coffer::default());
}

#[test]
fn bed_plain_proc_follows_the_limits_on_linux_6_12() {
    bed::enter!(Variant::Plain.on(Kernel::Debian13), [&BUSYBOX]);
    limits_are_followed();
    uptime_counts_from_the_start();
    mounts_tell_nothing(&Coffer::default());
}

//! Security modules around containers of `coffer run`, on Debian's kernel with each of them.

#![expect(clippy::disallowed_methods, reason = "looks at the guest, and at the test's own files")]
#![expect(clippy::unwrap_used, reason = "a set-up that fails is a failed test")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use coffer_tests::bed::{self, Variant};
use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use serde_json::Value;
use tempfile::TempDir;

const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
const PARSER: &str = "/usr/sbin/apparmor_parser";

/// The pid of a container's first process, on the host.
fn pid(coffer: &Coffer, name: &str) -> String {
    let report: Value = serde_json::from_str(&coffer.must(&["inspect", name])).unwrap();
    report[0]["State"]["Pid"].to_string()
}

/// What the kernel calls a process.
fn label(pid: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/attr/current")).unwrap();
    text.trim_end_matches(['\n', '\0']).to_owned()
}

/// The profiles of containers that are loaded.
fn profiles() -> Vec<String> {
    let all = fs::read_to_string(LOADED).unwrap();
    all.lines().filter(|line| line.starts_with("coffer-")).map(str::to_owned).collect()
}

#[test]
fn bed_apparmor_holds_each_container_by_a_profile_of_its_own() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let id = coffer.must(&["run", "-d", "--name", "box", &busybox, "sleep", "1000"]);
    let expected = format!("coffer-{} (enforce)", id.trim());
    assert_eq!(label(&pid(&coffer, "box")), expected);
    assert_eq!(profiles(), [expected.as_str()]);
    // Who joins is called the same.
    assert_eq!(coffer.must(&["exec", "box", "cat", "/proc/self/attr/current"]).trim(), expected);
    let explained = coffer.must(&["explain", "box"]);
    assert!(explained.contains(&format!("coffer-{}", id.trim())), "{explained}");
    assert!(!explained.contains("AppArmor holds nothing"), "{explained}");
    // It starts again with the profile that it was made with.
    coffer.must(&["stop", "-t", "0", "box"]);
    coffer.must(&["start", "box"]);
    assert_eq!(label(&pid(&coffer, "box")), expected);
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(profiles(), [""; 0]);
    // The tiny init is ours and no program: it is held as what it starts is.
    let run = ["run", "-d", "--name", "init", "--init", &busybox, "sleep", "1000"];
    let id = coffer.must(&run);
    let expected = format!("coffer-{} (enforce)", id.trim());
    assert_eq!(label(&pid(&coffer, "init")), expected);
    let seen = coffer.must(&["exec", "init", "sh", "-c", "cat /proc/$(pidof sleep)/attr/current"]);
    assert_eq!(seen.trim(), expected);
    coffer.must(&["stop", "-t", "20", "init"]);
    coffer.must(&["rm", "init"]);
    let run = ["run", "--rm", "--init", "--user=1000", &busybox, "cat", "/proc/self/attr/current"];
    assert!(coffer.must(&run).starts_with("coffer-"));
    assert_eq!(profiles(), [""; 0]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What the rest of the fence lets through once it is open, a profile refuses still.
#[test]
fn bed_apparmor_refuses_what_other_walls_were_opened_for() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let tries = [
        (
            &["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"][..],
            "mkdir /m && mount -t tmpfs t /m",
        ),
        (
            &["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"],
            "mkdir /m && mount --bind /etc /m",
        ),
        // As it is anyway: the host's own proc has one mode for all.
        (&["--userns=host"], "chmod 444 /proc/version"),
    ];
    for (flags, program) in tries {
        let run = |more: &[&str]| {
            let words = [&["run", "--rm"], flags, more, &[&busybox, "sh", "-c", program]].concat();
            coffer.run(&words)
        };
        let held = run(&[]);
        assert!(held.status != 0 && held.stderr.contains("ermission denied"), "{held}");
        let open = run(&["--security-opt=apparmor=unconfined"]);
        assert_eq!(open.status, 0, "{program}: without a profile: {open}");
        assert!(open.stderr.contains("AppArmor holds nothing of it"), "{open}");
    }
    assert_eq!(profiles(), [""; 0]);
    // Whose user is the same on the host is still no peer.
    coffer.must(&["run", "-d", "--name", "other", "--userns=host", &busybox, "sleep", "1000"]);
    let other = pid(&coffer, "other");
    let signal = format!("kill -0 {other}");
    let near = ["run", "--rm", "--userns=host", "--pid=host", "--cap-add=SYS_PTRACE"];
    let held = coffer.run(&[&near[..], &[&busybox, "sh", "-c", &signal]].concat());
    assert_ne!(held.status, 0, "{held}");
    let traced = format!("cat /proc/{other}/environ");
    let held = coffer.run(&[&near[..], &[&busybox, "sh", "-c", &traced]].concat());
    assert_ne!(held.status, 0, "{held}");
    let open = ["--security-opt=apparmor=unconfined"];
    coffer.must(&[&near[..], &open, &[&busybox, "sh", "-c", &traced]].concat());
    coffer.must(&["rm", "-f", "other"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// Has root load a profile, and a container enter it by its name.
fn a_loaded_profile_is_entered(coffer: &Coffer, busybox: &str) {
    let text = "profile theirs flags=(attach_disconnected) { file, signal, deny /etc/passwd r, }";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let loaded = std::process::Command::new(PARSER).arg("-qr").arg(file.path()).status().unwrap();
    assert!(loaded.success());
    let theirs = ["run", "--rm", "--security-opt=apparmor=theirs", busybox, "sh", "-c"];
    let shown = coffer.must(&[&theirs[..], &["cat /proc/self/attr/current"]].concat());
    assert_eq!(shown.trim(), "theirs (enforce)");
    assert_ne!(coffer.run(&[&theirs[..], &["cat /etc/passwd"]].concat()).status, 0);
}

#[test]
fn bed_apparmor_that_cannot_be_had_is_named_and_leaves_nothing() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let named = coffer.run(&["run", "--rm", "--security-opt=apparmor=none-such", &busybox, "true"]);
    assert_eq!(named.status, 125, "{named}");
    assert!(named.stderr.contains("no AppArmor profile \"none-such\" is loaded"), "{named}");
    // A loaded one is entered by its name, and stays.
    a_loaded_profile_is_entered(&coffer, &busybox);
    assert!(fs::read_to_string(LOADED).unwrap().contains("theirs"));
    // Without the parser nothing runs but what was opened for it.
    fs::rename(PARSER, "/usr/sbin/away").unwrap();
    let without = coffer.run(&["run", "--rm", &busybox, "true"]);
    fs::rename("/usr/sbin/away", PARSER).unwrap();
    assert_eq!(without.status, 125, "{without}");
    for words in ["no apparmor_parser", "apt install apparmor", "apparmor=unconfined"] {
        assert!(without.stderr.contains(words), "{without}");
    }
    assert_eq!(profiles(), [""; 0]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// What a command that was killed leaves loaded goes with what is left of the container.
#[test]
fn bed_apparmor_profiles_of_wrecks_go_with_them() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let mut run = coffer.command(&["run", "--rm", "--name", "wreck", &busybox, "sleep", "1000"]);
    let mut run = run.spawn().unwrap();
    while profiles().is_empty() {
        assert!(run.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    coffer.must(&["rm", "-f", "wreck"]);
    assert_eq!(profiles(), [""; 0]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// The context of a file of the guest's, a link itself.
fn context(path: &Path) -> String {
    let mut bytes = [0; 256];
    let length = rustix::fs::lgetxattr(path, "security.selinux", &mut bytes[..]).unwrap();
    String::from_utf8_lossy(&bytes[..length]).trim_end_matches('\0').to_owned()
}

/// A folder with a file that everybody may read but for SELinux.
fn volume() -> TempDir {
    let volume = tempfile::tempdir().unwrap();
    fs::set_permissions(volume.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(volume.path().join("secret"), "kept").unwrap();
    volume
}

/// The contexts of the processes and of the files of a container `one`; one called `two` has
/// others, who joins has the same, and all that `one` sees has that of its files.
fn labels_of_one(coffer: &Coffer) -> (String, String) {
    let (one, two) = (label(&pid(coffer, "one")), label(&pid(coffer, "two")));
    let process = "system_u:system_r:container_t:s0:c";
    assert!(one.starts_with(process) && two.starts_with(process) && one != two, "{one} {two}");
    let joined = coffer.must(&["exec", "one", "cat", "/proc/self/attr/current"]);
    assert_eq!(joined.trim_end_matches('\0'), one);
    let files = one.replace("system_r:container_t", "object_r:container_file_t");
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", pid(coffer, "one"))).unwrap();
    for point in [" / ", " /dev ", " /dev/shm ", " /dev/pts "] {
        let mount = mounts.lines().find(|line| line.contains(point)).unwrap();
        assert!(mount.contains(&files), "{point}: {mounts}");
    }
    (one, files)
}

/// A volume by its name is every container's, whoever has written what is in it.
fn shares_a_volume(coffer: &Coffer, image: &str) {
    let volume = ["run", "--rm", "-v", "shared:/data", image, "sh", "-c"];
    let line = |line| [&volume[..], &[line]].concat();
    coffer.must(&line("echo kept >/data/file && chown 7:8 /data/file && chmod 600 /data/file"));
    assert_eq!(coffer.must(&line("cat /data/file && echo more >>/data/file")), "kept\n");
    let own = ["run", "--rm", "-v", "/data", image, "sh", "-c", "echo x >/data/x && cat /data/x"];
    assert_eq!(coffer.must(&own), "x\n");
    coffer.must(&["volume", "rm", "shared"]);
}

#[test]
fn bed_selinux_keeps_containers_apart() {
    bed::enter!(Variant::Selinux, [&BUSYBOX]);
    assert_eq!(fs::read_to_string("/sys/fs/selinux/enforce").unwrap().trim(), "1");
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let (outside, volume) = (volume(), volume());
    let (link, secret) = (volume.path().join("link"), volume.path().join("secret"));
    std::os::unix::fs::symlink(outside.path().join("secret"), &link).unwrap();
    let before = context(&outside.path().join("secret"));
    let own = format!("{}:/data:Z", volume.path().display());
    coffer.must(&["run", "-d", "--name", "one", "-v", &own, &busybox, "sleep", "1000"]);
    coffer.must(&["run", "-d", "--name", "two", &busybox, "sleep", "1000"]);
    let (one, files) = labels_of_one(&coffer);
    // The volume is one's alone, and nothing behind its links.
    assert_eq!((context(&secret), context(&link)), (files.clone(), files.clone()));
    assert_eq!(context(&outside.path().join("secret")), before);
    assert_eq!(coffer.must(&["exec", "one", "cat", "/data/secret"]), "kept");
    let plain = format!("{}:/data", volume.path().display());
    let other = |more: &[&str]| {
        let words = [&["run", "--rm", "-v", &plain], more, &[&busybox, "cat", "/data/secret"]];
        coffer.run(&words.concat())
    };
    let held = other(&[]);
    assert!(held.status != 0 && held.stderr.contains("ermission denied"), "{held}");
    let open = other(&["--security-opt=label=disable"]);
    assert_eq!((open.status, open.stdout.as_str()), (0, "kept"), "{open}");
    assert!(open.stderr.contains("SELinux holds nothing of it"), "{open}");
    // Shared among containers.
    let shared = format!("{plain}:z");
    let run = ["run", "--rm", "-v", &shared, &busybox, "cat", "/data/secret"];
    assert_eq!(coffer.must(&run), "kept");
    assert_eq!(context(&secret), "system_u:object_r:container_file_t:s0");
    assert_eq!(other(&[]).status, 0);
    shares_a_volume(&coffer, &busybox);
    let explained = coffer.must(&["explain", "one"]);
    assert!(explained.contains(&one) && explained.contains(&files), "{explained}");
    coffer.must(&["rm", "-f", "one", "two"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn bed_selinux_labels_are_the_callers_or_refused() {
    bed::enter!(Variant::Selinux, [&BUSYBOX]);
    let coffer = Coffer::default();
    let busybox = coffer.take_in(&BUSYBOX);
    let shown = |options: &[&str]| {
        let words = [&["run", "--rm"], options, &[&busybox, "cat", "/proc/self/attr/current"]];
        coffer.run(&words.concat())
    };
    let level = shown(&["--security-opt", "label=level:s0:c5,c6"]);
    assert_eq!(level.stdout.trim_end_matches('\0'), "system_u:system_r:container_t:s0:c5,c6");
    let disabled = shown(&["--security-opt", "label=disable"]);
    assert!(!disabled.stdout.contains("container_t"), "{disabled}");
    let unknown = shown(&["--security-opt", "label=type:none_such_t"]);
    assert_eq!(unknown.status, 125, "{unknown}");
    assert!(unknown.stderr.contains("has no context system_u:system_r:none_such_t:"), "{unknown}");
    let before = context(Path::new("/etc"));
    let host = shown(&["-v", "/etc:/data:Z"]);
    assert!(host.status == 125 && host.stderr.contains("is the host's own"), "{host}");
    assert_eq!(context(Path::new("/etc")), before);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// An ordinary user's containers have contexts too, where the policy lets that user enter them.
#[test]
fn bed_selinux_keeps_an_ordinary_users_containers_apart() {
    bed::enter!(Variant::Selinux, [&BUSYBOX]);
    let coffer = Coffer::of_user();
    let busybox = coffer.take_in(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "one", &busybox, "sleep", "1000"]);
    coffer.must(&["run", "-d", "--name", "two", &busybox, "sleep", "1000"]);
    let (one, _) = labels_of_one(&coffer);
    // What the layer says it may write, and files of the user's that it may not read.
    coffer.must(&[
        "exec",
        "one",
        "sh",
        "-c",
        "echo x > /tmp/f && cat /tmp/f && cp /bin/busybox /tmp/busybox && /tmp/busybox true",
    ]);
    let folder = coffer.home().join("data");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("secret"), "kept").unwrap();
    for path in [&folder, &folder.join("secret")] {
        std::os::unix::fs::chown(path, Some(47_110), Some(47_110)).unwrap();
    }
    let read = |options: &str, more: &[&str]| {
        let volume = format!("/mnt/home/data:/data{options}");
        let words = [&["run", "--rm", "-v", &volume], more, &[&busybox, "cat", "/data/secret"]];
        coffer.run(&words.concat())
    };
    let held = read("", &[]);
    assert!(held.status != 0 && held.stderr.contains("ermission denied"), "{held}");
    assert_eq!(read("", &["--security-opt=label=disable"]).stdout, "kept");
    assert_eq!(read(":Z", &[]).stdout, "kept");
    shares_a_volume(&coffer, &busybox);
    let explained = coffer.must(&["explain", "one"]);
    assert!(
        explained.contains(&one) && !explained.contains("SELinux holds nothing"),
        "{explained}"
    );
    coffer.must(&["rm", "-f", "one", "two"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// A profile that root has loaded is entered by an ordinary user too; one that is not there is
/// named by the kernel as the program starts.
#[test]
fn bed_apparmor_profiles_that_root_has_loaded_hold_an_ordinary_users_containers() {
    bed::enter!(Variant::Apparmor, [&BUSYBOX]);
    let coffer = Coffer::of_user();
    let busybox = coffer.take_in(&BUSYBOX);
    a_loaded_profile_is_entered(&coffer, &busybox);
    let unknown = coffer.run(&["run", "--rm", "--security-opt=apparmor=none", &busybox, "true"]);
    assert_eq!(unknown.status, 125, "{unknown}");
    assert!(unknown.stderr.contains("none") && unknown.stderr.contains("help: "), "{unknown}");
    let explained = coffer.must(&["explain", &busybox]);
    let way = "AppArmor holds nothing: only root of the host can load a profile";
    assert!(explained.contains(way) && explained.contains("apparmor=NAME"), "{explained}");
    assert_eq!(coffer.leftovers(), [""; 0]);
}

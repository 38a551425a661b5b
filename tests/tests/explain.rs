//! `coffer explain` and `coffer inspect --process`: of containers, images, bundles and processes.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::process::Command;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use coffer_tests::terminal::Terminal;
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The consequences that a report names.
fn reached(report: &Value) -> Vec<&str> {
    let reached = report["score"]["reached"].as_array().unwrap();
    reached.iter().map(|reached| reached["consequence"].as_str().unwrap()).collect()
}

fn points(report: &Value) -> u64 {
    report["score"]["points"].as_u64().unwrap()
}

#[test]
fn root_a_container_and_its_process_are_explained_alike() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", "--memory=64m", &name, "sleep", "1000"]);
    let container = json(&coffer.must(&["explain", "--json", "box"]));
    assert_eq!(reached(&container), ["attack-kernel", "learn", "rise-inside"], "{container}");
    let pid = json(&coffer.must(&["inspect", "box"]))[0]["State"]["Pid"].to_string();
    // From outside nobody can tell which calls are refused; all else is read off the process.
    let process = json(&coffer.must(&["explain", "--json", &pid]));
    assert_eq!(reached(&process), reached(&container), "{process}");
    let table = coffer.must(&["inspect", "--process", &pid]);
    for line in [
        "process                              ",
        "bounding                             CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID",
        "new privileges                       never",
        "system call filter                   1 programs",
        "0 is 1879",
    ] {
        assert!(table.contains(line), "{line:?} in\n{table}");
    }
    for kind in ["user", "pid", "mount", "network", "ipc", "uts", "cgroup"] {
        let own = |line: &&str| line.starts_with(kind) && line.contains("not the host's");
        assert!(table.lines().any(|line| own(&line)), "{kind} in\n{table}");
    }
    // Another process inside is who shares its namespaces.
    coffer.must(&["exec", "-d", "box", "sleep", "999"]);
    let shared = coffer.must(&["inspect", "--process", &pid]);
    let with = |line: &&str| line.starts_with("pid ") && line.contains("sleep");
    assert!(shared.lines().any(|line| with(&line)), "{shared}");
    coffer.must(&["rm", "-f", "box"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_what_is_opened_shows_in_the_graph_and_in_the_difference() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["create", "--name", "shut", "--memory=64m", &name]);
    let open = ["--privileged", "--yes-really", "--userns=host", "-v", "/srv:/srv"];
    coffer.must(&[&["create", "--name", "open"], &open[..], &[&name]].concat());
    let report = coffer.run(&["explain", "--json", "open"]);
    assert_eq!(report.status, 1, "{report}");
    let (open, shut) = (json(&report.stdout), json(&coffer.must(&["explain", "--json", "shut"])));
    assert!(reached(&open).contains(&"take-over"), "{open}");
    assert!(points(&open) + 50 < points(&shut), "{open} {shut}");
    let edges = open["graph"]["edges"].to_string();
    let edge = r#"["has-capability-sys-admin","do-mount-the-host-s-disks-and-file-systems"]"#;
    assert!(edges.contains(edge), "{edges}");
    let gained = coffer.run(&["explain", "diff", "shut", "open"]);
    assert_eq!(gained.status, 1, "{gained}");
    let way = "the host's ids + capability SYS_ADMIN + system call mount → mount the host's disks";
    assert!(gained.stdout.contains(way) && !gained.stdout.contains("\n-"), "{gained}");
    let same = coffer.run(&["explain", "diff", "shut", &name]);
    assert!(!same.stdout.contains("take all memory"), "an image has a limit of memory: {same}");
    coffer.must(&["create", "--name", "hungry", "--memory=-1", &name]);
    let more = coffer.run(&["explain", "diff", &name, "hungry"]);
    assert!(more.stdout.contains("take all memory"), "{more}");
    assert_eq!(coffer.run(&["explain", "diff", "shut", "shut"]).status, 0);
    coffer.must(&["rm", "open", "shut", "hungry"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

/// `coffer ARGUMENTS` as somebody sees it at a terminal with so many columns.
fn at_terminal(coffer: &Coffer, columns: u16, arguments: &[&str]) -> String {
    let inner = coffer.command(arguments);
    let mut command = Command::new("sh");
    command.args(["-c", "stty cols \"$0\" && exec \"$@\" 2>/dev/null"]).arg(columns.to_string());
    command.arg(inner.get_program()).args(inner.get_args());
    coffer.prepare(&mut command);
    let (_, seen) = Terminal::start(&command).ends();
    seen.replace('\r', "")
}

#[test]
fn root_nothing_is_wider_than_the_terminal_and_nothing_is_lost() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let open = ["--privileged", "--yes-really", "--userns=host", "-v", "/srv:/srv"];
    coffer.must(&[&["create", "--name", "open"], &open[..], &[&name]].concat());
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        letters.sort_unstable();
        letters.into_iter().collect::<String>()
    };
    let dry = ["run", "--dry-run", &name, "true"];
    let all: [&[&str]; 4] =
        [&["explain", &name], &["explain", "open"], &["explain", "diff", &name, "open"], &dry];
    for arguments in all {
        let whole = coffer.run(arguments).stdout;
        assert!(whole.lines().any(|line| line.chars().count() > 100), "{whole}");
        for columns in [60, 80] {
            let seen = at_terminal(&coffer, columns, arguments);
            let longest = seen.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(columns), "{longest} of {columns}:\n{seen}");
            assert_eq!(letters(&seen), letters(&whole), "{seen}");
        }
    }
    coffer.must(&["rm", "open"]);
    assert_eq!(coffer.leftovers(), [""; 0]);
}

#[test]
fn root_the_page_needs_nothing_else() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let page = coffer.must(&["explain", "--html", &name]);
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("<svg ") && page.contains("attack the host&#39;s kernel"), "{page}");
    for fetches in ["://", "src=", "<link", "<script", "@import", "url("] {
        assert!(!page.contains(fetches), "{fetches} in {page}");
    }
    // As many lines in the drawing as edges in the data.
    let report = json(&coffer.must(&["explain", "--json", &name]));
    let edges = report["graph"]["edges"].as_array().unwrap().len();
    assert_eq!(page.matches("<path ").count(), edges);
}

#[test]
fn bundles_of_others_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let config = r#"{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":["sh"],
        "cwd":"/","capabilities":{"bounding":["CAP_SYS_ADMIN"],"effective":["CAP_SYS_ADMIN"],
        "permitted":["CAP_SYS_ADMIN"]}},"root":{"path":"rootfs"},
        "mounts":[{"destination":"/s","type":"bind","source":"/run/docker.sock","options":["rbind"]}],
        "linux":{"namespaces":[{"type":"mount"},{"type":"pid"}]}}"#;
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let coffer = Coffer::default();
    let path = folder.path().display().to_string();
    let ran = coffer.run(&["explain", &path]);
    for way in
        ["ask an engine on the host", "mount the host's disks", "the host's network namespace"]
    {
        assert!(ran.stdout.contains(way), "{way}: {ran}");
    }
    assert_eq!(coffer.run(&["explain", "none-such"]).status, 2);
    assert_eq!(coffer.run(&["inspect", "--process", "4194304"]).status, 125);
}

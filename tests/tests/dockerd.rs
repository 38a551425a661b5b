//! Docker as a client: containers on `coffer-oci` and on runc, and archives in both directions.

#![expect(clippy::unwrap_used, reason = "an answer that is no JSON is a failed test")]

use std::process::Stdio;

use coffer_tests::coffer::Coffer;
use coffer_tests::dockerd::{Dockerd, Runtime};
use coffer_tests::image::Recipe;
use coffer_tests::image::catalogue::{BUSYBOX, LAYERED};
use coffer_tests::program;

/// The name of the image in all of them.
const IMAGE: &str = "sea/image:1";

/// dockerd, and coffer, with an image that went from the one to the other.
fn both(recipe: &Recipe) -> (Dockerd, Coffer) {
    let (coffer, id) = Coffer::with(recipe);
    let docker = Dockerd::default();
    coffer.must(&["tag", &id, IMAGE]);
    let archive = coffer.home().with_file_name("saved.tar");
    let archive = archive.to_string_lossy();
    coffer.must(&["save", "--output", &archive, IMAGE]);
    let said = docker.must(&["load", "--input", &archive]);
    assert_eq!(said, format!("Loaded image: {IMAGE}\n"));
    (docker, coffer)
}

#[test]
fn root_docker_runs_what_it_runs_with_runc() {
    if !program::root() {
        return;
    }
    let (docker, _coffer) = both(&BUSYBOX);
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["echo", "a  b", "$HOME"]),
        (&[], &["sh", "-c", "exit 42"]),
        (&[], &["sh", "-c", "kill -9 $$"]),
        (&[], &["sh", "-c", "kill -15 $$; sleep 1"]),
        (&[], &["sh", "-c", "head -c 3000000 /dev/zero | wc -c"]),
        (&["--user", "1000:2000"], &["id"]),
        (&["--workdir", "/usr"], &["pwd"]),
        (&["--env", "A=1 2"], &["sh", "-c", "echo $A"]),
        (&["--hostname", "inside"], &["hostname"]),
        (&["--read-only"], &["sh", "-c", "echo x > /file"]),
        (&["--tmpfs", "/scratch"], &["sh", "-c", "echo x > /scratch/f && cat /scratch/f"]),
        (&[], &["grep", "-E", "Cap|NoNewPrivs|Seccomp:", "/proc/self/status"]),
        (&["--cap-drop", "ALL"], &["grep", "Cap", "/proc/self/status"]),
        (&["--cap-add", "SYS_TIME"], &["grep", "Cap", "/proc/self/status"]),
        (&["--security-opt", "no-new-privileges"], &["grep", "NoNewPrivs", "/proc/self/status"]),
        (&["--security-opt", "seccomp=unconfined"], &["grep", "Seccomp:", "/proc/self/status"]),
        (&["-v", "/etc/hostname:/there:ro"], &["sh", "-c", "echo x > /there"]),
        (&["--pid", "host"], &["sh", "-c", "test $$ -gt 1 && echo shared"]),
        (&["--init"], &["cat", "/proc/1/comm"]),
        (&["--oom-score-adj", "500"], &["cat", "/proc/self/oom_score_adj"]),
        (&["--ulimit", "nofile=64:64"], &["sh", "-c", "ulimit -n"]),
        (&["--memory", "16m"], &["sh", "-c", "head -c 100m /dev/zero | tail"]),
        (&["--sysctl", "net.ipv4.ip_forward=1"], &["cat", "/proc/sys/net/ipv4/ip_forward"]),
        (&[], &["sh", "-c", "cut -d ' ' -f 2 /proc/mounts | grep -v ^/dev/ | sort"]),
    ];
    for (flags, command) in table {
        let line = [&["run", "--rm"], *flags, &[IMAGE], *command].concat();
        let (a, b) = (docker.run(Runtime::Ours, &line), docker.run(Runtime::Runc, &line));
        assert_eq!((a.status, &a.stdout), (b.status, &b.stdout), "{line:?}\n{a}\n{b}");
    }
    for (command, status) in [("no-such-program", 127), ("/etc", 126)] {
        let outcome = docker.run(Runtime::Ours, &["run", "--rm", IMAGE, command]);
        assert!(outcome.failure(status).contains(command));
    }
}

#[test]
fn root_docker_keeps_containers_and_joins_them() {
    if !program::root() {
        return;
    }
    let (docker, _coffer) = both(&BUSYBOX);
    let script = "echo logged; while :; do sleep 1000; done";
    for runtime in [Runtime::Ours, Runtime::Runc] {
        let run = |line: &[&str]| docker.run(runtime, line);
        let flags = ["run", "--detach", "--name", "kept", "--memory", "64m", "--pids-limit", "50"];
        run(&[&flags[..], &[IMAGE, "sh", "-c", script]].concat()).success();
        let table: &[(&[&str], i32, &str)] = &[
            (&["exec", "kept", "sh", "-c", "echo inside; exit 7"], 7, "inside\n"),
            (&["exec", "--user", "1000:2000", "kept", "id", "-u"], 0, "1000\n"),
            (
                &["exec", "-e", "A=1", "-w", "/tmp", "kept", "sh", "-c", "echo $A $PWD"],
                0,
                "1 /tmp\n",
            ),
            (&["inspect", "--format", "{{.State.Status}}", "kept"], 0, "running\n"),
            (&["logs", "kept"], 0, "logged\n"),
            (&["stats", "--no-stream", "--format", "{{.PIDs}}", "kept"], 0, "2\n"),
            (&["pause", "kept"], 0, "kept\n"),
            (&["inspect", "--format", "{{.State.Status}}", "kept"], 0, "paused\n"),
            (&["unpause", "kept"], 0, "kept\n"),
            (&["update", "--memory", "32m", "--memory-swap", "32m", "kept"], 0, "kept\n"),
            (&["stop", "--time", "0", "kept"], 0, "kept\n"),
            (&["wait", "kept"], 0, "137\n"),
            (&["start", "kept"], 0, "kept\n"),
            (&["kill", "kept"], 0, "kept\n"),
            (&["wait", "kept"], 0, "137\n"),
            (&["inspect", "--format", "{{.State.OOMKilled}}", "kept"], 0, "false\n"),
            (&["rm", "kept"], 0, "kept\n"),
        ];
        for (line, status, said) in table {
            let outcome = run(line);
            // Behind it, docker warns of what the host does not have, such as forwarding.
            let first = outcome.stdout.split_inclusive('\n').next().unwrap_or_default();
            assert_eq!((outcome.status, first), (*status, *said), "{line:?}: {outcome}");
        }
    }
}

#[test]
fn root_what_is_typed_and_piped_into_docker_arrives() {
    if !program::root() {
        return;
    }
    let (docker, _coffer) = both(&BUSYBOX);
    let line = ["run", "--rm", "--name", "typed", "-it", IMAGE, "sh"];
    let command = docker.command(Runtime::Ours, &line);
    let mut typist = coffer_tests::terminal::Terminal::start(&command);
    typist.types("test -t 0 && echo a ter''minal\r");
    typist.expects("a terminal");
    typist.types("exit 5\r");
    assert_eq!(typist.ends().0, Some(5));
    let mut piped = docker.command(Runtime::Ours, &["run", "--rm", "-i", IMAGE, "wc", "-c"]);
    let (reader, writer) = std::io::pipe().unwrap();
    let child = piped.stdin(reader).stdout(Stdio::piped()).spawn().unwrap();
    drop(piped);
    std::io::Write::write_all(&mut { writer }, &[b'x'; 200_000]).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200000\n");
}

#[test]
fn root_archives_go_from_coffer_to_docker_and_back() {
    if !program::root() {
        return;
    }
    for recipe in [&BUSYBOX, &LAYERED] {
        let (docker, coffer) = both(recipe);
        let archive = coffer.home().with_file_name("from-docker.tar");
        let archive = archive.to_string_lossy();
        docker.must(&["save", "--output", &archive, IMAGE]);
        let back = Coffer::default();
        assert_eq!(back.must(&["load", "--input", &archive]), format!("Loaded image: {IMAGE}\n"));
        let list = [
            "run",
            "--rm",
            IMAGE,
            "sh",
            "-c",
            "cd / && find . -xdev -not -path './[ps]*' | sort | xargs ls -dln",
        ];
        let sees = |coffer: &Coffer| coffer.must(&list);
        assert_eq!(sees(&back), sees(&coffer));
        let direct = format!("docker-archive:{archive}");
        let said = Coffer::default().must(&["run", "--rm", &direct, "echo", "direct"]);
        assert_eq!(said, "direct\n");
        assert_eq!(settings(&back), settings(&coffer));
    }
}

/// What the image says of its containers: docker adds nothing and loses nothing.
fn settings(coffer: &Coffer) -> serde_json::Value {
    let image: serde_json::Value = serde_json::from_str(&coffer.must(&["inspect", IMAGE])).unwrap();
    image[0]["Config"].clone()
}

/// What `coffer explain` says of a container of docker's own, by the number of its process.
fn explained(docker: &Dockerd, coffer: &Coffer, flags: &[&str]) -> serde_json::Value {
    let run = [&["run", "-d"], flags, &[IMAGE, "sleep", "1000"]].concat();
    let id = docker.run(Runtime::Runc, &run).success();
    let pid = docker.must(&["inspect", "-f", "{{.State.Pid}}", id.trim()]);
    let report = coffer.run(&["explain", "--json", pid.trim()]).stdout;
    docker.must(&["rm", "-f", id.trim()]);
    serde_json::from_str(&report).unwrap()
}

#[test]
fn root_containers_of_dockers_are_explained_by_their_process() {
    if !program::root() {
        return;
    }
    let (docker, coffer) = both(&BUSYBOX);
    let reaches = |report: &serde_json::Value, does: &str| {
        let nodes = report["graph"]["nodes"].as_array().unwrap();
        nodes.iter().any(|node| node["id"] == does)
    };
    let plain = explained(&docker, &coffer, &["--memory", "64m"]);
    assert!(reaches(&plain, "do-make-nodes-of-the-host-s-devices"), "MKNOD: {plain}");
    assert!(reaches(&plain, "do-forge-packets-on-the-container-s-network"), "NET_RAW: {plain}");
    assert!(!reaches(&plain, "take-over") && !reaches(&plain, "do-take-all-memory"), "{plain}");
    let strict = ["--cap-drop", "ALL", "--user", "7", "--security-opt", "no-new-privileges"];
    let strict = explained(&docker, &coffer, &strict);
    assert!(!reaches(&strict, "others") && reaches(&strict, "do-take-all-memory"), "{strict}");
    // Not `--privileged`: a host's root may lack a capability that runc then cannot give.
    let open = ["--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--pid=host"];
    let open = [&open[..], &["--security-opt", "seccomp=unconfined"]].concat();
    let open = explained(&docker, &coffer, &open);
    for does in ["mount-the-host-s-disks-and-file-systems", "trace-processes-of-the-host-s-root"] {
        assert!(reaches(&open, &format!("do-{does}")), "{does}: {open}");
    }
    // Whatever it is called inside, and although nothing can be written there.
    let socket = coffer.home().with_file_name("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let volume = format!("{}:/s:ro", socket.display());
    let asks = explained(&docker, &coffer, &["-v", &volume]);
    let ask = "do-ask-an-engine-on-the-host-for-a-container-with-everything";
    assert!(reaches(&asks, ask), "{asks}");
}

/// The lines of `docker WORDS --help` that begin with a flag or, indented by two, a verb; of each
/// the words before what it says about them.
fn listed(words: &[&str], is_wanted: fn(&str) -> bool) -> Vec<String> {
    let mut docker = std::process::Command::new("docker");
    let help = program::run(docker.args(words).arg("--help")).success();
    let lines = help.lines().filter(|line| is_wanted(line));
    let named = lines.flat_map(|line| line.split_whitespace().take(2));
    let is_flag = |word: &&str| word.starts_with('-') != words.is_empty();
    named.filter(is_flag).map(|word| word.trim_end_matches([',', '*']).to_owned()).collect()
}

#[test]
fn each_flag_and_verb_of_dockers_is_known_or_refused_by_its_name() {
    let coffer = Coffer::default();
    let verbs = [
        "run", "create", "start", "stop", "restart", "kill", "pause", "unpause", "rename", "rm",
        "ps", "exec", "cp", "attach", "logs", "wait", "top", "inspect", "pull", "push", "images",
        "rmi", "tag", "save", "load", "login", "logout",
    ];
    let (mut unknown, mut count) = (Vec::new(), 0);
    for verb in verbs {
        let is_flag = |line: &str| {
            let second = line.trim_start().strip_prefix('-').and_then(|rest| rest.chars().next());
            second.is_some_and(|second| second == '-' || second.is_ascii_alphabetic())
        };
        for flag in listed(&[verb], is_flag) {
            // Without all that the verb needs: nothing is done.
            let ran = coffer.run(&[verb, &flag]);
            if ran.stderr.contains("has no flag") {
                unknown.push(format!("{verb} {flag}"));
            }
            count += 1;
        }
    }
    assert!(count > 200, "docker lists more than {count} flags");
    let is_verb = |line: &str| {
        let word = line.strip_prefix("  ").and_then(|rest| rest.chars().next());
        word.is_some_and(|first| first.is_ascii_lowercase())
    };
    // The second word of such a line is the first of what it says.
    let alone = listed(&[], is_verb).into_iter().step_by(2);
    let below = ["container ls", "container prune", "container cp", "image history", "image prune"];
    for words in alone.chain(below.map(str::to_owned)) {
        let ran = coffer.run(&words.split(' ').collect::<Vec<_>>());
        if ran.stderr.contains("has no verb") {
            unknown.push(words);
        }
    }
    assert_eq!(unknown, [""; 0]);
}

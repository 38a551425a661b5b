//! `coffer stats`: what containers use, in docker's words.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use coffer_tests::coffer::Coffer;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;
use serde_json::Value;

#[test]
fn root_what_containers_use_is_shown() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let work = "while :; do :; done";
    coffer.must(&["run", "-d", "--name", "busy", "-m", "64m", &name, "sh", "-c", work]);
    let two = ["sh", "-c", "sleep 1000 & sleep 1000; true"];
    coffer.must(&[&["run", "-d", "--name", "idle", &name][..], &two].concat());
    coffer.must(&["create", "--name", "still", &name]);

    let json: Value =
        serde_json::from_str(&coffer.must(&["stats", "--no-stream", "--json"])).unwrap();
    let rows = json["containers"].as_array().unwrap();
    let of = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!(rows.len(), 2, "{json}");
    let (busy, idle) = (of("busy"), of("idle"));
    let cpu = |row: &Value| row["cpu_percent"].as_f64().unwrap();
    assert!(cpu(busy) > 1.0 && cpu(busy) > cpu(idle) && cpu(idle) < 5.0, "{json}");
    assert_eq!(busy["usage"]["memory_limit_bytes"], 64 << 20);
    assert!(busy["usage"]["memory_bytes"].as_u64().unwrap() < 64 << 20);
    assert_eq!(idle["usage"]["pids"], 3);
    assert_eq!(idle["usage"]["network"], serde_json::json!([0, 0]));

    let all = coffer.must(&["container", "stats", "--no-stream", "-a"]);
    let mut lines = all.lines();
    assert!(lines.next().unwrap().starts_with("CONTAINER ID   NAME    CPU %"), "{all}");
    let still = lines.find(|line| line.contains("still")).unwrap();
    let still: Vec<&str> = still.split_whitespace().skip(2).collect();
    assert_eq!(still.join(" "), "-- -- / -- -- -- -- --");
    let format = ["stats", "--no-stream", "--format", "{{.Container}} {{.Name}} {{.PIDs}}"];
    assert_eq!(coffer.must(&[&format[..], &["idle"]].concat()), "idle idle 3\n");
    let nobody = coffer.run(&["stats", "--no-stream", "nobody"]).failure(125);
    assert!(nobody.contains("nobody"), "{nobody}");
}

#[test]
fn root_it_is_shown_until_it_ends() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    coffer.must(&["run", "-d", "--name", "box", &name, "sleep", "1000"]);
    let mut stats = coffer.command(&["stats", "box", "--format", "{{.PIDs}}"]);
    let mut stats = stats.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(stats.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "1");
    assert_eq!(lines.next().unwrap().unwrap(), "1");
    coffer.must(&["kill", "box"]);
    assert_eq!(lines.map(Result::unwrap).last().unwrap(), "--");
    assert!(stats.wait().unwrap().success());
    assert_eq!(coffer.leftovers(), [""; 0]);
}

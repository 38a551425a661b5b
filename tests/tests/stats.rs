//! `coffer stats` and `coffer system df`: what containers use and take, in docker's words.

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
    let both = "until [ \"$(pidof sleep | wc -w)\" = 2 ]; do :; done";
    coffer.must(&["exec", "idle", "timeout", "60", "sh", "-c", both]);

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

#[test]
fn root_what_is_kept_is_added_up() {
    if !program::root() {
        return;
    }
    let (coffer, name) = Coffer::with(&BUSYBOX);
    let kinds = || -> Value {
        let json = coffer.must(&["system", "df", "--json"]);
        serde_json::from_str::<Value>(&json).unwrap()["kinds"].take()
    };
    let counts = |kinds: &Value| {
        let row = |row: &Value| (row["total"].as_u64().unwrap(), row["active"].as_u64().unwrap());
        kinds.as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let bytes = |kinds: &Value, at: usize, key: &str| kinds[at][key].as_u64().unwrap();
    let writes = "head -c 3000000 /dev/zero >/file; exec sleep 1000";
    coffer.must(&["run", "-d", "--name", "box", "-v", "kept:/etc", &name, "sh", "-c", writes]);
    let wait = "until [ \"$(stat -c %s /file)\" = 3000000 ]; do :; done";
    coffer.must(&["exec", "box", "timeout", "60", "sh", "-c", wait]);
    let now = kinds();
    assert_eq!(counts(&now), [(1, 1), (1, 1), (1, 1), (1, 1)], "{now}");
    assert!((0..4).all(|at| bytes(&now, at, "reclaimable_bytes") == 0), "{now}");
    assert!(bytes(&now, 2, "bytes") >= 3_000_000, "{now}");

    coffer.must(&["kill", "box"]);
    coffer.must(&["wait", "box"]);
    let ended = kinds();
    assert_eq!(counts(&ended), [(1, 1), (1, 1), (1, 0), (1, 1)], "{ended}");
    assert_eq!(bytes(&ended, 2, "bytes"), bytes(&ended, 2, "reclaimable_bytes"));
    coffer.must(&["rm", "box"]);
    let table = coffer.must(&["system", "df"]);
    assert!(table.starts_with("TYPE            TOTAL   ACTIVE   SIZE"), "{table}");
    assert_eq!(table.matches("(100%)").count(), 3, "{table}");
    coffer.must(&["volume", "rm", "kept"]);
    coffer.must(&["system", "prune", "--all"]);
    let line = coffer.must(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"]);
    assert_eq!(line, "Images 0 0 B\nLayers 0 0 B\nContainers 0 0 B\nLocal Volumes 0 0 B\n");
}

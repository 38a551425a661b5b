//! Kubernetes' way to containers: `crictl`, containerd's CRI, and the handlers of docs/engines.md.

#![expect(clippy::disallowed_methods, reason = "reads /proc of processes that the test made")]
#![expect(clippy::unwrap_used, reason = "helpers of tests: what fails ends the test")]

use std::fs;
use std::time::{Duration, Instant};

use coffer_tests::cri::Cri;
use coffer_tests::program;

/// Says words, and ends with 3 when it is told to.
const LINE: &str = "trap 'exit 3' TERM; echo words; while :; do sleep 0.1; done";

fn parent(pid: i64) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned()
}

#[test]
fn root_a_pod_lives_under_each_handler_of_the_page() {
    if !program::root() {
        return;
    }
    let Some(cri) = Cri::start() else { return };
    for (handler, shim) in [("coffer", "shim-coffer-v1"), ("coffer-runc", "shim-runc-v2")] {
        let pod = cri.pod(handler);
        let (one, two) = (cri.container(&pod, "one", LINE), cri.container(&pod, "two", LINE));
        assert_eq!(cri.must(&["exec", &one, "echo", "inside"]), "inside", "{handler}");
        let five = cri.run(&["exec", "--sync", &one, "sh", "-c", "exit 5"]);
        assert!(five.stderr.contains("exited with 5"), "{five}");
        // The program may write after the first that joins it, and containerd after that.
        let until = Instant::now() + Duration::from_secs(60);
        while cri.must(&["logs", &one]) != "words" {
            assert!(Instant::now() < until, "it never said words");
        }
        let stats: serde_json::Value =
            serde_json::from_str(&cri.must(&["stats", "--output", "json", &one])).unwrap();
        let memory = &stats["stats"][0]["memory"]["workingSetBytes"]["value"];
        assert!(memory.as_str().unwrap().parse::<u64>().unwrap() > 0, "{stats}");
        let pids = [&one, &two].map(|id| cri.inspect(id)["info"]["pid"].as_i64().unwrap());
        let shims = pids.map(parent);
        assert_eq!(shims[0], shims[1], "the containers of a pod share one shim");
        let line = fs::read_to_string(format!("/proc/{}/cmdline", shims[0])).unwrap();
        assert!(line.contains(shim), "{handler}: {line}");
        cri.must(&["stop", "--timeout", "20", &one]);
        let status = &cri.inspect(&one)["status"];
        assert_eq!(
            (&status["exitCode"], &status["state"]),
            (&3.into(), &"CONTAINER_EXITED".into())
        );
        cri.must(&["rm", &one]);
        cri.must(&["stopp", &pod]);
        cri.must(&["rmp", &pod]);
        assert_eq!(cri.must(&["pods", "--quiet"]), "");
        assert!(pids.iter().all(|pid| !fs::exists(format!("/proc/{pid}/exe")).unwrap()));
    }
}

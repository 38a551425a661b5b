//! `coffer explain` of Kubernetes manifests. What is read from which field is in `lib/kube`.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use coffer_tests::coffer::Coffer;
use serde_json::Value;

const STRICT: &str = "apiVersion: v1
kind: Pod
metadata: {name: strict}
spec:
  hostUsers: false
  automountServiceAccountToken: false
  containers:
  - name: app
    image: shop/web:1.4
    resources: {limits: {memory: 64Mi}}
    securityContext:
      runAsUser: 1000
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
";

const OPEN: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      volumes: [{name: engine, hostPath: {path: /var/run/docker.sock}}]
      initContainers: [{name: init, image: busybox}]
      containers:
      - name: app
        image: shop/web:1.3
        volumeMounts: [{name: engine, mountPath: /s, readOnly: true}]
        securityContext: {privileged: true}
---
apiVersion: v1
kind: Service
metadata: {name: web}
";

/// A folder with both, and the paths of its files.
fn manifests() -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (strict, open) = (write("strict.yaml", STRICT), write("open.yml", OPEN));
    (folder, strict, open)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_pod_is_explained_in_the_words_of_kubernetes() {
    let (_folder, strict, open) = manifests();
    let coffer = Coffer::default();
    let ran = coffer.run(&["explain", &strict]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "nothing was opened: {ran}");
    assert!(ran.stdout.contains("Pod/strict/app  shop/web:1.4"), "{ran}");
    assert!(!ran.stdout.contains("--"), "no flag of coffer's closes anything here: {ran}");
    let ran = coffer.run(&["explain", &open]);
    assert_eq!(ran.status, 1, "{ran}");
    assert!(ran.stderr.contains("no pods were looked for in Service"), "{ran}");
    for line in [
        "Deployment/web/init  busybox",
        "Deployment/web/app  shop/web:1.3",
        "from: privileged: true",
        "the socket of an engine → ask an engine on the host",
        "stronger: automountServiceAccountToken: false",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} in {ran}");
    }
}

#[test]
fn manifests_are_data_pages_and_differences_too() {
    let (_folder, strict, open) = manifests();
    let coffer = Coffer::default();
    let report = json(&coffer.run(&["explain", "--json", &open]).stdout);
    let names: Vec<&str> = report["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|container| container["container"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Deployment/web/init", "Deployment/web/app"]);
    let page = coffer.run(&["explain", "--html", &open]).stdout;
    assert_eq!(page.matches("<svg ").count(), 2, "a drawing for each");
    let app = format!("{open}#app");
    let one = json(&coffer.run(&["explain", "--json", &app]).stdout);
    assert_eq!(one["score"], report["containers"][1]["score"]);
    let ran = coffer.run(&["explain", "diff", &strict, &app]);
    assert_eq!(ran.status, 1, "{ran}");
    assert!(ran.stdout.contains("mount the host's disks") && !ran.stdout.contains("\n-"), "{ran}");
    assert_eq!(coffer.run(&["explain", "diff", &strict, &strict]).status, 0);
}

#[test]
fn what_cannot_be_meant_is_said() {
    let (folder, strict, open) = manifests();
    let coffer = Coffer::default();
    let fails = |name: &str, said: &str| {
        let ran = coffer.run(&["explain", "diff", name, &strict]);
        assert!(ran.status == 2 && ran.stderr.contains(said), "{said:?} in {ran}");
        assert!(ran.stderr.contains("--> ") && ran.stdout.is_empty(), "{ran}");
    };
    fails(&open, "name one after a #: Deployment/web/init, Deployment/web/app");
    fails(&format!("{open}#none"), "there is no container \"none\"");
    let wrong = folder.path().join("wrong.yaml");
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(&wrong, STRICT.replace("capabilities", "capabilites")).unwrap();
    fails(&wrong.display().to_string(), "securityContext.capabilites (line 14) is no field");
}

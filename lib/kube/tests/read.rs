//! What manifests are read as, and what is refused.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use coffer_confine::capability::{CapSet, Capability};
use coffer_confine::posture::{
    Access, Calls, Consequence, Covers, HostPath, Label, Limited, Posture, Root, SetId, Token,
};
use coffer_kube::{Fence, ManifestError, read};
use coffer_oci::runtime::NamespaceKind;
use proptest::prelude::*;

/// A pod with one container; `pod` and `container` are further lines of each.
fn pod(pod: &str, container: &str) -> String {
    let deep = |lines: &str, by: usize| -> String {
        lines.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n{}  containers:\n  - name: app\n    image: shop/web:1\n{}",
        deep(pod, 2),
        deep(container, 4)
    )
}

fn one(text: &str) -> Fence {
    let mut fences = read(text.as_bytes()).unwrap().fences;
    assert_eq!(fences.len(), 1, "{fences:?}");
    fences.remove(0)
}

fn posture(of_pod: &str, of_container: &str) -> Posture {
    one(&pod(of_pod, of_container)).posture
}

fn error(of_pod: &str, of_container: &str) -> String {
    read(pod(of_pod, of_container).as_bytes()).unwrap_err().to_string()
}

fn reaches(posture: &Posture, consequence: Consequence) -> bool {
    posture.score().reached.iter().any(|reached| reached.consequence == consequence)
}

#[test]
fn silence_is_kubernetes_default() {
    let silent = posture("", "");
    assert_eq!(
        (silent.root, silent.set_id, &silent.calls),
        (Root::Host, SetId::Works, &Calls::All)
    );
    assert_eq!(silent.capabilities.iter().count(), 14);
    assert!(silent.capabilities.has(Capability::NetRaw));
    assert_eq!((silent.system_paths, silent.token), (Covers::There, Token::Mounted));
    assert_eq!((silent.limits.memory, silent.label), (Limited::No, Label::None));
    assert!(!silent.own.contains(&NamespaceKind::User));
    assert!(silent.own.contains(&NamespaceKind::Pid));
}

/// The pod of the "restricted" standard, with what it leaves open closed as well.
const STRICT: [&str; 2] = [
    "hostUsers: false\nautomountServiceAccountToken: false\nsecurityContext:\n  runAsNonRoot: true\n  runAsUser: 1000\n  seccompProfile: {type: RuntimeDefault}",
    "resources: {limits: {memory: 64Mi}}\nsecurityContext:\n  allowPrivilegeEscalation: false\n  readOnlyRootFilesystem: true\n  capabilities: {drop: [ALL]}\n  appArmorProfile: {type: RuntimeDefault}",
];

#[test]
fn the_strictest_pod_reaches_the_kernel_and_the_kubelets_limits() {
    let strict = posture(STRICT[0], STRICT[1]);
    assert_eq!((strict.root, strict.capabilities), (Root::Range, CapSet::EMPTY));
    let reached: Vec<Consequence> =
        strict.score().reached.iter().map(|reached| reached.consequence).collect();
    assert_eq!(reached, [Consequence::AttackKernel, Consequence::Disturb, Consequence::Learn]);
    // The word of the container comes before the pod's.
    let other = format!("{}\n  seccompProfile: {{type: Unconfined}}\n  runAsUser: 0", STRICT[1]);
    let weaker = posture(STRICT[0], &other);
    assert_eq!(weaker.calls, Calls::All);
    assert!(weaker.score().points <= strict.score().points);
}

#[test]
fn a_user_that_never_becomes_root_is_not_the_nodes_root() {
    let nobody = "securityContext: {runAsUser: 7, allowPrivilegeEscalation: false}";
    assert_eq!(posture("", nobody).root, Root::Nobody);
    for root in [
        "securityContext: {runAsUser: 7}",
        "securityContext: {runAsUser: 0, allowPrivilegeEscalation: false}",
        "securityContext: {allowPrivilegeEscalation: false}",
    ] {
        assert_eq!(posture("", root).root, Root::Host, "{root}");
    }
}

#[test]
fn privileged_opens_everything_whatever_stands_beside_it() {
    let open = "securityContext:\n  privileged: true\n  seccompProfile: {type: RuntimeDefault}\n  capabilities: {drop: [ALL]}\n  appArmorProfile: {type: RuntimeDefault}";
    let open = posture("", open);
    assert_eq!((open.capabilities, &open.calls), (CapSet::ALL, &Calls::All));
    assert_eq!((open.system_paths, &open.label), (Covers::None, &Label::None));
    assert!(!open.own.contains(&NamespaceKind::Cgroup) && !open.devices.is_empty());
    assert!(reaches(&open, Consequence::TakeOver));
}

#[test]
fn what_a_pod_shares_is_shared() {
    for (field, kind) in [
        ("hostNetwork", NamespaceKind::Network),
        ("hostNetwork", NamespaceKind::Uts),
        ("hostPID", NamespaceKind::Pid),
        ("hostIPC", NamespaceKind::Ipc),
    ] {
        assert!(!posture(&format!("{field}: true"), "").own.contains(&kind), "{field}");
        assert!(posture(&format!("{field}: false"), "").own.contains(&kind), "{field}");
    }
}

#[test]
fn capabilities_are_those_that_containerd_gives() {
    let given = |add: &str, drop: &str| {
        let lists = format!("capabilities: {{add: [{add}], drop: [{drop}]}}");
        posture("", &format!("securityContext:\n  {lists}")).capabilities
    };
    let default = given("", "");
    assert_eq!(given("", "ALL"), CapSet::EMPTY);
    assert_eq!(given("NET_ADMIN", "ALL"), CapSet::of(&[Capability::NetAdmin]));
    assert_eq!(given("CAP_BPF", ""), default.union(CapSet::of(&[Capability::Bpf])));
    assert_eq!(given("ALL", "BPF"), CapSet::ALL.minus(CapSet::of(&[Capability::Bpf])));
    assert_eq!(given("BPF", "BPF"), default);
    assert_eq!(given("ALL", "ALL"), CapSet::EMPTY);
}

#[test]
fn a_mount_names_a_volume_of_the_pod() {
    let volumes = "volumes:\n- {name: tmp, emptyDir: {}}";
    for (list, place) in [
        (
            "volumeMounts:\n- {name: tmp, mountPath: /t}\n- {name: pmt, mountPath: /p}",
            "volumeMounts[1].name",
        ),
        ("volumeDevices:\n- {name: disk, devicePath: /dev/d}", "volumeDevices[0].name"),
    ] {
        let said = error(volumes, list);
        let path = format!("spec.containers[0].{place}");
        assert!(said.starts_with(&path) && said.contains("one of the pod's volumes"), "{said}");
    }
    // A stateful set's claims stand outside of its pod, and win over a volume of their name.
    let set = |claim: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db}}\nspec:\n  \
             volumeClaimTemplates: [{{metadata: {{name: {claim}}}}}]\n  template:\n    spec:\n      \
             volumes: [{{name: etc, hostPath: {{path: /etc}}}}]\n      \
             containers: [{{name: a, image: b, volumeMounts: [{{name: etc, mountPath: /e}}, \
             {{name: data, mountPath: /d}}]}}]\n"
        )
    };
    assert_eq!(one(&set("data")).posture.host_paths[0].path, "/etc");
    let refused = read(set("etc").as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("volumeMounts[1].name"), "{refused}");
}

#[test]
fn paths_of_the_node_count_where_they_are_mounted() {
    let volumes = "volumes:\n- {name: etc, hostPath: {path: /etc, type: Directory}}\n- {name: tmp, emptyDir: {}}";
    let mounts = |more: &str| {
        format!(
            "volumeMounts:\n- {{name: etc, mountPath: /e{more}}}\n- {{name: tmp, mountPath: /t}}"
        )
    };
    let given = |more: &str| posture(volumes, &mounts(more)).host_paths;
    let path = |path: &str, access| vec![HostPath { path: path.to_owned(), access }];
    assert_eq!(given(""), path("/etc", Access::Write));
    assert_eq!(given(", readOnly: true"), path("/etc", Access::Read));
    assert_eq!(given(", subPath: cron.d"), path("/etc/cron.d", Access::Write));
    assert_eq!(posture(volumes, "").host_paths, []);
    assert!(reaches(&posture(volumes, &mounts("")), Consequence::TakeOver));
}

#[test]
fn labels_filters_and_limits_are_read() {
    let label = |security: &str| posture("", &format!("securityContext: {{{security}}}")).label;
    let held = |name: &str| Label::Held(name.to_owned());
    assert_eq!(label("appArmorProfile: {type: Localhost, localhostProfile: web}"), held("web"));
    assert_eq!(label("appArmorProfile: {type: Unconfined}"), Label::None);
    assert_eq!(label("seLinuxOptions: {type: web_t, level: s0}"), held("web_t"));
    assert_eq!(label("seLinuxOptions: {type: spc_t}"), Label::None);
    let local = "securityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}}";
    assert_eq!(posture("", local).calls, Calls::Unreadable);
    let unmasked = "securityContext: {procMount: Unmasked}";
    assert_eq!(posture("hostUsers: false", unmasked).system_paths, Covers::None);
    let memory = |pod: &str, own: &str| posture(pod, own).limits.memory;
    assert_eq!(memory("", "resources: {limits: {memory: 1Gi}}"), Limited::Yes);
    assert_eq!(memory("resources: {limits: {memory: 1Gi}}", ""), Limited::Yes);
    assert_eq!(memory("", "resources: {requests: {memory: 1Gi}}"), Limited::No);
    assert_eq!(memory("", "resources: {limits: {memory: 0}}"), Limited::No);
    let device = posture("", "resources: {limits: {nvidia.com/gpu: 1}}");
    assert_eq!(device.devices, ["nvidia.com/gpu"]);
}

/// The annotation that stood for `appArmorProfile` is still honoured by kubelets.
#[test]
fn an_apparmor_annotation_is_read() {
    let text = pod("", "").replace(
        "{name: web}",
        "{name: web, annotations: {container.apparmor.security.beta.kubernetes.io/app: localhost/x}}",
    );
    assert_eq!(one(&text).posture.label, Label::Held("x".to_owned()));
}

#[test]
fn every_kind_with_a_pod_in_it_is_found() {
    let spec = "spec: {containers: [{name: a, image: b}], initContainers: [{name: c, image: d}]}";
    let template = format!("{{template: {{{spec}}}}}");
    let kind = |group: &str, kind: &str, spec: &str| {
        format!("apiVersion: {group}\nkind: {kind}\nmetadata: {{name: n}}\n{spec}\n")
    };
    let mut all = kind("v1", "Pod", spec);
    for (group, name) in [
        ("v1", "ReplicationController"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "ReplicaSet"),
        ("batch/v1", "Job"),
    ] {
        all += &format!("---\n{}", kind(group, name, &format!("spec: {template}")));
    }
    let cron = format!("spec: {{jobTemplate: {{spec: {template}}}}}");
    all += &format!("---\n{}", kind("batch/v1", "CronJob", &cron));
    all += "---\n# nothing\n---\napiVersion: v1\nkind: Service\n---\n";
    all +=
        &format!("apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: Pod, {spec}}}\n");
    all += "---\napiVersion: batch.volcano.sh/v1\nkind: Job\n";
    let manifest = read(all.as_bytes()).unwrap();
    let names: Vec<&str> = manifest.fences.iter().map(|fence| fence.name.as_str()).collect();
    assert_eq!(names.len(), 18, "{names:?}");
    assert_eq!(
        names[..4],
        ["Pod/n/c", "Pod/n/a", "ReplicationController/n/c", "ReplicationController/n/a"]
    );
    assert_eq!(names[16..], ["Pod/…/c", "Pod/…/a"]);
    assert_eq!(manifest.others, ["Service", "Job"]);
}

#[test]
fn what_kubernetes_would_refuse_or_pass_over_is_refused_with_its_place() {
    for (of_pod, of_container, message) in [
        (
            "hostPid: true",
            "",
            "spec.hostPid (line 5) is no field of Kubernetes; did you mean hostPID?",
        ),
        ("", "securtyContext: {}", "spec.containers[0].securtyContext (line 8) is no field"),
        (
            "",
            "securityContext: {privileged: 1}",
            "privileged (line 8) is `1`, and should be true or false",
        ),
        (
            "",
            "securityContext: {privileged: \"true\"}",
            "is the text \"true\", and should be true or false",
        ),
        ("", "securityContext: {runAsUser: 010}", "is `010`, and should be a number"),
        ("", "securityContext: {runAsUser: -1}", "is `-1`, and should be a number"),
        ("", "securityContext: {runAsUser: 2147483648}", "should be at most 2147483647"),
        ("", "securityContext: {capabilities: {add: [NET_ADMN]}}", "add[0] (line 8) is `NET_ADMN`"),
        (
            "",
            "securityContext: {seccompProfile: {type: Runtime}}",
            "should be RuntimeDefault or Localhost or Unconfined",
        ),
        (
            "",
            "securityContext: {seccompProfile: {type: Localhost}}",
            "seccompProfile.localhostProfile (line 8) is missing",
        ),
        (
            "",
            "securityContext: {seccompProfile: {type: Unconfined, localhostProfile: a}}",
            "cannot be set beside type: Unconfined",
        ),
        (
            "",
            "securityContext: {privileged: true, allowPrivilegeEscalation: false}",
            "cannot be false beside privileged: true",
        ),
        ("", "securityContext: {procMount: None}", "should be Default or Unmasked"),
        ("", "resources: {limits: {memory: lots}}", "limits.memory (line 8) is `lots`"),
        ("", "ports: [{containerPort: 1, hostPort: 65536}]", "should be at most 65535"),
        ("hostUsers: false\nhostPID: true", "", "cannot be false beside hostNetwork"),
        ("volumes: [{name: a, hostPath: {path: /a/../etc}}]", "", "should be a path without .."),
        ("volumes: [{name: a, hostpath: {path: /a}}]", "", "did you mean hostPath?"),
        (
            "securityContext: {sysctls: [{name: kernel.panic, value: '1'}]}",
            "",
            "no namespace separates it",
        ),
        ("os: {name: windows}", "", "should be linux"),
        ("hostPID: true\nhostPID: false", "", "line 6: \"hostPID\" stands twice"),
        ("<<: {hostPID: true}", "", "line 5: a merge key cannot be read here"),
        ("hostPID: !!bool true", "", "line 5: a tag cannot be read here"),
    ] {
        let error = error(of_pod, of_container);
        assert!(error.contains(message), "{error}\nshould have {message}");
    }
    assert_eq!(read(b"\xff"), Err(ManifestError::Encoding));
    assert_eq!(read(b"---\n"), Err(ManifestError::NoPod(Vec::new())));
    assert!(matches!(read(b"a: [b"), Err(ManifestError::Yaml { .. })));
}

/// Kubernetes' parser is YAML 1.1's: `yes` opens as `true` does.
#[test]
fn truth_is_what_kubernetes_takes_for_it() {
    for word in ["yes", "On", "TRUE", "y"] {
        assert!(!posture(&format!("hostPID: {word}"), "").own.contains(&NamespaceKind::Pid));
    }
    assert!(posture("hostPID: off", "").own.contains(&NamespaceKind::Pid));
    assert!(posture("hostPID: null", "").own.contains(&NamespaceKind::Pid));
}

#[test]
fn aliases_stand_for_what_they_name_and_no_bomb_goes_off() {
    let aliased = pod(
        "volumes: [{name: a, hostPath: &h {path: /etc}}, {name: b, hostPath: *h}]",
        "volumeMounts: [{name: b, mountPath: /b}]",
    );
    assert_eq!(one(&aliased).posture.host_paths[0].path, "/etc");
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for i in 1..60 {
        bomb += &format!("a{i}: &a{i} [*a{}, *a{}]\n", i - 1, i - 1);
    }
    assert!(matches!(read(bomb.as_bytes()), Err(ManifestError::Large { what: "values", .. })));
    let deep = "[".repeat(5000);
    assert!(read(deep.as_bytes()).is_err());
    let nested: String = (0..3000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(matches!(read(nested.as_bytes()), Err(ManifestError::Large { what: "levels", .. })));
    assert!(matches!(
        read(b"a: &a [*a]"),
        Err(ManifestError::Form { .. } | ManifestError::Yaml { .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_text_of_yaml_is_answered(text in "[a-z\\[\\]{}:,&*!|>'\"#% \n-]{0,200}") {
        let _ = read(text.as_bytes());
    }

    /// A manifest with one letter changed is refused, or read without a panic.
    #[test]
    fn any_change_is_answered(at in 0usize..600, byte in any::<u8>()) {
        let mut text = pod(STRICT[0], STRICT[1]).into_bytes();
        let at = at % text.len();
        text[at] = byte;
        let _ = read(&text);
    }
}

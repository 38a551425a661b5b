//! Pods and `play kube`: what podman does with control groups, which the host of the tests may lack.

use coffer_tests::bed::Variant;
use coffer_tests::image::catalogue::BUSYBOX;
use coffer_tests::program;

use super::told;

/// podman, and a wait for what comes when it comes.
pub(crate) const PODMAN: &str = r#"
set -eu
cd "$HOME"
podman() {
    command podman --storage-driver overlay --events-backend none --cgroup-manager systemd \
        --runtime /tmp/coffer-oci --conmon /host/podman/conmon "$@"
}
until_says() { # WORD COMMAND
    word=$1; shift
    for _ in $(seq 300); do test "$("$@")" = "$word" && return; sleep 0.2; done
    echo "never $word: $("$@")"; exit 1
}
"#;

/// A pod's life, by hand and from a file of Kubernetes'.
const PODS: &str = r#"
cat > /tmp/kube.yaml <<END
apiVersion: v1
kind: Pod
metadata: {name: kube}
spec:
  hostNetwork: true
  containers:
  - name: writer
    image: localhost/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, 'echo from-writer > /data/word; exec sleep 1000']
    volumeMounts: [{name: data, mountPath: /data}]
    resources: {limits: {memory: 64Mi}}
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
  - name: reader
    image: localhost/busybox:latest
    imagePullPolicy: Never
    command: [sleep, '1000']
    volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
    livenessProbe: {exec: {command: [test, -e, /data/word]}}
  volumes: [{name: data, emptyDir: {}}]
END
image=$(podman pull -q oci:/host/busybox:latest)
podman tag $image localhost/busybox:latest
podman create --name idle --network none $image > /dev/null
podman commit -q --change 'CMD ["sleep", "100000"]' idle localhost/pause:latest > /dev/null
podman rm idle > /dev/null
podman pod create --name pod --network none --hostname together > /dev/null
podman run -d --pod pod --name a $image sleep 1000 > /dev/null
podman run --rm --pod pod $image hostname
podman run -d --pod pod --name b --pid container:a $image sleep 1001 > /dev/null
podman exec b sh -c 'ps | grep -c "sleep 100[01]$"'
podman exec b sh -c 'test $(readlink /proc/1/ns/ipc) = $(readlink /proc/self/ns/ipc)'
podman pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'
podman top a comm args
podman pod stats --no-stream --format '{{.Name}}' pod | sort
podman pod pause pod > /dev/null
podman ps -a --format '{{.Names}} {{.Status}}' | grep -v infra | cut -c1-8 | sort
podman pod unpause pod > /dev/null
podman pod stop -t 0 pod > /dev/null
podman pod start pod > /dev/null
podman exec a true
podman pod rm -f -t 0 pod > /dev/null
podman play kube /tmp/kube.yaml > /dev/null
until_says from-writer podman exec kube-reader cat /data/word
podman exec kube-writer sh -c 'cat /sys/fs/cgroup/memory.max; grep CapEff /proc/self/status'
podman exec kube-writer touch /root-is-sealed 2>&1 | grep -o 'Read-only file system'
podman play kube --down /tmp/kube.yaml > /dev/null
podman ps -aq
"#;

#[test]
fn bed_systemd_podman_has_pods() {
    if program::root() {
        let script = format!("{PODMAN}{PODS}");
        let said = told(Variant::Systemd, "HOME=/root", &[&BUSYBOX], &script);
        assert!(said.starts_with("together\n2\npod Running 3\n"), "{said}");
        let fenced = "67108864\nCapEff:\t0000000000000000\nRead-only file system\n";
        assert!(said.ends_with(fenced), "{said}");
    }
}

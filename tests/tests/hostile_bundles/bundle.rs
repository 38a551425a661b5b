//! A bundle of busybox beside a folder of the host's that nothing may change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use coffer_tests::coffer;
use coffer_tests::program::{self, Outcome};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What stands in the host's files.
pub(crate) const SECRET: &str = "the host's secret";

/// Kind, mode, owner, number and content of everything below a folder.
type Tree = BTreeMap<PathBuf, (u32, u32, u64, Vec<u8>)>;

pub(crate) struct Bundle {
    folder: TempDir,
    pub(crate) config: Value,
    before: Tree,
}

impl Bundle {
    /// A bundle whose process is `script`, with what `runc spec` writes, and the capabilities that
    /// docker gives.
    pub(crate) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("host");
        fs::create_dir_all(host.join("deeper")).unwrap();
        for name in ["secret", "ptmx", "deeper/secret"] {
            fs::write(host.join(name), SECRET).unwrap();
        }
        let rootfs = folder.path().join("bundle/rootfs");
        for name in ["bin", "dev", "proc", "sys", "etc", "tmp", "vol"] {
            fs::create_dir_all(rootfs.join(name)).unwrap();
        }
        program::copy("/bin/busybox".as_ref(), &rootfs.join("bin/busybox"));
        for name in program::must("/bin/busybox", ["--list"]).lines().filter(|n| *n != "busybox") {
            symlink("busybox", rootfs.join("bin").join(name)).unwrap();
        }
        symlink(coffer::binary(), folder.path().join("coffer-oci")).unwrap();
        let before = tree(&host);
        Self { folder, config: config(script), before }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A name that no other bundle has, since its control groups are called so.
    pub(crate) fn id(&self) -> String {
        let name = self.path().file_name().unwrap().to_string_lossy();
        format!("hostile-{}", name.trim_start_matches('.'))
    }

    /// The folder of the host's.
    pub(crate) fn host(&self) -> PathBuf {
        self.path().join("host")
    }

    pub(crate) fn rootfs(&self) -> PathBuf {
        self.path().join("bundle/rootfs")
    }

    /// Puts a copy of the runtime with these permissions in its place: what could be overwritten
    /// is the test's own.
    pub(crate) fn own_runtime(&self, mode: u32) -> PathBuf {
        let runtime = self.path().join("coffer-oci");
        fs::remove_file(&runtime).unwrap();
        program::copy(&coffer::binary(), &runtime);
        fs::set_permissions(&runtime, fs::Permissions::from_mode(mode)).unwrap();
        runtime
    }

    /// Puts a link in the image's place of `path`.
    pub(crate) fn relink(&self, path: &str, to: impl AsRef<Path>) {
        let place = self.rootfs().join(path);
        if fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir()) {
            fs::remove_dir_all(&place).unwrap();
        }
        drop(fs::remove_file(&place));
        symlink(to, place).unwrap();
    }

    /// Takes a mount away from the bundle.
    pub(crate) fn without_mount(&mut self, destination: &str) {
        let mounts = self.config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with(destination));
    }

    /// Adds a mount at the end.
    pub(crate) fn mount(&mut self, mount: Value) {
        self.config["mounts"].as_array_mut().unwrap().push(mount);
    }

    /// Adds a bind mount of something of the host's.
    pub(crate) fn bind(&mut self, source: &Path, destination: &str) {
        self.mount(json!({
            "type": "bind", "source": source, "destination": destination, "options": ["rbind", "rw"],
        }));
    }

    /// `coffer-oci ARGUMENTS` in a mount namespace of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let config = self.path().join("bundle/config.json");
        fs::write(config, self.config.to_string()).unwrap();
        let mut command = Command::new("timeout");
        command.args(["60", "unshare", "--mount", "--propagation", "private"]);
        command.arg(self.path().join("coffer-oci")).arg("--root").arg(self.path().join("state"));
        command.args(arguments).current_dir(self.path().join("bundle"));
        command
    }

    pub(crate) fn oci(&self, arguments: &[&str]) -> Outcome {
        program::run(&mut self.command(arguments))
    }

    /// Runs the bundle to its end.
    pub(crate) fn run(&self) -> Outcome {
        self.oci(&["run", &self.id()])
    }

    /// Runs a bundle that must be refused before anything of it runs.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        let outcome = self.run();
        assert!(outcome.status != 0 && !outcome.stdout.contains("inside"), "{outcome}");
        self.untouched();
        outcome.stderr
    }

    /// Checks that the host has what it had, and that no container is left.
    #[track_caller]
    pub(crate) fn untouched(&self) {
        assert_eq!(tree(&self.host()), self.before);
        let left: Vec<_> = match fs::read_dir(self.path().join("state")) {
            Ok(entries) => entries.map(|entry| entry.unwrap().file_name()).collect(),
            Err(_) => Vec::new(),
        };
        assert!(left.is_empty(), "{left:?}");
    }

    /// `path` of the host's as a relative link that climbs to it from anywhere in the image.
    pub(crate) fn climb(path: &Path) -> PathBuf {
        Path::new(&"../".repeat(20)).join(path.strip_prefix("/").unwrap())
    }
}

fn tree(folder: &Path) -> Tree {
    let mut found = BTreeMap::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(path) = ahead.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let content = match meta.is_file() {
            true => fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        found.insert(path, (meta.permissions().mode(), meta.uid(), meta.ino(), content));
    }
    found
}

fn config(script: &str) -> Value {
    let capabilities = json!([
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]);
    let tmpfs = |destination: &str, size: &str| {
        json!({
            "destination": destination, "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "noexec", "nodev", "mode=755", size],
        })
    };
    json!({
        "ociVersion": "1.2.0",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/bin/sh", "-c", script],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
        },
        "root": { "path": "rootfs", "readonly": false },
        "hostname": "hostile",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            tmpfs("/dev", "size=65536k"),
            {
                "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
            },
            tmpfs("/dev/shm", "size=65536k"),
            {
                "destination": "/sys", "type": "sysfs", "source": "sysfs",
                "options": ["nosuid", "noexec", "nodev", "ro"],
            },
        ],
        "linux": {
            "namespaces": [
                { "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" },
                { "type": "mount" }, { "type": "cgroup" },
            ],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

#[test]
fn root_a_harmless_bundle_runs() {
    if !program::root() {
        return;
    }
    let bundle = Bundle::new("echo inside; stat -f -c %T /proc; ls -d /host /vol");
    let outcome = bundle.run();
    assert!(outcome.stdout.starts_with("inside\nproc\n/vol\n"), "{outcome}");
    bundle.untouched();
}

//! podman with a storage of its own, in a mount namespace that it can work in here.
//!
//! It wants a control group hierarchy of version 2 alone, and default limits that a root without
//! `CAP_SYS_RESOURCE` may not set: it gets the first on a mount of its own and no limits.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::coffer::binary;
use crate::engines;
use crate::group;
use crate::program::{self, Outcome};

/// Flags of every `podman run`: the same network as coffer's default, no pid limit.
const RUN: &[&str] = &[
    "--network=none",
    "--cgroups=disabled",
    "--ulimit=nofile=1024:1024",
    "--ulimit=nproc=1024:1024",
];

/// What podman has to be told of a runtime that it does not know by name.
const OURS: &str = "[engine]
runtime_supports_json = [\"coffer-oci\", \"crun\"]
runtime_supports_nocgroup = [\"coffer-oci\", \"crun\"]
";

/// How root becomes an ordinary user with sub-ids: as [`Coffer::of_user`](crate::coffer::Coffer),
/// and with a folder for podman's state, from where its configuration too is read.
const AS_USER: &str = "
    mount -t cgroup2 none /sys/fs/cgroup
    mount --bind \"$0\" /mnt
    for file in passwd group subuid subgid; do mount --bind /mnt/etc/$file /etc/$file; done
    cd /mnt/home
    exec setpriv --reuid 47111 --regid 47111 --clear-groups --inh-caps=-all \\
        env HOME=/mnt/home USER=diver XDG_RUNTIME_DIR=/mnt/run podman \"$@\"
";

/// That user's id, on no machine before.
const USER: u32 = 47_111;

/// Who runs podman.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Whoever runs the tests.
    Tester,
    /// Somebody else.
    User,
}

/// Where podman keeps images and containers for one test.
#[derive(Debug)]
pub struct Podman {
    folder: TempDir,
    runtime: PathBuf,
    caller: Caller,
    /// Below which its containers have their control groups, where they have any: other tests'
    /// podman has another.
    group: String,
}

/// How many there were in this process.
static PODMANS: AtomicU32 = AtomicU32::new(0);

impl Default for Podman {
    fn default() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            runtime: "crun".into(),
            caller: Caller::Tester,
            group: format!(
                "coffer-test-podman-{}-{}",
                std::process::id(),
                PODMANS.fetch_add(1, Ordering::Relaxed)
            ),
        }
    }
}

impl Podman {
    /// podman that calls `coffer-oci`.
    ///
    /// # Panics
    /// Its configuration cannot be written.
    #[must_use]
    pub fn with_ours() -> Self {
        let mut podman = Self::with_crun();
        let runtime = podman.folder.path().join("coffer-oci");
        symlink(binary(), &runtime).unwrap();
        podman.runtime = runtime;
        podman
    }

    /// podman that is configured as docs/engines.md says, and told nothing on its command line.
    ///
    /// # Panics
    /// Its configuration cannot be written.
    #[must_use]
    pub fn as_documented() -> Self {
        let mut podman = Self::default();
        podman.runtime = PathBuf::new();
        let programs = crate::daemon::programs(podman.folder.path());
        let configuration = engines::lines("podman", "toml", &programs);
        fs::write(podman.folder.path().join("containers.conf"), configuration).unwrap();
        podman
    }

    /// podman that calls crun, configured as for `coffer-oci`: a configuration of one's own takes
    /// the distribution's place, with its list of capabilities.
    ///
    /// # Panics
    /// Its configuration cannot be written.
    #[must_use]
    pub fn with_crun() -> Self {
        let podman = Self::default();
        fs::write(podman.folder.path().join("containers.conf"), OURS).unwrap();
        podman
    }

    /// The same podman for an ordinary user, without root.
    ///
    /// # Panics
    /// His files cannot be written.
    #[must_use]
    pub fn of_user(mut self) -> Self {
        let folder = self.folder.path();
        let etc = folder.join("etc");
        for name in ["etc", "home", "run"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        for name in ["home", "run"] {
            chown(folder.join(name), Some(USER), Some(USER)).unwrap();
        }
        fs::set_permissions(folder.join("run"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        let accounts = [("passwd", "::/mnt/home:/bin/sh"), ("group", "")];
        for (name, rest) in accounts {
            let host = fs::read_to_string(Path::new("/etc").join(name)).unwrap();
            let own = format!(
                "{host}diver:x:{USER}{}{rest}\n",
                if name == "passwd" { format!(":{USER}") } else { ":".into() }
            );
            fs::write(etc.join(name), own).unwrap();
        }
        for name in ["subuid", "subgid"] {
            fs::write(etc.join(name), "diver:1900000000:65536\n").unwrap();
        }
        // A link would lead to where this user may not look.
        let mut runtime = self.runtime.clone();
        if runtime.is_absolute() {
            program::copy(&binary(), &folder.join("home/coffer-oci"));
            runtime = "/mnt/home/coffer-oci".into();
        }
        self.runtime = runtime;
        self.caller = Caller::User;
        self
    }

    /// `podman ARGUMENTS`, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        if self.caller == Caller::User {
            command.args(["--mount", "--propagation", "private", "sh", "-ec", AS_USER]);
            command.arg(self.folder.path()).env("CONTAINERS_CONF", "/mnt/containers.conf");
            return self.with_arguments(command, arguments);
        }
        command.args(["--mount", "--propagation", "private", "sh", "-ec"]);
        command.arg("mount -t cgroup2 none /sys/fs/cgroup; exec podman \"$@\"").arg("podman");
        for (flag, folder) in [("--root", "root"), ("--runroot", "run"), ("--tmpdir", "tmp")] {
            command.arg(flag).arg(self.folder.path().join(folder));
        }
        let configuration = self.folder.path().join("containers.conf");
        if configuration.exists() {
            command.env("CONTAINERS_CONF", configuration);
        }
        self.with_arguments(command, arguments)
    }

    fn with_arguments(&self, mut command: Command, arguments: &[&str]) -> Command {
        command.args(["--storage-driver=overlay", "--events-backend=none"]);
        command.arg("--cgroup-manager=cgroupfs");
        if !self.runtime.as_os_str().is_empty() {
            command.arg("--runtime").arg(&self.runtime);
        }
        match arguments {
            ["run", rest @ ..] => command.arg("run").args(RUN).args(rest),
            ["create", rest @ ..] if self.caller == Caller::Tester => {
                // A network of podman's would stay on the host: a bridge, and rules for packets.
                command.args(["create", "--network=none"]);
                command.arg(format!("--cgroup-parent=/{}", self.group)).args(rest)
            }
            _ => command.args(arguments),
        };
        command
    }

    /// Runs `podman ARGUMENTS` to its end.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        program::run(&mut self.command(arguments))
    }

    /// Pulls `name` from a registry on loopback.
    ///
    /// # Panics
    /// That fails.
    #[track_caller]
    pub fn pull(&self, name: &str) {
        self.run(&["pull", "--quiet", "--tls-verify=false", name]).success();
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if self.caller == Caller::User {
            drop(self.run(&["rm", "--all", "--force", "--time=0"]));
            // Ends the process that holds this user's namespaces.
            drop(self.run(&["system", "migrate"]));
        } else if !group::all(&self.group).is_empty() {
            // crun 1.8.1 leaves what podman lets it make.
            drop(self.run(&["rm", "--all", "--force", "--time=0"]));
            group::remove(&self.group);
        }
    }
}

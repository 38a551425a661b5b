//! `coffer` with a store of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

use crate::image::{Recipe, cargo_target};
use crate::program::{self, Outcome};
use crate::registry::Registry;

/// Who runs `coffer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    /// Whoever runs the tests.
    Tester,
    /// Somebody else, with sub-ids, seen from a mount namespace that knows him.
    User,
}

/// The ordinary user's id, on no machine before.
const USER: u32 = 47_110;

/// How root becomes the ordinary user: the account exists in a private mount namespace only, and
/// the fixture's folder is at /mnt, whatever the folders above it allow.
const AS_USER: &str = "
    mount --rbind \"$0\" /mnt
    for file in passwd group subuid subgid; do mount --bind /mnt/etc/$file /etc/$file; done
    cd /mnt/home
    exec setpriv --reuid 47110 --regid 47110 --clear-groups --inh-caps=-all /mnt/coffer \"$@\"
";

/// A store, a home and the command that uses them; all containers end with the fixture.
#[derive(Debug)]
pub struct Coffer {
    folder: TempDir,
    caller: Caller,
}

impl Default for Coffer {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), caller: Caller::Tester }
    }
}

impl Coffer {
    /// A store that knows `recipe`, and the id of its image.
    ///
    /// # Panics
    /// The image cannot be taken in.
    #[must_use]
    pub fn with(recipe: &Recipe) -> (Self, String) {
        let coffer = Self::default();
        let name = coffer.take_in(recipe);
        (coffer, name)
    }

    /// A store in memory, where to sync costs nothing: a killed process loses no page of a file
    /// anywhere.
    ///
    /// # Panics
    /// There is no room.
    #[must_use]
    pub fn in_memory() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { folder: folder.unwrap(), caller: Caller::Tester }
    }

    /// A store of an ordinary user who has sub-ids; made by root.
    ///
    /// # Panics
    /// His files cannot be written.
    #[must_use]
    pub fn of_user() -> Self {
        Self::user("diver:1500000000:65536\n")
    }

    /// A store of an ordinary user who has no id but its own; made by root.
    ///
    /// # Panics
    /// His files cannot be written.
    #[must_use]
    pub fn of_user_alone() -> Self {
        Self::user("")
    }

    fn user(sub_ids: &str) -> Self {
        let coffer = Self { folder: tempfile::tempdir().unwrap(), caller: Caller::User };
        let folder = coffer.folder.path();
        // Guests of the bed have none.
        fs::create_dir_all("/mnt").unwrap();
        fs::create_dir(folder.join("etc")).unwrap();
        let account = |name: &str, line: String| {
            let mut text = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
            text.push_str(&line);
            fs::write(folder.join("etc").join(name), text).unwrap();
        };
        account("passwd", format!("diver:x:{USER}:{USER}::/mnt/home:/bin/sh\n"));
        account("group", format!("diver:x:{USER}:\n"));
        account("subuid", sub_ids.into());
        account("subgid", sub_ids.into());
        program::copy(&binary(), &folder.join("coffer"));
        fs::create_dir(coffer.home()).unwrap();
        for path in [folder, &coffer.home()] {
            std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
        }
        coffer
    }

    /// Takes `recipe`'s image in from its layout, without a registry, and gives its id.
    ///
    /// # Panics
    /// That fails.
    #[must_use]
    pub fn take_in(&self, recipe: &Recipe) -> String {
        self.must(&["pull", "--quiet", &self.layout(recipe)]).trim().to_owned()
    }

    /// The name of `recipe`'s layout, where the caller can read it.
    ///
    /// # Panics
    /// It cannot be copied.
    #[must_use]
    pub fn layout(&self, recipe: &Recipe) -> String {
        let mut folder = recipe.layout();
        if self.caller == Caller::User {
            let copy = self.folder.path().join(recipe.name);
            program::must("cp", [Path::new("-r"), &folder, &copy]);
            folder = Path::new("/mnt").join(recipe.name);
        }
        format!("oci:{}:latest", folder.display())
    }

    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The home folder of the one who runs it.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// `coffer ARGUMENTS`, not yet started.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.caller {
            Caller::Tester => Command::new(binary()),
            Caller::User => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-ec", AS_USER]);
                command.arg(self.folder.path());
                command
            }
        };
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Gives `command` the store and the home of this fixture.
    pub fn prepare(&self, command: &mut Command) {
        let folder = match self.caller {
            Caller::Tester => self.folder.path(),
            Caller::User => Path::new("/mnt"),
        };
        command.env("COFFER_ROOT", folder.join("root")).env("HOME", folder.join("home"));
        command.env_remove("XDG_CONFIG_HOME").env_remove("DOCKER_CONFIG");
    }

    /// Runs `coffer ARGUMENTS` to its end without input.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        program::run(&mut self.command(arguments))
    }

    /// Runs `coffer ARGUMENTS`, which must succeed, and gives its standard output.
    #[track_caller]
    pub fn must(&self, arguments: &[&str]) -> String {
        self.run(arguments).success()
    }

    /// Has this home trust the authority of `registry`.
    ///
    /// # Panics
    /// The folder cannot be written.
    pub fn trust(&self, registry: &Registry) {
        for host in registry.hosts() {
            let folder = self.home().join(".config/containers/certs.d").join(host);
            fs::create_dir_all(&folder).unwrap();
            fs::copy(registry.authority(), folder.join("ca.crt")).unwrap();
        }
    }

    /// Waits until `container` has logged `text`.
    ///
    /// # Panics
    /// It ended without.
    #[track_caller]
    pub fn logs_until(&self, container: &str, text: &str) {
        let mut follow = Command::new("sh");
        let logs = self.command(&["logs", "--follow", container]);
        follow.args(["-c", "exec 2>&1; exec \"$0\" \"$@\""]);
        follow.arg(logs.get_program()).args(logs.get_args());
        self.prepare(&mut follow);
        let mut follow = follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut seen = String::new();
        let mut lines = BufReader::new(follow.stdout.take().unwrap());
        while !seen.contains(text) {
            let more = lines.read_line(&mut seen).unwrap();
            assert_ne!(more, 0, "{text:?} was never logged:\n{seen}");
        }
        follow.kill().unwrap();
        follow.wait().unwrap();
    }

    /// The process that waits for the end of the one container of this store.
    ///
    /// # Panics
    /// There is no such container, or it does not run.
    #[must_use]
    pub fn monitor(&self) -> Pid {
        let id = self.must(&["ps", "-aq", "--no-trunc"]);
        let path = self.root().join("containers").join(id.trim()).join("state.json");
        let record: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let pid = record["phase"]["running"]["parent"]["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// What `count` times `coffer wait CONTAINER` print, once all of them listen to the monitor of
    /// the only container and `end` was called.
    ///
    /// # Panics
    /// As [`Self::monitor`].
    pub fn waited(&self, container: &str, count: usize, end: impl FnOnce()) -> Vec<String> {
        let fds = format!("/proc/{}/fd", self.monitor().as_raw_pid());
        let open = || fs::read_dir(&fds).unwrap().count();
        let alone = open();
        let mut wait = self.command(&["wait", container]);
        wait.stdout(Stdio::piped());
        let waits: Vec<_> = (0..count).map(|_| wait.spawn().unwrap()).collect();
        while open() < alone + count {
            std::thread::yield_now();
        }
        end();
        let said = |wait: std::process::Child| wait.wait_with_output().unwrap().stdout;
        waits.into_iter().map(|wait| String::from_utf8(said(wait)).unwrap()).collect()
    }

    /// Kills it by SIGKILL, waits until it is gone, and says which it was.
    ///
    /// # Panics
    /// As [`Self::monitor`].
    pub fn kill_monitor(&self) -> Pid {
        let pid = self.monitor();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
        pid
    }

    /// Removes all containers, then says what is left of any in this store: folders, mounts,
    /// processes, control groups.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let containers = self.root().join("containers");
        let mut ids = folders(&containers);
        let listed = self.run(&["ps", "-aq", "--no-trunc"]).stdout;
        ids.extend(listed.lines().map(str::to_owned));
        ids.sort();
        ids.dedup();
        for id in listed.lines() {
            let removed = self.run(&["rm", "-f", id]);
            assert_eq!(removed.status, 0, "rm -f {id}: {removed}");
        }
        let mut left = folders(&containers);
        left.extend(names(&containers.join("names")));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = self.root();
        let ours = mounts.lines().filter(|line| line.contains(&*root.to_string_lossy()));
        left.extend(ours.map(|line| format!("mount {line}")));
        left.extend(self.processes());
        for id in ids.iter().filter(|id| id.len() >= 12) {
            left.extend(control_groups(Path::new("/sys/fs/cgroup"), id));
        }
        left
    }

    /// After a kill at `step`: every container can be removed, the store is whole, nothing is left.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn recovers(&self, step: usize) {
        self.must(&["system", "prune", "--force"]);
        let left = self.leftovers();
        assert!(left.is_empty(), "after a kill at step {step}: {left:#?}");
        let checked = self.run(&["system", "check"]);
        assert_eq!(checked.status, 0, "after a kill at step {step}: {checked}");
    }

    /// Processes that hold something below the store's folder and do not end soon: what stays
    /// with a container may outlive the command that removed it by a moment.
    fn processes(&self) -> Vec<String> {
        let root = self.root();
        let holds = |process: &Path| {
            let Ok(open) = fs::read_dir(process.join("fd")) else { return false };
            let mut paths = open.flatten().map(|fd| fd.path()).chain([process.join("cwd")]);
            paths.any(|path| fs::read_link(path).is_ok_and(|target| target.starts_with(&root)))
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        processes
            .filter(|path| {
                path.file_name().is_some_and(|n| n.as_encoded_bytes()[0].is_ascii_digit())
            })
            .filter(|path| holds(path) && !ends_soon(path))
            .map(|path| {
                let line = fs::read(path.join("cmdline")).unwrap_or_default();
                format!("process {}: {}", path.display(), String::from_utf8_lossy(&line))
            })
            .collect()
    }
}

impl Drop for Coffer {
    fn drop(&mut self) {
        // A store that was never made holds no containers.
        if !self.root().exists() {
            return;
        }
        for id in self.run(&["ps", "-aq"]).stdout.lines() {
            drop(self.run(&["rm", "-f", id]));
        }
    }
}

/// The binary that is tested: the one that the runner names, or the one built beside the tests.
///
/// # Panics
/// There is none.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("COFFER_TEST_BINARY") {
        return path.into();
    }
    let me = std::env::current_exe().unwrap();
    let profile = me.ancestors().nth(2).unwrap_or(&cargo_target()).to_owned();
    let path = profile.join("coffer");
    assert!(path.exists(), "{} is not built: cargo build -p coffer", path.display());
    path
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The folders of containers, and of what is not one yet; `names` holds names only.
fn folders(containers: &Path) -> Vec<String> {
    names(containers).into_iter().filter(|name| name != "names").collect()
}

/// Waits a little for the process of a folder in /proc.
fn ends_soon(process: &Path) -> bool {
    let pid = process.file_name().and_then(|name| name.to_str()?.parse().ok());
    let Some(pid) = pid.and_then(Pid::from_raw) else { return false };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    let moment = Timespec { tv_sec: 60, tv_nsec: 0 };
    poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&moment)).is_ok_and(|ready| ready > 0)
}

/// Groups named after `id` below `folder`, in every hierarchy.
#[must_use]
pub fn control_groups(folder: &Path, id: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .flat_map(|entry| {
            let mut found = control_groups(&entry.path(), id);
            if entry.file_name().to_string_lossy().contains(id) {
                found.push(format!("control group {}", entry.path().display()));
            }
            found
        })
        .collect()
}

//! A row of the corpus.

use serde::Serialize;

use crate::answer::Handed;
use crate::inside::Tried;

/// Rows that aim at the same kind of thing.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// In a few words.
    pub title: &'static str,
    /// In the order in which they are tried.
    pub rows: &'static [Primitive],
}

/// One thing to try.
#[derive(Clone, Copy, Debug)]
pub struct Primitive {
    /// Its name, which never changes: `mount.tmpfs`.
    pub id: &'static str,
    /// What it tries, in a few words.
    pub tries: &'static str,
    /// What must stop it.
    pub control: Control,
    /// What is predicted of it behind the default fence of root's.
    pub fate: Fate,
    /// Why it stays where an ordinary user runs the container, if only there.
    pub(crate) of_users: Option<&'static str>,
    /// How the host judges it.
    pub judge: Judge,
    /// What it comes to on the host.
    pub effect: Effect,
    /// Does it; what it makes lasts until its process ends.
    pub(crate) run: fn(&Handed) -> Tried,
}

/// What must stop a primitive. The first layer that does is named, of those that would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// A user namespace with ids of its own.
    UserNamespace,
    /// A pid namespace.
    PidNamespace,
    /// A mount namespace, and a root that leads nowhere else.
    Root,
    /// A network namespace.
    NetworkNamespace,
    /// An IPC namespace.
    IpcNamespace,
    /// A control group namespace, and control groups mounted read-only.
    ControlGroups,
    /// Capabilities that were not granted.
    Capabilities,
    /// The system call filter.
    Filter,
    /// `no_new_privs`, and volumes that carry neither set-id bits nor devices.
    NoNewPrivileges,
    /// Paths of `/proc` and `/sys` that read as empty, or cannot be written.
    SystemPaths,
    /// A `/dev` of its own.
    Devices,
    /// Limits: control groups, rlimits, sizes.
    Limits,
    /// A volume's own flags.
    Volume,
    /// Every descriptor closed before the program starts.
    Descriptors,
    /// Nothing, where it belongs to the container.
    Nothing,
}

impl Control {
    /// In a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::UserNamespace => "user namespace",
            Self::PidNamespace => "pid namespace",
            Self::Root => "root of its own",
            Self::NetworkNamespace => "network namespace",
            Self::IpcNamespace => "ipc namespace",
            Self::ControlGroups => "read-only control groups",
            Self::Capabilities => "capabilities",
            Self::Filter => "system call filter",
            Self::NoNewPrivileges => "no new privileges",
            Self::SystemPaths => "masked or read-only path",
            Self::Devices => "devices of its own",
            Self::Limits => "limits",
            Self::Volume => "the volume's flags",
            Self::Descriptors => "closed descriptors",
            Self::Nothing => "nothing",
        }
    }
}

/// What is predicted of a primitive behind the default fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It reaches nothing.
    Blocked,
    /// It reaches what root inside its own ids is meant to have.
    Meant,
    /// It reaches something, and stays open for this reason.
    Stays(&'static str),
}

/// What a row comes to where it reaches the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It learns how the host is: numbers, names, lists. It changes nothing, and gives no right.
    Reads,
    /// It changes something, or has what can: a right, a device, a setting, what is kept secret.
    Changes,
}

/// Who runs a container, on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// Root.
    Root,
    /// Anybody else: its ids, its quotas, and where none is delegated no control group.
    User,
}

/// How a row is judged. Whatever it says, a change of what the host watches is the host reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// By what the prober's own kernel answers; what it concerns is said beside it.
    Kernel(Scope),
    /// By what the host sees of its own things.
    Host,
    /// By how many inotify instances the host's user has left.
    Quota,
    /// By how much of this the host sees that the prober holds.
    Held(Held),
    /// By words that only the host knows, found in what the prober read.
    Secret,
    /// By a line with a number that the host reads too in one of these files.
    SameText(&'static [&'static str]),
}

/// What a process holds of the host's while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Tasks: processes and threads.
    Tasks,
    /// Memory.
    Memory,
    /// Files in memory.
    Files,
    /// Files on a disk.
    Disk,
}

/// What a primitive concerns that the kernel let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The container alone.
    Container,
    /// The host, by whomever it is done.
    Host,
    /// The host where the container shares this namespace with it.
    Namespace(Namespace),
}

/// A namespace, by its name in `/proc/PID/ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// Users and capabilities.
    User,
    /// Processes.
    Pid,
    /// Networks.
    Net,
    /// System V objects and message queues.
    Ipc,
    /// Host names.
    Uts,
}

impl Namespace {
    /// Its name in `/proc/PID/ns`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Pid => "pid",
            Self::Net => "net",
            Self::Ipc => "ipc",
            Self::Uts => "uts",
        }
    }
}

/// A row that is predicted to be blocked and concerns the container alone.
pub(crate) const fn row(
    id: &'static str,
    tries: &'static str,
    control: Control,
    run: fn(&Handed) -> Tried,
) -> Primitive {
    let judge = Judge::Kernel(Scope::Container);
    let (fate, effect) = (Fate::Blocked, Effect::Changes);
    Primitive { id, tries, control, fate, of_users: None, judge, effect, run }
}

impl Primitive {
    /// What root inside is meant to have.
    pub(crate) const fn meant(self) -> Self {
        Self { fate: Fate::Meant, ..self }
    }

    /// Reached, and why that stays.
    pub(crate) const fn stays(self, why: &'static str) -> Self {
        Self { fate: Fate::Stays(why), ..self }
    }

    /// Reached where an ordinary user runs the container, and why that stays.
    pub(crate) const fn stays_of_users(self, why: &'static str) -> Self {
        Self { of_users: Some(why), ..self }
    }

    /// What is predicted of it where `caller` runs the container.
    #[must_use]
    pub fn fate_of(&self, caller: Caller) -> Fate {
        match (caller, self.of_users) {
            (Caller::User, Some(why)) => Fate::Stays(why),
            _ => self.fate,
        }
    }

    /// The host's, where the kernel lets it through.
    pub(crate) const fn of_host(self) -> Self {
        self.judged(Judge::Kernel(Scope::Host))
    }

    /// The host's where this namespace is shared.
    pub(crate) const fn of(self, namespace: Namespace) -> Self {
        self.judged(Judge::Kernel(Scope::Namespace(namespace)))
    }

    /// Judged otherwise.
    pub(crate) const fn judged(self, judge: Judge) -> Self {
        // Who reads the host's own numbers knows them; a secret is another matter.
        match judge {
            Judge::SameText(_) => Self { judge, ..self }.reads(),
            _ => Self { judge, ..self },
        }
    }

    /// Learns how the host is, at most.
    pub(crate) const fn reads(self) -> Self {
        Self { effect: Effect::Reads, ..self }
    }
}

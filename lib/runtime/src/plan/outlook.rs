//! Which plans have a child that needs to see the host's files.

use rustix::thread::UnshareFlags;

use super::{Authority, BindSource, Filesystem, Origin, Plan, RootSource, Step};

/// File systems that are made from nothing: no option of theirs names a file.
const SELF_MADE: [&[u8]; 7] =
    [b"proc", b"sysfs", b"tmpfs", b"devpts", b"mqueue", b"cgroup", b"cgroup2"];

impl Plan {
    /// Whether the child needs the host's mounts in its own mount namespace before it leaves them:
    /// where it resolves a path of the host's, or where somebody else may meanwhile (hooks).
    pub(crate) fn child_looks_at_host(&self) -> bool {
        let with_own_mounts = self.namespaces.contains(UnshareFlags::NEWNS);
        // Masks are copies of it; without it they are the host's.
        let has_null = self.steps.iter().any(|step| match step {
            Step::Device(device) => device.name == c"null",
            _ => false,
        });
        let as_user = self.authority != Authority::Root;
        !with_own_mounts || as_user || !has_null || self.steps.iter().any(looks_at_host)
    }

    /// Whether the kernel asks for proc and sysfs among the child's mounts: in a user namespace
    /// either may be mounted only where it is seen whole. Source: `mount_too_revealing` in
    /// linux/fs/namespace.c.
    pub(crate) fn child_needs_views(&self) -> bool {
        self.namespaces.contains(UnshareFlags::NEWUSER)
    }
}

fn looks_at_host(step: &Step) -> bool {
    match step {
        Step::Root(source) => !matches!(source, RootSource::Parent),
        Step::Filesystem(fs) => !is_self_made(fs),
        Step::Bind(bind) => !matches!(bind.source, BindSource::Parent(_)),
        Step::Device(device) => device.origin == Origin::Host,
        Step::Node(node) => node.host.is_some(),
        // What stays below the new root is to be the caller's own.
        Step::MoveRoot(_) => true,
        Step::Created | Step::Hook(_) => true,
        Step::Enter(_) | Step::SplitInto(_) | Step::Join { .. } | Step::Split => true,
        // Inside the container's root, on descriptors, or on the process itself.
        Step::Session
        | Step::CutMounts(_)
        | Step::Receive
        | Step::ContainerRoot
        | Step::CgroupNamespace
        | Step::PlaceMadeUp(_)
        | Step::OwnFile(_)
        | Step::MadeUp(_)
        | Step::DeviceLinks
        | Step::Terminal(_)
        | Step::Stdio(_)
        | Step::WorkingFolder(_)
        | Step::Sysctl(..)
        | Step::Hostname(_)
        | Step::Domainname(_)
        | Step::Loopback
        | Step::Mask(_)
        | Step::ReadOnly(_)
        | Step::RootReadOnly
        | Step::SealMount(_)
        | Step::Pivot
        | Step::TravelRoot(..)
        | Step::EnterFolder
        | Step::Limit(..)
        | Step::SessionKeyring(_)
        | Step::Schedule(_)
        | Step::IoPriority(..)
        | Step::Personality(_)
        | Step::MemoryPolicy(..)
        | Step::TimeNamespace { .. }
        | Step::Uptime { .. }
        | Step::Label { .. }
        | Step::InitLabel { .. }
        | Step::Umask(_)
        | Step::Bounding(_)
        | Step::KeepCapabilities
        | Step::Groups(_)
        | Step::Ids(..)
        | Step::HoldCapabilities
        | Step::Capabilities
        | Step::Undumpable
        | Step::NoNewPrivileges
        | Step::ExecuteInside
        | Step::Landlock(_)
        | Step::CloseOnExec(_)
        | Step::LetGo(_)
        | Step::FindProgram(_)
        | Step::Gate
        | Step::Seccomp
        | Step::SeccompNotify(_)
        | Step::Affinity(_)
        | Step::Init(_)
        | Step::Execute(_) => false,
    }
}

fn is_self_made(fs: &Filesystem) -> bool {
    SELF_MADE.contains(&fs.kind.to_bytes())
}

//! The machine: what it is made of, as QEMU is told.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// Memory, MiB.
const MEMORY: u32 = 1024;

/// Processors.
const PROCESSORS: u32 = 2;

/// All that the emulator can; with it the guest has nested virtualisation too.
const PROCESSOR: &str = "max";

/// What runs above the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// A shell script as the first process, cgroup v2, no other security module than Landlock.
    Plain,
    /// systemd with D-Bus and a user manager for the user `diver`.
    Systemd,
    /// systemd on a kernel with AppArmor, profiles loaded.
    Apparmor,
    /// As plain, on a kernel with SELinux, Debian's policy and types for containers; enforcing.
    Selinux,
}

impl Variant {
    /// Every variant, the quickest to make first.
    pub(crate) const ALL: &[Self] = &[Self::Plain, Self::Systemd, Self::Apparmor, Self::Selinux];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Systemd => "systemd",
            Self::Apparmor => "apparmor",
            Self::Selinux => "selinux",
        }
    }

    /// Its words on the kernel's command line.
    fn words(self) -> &'static str {
        match self {
            Self::Plain => "bed=plain lsm=landlock,lockdown,yama,bpf",
            Self::Systemd => "bed=systemd lsm=landlock,lockdown,yama,bpf",
            Self::Apparmor => "bed=systemd lsm=landlock,lockdown,yama,apparmor,bpf apparmor=1",
            Self::Selinux => {
                "bed=plain lsm=landlock,lockdown,yama,selinux,bpf selinux=1 enforcing=1"
            }
        }
    }
}

impl FromStr for Variant {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match Self::ALL.iter().find(|variant| variant.name() == word) {
            Some(variant) => Ok(*variant),
            None => bail!("no variant {word:?}: plain, systemd, apparmor, selinux"),
        }
    }
}

/// Whose kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Linux 6.1.
    #[default]
    Debian12,
    /// Linux 6.12.
    Debian13,
}

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "12" => Ok(Self::Debian12),
            "13" => Ok(Self::Debian13),
            _ => bail!("no kernel of Debian {word:?}: 12, 13"),
        }
    }
}

/// One kind of guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) variant: Variant,
    pub(crate) kernel: Kernel,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernel = match self.kernel {
            Kernel::Debian12 => "12",
            Kernel::Debian13 => "13",
        };
        write!(f, "{}-{kernel}", self.variant.name())
    }
}

/// The files that a machine is made of. A name without a folder is in the run's own.
#[derive(Debug)]
pub(crate) struct Files<'a> {
    pub(crate) kernel: &'a Path,
    pub(crate) initrd: &'a Path,
    pub(crate) modules: &'a Path,
    pub(crate) root: &'a Path,
}

impl Machine {
    /// The emulator's arguments, whoever runs it: what the saved state depends on.
    pub(crate) fn arguments(self, files: &Files<'_>) -> Vec<String> {
        let mut all = words(&["-M", "pc,usb=off", "-accel", "tcg,thread=multi", "-cpu", PROCESSOR]);
        all.extend(words(&["-smp", &PROCESSORS.to_string(), "-m", &MEMORY.to_string()]));
        all.extend(words(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]));
        all.extend(words(&["-kernel", &path(files.kernel), "-initrd", &path(files.initrd)]));
        all.extend(words(&["-append", &self.command_line()]));
        for (name, file) in [("root", path(files.root)), ("payload", "payload".into())] {
            all.extend(disk(name, &format!("{file},readonly=on")));
        }
        all.extend(disk("scratch", "scratch"));
        all.extend(disk("modules", &format!("{},readonly=on", path(files.modules))));
        all.extend(words(&["-device", "virtio-serial-pci,id=serial"]));
        all.extend(words(&["-chardev", "socket,id=console,path=console"]));
        all.extend(words(&["-device", "virtconsole,chardev=console,nr=0"]));
        for (port, name) in PORTS {
            all.extend(words(&["-chardev", &format!("socket,id={name},path={name}")]));
            all.extend(words(&["-device", &format!("virtserialport,chardev={name},nr={port}")]));
        }
        all.extend(words(&["-chardev", "socket,id=monitor,path=monitor"]));
        all.extend(words(&["-mon", "chardev=monitor,mode=control"]));
        all.extend(words(&["-chardev", "file,id=log,path=log", "-serial", "chardev:log"]));
        all
    }

    /// Quick to boot, and the same each time. The kernel does not test its timer, whose ticks an
    /// emulator on a busy host may owe it.
    fn command_line(self) -> String {
        format!(
            "console=ttyS0 quiet panic=-1 nokaslr mitigations=off cryptomgr.notests no_timer_check \
             systemd.show_status=0 {}",
            self.variant.words()
        )
    }
}

/// The sockets that the emulator connects to.
pub(crate) const SOCKETS: [&str; 5] = ["console", "control", "output", "errors", "monitor"];

/// The agent's ports.
const PORTS: [(u32, &str); 3] = [(1, "control"), (2, "output"), (3, "errors")];

/// The machine's memory: a file that is written where it is saved, and a private copy of it after.
pub(crate) fn memory(file: &Path, share: Share) -> Vec<String> {
    let share = match share {
        Share::Saved => "on",
        Share::Private => "off",
    };
    let object = format!(
        "memory-backend-file,id=memory,size={MEMORY}M,mem-path={},share={share}",
        file.display()
    );
    words(&["-object", &object, "-machine", "memory-backend=memory"])
}

/// Who sees what the machine writes to its memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// The file.
    Saved,
    /// This machine only.
    Private,
}

fn disk(name: &str, file: &str) -> Vec<String> {
    let drive = format!("file={file},format=raw,if=none,id={name},file.locking=off");
    words(&["-drive", &drive, "-device", &format!("virtio-blk-pci,drive={name}")])
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

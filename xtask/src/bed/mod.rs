//! `cargo xtask bed`: a Debian kernel in a virtual machine, for what this host's kernel lacks.
//!
//! The machine is made from Debian's packages and runs under QEMU's emulation, so it needs no
//! `/dev/kvm`. It is booted once, stopped where its agent waits for a command, and saved; each run
//! restores that state in a second or two with a payload disk of its own. Nothing that a run does
//! is kept, unless it brings a disk.

pub(crate) mod apt;
mod call;
mod guest;
mod initrd;
mod kernel;
mod machine;
mod monitor;
mod payload;
mod place;
mod policy;
mod root;
mod shell;
mod snapshot;

use std::process::ExitCode;

use anyhow::{Result, bail};

use call::Call;
use place::Place;

use crate::package::{self, package};

const USAGE: &str = "\
usage: cargo xtask bed build [--kernel 12|13] [VARIANT…]
       cargo xtask bed run [OPTIONS] VARIANT -- COMMAND [ARGUMENT…]
       cargo xtask bed shell [OPTIONS] VARIANT

variants: plain (cgroup v2, no service manager), systemd, apparmor, selinux
  --kernel 12|13   the kernel of that Debian release; 12 if not said
  --with FILE[=NAME]
                   puts FILE into /host, where coffer is; as often as wanted
  --disk FILE      a disk that is kept, mounted on /disk; made if it is not there
  --cold           boots instead of restoring, as --disk does too";

/// What makes and runs the machine.
const PACKAGES: &[package::Package] = &[
    package("busybox-static", "the machine's first program"),
    package("e2fsprogs", "the machine's scratch disk"),
    package("erofs-utils", "the machine's root and payload"),
    package("kmod", "which modules need which"),
    package("lz4", "unpacks kernels"),
    package("qemu-system-x86", "the machine"),
    package("xz-utils", "unpacks kernels and modules"),
    package("zstd", "unpacks kernels and modules"),
];

/// `cargo xtask bed ARGUMENTS`; the exit code of `run` is the command's.
///
/// # Errors
/// The arguments are wrong, the machine cannot be made, or it does not answer.
pub(crate) fn run(arguments: &[&str]) -> Result<ExitCode> {
    match arguments {
        ["build", rest @ ..] => build(&Call::parse(rest)?),
        ["run", rest @ ..] => guest::run(&prepared()?, &Call::parse(rest)?),
        ["shell", rest @ ..] => shell::run(&prepared()?, Call::parse(rest)?),
        _ => bail!("{USAGE}"),
    }
}

/// The bed's folder, with what the host needs installed.
fn prepared() -> Result<Place> {
    package::ensure(PACKAGES)?;
    Place::open()
}

/// Makes the snapshot of each guest that `call` names.
fn build(call: &Call) -> Result<ExitCode> {
    let place = prepared()?;
    for machine in call.machines() {
        let snapshot = snapshot::ensure(&place, machine)?;
        eprintln!("{machine}: {}", snapshot.display());
    }
    Ok(ExitCode::SUCCESS)
}

//! Tests that move themselves into a virtual machine with a Debian kernel.
//!
//! ```ignore
//! #[test]
//! fn bed_plain_limits_hold() {
//!     bed::enter!(Variant::Plain, [&BUSYBOX]);
//!     // from here on: root, in the guest, with coffer and the layout of busybox in /host
//! }
//! ```
//! Outside, [`enter!`](crate::bed::enter) runs this one test once more in the guest, shows what it
//! said, fails if it failed there, and returns from the test. CONTRIBUTING.md says what is in the
//! guest. Any crate may use it: this crate depends on nothing that runs a container.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::{Recipe, cargo_target};
use crate::{coffer, program};

pub use crate::bed_enter as enter;

/// Set in the guest, to its name.
const GUEST: &str = "COFFER_BED_GUEST";

/// The static shell's name in the guest; another than that of the recipe.
const BUNDLE_SHELL: &str = "bundle-shell";

/// What is above the guest's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// cgroup v2 whole, no service manager.
    Plain,
    /// systemd with D-Bus, and a user manager for the user `diver`.
    Systemd,
    /// systemd and AppArmor.
    Apparmor,
    /// As plain, with SELinux, enforcing.
    Selinux,
}

/// Whose kernel the guest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Linux 6.1.
    Debian12,
    /// Linux 6.12.
    Debian13,
}

/// One kind of guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What is above its kernel.
    pub variant: Variant,
    /// Its kernel.
    pub kernel: Kernel,
}

impl Variant {
    /// This variant on another kernel than Debian 12's.
    #[must_use]
    pub const fn on(self, kernel: Kernel) -> Machine {
        Machine { variant: self, kernel }
    }
}

impl From<Variant> for Machine {
    fn from(variant: Variant) -> Self {
        variant.on(Kernel::Debian12)
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Systemd => "systemd",
            Self::Apparmor => "apparmor",
            Self::Selinux => "selinux",
        })
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian12 => "12",
            Self::Debian13 => "13",
        })
    }
}

/// Goes on in the guest only. `enter!(MACHINE)` or `enter!(MACHINE, [RECIPE, …])`, where MACHINE
/// is a [`Variant`] or a [`Machine`], and the recipes' layouts are dropped in; so are, after these,
/// the named files of `cargo xtask peers`, where it has made them ([`peer`]).
#[macro_export]
macro_rules! bed_enter {
    ($machine:expr) => {
        $crate::bed::enter!($machine, [])
    };
    ($machine:expr, [$($recipe:expr),*]) => {
        $crate::bed::enter!($machine, [$($recipe),*], [])
    };
    ($machine:expr, [$($recipe:expr),*], [$($peer:expr),*]) => {
        fn here() {}
        let here = std::any::type_name_of_val(&here);
        if !$crate::bed::inside($machine, here, &[$($recipe),*], &[$($peer),*]) {
            return;
        }
    };
}

/// Whether this is the guest already; if not, runs the test whose inner function is called `here`
/// there.
///
/// # Panics
/// The test fails there, or the guest cannot be had.
#[must_use]
pub fn inside(
    machine: impl Into<Machine>,
    here: &str,
    recipes: &[&Recipe],
    peers: &[&str],
) -> bool {
    if guest().is_some() {
        return true;
    }
    if !program::root() {
        return false;
    }
    // "crate::module::test::here": libtest's name is what is between.
    let name = here.split_once("::").and_then(|(_, rest)| rest.rsplit_once("::"));
    let (name, _) = name.expect("a test is a function in a crate");
    let mut bed = run(machine, recipes, &[]);
    bed.arg("--with").arg(with(&std::env::current_exe().unwrap(), "test"));
    for peer in peers {
        let file = self::peer(peer);
        if file.exists() {
            bed.arg("--with").arg(with(&file, in_guest(peer)));
        }
    }
    bed.args(["--", "/host/test", "--exact", name, "--nocapture"]);
    let outcome = program::run(&mut bed);
    eprintln!("{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.status, 0, "{name} failed in the guest");
    assert!(outcome.stdout.contains(" 1 passed"), "{name} did not run in the guest");
    false
}

/// `cargo xtask bed run OPTIONS MACHINE`, to which `-- COMMAND` is to be added: coffer and the
/// layouts of `recipes` are in /host there.
///
/// # Panics
/// xtask is not built.
#[must_use]
pub fn run(machine: impl Into<Machine>, recipes: &[&Recipe], options: &[&str]) -> Command {
    let machine = machine.into();
    let binary = coffer::binary();
    let beside = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("xtask");
    let xtask = std::env::var_os("COFFER_XTASK").map_or(beside, PathBuf::from);
    assert!(xtask.exists(), "{} is not built: cargo build -p xtask", xtask.display());
    // A test that is ended takes its machine along.
    let mut bed = Command::new("setpriv");
    bed.args(["--pdeathsig", "KILL"]).arg(xtask).args(["bed", "run"]).args(options);
    bed.args(["--kernel", &machine.kernel.to_string(), &machine.variant.to_string()]);
    // What the roots of bundles are made of.
    if Path::new(crate::oci::SHELL).exists() {
        bed.arg("--with").arg(with(Path::new(crate::oci::SHELL), BUNDLE_SHELL));
    }
    for recipe in recipes {
        bed.arg("--with").arg(with(&recipe.layout(), recipe.name));
    }
    bed.env("COFFER_TEST_BINARY", binary);
    bed
}

/// A file of the host, and its name in the guest.
fn with(file: &Path, name: &str) -> String {
    format!("{}={name}", file.display())
}

/// The guest's name, in the guest.
#[must_use]
pub fn guest() -> Option<String> {
    std::env::var(GUEST).ok()
}

/// A file or folder of `cargo xtask peers`, such as `bin/runc`, here or in the guest.
#[must_use]
pub fn peer(path: &str) -> PathBuf {
    match guest() {
        Some(_) => Path::new("/host").join(in_guest(path)),
        None => cargo_target().join("peers").join(path),
    }
}

/// The name of such a file in the guest; another than that of what else may be there.
fn in_guest(peer: &str) -> &str {
    peer.rsplit_once('/').map_or(peer, |(_, name)| name)
}

/// The static shell that bundles are made of, here or in the guest.
#[must_use]
pub(crate) fn shell() -> PathBuf {
    match guest() {
        Some(_) => Path::new("/host").join(BUNDLE_SHELL),
        None => PathBuf::from(crate::oci::SHELL),
    }
}

/// Where the layout of a recipe is in the guest.
#[must_use]
pub(crate) fn layout(recipe: &Recipe) -> PathBuf {
    PathBuf::from("/host").join(recipe.name)
}

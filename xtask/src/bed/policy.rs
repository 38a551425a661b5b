//! The SELinux policy of a guest: Debian's, and types for containers.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::apt::output;

/// Our types.
pub(super) const CONTAINER: &str = include_str!("guest/container.cil");

/// What of Debian's policy the guest has: less is sooner made, and sooner loaded at boot.
pub(super) const MODULES: &[&str] = &["base", "unconfined", "staff", "unprivuser"];

/// The guest's first process.
pub(super) const FIRST: &str = include_str!("guest/selinux.sh");

/// As the package's script would do it.
const MAKE: &str = "cd /usr/share/selinux/default && exec semodule -s default -n -X 100 -i \"$@\"";

/// Makes the policy in `tree`, where the packages are, and has it loaded before all else.
///
/// # Errors
/// A module does not compile, or a file cannot be written.
pub(super) fn install(tree: &Path) -> Result<()> {
    fs::write(tree.join("etc/selinux/config"), "SELINUX=enforcing\nSELINUXTYPE=default\n")?;
    fs::write(tree.join("usr/share/selinux/default/container.cil"), CONTAINER)?;
    let modules = MODULES.iter().map(|name| format!("{name}.pp.bz2"));
    let mut make = Command::new("chroot");
    make.arg(tree).args(["sh", "-c", MAKE, "sh"]).args(modules).arg("container.cil");
    output(&mut make).context("make the SELinux policy")?;
    let first = tree.join("bed/plain");
    fs::rename(&first, tree.join("bed/unlabelled"))?;
    fs::write(&first, FIRST)?;
    Ok(fs::set_permissions(&first, fs::Permissions::from_mode(0o755))?)
}

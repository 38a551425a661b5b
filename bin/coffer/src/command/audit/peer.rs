//! Another runtime's container: the same image and prober, in a bundle with the specification that
//! the runtime itself gives out as its default.
#![expect(clippy::disallowed_methods, reason = "the audit's own folder, by the caller's path")]

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use coffer_audit::{Stage, prober};
use coffer_oci::ImageName;
use coffer_rootfs::OverlayPlan;
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, UnmountFlags, mount, mount_change,
    move_mount,
};
use serde_json::{Value, json};

use super::runtime::Runtime;
use super::{Audit, Column, converse};
use crate::acquire::{Wish, here};
use crate::context::Context;
use crate::failure::Failure;
use crate::flags::Pull;
use crate::lookup;

/// Bundles of the image, in a mount namespace that nobody else looks into.
pub(super) struct Bundles {
    folder: PathBuf,
}

impl Bundles {
    /// Mounts the image, read-only, for all runtimes.
    pub(super) fn new(audit: &Audit, context: &Context, scratch: &Path) -> Result<Self, Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::new("other runtimes are audited as root only")
                .because("their default specification has no user namespace")
                .help("leave --runtime out"));
        }
        let folder = scratch.join("runtimes");
        let image = folder.join("image");
        fs::create_dir_all(&image)?;
        let mounted = mounted(audit, context)?;
        coffer_sys::thread::own_mounts()?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        move_mount(mounted.as_fd(), c"", CWD, &image, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
        // Overlay's own folders; memory, so that nothing of them outlives the mount namespace.
        let layer = folder.join("layer");
        fs::create_dir(&layer)?;
        mount("tmpfs", &layer, "tmpfs", MountFlags::NOSUID, c"mode=755")?;
        Ok(Self { folder })
    }

    /// Runs the corpus under `runtime`.
    pub(super) fn column(&self, runtime: &Runtime, stage: &mut Stage) -> Result<Column, Failure> {
        let name = runtime.name();
        let bundle = self.bundle(&name)?;
        specify(runtime.program(), &bundle, stage)?;
        let id = format!("coffer-audit-{}-{name}", std::process::id());
        let mut run = runtime.command();
        run.arg("--root").arg(self.folder.join(format!("{name}-states")));
        run.arg("run").arg("--bundle").arg(&bundle).arg(id);
        run.env("COFFER_AUDIT_SECRET", stage.secrets().concat());
        converse(&name, &mut run, stage)
    }

    /// A bundle's folder, with the image under a layer of its own.
    fn bundle(&self, name: &str) -> Result<PathBuf, Failure> {
        let bundle = self.folder.join(name);
        let root = bundle.join("rootfs");
        let layer = self.folder.join("layer").join(name);
        for folder in [&root, &layer.join("upper"), &layer.join("work")] {
            fs::create_dir_all(folder)?;
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.folder.join("image").display(),
            layer.join("upper").display(),
            layer.join("work").display()
        );
        let options = std::ffi::CString::new(options)?;
        mount("overlay", &root, "overlay", MountFlags::empty(), options.as_c_str())?;
        Ok(bundle)
    }
}

impl Drop for Bundles {
    fn drop(&mut self) {
        let roots = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let roots = roots.map(|bundle| bundle.path().join("rootfs"));
        for mount in roots.chain(["layer", "image"].map(|name| self.folder.join(name))) {
            // Not everything in there is a mount, and all of them end with this process.
            rustix::mount::unmount(mount, UnmountFlags::DETACH).unwrap_or_default();
        }
    }
}

/// The image's tree, mounted nowhere.
fn mounted(audit: &Audit, context: &Context) -> Result<OwnedFd, Failure> {
    let root = context.root()?;
    let store = context.store_at(&root)?;
    let (ui, limits) = (&context.ui, audit.unpack.limits());
    let acquired = match lookup::by_id(&store, &audit.image)? {
        Some(entry) => here(ui, &store, &entry, &audit.pull.platform(), &limits)?,
        None => {
            let name: ImageName = audit.image.parse()?;
            Wish { name: &name, pull: Pull::Missing, flags: &audit.pull, limits }
                .acquire(ui, &store)?
        }
    };
    Ok(OverlayPlan::new(&acquired.stack, &root, None, None)?.mount(None)?)
}

/// Writes the runtime's default specification, with the prober instead of its shell.
fn specify(path: &Path, bundle: &Path, stage: &Stage) -> Result<(), Failure> {
    let failed = |why: String| {
        Failure::new("the runtime gives out no default specification")
            .at(path.display().to_string())
            .because(why)
            .help("name an OCI runtime that has the verb spec, as runc and crun do")
    };
    let made = Program::new(path).arg("spec").current_dir(bundle).output();
    let made = made.map_err(|error| failed(error.to_string()))?;
    if !made.status.success() {
        return Err(failed(String::from_utf8_lossy(&made.stderr).trim().to_owned()));
    }
    let file = bundle.join("config.json");
    let text = fs::read(&file).map_err(|error| failed(error.to_string()))?;
    let mut spec: Value = serde_json::from_slice(&text)?;
    with_prober(&mut spec, &stage.hand());
    fs::write(&file, serde_json::to_vec(&spec)?)?;
    Ok(())
}

fn with_prober(spec: &mut Value, hand: &Path) {
    if let Some(process) = spec.get_mut("process").and_then(Value::as_object_mut) {
        process.insert("terminal".to_owned(), json!(false));
        process.insert("args".to_owned(), json!([prober::PROGRAM, prober::VERB]));
    }
    if let Some(mounts) = spec.get_mut("mounts").and_then(Value::as_array_mut) {
        mounts.push(json!({
            "destination": prober::FOLDER,
            "type": "bind",
            "source": hand,
            "options": ["rbind", "rprivate", "ro"]
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_own_fence_stays_as_it_is() {
        let mut spec = json!({
            "process": {"terminal": true, "args": ["sh"], "noNewPrivileges": true},
            "mounts": [{"destination": "/proc"}],
            "linux": {"maskedPaths": ["/proc/kcore"]}
        });
        with_prober(&mut spec, Path::new("/hand"));
        assert_eq!(spec["process"]["noNewPrivileges"], json!(true));
        assert_eq!(spec["process"]["args"], json!(["/coffer-audit/coffer", "audit-probe"]));
        assert_eq!(spec["linux"], json!({"maskedPaths": ["/proc/kcore"]}));
        assert_eq!(spec["mounts"][1]["source"], json!("/hand"));
    }
}

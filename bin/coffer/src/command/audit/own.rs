//! The container that coffer itself makes: by the same binary, as `coffer run` does it.

use std::fs::File;
use std::process::Command as Program;

use coffer_audit::{Stage, prober};

use super::{Audit, Column, converse};
use crate::context::Context;
use crate::failure::Failure;
use crate::flags::Tier;

/// The program that runs now, even if its file was replaced meanwhile.
pub(super) fn program() -> Result<File, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the kernel's own name for this program")]
    File::open("/proc/self/exe").map_err(|error| {
        Failure::new("coffer cannot read its own binary")
            .at("/proc/self/exe")
            .because(error.to_string())
    })
}

/// Runs the corpus in a container made as the caller's flags say.
pub(super) fn column(
    audit: &Audit,
    context: &Context,
    stage: &mut Stage,
) -> Result<Column, Failure> {
    let tier = match audit.tier {
        Tier::Native => "native",
    };
    let mut run = Program::new("/proc/self/exe");
    run.arg("--root").arg(context.root()?).args(["run", "--rm", "--interactive", "--quiet"]);
    run.args(["--tier", tier]);
    if audit.pull.offline {
        run.arg("--offline");
    }
    if audit.pull.plain_http {
        run.arg("--plain-http");
    }
    if let Some(platform) = &audit.pull.platform {
        run.args(["--platform", &platform.to_string()]);
    }
    let mut volume = stage.hand().into_os_string();
    volume.push(format!(":{}:ro", prober::FOLDER));
    run.arg("--volume").arg(volume).args(["--entrypoint", prober::PROGRAM]);
    run.args(&audit.flags).arg(&audit.image).arg(prober::VERB);
    // Nothing of the caller's environment is to be found inside.
    run.env("COFFER_AUDIT_SECRET", stage.secrets().concat());
    converse("coffer", &mut run, stage)
}

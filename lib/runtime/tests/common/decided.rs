//! A bundle taken as far as all that would be done, and no further.
#![expect(clippy::disallowed_methods, reason = "the tests' own folders")]
#![expect(clippy::unwrap_used, reason = "a bundle that cannot be made fails the test")]

use std::error::Error;
use std::path::Path;

use coffer_confine::confinement::{Confinement, Host, OfBundle, Warning};
use coffer_runtime::bundle::Bundle;
use coffer_runtime::cgroup::Settings;
use coffer_runtime::plan::{
    self, Authority, CgroupView, Given, Inputs, Keyring, Lines, Plan, RootChange, RootFs,
};
use coffer_runtime::rdt::Resctrl;
use coffer_runtime::spec::Init;

/// A folder with a bundle whose `config.json` is `config`.
pub(crate) fn folder(config: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rootfs", "data"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    folder
}

/// What would be done.
#[derive(Debug)]
#[expect(dead_code, reason = "what one test file does not look at, the other prints")]
pub(crate) struct Decided {
    pub(crate) plan: Plan,
    settings: Settings,
    warnings: Vec<Warning>,
}

/// Reads, checks and plans the bundle in `folder`; the error's words, with those of its causes,
/// where it is refused.
pub(crate) fn decide(folder: &Path) -> Result<Decided, String> {
    let bundle = Bundle::open(folder).map_err(words)?;
    let (spec, host) = (&bundle.spec, Host::read());
    let OfBundle { confinement, warnings } = Confinement::of_bundle(spec, &host).map_err(words)?;
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let settings = Settings::of_bundle(&resources.unwrap_or_default()).map_err(words)?;
    let root = RootFs::Folder(bundle.rootfs().map_err(words)?);
    if spec.linux.as_ref().is_some_and(|linux| linux.intel_rdt.is_some()) {
        Resctrl::host().map_err(words)?;
    }
    let (id, folder, keyring) = ("decided", &*bundle.path, Keyring::Own);
    let bundle = plan::Bundle {
        id,
        folder,
        root_change: RootChange::Pivot,
        keyring,
        preserved: 0,
        home: None,
        lines: Lines::ForScreens,
    };
    let plan = Plan::new(Inputs {
        spec,
        confinement: &confinement,
        host: &host,
        root,
        authority: Authority::Root,
        cgroups: CgroupView::None,
        init: Init::Program,
        given: Given::default(),
        bundle: Some(bundle),
    });
    Ok(Decided { plan: plan.map_err(words)?, settings, warnings })
}

fn words(error: impl Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

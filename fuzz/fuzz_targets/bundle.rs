//! A bundle's `config.json`, up to the plan: all that is decided before the first fork.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use coffer_confine::confinement::{Confinement, Host, OfBundle};
use coffer_oci::runtime::Spec;
use coffer_runtime::plan::{
    Authority, Bundle, CgroupView, Given, Inputs, Keyring, Plan, RootChange, RootFs,
};
use coffer_runtime::spec::Init;
use libfuzzer_sys::fuzz_target;

fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(Host::read)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(spec) = serde_json::from_slice::<Spec>(bytes) else { return };
    let Ok(OfBundle { confinement, .. }) = Confinement::of_bundle(&spec, host()) else { return };
    for authority in [Authority::Root, Authority::User] {
        let bundle = Bundle {
            id: "fuzz",
            folder: Path::new("/nonexistent"),
            root_change: RootChange::Pivot,
            keyring: Keyring::Own,
            preserved: 0,
        };
        let plan = Plan::new(Inputs {
            spec: &spec,
            confinement: &confinement,
            host: host(),
            root: RootFs::Folder("/nonexistent/rootfs".into()),
            authority,
            cgroups: CgroupView::None,
            init: Init::Program,
            given: Given::default(),
            bundle: Some(bundle),
        });
        if let Ok(plan) = plan {
            // Every step can be said to a person.
            assert!(plan.lines().all(|line| !line.is_empty()));
        }
    }
});

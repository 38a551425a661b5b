//! What the fence costs: a bundle with all of it, and with each layer left out.
//!
//! Beside ours stands crun with docker's default profile, and crun without any seccomp: the whole
//! of our fence should start faster than that. Landlock is in all of ours: it asks for nothing, and
//! a bundle cannot leave it out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use coffer_confine::capability::Capability;
use serde_json::{Value, json};

use super::measure::{Contestant, race};
use super::start::PROFILE;
use super::{Bench, image, peer, runtime};

const ROUNDS: usize = 40;
const ROUNDS_OF_CALLS: usize = 10;

/// A million system calls, half of them reads and half writes: milliseconds of a run are
/// nanoseconds of a call, but for those of the start.
const MILLION_CALLS: [&str; 5] =
    ["/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=500000"];

/// A fence with something left out.
struct Variant {
    name: &'static str,
    /// Leaves it out of a bundle's configuration.
    change: fn(&mut Value),
    /// Options before the verb.
    options: &'static [&'static str],
}

const DISABLED: &[&str] = &["--cgroup-manager", "disabled"];

const VARIANTS: [Variant; 7] = [
    Variant { name: "coffer-oci, the whole fence", change: |_| {}, options: &[] },
    Variant { name: "  without seccomp", change: without_seccomp, options: &[] },
    Variant { name: "  without a user namespace", change: without_users, options: &[] },
    Variant { name: "  without masks", change: without_masks, options: &[] },
    Variant { name: "  with all capabilities", change: with_capabilities, options: &[] },
    Variant { name: "  without control groups", change: |_| {}, options: DISABLED },
    Variant { name: "  without any of these", change: without_all, options: DISABLED },
];

const THEIRS: [Variant; 2] = [
    Variant { name: "crun, docker's default", change: |_| {}, options: &[] },
    Variant { name: "crun, without seccomp", change: without_seccomp, options: &[] },
];

/// Prints the tables.
///
/// # Errors
/// A contestant fails.
pub(crate) fn compare(bench: &Bench) -> Result<()> {
    let folder = bench.folder("fence")?;
    let plain = image::bundle(&folder, Path::new(PROFILE))?;
    let starts = contestants(bench, &folder, &plain, &["/bin/true"])?;
    println!("{}", race("start of /bin/true behind the fence", ROUNDS, &starts)?);
    let calls = contestants(bench, &folder, &plain, &MILLION_CALLS)?;
    println!("{}", race("a million system calls behind it", ROUNDS_OF_CALLS, &calls)?);
    Ok(())
}

fn contestants(
    bench: &Bench,
    folder: &Path,
    plain: &Path,
    command: &[&str],
) -> Result<Vec<Contestant>> {
    let ours = runtime::named(bench, folder)?;
    let mut contestants = Vec::new();
    for (number, variant) in VARIANTS.iter().enumerate() {
        let name = format!("{} {number}", command[0].replace('/', "-"));
        let bundle = bundle(plain, &name, command, variant.change)?;
        contestants.push(contestant(variant.name, &ours, folder, variant.options, bundle));
    }
    let Some(crun) = peer::find("crun") else {
        println!("crun is not on this machine");
        return Ok(contestants);
    };
    for Variant { name, change, options } in THEIRS {
        let file = format!("{} {name}", command[0].replace('/', "-"));
        let docker = move |config: &mut Value| {
            without_users(config);
            change(config);
        };
        let bundle = bundle(plain, &file, command, docker)?;
        contestants.push(contestant(name, &crun, folder, options, bundle));
    }
    Ok(contestants)
}

/// `PROGRAM OPTIONS run`, with a folder of states for the program.
fn contestant(
    name: &str,
    program: &Path,
    folder: &Path,
    options: &'static [&'static str],
    bundle: PathBuf,
) -> Contestant {
    let program = program.to_owned();
    let states = folder.join(format!("states of {name}"));
    Contestant::new(name, move || {
        let mut command = Command::new(&program);
        command.arg("--root").arg(&states).args(options).args(["run", "--bundle"]);
        command.arg(&bundle).arg("fenced");
        command
    })
}

/// The bundle with a user namespace, another command, and one change.
fn bundle(
    plain: &Path,
    name: &str,
    command: &[&str],
    change: impl Fn(&mut Value),
) -> Result<PathBuf> {
    let bundle = image::with_command(plain, name, command)?;
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let namespaces = config["linux"]["namespaces"].as_array_mut().context("no namespaces")?;
    namespaces.push(json!({"type": "user"}));
    // The files are root's; what a user namespace costs does not depend on the numbers in its map.
    let map = json!([{"containerID": 0, "hostID": 0, "size": 65536}]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    change(&mut config);
    fs::write(&file, serde_json::to_vec(&config)?)?;
    Ok(bundle)
}

fn without_seccomp(config: &mut Value) {
    config["linux"]["seccomp"] = Value::Null;
}

fn without_users(config: &mut Value) {
    if let Some(namespaces) = config["linux"]["namespaces"].as_array_mut() {
        namespaces.retain(|namespace| namespace["type"] != "user");
    }
    config["linux"]["uidMappings"] = Value::Null;
    config["linux"]["gidMappings"] = Value::Null;
}

fn without_masks(config: &mut Value) {
    config["linux"]["maskedPaths"] = json!([]);
    config["linux"]["readonlyPaths"] = json!([]);
}

fn with_capabilities(config: &mut Value) {
    let all: Vec<String> = Capability::ALL.iter().map(|c| format!("CAP_{c}")).collect();
    for set in ["bounding", "effective", "permitted"] {
        config["process"]["capabilities"][set] = json!(all);
    }
    config["process"]["capabilities"]["ambient"] = json!([]);
}

fn without_all(config: &mut Value) {
    without_seccomp(config);
    without_users(config);
    without_masks(config);
    with_capabilities(config);
}

//! From a name to what is known of the fence behind it: a container, an image, a bundle, a process.

use std::path::Path;

use coffer_confine::Confinement;
use coffer_confine::confinement::{Control, Gap, Host};
use coffer_confine::posture::{Access as PathAccess, HostPath, Limited, Limits, Posture, Words};
use coffer_confine::process::Process;
use coffer_oci::Platform;
use coffer_oci::runtime::{Mount, Resources, Spec};
use coffer_policy::Admission;
use coffer_runtime::container::Config;
use coffer_runtime::disk::Reserve;
use coffer_runtime::state::{Containers, Folder, Record, StateError, Status};
use coffer_runtime::volume::{DATA, FOLDER, Use};
use jiff::Timestamp;
use rustix::fs::Access;
use serde_json::{Map, json};

use super::{Found, Subject, image, manifest};
use crate::command::{inspect, ps};
use crate::context::Context;
use crate::failure::Failure;
use crate::{flags, limits, lookup, ui};

/// What `name` names: a manifest, or one thing that has a fence.
pub(super) fn find(context: &Context, name: &str) -> Result<Found, Failure> {
    match manifest::file(name) {
        Some((file, None)) => manifest::subjects(context, file, None).map(Found::Many),
        _ => Ok(Found::One(Box::new(subject(context, name)?))),
    }
}

/// The one thing that `name` names. Manifests come first, then bundles (which have a slash in
/// them), then containers, processes and images.
pub(super) fn subject(context: &Context, name: &str) -> Result<Subject, Failure> {
    if let Some((file, part)) = manifest::file(name) {
        return manifest::one(context, file, part);
    }
    let config = Path::new(name).join("config.json");
    if name.contains('/') && rustix::fs::access(&config, Access::EXISTS).is_ok() {
        return bundle(context, Path::new(name));
    }
    let store = context.store()?;
    let containers = Containers::open(store.root())?;
    match containers.find(name) {
        Ok(folder) => return container(&containers, &folder),
        Err(StateError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if let Ok(pid) = name.parse::<u32>() {
        return process(pid);
    }
    let entry = lookup::image(&store, name, &Platform::host())?;
    image::subject(name, &entry.descriptor.digest, &Reserve::of(store.root())?)
}

fn container(containers: &Containers, folder: &Folder) -> Result<Subject, Failure> {
    let (record, status) = folder.status(containers.boot())?;
    let record = record.ok_or_else(|| Failure::new("nothing is known of this container"))?;
    let config: Config = serde_json::from_slice(&folder.config()?)?;
    let explanation = config.confinement.explain();
    let (mut controls, mut gaps) = (vec![admitted(&config.admission)], explanation.gaps);
    controls.extend(explanation.controls);
    controls.extend(limits::controls(&config.limits, &record.cgroup));
    controls.push(limits::disk(&Reserve::of(containers.dir())?, Some(&config.spec)));
    gaps.extend(limits::gaps(&config.limits, &record.cgroup));
    let files = folder.id().as_str();
    // What coffer keeps for containers is nobody's else.
    let is_kept = |source: &str| {
        let end = |volume: &Use| format!("/{FOLDER}/{}/{DATA}", volume.name);
        source.contains(files) || record.volumes.iter().any(|used| source.ends_with(&end(used)))
    };
    let paths = given(&config.spec.mounts, |source| !is_kept(source));
    Ok(Subject {
        headline: headline(&record, &status),
        facts: Map::from_iter([
            ("id".to_owned(), json!(record.id)),
            ("name".to_owned(), json!(record.name)),
            ("image".to_owned(), json!(record.image)),
            ("admission".to_owned(), json!(config.admission.to_string())),
            ("tier".to_owned(), json!("native")),
        ]),
        controls,
        gaps,
        posture: Posture::of(
            &config.confinement,
            paths,
            limits::limited(&config.limits, &record.cgroup),
        ),
        words: Words::Coffer,
    })
}

/// Who let it run, and what nobody looked at.
fn admitted(admission: &Admission) -> Control {
    let unchecked = "who made it and known vulnerabilities were not looked at";
    let set_by = match admission {
        Admission::Policy { .. } => format!("coffer's policy; {unchecked}"),
        Admission::Caller { .. } => "the caller, who answers for it".to_owned(),
    };
    Control { control: "admitted", value: admission.to_string(), set_by }
}

/// `web  shop/web@sha256:9c1e…  running 3 minutes  native tier`
fn headline(record: &Record, status: &Status) -> String {
    let since = match status {
        Status::Running(running) => format!(" {}", ui::age(running.started, Timestamp::now())),
        _ => String::new(),
    };
    format!(
        "{}  {}  {}{since}  native tier",
        record.name,
        record.image,
        ps::status_word(Some(record), status)
    )
}

/// The host's side of bind mounts that `counts`.
fn given(mounts: &[Mount], counts: impl Fn(&str) -> bool) -> Vec<HostPath> {
    let has = |mount: &Mount, word: &str| mount.options.iter().any(|option| option == word);
    let bound = |mount: &&Mount| mount.kind == "bind" || has(mount, "bind") || has(mount, "rbind");
    let counted = mounts.iter().filter(bound).filter(|mount| counts(&mount.source));
    let path = |mount: &Mount| HostPath {
        path: mount.source.clone(),
        access: if has(mount, "ro") { PathAccess::Read } else { PathAccess::Write },
    };
    counted.map(path).collect()
}

/// A bundle's folder, whoever has made it.
fn bundle(context: &Context, folder: &Path) -> Result<Subject, Failure> {
    let file = folder.join("config.json");
    let at = |failure: Failure| failure.at(file.display().to_string());
    let text = flags::read(&file, "the bundle's configuration")?;
    let spec: Spec = serde_json::from_str(&text).map_err(|error| at(error.into()))?;
    let made = Confinement::of_bundle(&spec, &Host::read()).map_err(|error| at(error.into()))?;
    for warning in &made.warnings {
        context.ui.note(warning);
    }
    let confinement = made.confinement;
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let explanation = confinement.explain();
    Ok(Subject {
        headline: format!("{}  a bundle", folder.display()),
        facts: Map::from_iter([("bundle".to_owned(), json!(folder))]),
        controls: explanation.controls.into_iter().map(|c| by(c, "config.json")).collect(),
        gaps: explanation.gaps.into_iter().map(without_flag).collect(),
        posture: Posture::of(&confinement, given(&spec.mounts, |_| true), of(resources)),
        words: Words::Coffer,
    })
}

/// A bundle's settings come from its file and not from coffer's flags.
fn by(control: Control, set_by: &str) -> Control {
    Control { set_by: set_by.to_owned(), ..control }
}

fn without_flag(gap: Gap) -> Gap {
    Gap { from: gap.from.map(|_| "config.json".to_owned()), stronger: None, ..gap }
}

fn of(resources: Option<Resources>) -> Limits {
    let resources = resources.unwrap_or_default();
    let limited = |limit: Option<i64>| match limit {
        Some(1..) => Limited::Yes,
        _ => Limited::No,
    };
    Limits {
        memory: limited(resources.memory.and_then(|memory| memory.limit)),
        tasks: limited(resources.pids.map(|pids| pids.limit)),
    }
}

/// Any process: what its files in `/proc` say, whatever runs it.
fn process(pid: u32) -> Result<Subject, Failure> {
    let process = Process::read(pid)?;
    let limits = inspect::limits_of(&process);
    let control = |(control, value): (&'static str, String)| Control {
        control,
        value,
        set_by: "whoever started it".to_owned(),
    };
    let posture = Posture::of_process(&process, limits);
    Ok(Subject {
        headline: format!("{pid}  {}  a process", process.status.name),
        facts: Map::from_iter([("pid".to_owned(), json!(pid))]),
        controls: inspect::lines(&process).into_iter().map(control).collect(),
        gaps: unknown(&posture),
        posture,
        words: Words::Coffer,
    })
}

/// What cannot be told of a process from outside.
fn unknown(posture: &Posture) -> Vec<Gap> {
    let gap = |what: &str| Gap { what: what.to_owned(), from: None, stronger: None };
    let mut gaps = vec![gap("shares the host kernel")];
    if posture.calls == coffer_confine::posture::Calls::Unreadable {
        gaps.push(gap("what its system call filter refuses cannot be read from outside"));
    }
    gaps
}

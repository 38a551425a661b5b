//! From an admitted image to a container that can be started.

use coffer_confine::confinement::Host;
use coffer_confine::ids::{self, IdMap};
use coffer_confine::user::{self, FILE_LIMIT, Identity};
use coffer_confine::{Confinement, ConfinementError};
use coffer_oci::ImageConfig;
use coffer_policy::{Admission, Admitted};
use coffer_rootfs::Stack;

use super::config::Consent;
use super::joined::{self, Choice};
use super::volumes::{self, Wanted};
use super::{Config, ContainerError, DataRoot, Ready};
use crate::cgroup::{Limits, Manager, Pids, of_host};
use crate::hosts;
use crate::label;
use crate::monitor::Stdin;
use crate::plan::Authority;
use crate::signal;
use crate::spec::{self, Facts, Ipc, Making, MountRequest, Request, Userns};
use crate::state::{Draft, Locked, Name, Record, Removal, StateError};

/// What a container is made from.
#[derive(Debug)]
pub struct Creation<'a> {
    /// Leave to run the image.
    pub admitted: &'a Admitted,
    /// The image's configuration.
    pub image: &'a ImageConfig,
    /// Its unpacked layers.
    pub stack: Stack,
    /// What the caller asks for.
    pub request: &'a Request,
    /// The name that the caller chose.
    pub name: Option<Name>,
    /// What becomes of the container when it stops.
    pub removal: Removal,
    /// Whether it can be given input.
    pub stdin: Stdin,
}

/// Makes a container: a folder with a record, a range of ids, a fence that was checked against
/// this host. No process yet, and no control group.
///
/// # Errors
/// The first thing that cannot be had; nothing is left then.
pub fn create<'r>(root: &'r DataRoot, creation: Creation<'_>) -> Result<Ready<'r>, ContainerError> {
    let identity = identity(&creation)?;
    let (request, volumes) = volumes::settle(root, creation.image, creation.request)?;
    let creation = Creation { request: &request, ..creation };
    let (locked, mut record) = reserve(root, &creation)?;
    record.volumes = volumes.iter().map(|wanted| wanted.volume.clone()).collect();
    let used = record.volumes.clone();
    match prepare(root, &locked, record, &creation, identity, &volumes) {
        Ok((record, config)) => Ok(Ready::fresh(root, locked, record, config, creation.stack)),
        Err(error) => {
            root.drop_anonymous(locked.id(), &used)?;
            root.remove(locked, None)?;
            Err(error)
        }
    }
}

/// Who the program runs as, by the image's own files.
fn identity(creation: &Creation<'_>) -> Result<Identity, ContainerError> {
    let read = |path| creation.stack.read(path, FILE_LIMIT as u64).map(Option::unwrap_or_default);
    let (passwd, group) = (read("/etc/passwd")?, read("/etc/group")?);
    let who = user::resolve(spec::user(creation.image, creation.request), &passwd, &group)?;
    let added = creation.request.group_add.iter().map(|text| user::resolve_group(text, &group));
    Ok(who.joined_to(added.collect::<Result<_, _>>()?))
}

/// A folder and a name. A name that only the wreck of a container has is taken from it.
fn reserve(root: &DataRoot, creation: &Creation<'_>) -> Result<(Locked, Record), ContainerError> {
    let (image, manifest) = match creation.admitted.admission() {
        Admission::Policy { name, manifest } => (name.clone(), Some(manifest.clone())),
        Admission::Caller { reason } => (reason.clone(), None),
    };
    let draft = Draft {
        name: creation.name.clone(),
        image,
        manifest,
        command: Vec::new(),
        labels: spec::labels(creation.image, creation.request),
        removal: creation.removal,
    };
    match root.containers().create(draft.clone()) {
        Err(StateError::NameTaken { holder, .. }) => {
            if let Ok(folder) = root.containers().find(holder.as_str()) {
                root.settle(&folder)?;
            }
            Ok(root.containers().create(draft)?)
        }
        created => Ok(created?),
    }
}

/// Computes and checks everything, and writes it down.
fn prepare(
    root: &DataRoot,
    locked: &Locked,
    mut record: Record,
    creation: &Creation<'_>,
    identity: Identity,
    volumes: &[Wanted],
) -> Result<(Record, Config), ContainerError> {
    let Creation { admitted, image, request, stdin, .. } = creation;
    let chosen = joined::choose(root, request)?;
    let ids = map(root, locked, request, &chosen)?;
    check_owners(request, ids.as_ref())?;
    let devices = spec::devices(&request.devices, ids.as_ref())?;
    let facts = Facts {
        identity: &identity,
        ids: ids.as_ref(),
        devices: &devices,
        joined: &chosen.joined,
        id: locked.id().as_str(),
    };
    let labels = label::choose(request, root.authority(), root.dir(), locked.id().as_str())?;
    let relabel = label::wanted(request, &labels)?;
    let mut spec = spec::build(image, request, facts)?;
    if let Some(linux) = &mut spec.linux {
        linux.mount_label.clone_from(&labels.mounts);
    }
    let wishes = {
        let (identity, ids, devices) = (identity.clone(), ids.clone(), devices.clone());
        spec::wishes(request, identity, ids, devices, labels, &chosen.joined)
    };
    let confinement = Confinement::new(wishes, &Host::read())?;
    label::prepare(locked.dir(), &confinement)?;
    record.opened = confinement.weakenings().into_iter().filter_map(|gap| gap.from).collect();
    let resources = spec.linux.as_ref().and_then(|linux| linux.resources.clone());
    let pids = if request.limits.pids.is_some() { Pids::Asked } else { Pids::Default };
    let limits = Limits::from_spec(&resources.unwrap_or_default(), pids)?;
    // The specification says what was asked for; what coffer adds depends on the host.
    let (memory, swap) = of_host();
    let limits = match request.limits.memory {
        Some(_) => limits,
        None => limits.leaving_room(memory, swap),
    };
    record.opened.extend(limits.opened(memory).into_iter().filter_map(|gap| gap.from));
    let stop_signal = spec::stop_signal(image, request).unwrap_or("TERM");
    let config = Config {
        admission: admitted.admission().clone(),
        stop_signal: signal::parse(stop_signal)
            .ok_or_else(|| ContainerError::Signal(stop_signal.to_owned()))?,
        stop_timeout_seconds: request.stop_timeout.map(|limit| limit.as_secs()),
        layers: image.chain_ids(),
        files: hosts::files(request, &spec.hostname),
        spec,
        confinement,
        relabel,
        ipc: match request.ipc {
            Ipc::Shareable => Consent::Shareable,
            _ => Consent::Private,
        },
        limits,
        init: request.init,
        stdin: *stdin,
        terminal: request.terminal,
    };
    record.cgroup = Manager::discover()?.plan(locked.id(), &config.limits)?;
    // The one thing that is done to the host: last, so that what is refused leaves nothing there.
    spec::make_missing(request)?;
    make_volumes(root, locked, &record, creation, volumes)?;
    record.command =
        config.spec.process.as_ref().map(|process| process.args.clone()).unwrap_or_default();
    let text = serde_json::to_vec(&config)
        .map_err(|source| ContainerError::Config { id: locked.id().clone(), source })?;
    locked.save_config(&text, record.removal)?;
    locked.save(&record)?;
    if record.removal == Removal::Keep {
        root.containers().sync()?;
    }
    Ok((record, config))
}

/// Makes the volumes that are not there, once it is written down who wants them.
fn make_volumes(
    root: &DataRoot,
    locked: &Locked,
    record: &Record,
    creation: &Creation<'_>,
    wanted: &[Wanted],
) -> Result<(), ContainerError> {
    if wanted.is_empty() || creation.request.volumes == Making::Leave {
        return Ok(());
    }
    locked.save(record)?;
    let durability = record.removal.durability();
    Ok(volumes::ensure(root, locked.id(), &creation.stack, wanted, durability)?)
}

/// The limits of a container for which nobody has said any.
pub fn usual_limits() -> Limits {
    let pids = u64::try_from(spec::DEFAULT_PIDS).ok().map(Pids::Default);
    let (memory, swap) = of_host();
    Limits { pids, ..Limits::default() }.leaving_room(memory, swap)
}

/// Memory can belong to none but the container's ids.
fn check_owners(request: &Request, ids: Option<&IdMap>) -> Result<(), ConfinementError> {
    let Some(ids) = ids else { return Ok(()) };
    for mount in &request.mounts {
        let MountRequest::Tmpfs(tmpfs) = mount else { continue };
        match (tmpfs.uid, tmpfs.gid) {
            (Some(uid), _) if ids.host_uid(uid).is_none() => {
                return Err(ConfinementError::UnmappedUser(uid));
            }
            (_, Some(gid)) if ids.host_gid(gid).is_none() => {
                return Err(ConfinementError::UnmappedGroup(gid));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The ids that the container has on the host; none where it shares the host's.
fn map(
    root: &DataRoot,
    locked: &Locked,
    request: &Request,
    chosen: &Choice,
) -> Result<Option<IdMap>, ContainerError> {
    if let Some(ids) = chosen.ids(root, locked)? {
        return Ok(Some(ids));
    }
    Ok(match (&request.userns, root.authority()) {
        (Userns::Host, Authority::Root) => None,
        _ => Some(ids::allocate(root.dir(), locked.id().as_str())?),
    })
}

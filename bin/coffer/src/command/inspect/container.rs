//! A container in docker's fields. Source: docker's API, "Inspect a container".

use coffer_oci::runtime::{Mount, NamespaceKind};
use coffer_runtime::cgroup::{Limits, Pids, Swap};
use coffer_runtime::container::Config;
use coffer_runtime::disk::Scarce;
use coffer_runtime::monitor::Stdin;
use coffer_runtime::spec::{Init, Terminal};
use coffer_runtime::state::{Containers, Folder, Record, Removal, Status};
use serde::Serialize;
use serde_json::{Value, json};

use crate::command::ps;
use crate::failure::Failure;

/// docker's `State`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: &'static str,
    running: bool,
    paused: bool,
    pid: i32,
    exit_code: u8,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    error: &'static str,
    started_at: Option<jiff::Timestamp>,
    finished_at: Option<jiff::Timestamp>,
}

impl State {
    fn of(record: Option<&Record>, status: &Status) -> Self {
        let (running, exit) = match status {
            Status::Running(running) => (Some(running), None),
            Status::Stopped(exit) => (None, Some(exit)),
            _ => (None, None),
        };
        let word = ps::status_word(record, status);
        Self {
            status: word,
            running: running.is_some(),
            paused: word == "paused",
            pid: running.map_or(0, |running| running.init.pid),
            exit_code: exit.map_or(0, |exit| exit.outcome.code()),
            oom_killed: exit.is_some_and(|exit| exit.oom_killed),
            error: exit.and_then(|exit| exit.ended_for).map_or("", Scarce::sentence),
            started_at: record.and_then(Record::started),
            finished_at: exit.map(|exit| exit.finished),
        }
    }
}

/// All that is known of the container in `folder`.
pub(super) fn container(containers: &Containers, folder: &Folder) -> Result<Value, Failure> {
    let (record, status) = folder.status(containers.boot())?;
    let state = State::of(record.as_ref(), &status);
    let Some(record) = &record else {
        return Ok(json!({ "Id": folder.id(), "State": state }));
    };
    let bytes = folder.config()?;
    let whole: Value = serde_json::from_slice(&bytes)?;
    let config: Config = serde_json::from_slice(&bytes)?;
    Ok(json!({
        "Id": record.id,
        "Name": record.name,
        "Created": record.created,
        "Image": record.manifest,
        "Path": record.command.first(),
        "Args": record.command.get(1..),
        "State": state,
        "Config": settings(record, &config),
        "HostConfig": host_settings(record, &config),
        "Mounts": config.spec.mounts.iter().filter_map(|m| mounted(record, m)).collect::<Vec<_>>(),
        "Coffer": whole,
    }))
}

/// docker's `Config`: what the program is given.
fn settings(record: &Record, config: &Config) -> Value {
    let process = config.spec.process.clone().unwrap_or_default();
    json!({
        "Image": record.image,
        "Labels": record.labels,
        "Hostname": config.spec.hostname,
        "Domainname": config.spec.domainname,
        "User": format!("{}:{}", process.user.uid, process.user.gid),
        "Env": process.env,
        "Cmd": process.args,
        "WorkingDir": process.cwd,
        "Tty": !matches!(config.terminal, Terminal::None),
        "OpenStdin": config.stdin == Stdin::Open,
        "StopSignal": config.stop_signal.to_string(),
        "StopTimeout": config.grace().as_secs(),
    })
}

/// docker's `HostConfig`: what it may use and reach. 0 stands for no limit there.
fn host_settings(record: &Record, config: &Config) -> Value {
    let Limits { memory_bytes, swap, cpu, cpu_shares, cpus, mems, pids, .. } = &config.limits;
    let namespaces = config.spec.linux.as_ref().map(|linux| linux.namespaces.as_slice());
    let has = |kind| namespaces.is_some_and(|all| all.iter().any(|one| one.kind == kind));
    let nano_cpus = cpu.map_or(0, |cpu| cpu.quota_us * 1_000_000_000 / cpu.period_us.max(1));
    let memory = memory_bytes.unwrap_or(0);
    json!({
        "NetworkMode": if has(NamespaceKind::Network) { "none" } else { "host" },
        "AutoRemove": record.removal == Removal::AtExit,
        "ReadonlyRootfs": config.spec.root.as_ref().is_some_and(|root| root.readonly),
        "Privileged": record.opened.iter().any(|flag| flag == "--privileged"),
        "Init": config.init == Init::Tiny,
        "Memory": memory,
        "MemorySwap": match swap {
            Swap::Bytes(bytes) | Swap::Share(bytes) => i64::try_from(memory.saturating_add(*bytes)).unwrap_or(i64::MAX),
            Swap::Unlimited => -1,
            Swap::LikeMemory => 0,
        },
        "NanoCpus": nano_cpus,
        "CpuShares": cpu_shares.unwrap_or(0),
        "CpusetCpus": cpus.as_deref().unwrap_or(""),
        "CpusetMems": mems.as_deref().unwrap_or(""),
        "PidsLimit": match pids {
            Some(Pids::Asked(count) | Pids::Default(count)) => *count,
            None => 0,
        },
    })
}

/// One of docker's `Mounts`, where it is a volume or a folder of the host's.
fn mounted(record: &Record, mount: &Mount) -> Option<Value> {
    if mount.kind != "bind" {
        return None;
    }
    let is_writable = !mount.options.iter().any(|option| option == "ro");
    let volume = record.volumes.iter().find(|volume| volume.target == mount.destination);
    Some(match volume {
        Some(volume) => json!({
            "Type": "volume",
            "Name": volume.name,
            "Source": mount.source,
            "Destination": mount.destination,
            "Driver": "local",
            "RW": is_writable,
        }),
        None => json!({
            "Type": "bind",
            "Source": mount.source,
            "Destination": mount.destination,
            "RW": is_writable,
        }),
    })
}

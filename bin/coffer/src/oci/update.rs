//! `update`: other limits for a container that lives.

use std::path::Path;

use coffer_oci::runtime::{BlockIo, Cpu, IntelRdt, Memory, Pids, Resources};
use coffer_runtime::bundle::{self, parse_document, read_document};
use coffer_runtime::cgroup::Settings;

use super::Outcome;
use super::create::operand;
use super::failure::Failure;
use super::globals::Globals;
use super::grammar::{Grammar, Words, value};

/// The options of `update`, by runc's and crun's names.
pub(super) const GRAMMAR: Grammar = Grammar {
    flags: &[
        value("resources", Some('r')),
        value("blkio-weight", None),
        value("cpu-period", None),
        value("cpu-quota", None),
        value("cpu-burst", None),
        value("cpu-share", None),
        value("cpu-rt-period", None),
        value("cpu-rt-runtime", None),
        value("cpuset-cpus", None),
        value("cpuset-mems", None),
        value("cpu-idle", None),
        value("memory", None),
        value("memory-reservation", None),
        value("memory-swap", None),
        value("pids-limit", None),
        value("kernel-memory", None),
        value("kernel-memory-tcp", None),
        value("l3-cache-schema", None),
        value("mem-bw-schema", None),
    ],
    operands: (1, 1),
    verbatim_after: usize::MAX,
};

/// The most that is read from standard input (1 MiB).
const LIMIT: u64 = 1 << 20;

/// `update`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let folder = globals.find(operand(words))?;
    let mut resources = match words.value("resources") {
        Some("-") => from_input()?,
        Some(file) => read_document(Path::new(file))?,
        None => Resources::default(),
    };
    apply(&mut resources, words)?;
    let settings = Settings::of_update(&resources)?;
    if let Some(change) = class(words) {
        bundle::update_class(&folder, &change)?;
    }
    bundle::update(folder, &settings)?;
    Ok(0)
}

fn from_input() -> Result<Resources, Failure> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin(), LIMIT), &mut bytes)?;
    Ok(parse_document(Path::new("standard input"), &bytes)?)
}

/// Puts the options over what the file says.
fn apply(resources: &mut Resources, words: &Words) -> Result<(), Failure> {
    apply_cpu(resources.cpu.get_or_insert_with(Cpu::default), words)?;
    apply_memory(resources.memory.get_or_insert_with(Memory::default), words)?;
    if let Some(limit) = words.number("pids-limit")? {
        resources.pids = Some(Pids { limit });
    }
    if let Some(weight) = words.number("blkio-weight")? {
        resources.block_io.get_or_insert_with(BlockIo::default).weight = Some(weight);
    }
    Ok(())
}

/// What the container's class of service is to give.
fn class(words: &Words) -> Option<IntelRdt> {
    let line = |name| words.value(name).unwrap_or_default().to_owned();
    let change = IntelRdt {
        l3_cache_schema: line("l3-cache-schema"),
        mem_bw_schema: line("mem-bw-schema"),
        ..IntelRdt::default()
    };
    (change != IntelRdt::default()).then_some(change)
}

fn apply_cpu(cpu: &mut Cpu, words: &Words) -> Result<(), Failure> {
    let text = |name: &str, field: &mut String| {
        if let Some(value) = words.value(name) {
            value.clone_into(field);
        }
    };
    text("cpuset-cpus", &mut cpu.cpus);
    text("cpuset-mems", &mut cpu.mems);
    cpu.shares = words.number("cpu-share")?.or(cpu.shares);
    cpu.quota = words.number("cpu-quota")?.or(cpu.quota);
    cpu.burst = words.number("cpu-burst")?.or(cpu.burst);
    cpu.period = words.number("cpu-period")?.or(cpu.period);
    cpu.realtime_runtime = words.number("cpu-rt-runtime")?.or(cpu.realtime_runtime);
    cpu.realtime_period = words.number("cpu-rt-period")?.or(cpu.realtime_period);
    cpu.idle = words.number("cpu-idle")?.or(cpu.idle);
    Ok(())
}

fn apply_memory(memory: &mut Memory, words: &Words) -> Result<(), Failure> {
    let bytes = |name: &str| words.value(name).map(|text| bytes(name, text)).transpose();
    memory.limit = bytes("memory")?.or(memory.limit);
    memory.reservation = bytes("memory-reservation")?.or(memory.reservation);
    memory.swap = bytes("memory-swap")?.or(memory.swap);
    memory.kernel = bytes("kernel-memory")?.or(memory.kernel);
    memory.kernel_tcp = bytes("kernel-memory-tcp")?.or(memory.kernel_tcp);
    Ok(())
}

/// Bytes, as a number with runc's suffixes for powers of 1024; -1 for no limit.
fn bytes(name: &str, text: &str) -> Result<i64, Failure> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        "t" | "tb" | "tib" => Some(40),
        _ => None,
    };
    let number = digits.parse::<i64>().ok().filter(|number| *number >= -1);
    let bytes = number.zip(shift).and_then(|(number, shift)| number.checked_mul(1 << shift));
    bytes.ok_or_else(|| Failure::new(format!("--{name}: {text:?} is no number of bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_suffixes() {
        assert_eq!(bytes("memory", "512M").unwrap(), 512 << 20);
        assert_eq!(bytes("memory", "-1").unwrap(), -1);
        assert_eq!(bytes("memory", "7").unwrap(), 7);
        for bad in ["", "M", "-2", "1x", "99999999999T"] {
            assert!(bytes("memory", bad).is_err(), "{bad}");
        }
    }
}

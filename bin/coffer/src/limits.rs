//! What a container may use, in words for `explain`.

use coffer_confine::confinement::{Control, Gap};
use coffer_confine::posture;
use coffer_oci::runtime::Spec;
use coffer_runtime::cgroup::{Asker, Controller, Limits, Pids, Place, Swap, of_host};
use coffer_runtime::disk::Reserve;

use crate::ui;

/// Who set what no flag set.
const DEFAULT: &str = "default";

/// A line for each of memory, cpus, processes and devices.
pub(crate) fn controls(limits: &Limits, place: &Place) -> [Control; 4] {
    [memory(limits, place), cpus(limits), processes(limits, place), devices(limits, place)]
}

/// A line for the disk: what of it the host keeps.
pub(crate) fn disk(reserve: &Reserve, spec: Option<&Spec>) -> Control {
    let root = spec.and_then(|spec| spec.root.as_ref());
    let (value, set_by) = match root.is_some_and(|root| root.readonly) {
        true => ("nothing of its own to write".to_owned(), "--read-only"),
        false => (format!("ended before the last {}", ui::bytes(reserve.bytes())), DEFAULT),
    };
    Control { control: "disk", value, set_by: set_by.to_owned() }
}

/// What is not held back: what has no limit, and what this host does not enforce.
pub(crate) fn gaps(limits: &Limits, place: &Place) -> Vec<Gap> {
    let (memory, _) = of_host();
    let mut gaps = limits.opened(memory);
    let mut open = |what: String, stronger: &str| {
        gaps.push(Gap { what, from: None, stronger: Some(stronger.to_owned()) });
    };
    if limits.cpu.is_none() {
        open("all processors can be kept busy".to_owned(), "--cpus NUMBER");
    }
    let meant = [
        (Controller::Memory, limits.memory_bytes.is_some()),
        (Controller::Pids, limits.pids.is_some()),
        (Controller::Devices, true),
    ];
    for (controller, _) in meant.into_iter().filter(|(_, is_meant)| *is_meant) {
        if let Some(why) = not_enforced(controller, place) {
            let what = format!("the limit on {}: {why}", said(controller));
            open(what, "run as root, or have a control group delegated");
        }
    }
    gaps
}

/// Whether memory and tasks are limited here.
pub(crate) fn limited(limits: &Limits, place: &Place) -> posture::Limits {
    let limited = |asked: bool, controller| match asked && not_enforced(controller, place).is_none()
    {
        true => posture::Limited::Yes,
        false => posture::Limited::No,
    };
    posture::Limits {
        memory: limited(limits.bounds_memory(of_host().0), Controller::Memory),
        tasks: limited(limits.pids.is_some(), Controller::Pids),
    }
}

/// What a controller holds back, in `explain`'s word.
fn said(controller: Controller) -> &'static str {
    match controller {
        Controller::Devices => "devices",
        Controller::Memory => "memory",
        _ => "processes",
    }
}

/// Values with the flags that set them; without any it is `otherwise`.
fn control(control: &'static str, set: Vec<(String, &str)>, otherwise: &str) -> Control {
    if set.is_empty() {
        return Control { control, value: otherwise.to_owned(), set_by: DEFAULT.to_owned() };
    }
    let (values, flags): (Vec<String>, Vec<&str>) = set.into_iter().unzip();
    Control { control, value: values.join(", "), set_by: flags.join(", ") }
}

fn memory(limits: &Limits, place: &Place) -> Control {
    let mut set = Vec::new();
    match (limits.memory_bytes, limits.memory_by) {
        (None, _) => set.push(("no limit".to_owned(), "--memory")),
        (Some(bytes), Asker::Caller) => set.push((ui::bytes(bytes), "--memory")),
        (Some(bytes), Asker::Coffer) => set.push(match not_enforced(Controller::Memory, place) {
            Some(why) => (why, "this host"),
            None => (share(bytes, limits.swap), DEFAULT),
        }),
    }
    match limits.swap {
        // What coffer adds is said with the memory.
        Swap::LikeMemory | Swap::Share(_) => {}
        Swap::Bytes(bytes) => set.push((format!("swap {}", ui::bytes(bytes)), "--memory-swap")),
        Swap::Unlimited => set.push(("swap without limit".to_owned(), "--memory-swap")),
    }
    if let Some(bytes) = limits.reservation_bytes {
        set.push((format!("{} kept when it is short", ui::bytes(bytes)), "--memory-reservation"));
    }
    control("memory", set, "no limit")
}

/// What coffer leaves a container for which nobody has said a limit.
fn share(memory: u64, swap: Swap) -> String {
    match swap {
        Swap::Share(swap @ 1..) => format!("{}, swap {}", ui::bytes(memory), ui::bytes(swap)),
        _ => ui::bytes(memory),
    }
}

fn cpus(limits: &Limits) -> Control {
    let mut set = Vec::new();
    if let Some(cpu) = limits.cpu {
        let thousandths = cpu.quota_us.saturating_mul(1000) / cpu.period_us.max(1);
        let number = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        let number = number.trim_end_matches('0').trim_end_matches('.').to_owned();
        set.push((number, "--cpus"));
    }
    if let Some(shares) = limits.cpu_shares {
        set.push((format!("{shares} shares"), "--cpu-shares"));
    }
    if let Some(list) = &limits.cpus {
        set.push((format!("on {list}"), "--cpuset-cpus"));
    }
    if let Some(list) = &limits.mems {
        set.push((format!("memory of {list}"), "--cpuset-mems"));
    }
    control("cpus", set, "no limit")
}

fn processes(limits: &Limits, place: &Place) -> Control {
    let (value, set_by) = match limits.pids {
        None => ("no limit".to_owned(), "--pids-limit"),
        Some(Pids::Asked(count)) => (count.to_string(), "--pids-limit"),
        Some(Pids::Default(count)) => match not_enforced(Controller::Pids, place) {
            Some(why) => (why, "this host"),
            None => (count.to_string(), DEFAULT),
        },
    };
    Control { control: "processes", value, set_by: set_by.to_owned() }
}

fn devices(limits: &Limits, place: &Place) -> Control {
    let rules = limits.devices.len();
    let (value, set_by) = match (not_enforced(Controller::Devices, place), rules) {
        (Some(why), _) => (why, "this host"),
        (None, 0) => ("the standard ones".to_owned(), DEFAULT),
        (None, _) => (format!("the standard ones and {rules} rules"), "the specification"),
    };
    Control { control: "devices", value, set_by: set_by.to_owned() }
}

/// Why this holds nothing back here, where it does not.
fn not_enforced(controller: Controller, place: &Place) -> Option<String> {
    if !place.missing.contains(&controller) {
        return None;
    }
    Some(match (place.groups.is_empty(), controller) {
        (true, _) => "not enforced: no control group can be made here".to_owned(),
        (false, Controller::Devices) => {
            "not enforced: no filter for control groups v2 yet".to_owned()
        }
        (false, _) => format!("not enforced: the control group has no {controller} controller"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_runtime::cgroup::CpuQuota;

    fn shown(limits: &Limits, place: &Place) -> Vec<String> {
        controls(limits, place).iter().map(|c| format!("{}: {}", c.value, c.set_by)).collect()
    }

    #[test]
    fn what_nobody_limited_says_so() {
        let limits = Limits { pids: Some(Pids::Default(4096)), ..Limits::default() };
        let limits = limits.leaving_room(1 << 30, 0);
        let lines = [
            "512 MiB: default",
            "no limit: default",
            "4096: default",
            "the standard ones: default",
        ];
        assert_eq!(shown(&limits, &Place::default()), lines);
        let swap = Limits::default().leaving_room(1 << 30, 8 << 30);
        assert_eq!(
            shown(&swap, &Place::default()).swap_remove(0),
            "512 MiB, swap 7.0 GiB: default"
        );
        let missing = vec![Controller::Devices, Controller::Pids, Controller::Memory];
        let nowhere = Place { missing, ..Place::default() };
        let lines = shown(&limits, &nowhere);
        let why = "not enforced: no control group can be made here: this host";
        let unlimited = lines.iter().enumerate().filter(|(place, _)| *place != 1);
        assert!(unlimited.clone().all(|(_, line)| line == why), "{lines:?}");
        let what: Vec<String> = gaps(&limits, &nowhere).into_iter().map(|gap| gap.what).collect();
        assert_eq!(what.len(), 4, "{what:?}");
        let why = "not enforced: no control group can be made here";
        assert_eq!(what.get(2).unwrap(), &format!("the limit on processes: {why}"));
        let open = Limits { memory_bytes: None, ..limits.clone() };
        assert_eq!(shown(&open, &nowhere).swap_remove(0), "no limit: --memory");
        assert_eq!(gaps(&open, &Place::default()).len(), 2, "memory and the processors");
        let asked = Limits { memory_bytes: Some(1), ..limits };
        assert_eq!(gaps(&asked, &Place::default()).len(), 1, "the processors alone");
    }

    #[test]
    fn each_limit_names_its_flag() {
        let limits = Limits {
            memory_bytes: Some(512 << 20),
            swap: Swap::Bytes(0),
            cpu: Some(CpuQuota { quota_us: 150_000, period_us: 100_000 }),
            cpus: Some("0-3".to_owned()),
            pids: Some(Pids::Asked(100)),
            ..Limits::default()
        };
        assert_eq!(
            shown(&limits, &Place::default()).get(1..3).unwrap(),
            ["1.5, on 0-3: --cpus, --cpuset-cpus", "100: --pids-limit"]
        );
        let memory = shown(&limits, &Place::default()).swap_remove(0);
        assert!(memory.ends_with(": --memory, --memory-swap"), "{memory}");
    }
}

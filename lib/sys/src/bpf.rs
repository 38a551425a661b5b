//! Programs that decide about the devices of a control group. Source: man 2 bpf, linux/bpf.h.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// One instruction, `struct bpf_insn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// What it does.
    pub code: u8,
    /// The register it writes to in the lower four bits, the one it reads in the upper.
    pub registers: u8,
    /// How far it jumps, or where it reads.
    pub offset: i16,
    /// Its operand.
    pub immediate: i32,
}

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 2;
const REPLACE: u32 = 4;

/// The most programs of one group that are looked at.
const PROGRAMS: usize = 64;

/// The first 64 bytes of `union bpf_attr` for `BPF_PROG_LOAD`. The name tells our programs from
/// those of systemd.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel: u32,
    flags: u32,
    name: [u8; 16],
}

/// For `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// For `BPF_PROG_QUERY`.
#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

/// For `BPF_PROG_GET_FD_BY_ID`.
#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

/// For `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct Info {
    fd: u32,
    length: u32,
    info: u64,
}

/// The first 80 bytes of `struct bpf_prog_info`, up to the name.
#[repr(C)]
#[derive(Default)]
struct About {
    before: [u64; 8],
    name: [u8; 16],
}

/// Hands a device filter to the kernel, which checks it and keeps it as long as the descriptor,
/// or what it is attached to, is there.
///
/// # Errors
/// `EPERM` without `CAP_BPF` (or `CAP_SYS_ADMIN`), `EINVAL` or `EACCES` for a program that the
/// kernel's verifier refuses.
pub fn load_device_filter(program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    name[..NAME.len()].copy_from_slice(NAME);
    let attr = Load {
        kind: PROG_TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        name,
        ..Load::default()
    };
    let fd = bpf(PROG_LOAD, &attr)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The name of our programs, as `bpftool` shows it.
const NAME: &[u8] = b"coffer_devices";

/// Attaches `filter` to the group `group`, beside what others attached there; where `replaced` is
/// one that is attached, in its place and at once.
///
/// # Errors
/// `EPERM` where the group belongs to somebody who allows no second program.
pub fn attach_device_filter(
    group: BorrowedFd<'_>,
    filter: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let attr = Attach {
        target: raw(group),
        program: raw(filter),
        kind: CGROUP_DEVICE,
        flags: replaced.map_or(ALLOW_MULTI, |_| ALLOW_MULTI | REPLACE),
        replaced: replaced.map_or(0, raw),
    };
    bpf(PROG_ATTACH, &attr).map(|_| ())
}

/// Detaches `filter` from the group `group`.
///
/// # Errors
/// `ENOENT` where it is not attached.
pub fn detach_device_filter(group: BorrowedFd<'_>, filter: BorrowedFd<'_>) -> io::Result<()> {
    let attr = Attach {
        target: raw(group),
        program: raw(filter),
        kind: CGROUP_DEVICE,
        flags: 0,
        replaced: 0,
    };
    bpf(PROG_DETACH, &attr).map(|_| ())
}

/// Those of our device filters that are attached to the group itself; systemd may have its own.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn device_filters(group: BorrowedFd<'_>) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; PROGRAMS];
    let mut attr = Query {
        target: raw(group),
        kind: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: u32::try_from(PROGRAMS).map_err(|_| io::ErrorKind::InvalidInput)?,
        padding: 0,
    };
    bpf_mut(PROG_QUERY, &mut attr)?;
    let count = usize::try_from(attr.count).unwrap_or(0).min(PROGRAMS);
    let mut ours = Vec::new();
    for id in ids.iter().take(count) {
        let filter = by_id(*id)?;
        if is_ours(&filter)? {
            ours.push(filter);
        }
    }
    Ok(ours)
}

fn is_ours(filter: &OwnedFd) -> io::Result<bool> {
    let mut about = About::default();
    let mut attr = Info {
        fd: raw(filter.as_fd()),
        length: u32::try_from(size_of::<About>()).map_err(|_| io::ErrorKind::InvalidInput)?,
        info: (&raw mut about) as u64,
    };
    bpf_mut(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(about.name.starts_with(NAME))
}

fn by_id(id: u32) -> io::Result<OwnedFd> {
    let fd = bpf(PROG_GET_FD_BY_ID, &ById { id, next: 0, flags: 0 })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

/// Calls that only read `attr`. The types above are the only ones passed.
fn bpf<T>(command: libc::c_long, attr: &T) -> io::Result<RawFd> {
    // SAFETY: `attr` is one of the repr(C) structs above, each laid out as the kernel's union has
    // it for this command and passed with its own size, so that the kernel reads no byte beyond
    // it. The addresses in it are of a slice and of constants that outlive the call, with the
    // slice's own length beside its address, and the kernel copies what they point to.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    checked(result)
}

/// Calls that answer in their argument: `Query` and `Info`.
fn bpf_mut<T>(command: libc::c_long, attr: &mut T) -> io::Result<RawFd> {
    // SAFETY: as for `bpf`; beside it the kernel writes into `attr`, which is borrowed mutably, and
    // to the array of numbers or the struct whose address and length `attr` holds. Both are
    // locals of the callers, written through a pointer made from a mutable place, and not touched
    // before the call is over; all bit patterns are valid for them.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    checked(result)
}

fn checked(result: libc::c_long) -> io::Result<RawFd> {
    match RawFd::try_from(result) {
        Ok(fd @ 0..) => Ok(fd),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structs_are_as_long_as_the_kernels_fields() {
        assert_eq!(size_of::<Instruction>(), 8);
        assert_eq!(size_of::<Load>(), 64);
        assert_eq!(size_of::<Attach>(), 20);
        assert_eq!(size_of::<Query>(), 32);
        assert_eq!(size_of::<About>(), 80);
    }

    /// The kernel's verifier refuses one that does not end.
    #[test]
    fn root_a_program_without_end_is_refused() {
        if !rustix::process::geteuid().is_root() {
            println!("only root loads programs");
            return;
        }
        let set = Instruction { code: 0xb4, registers: 0, offset: 0, immediate: 1 };
        assert!(load_device_filter(&[set]).is_err());
        let exit = Instruction { code: 0x95, registers: 0, offset: 0, immediate: 0 };
        load_device_filter(&[set, exit]).unwrap();
    }
}

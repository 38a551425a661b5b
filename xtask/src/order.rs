//! `cargo xtask order`: which functions the start of a container runs, in the order in which it
//! first comes to them.
//!
//! The linker lays them side by side (`bin/coffer/build.rs`), so that a start reads in a few
//! stretches of the binary and not all of it. A list that has grown old loses nothing but that.
//!
//! Each function of a copy of coffer begins with a breakpoint. Whoever runs into one is written
//! down and goes on without it. Source: man 2 ptrace.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use coffer_tests::image::catalogue::BUSYBOX;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::bench::{PROFILE, bundle, with_command};
use crate::{package, room, shipped};

/// What is traced: the runtime's verbs, then a run of an image that is here. Its arguments: coffer
/// as a runtime, a folder for its states, a bundle that ends, one that sleeps, coffer, its data
/// root, and an image in there.
const SCRIPT: &str = r#"
kill -STOP $$
set -e
oci="$1 --root $2"
$oci run --bundle "$3" first
$oci create --bundle "$4" second
$oci state second
$oci start second
$oci exec second /bin/true
$oci kill second KILL
$oci delete --force second
"$5" --root "$6" run --rm "$7" /bin/true
"#;

/// `int3`. Source: Intel SDM volume 2, "INT n/INTO/INT3/INT1".
const BREAKPOINT: u8 = 0xcc;

/// A function of the binary.
struct Function {
    name: String,
    /// The first byte of it.
    first: u8,
}

/// Writes the list anew.
///
/// # Errors
/// Not root, a tool that is missing, or a container that does not start.
pub(crate) fn run() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("the order is found with containers of root's\nhelp: run it as root");
    }
    room::enter()?;
    package::ensure(package::FOR_BENCHES)?;
    let coffer = shipped::with_symbols()?;
    let folder = room::temporary().join("order");
    fs::create_dir_all(&folder)?;
    let (copy, functions) = with_breakpoints(&coffer, &folder)?;
    let ends = bundle(&folder, Path::new(PROFILE))?;
    let sleeps = with_command(&ends, "sleeps", &["/bin/sleep", "1000"])?;
    let (front, root) = (folder.join("coffer"), folder.join("root"));
    // By this name the copy is coffer; the kernel calls it what the link leads to.
    std::os::unix::fs::symlink(&copy, &front)?;
    let layout = format!("oci:{}", BUSYBOX.layout().display());
    let mut unpack = Command::new(&coffer);
    unpack.arg("--root").arg(&root).args(["run", "--rm", &layout, "/bin/true"]);
    ensure!(unpack.status()?.success(), "the image does not run");
    let mut tag = Command::new(&coffer);
    tag.arg("--root").arg(&root).args(["tag", &layout, "ordered"]);
    ensure!(tag.status()?.success(), "the image gets no name");
    let arguments =
        [copy.clone(), folder.join("states"), ends, sleeps, front, root, "ordered".into()];
    let tracer = Tracer { copy, functions, bases: HashMap::new(), names: Vec::new() };
    let list = room::workspace().join("bin/coffer/start.order");
    fs::write(&list, listed(&tracer.follow(&arguments)?))
        .with_context(|| format!("write {}", list.display()))?;
    println!("{}", list.display());
    Ok(())
}

/// A copy of `coffer`, named as a runtime, whose functions all begin with a breakpoint, and the
/// functions by their addresses.
fn with_breakpoints(coffer: &Path, folder: &Path) -> Result<(PathBuf, HashMap<u64, Function>)> {
    let mut bytes = fs::read(coffer)?;
    let sections = text_sections(&tool("readelf", &["-SW"], coffer)?);
    let mut functions = HashMap::new();
    for line in tool("nm", &["--defined-only"], coffer)?.lines() {
        let [address, "t" | "T" | "w" | "W", name] = line.split(' ').collect::<Vec<_>>()[..] else {
            continue;
        };
        let address = u64::from_str_radix(address, 16)?;
        let Some(place) = sections.iter().find_map(|section| section.place(address)) else {
            continue;
        };
        let byte = bytes.get_mut(place).context("a function beyond the end of the file")?;
        // One function of several names has its breakpoint already.
        functions.entry(address).or_insert_with(|| Function {
            name: name.to_owned(),
            first: std::mem::replace(byte, BREAKPOINT),
        });
    }
    let copy = folder.join("coffer-oci");
    fs::write(&copy, bytes)?;
    fs::set_permissions(&copy, fs::metadata(coffer)?.permissions())?;
    Ok((copy, functions))
}

/// A section with code.
struct Section {
    address: u64,
    offset: u64,
    size: u64,
}

impl Section {
    /// Where in the file the byte at `address` is.
    fn place(&self, address: u64) -> Option<usize> {
        let inside = address.checked_sub(self.address).filter(|inside| *inside < self.size)?;
        usize::try_from(self.offset + inside).ok()
    }
}

/// The sections of code in the table of `readelf -SW`.
fn text_sections(table: &str) -> Vec<Section> {
    let section = |line: &str| {
        let (_, row) = line.split_once(']')?;
        let mut words = row.split_whitespace();
        words.next().filter(|name| name.starts_with(".text"))?;
        words.next().filter(|kind| *kind == "PROGBITS")?;
        let mut number = || u64::from_str_radix(words.next()?, 16).ok();
        Some(Section { address: number()?, offset: number()?, size: number()? })
    };
    table.lines().filter_map(section).collect()
}

fn tool(program: &str, flags: &[&str], file: &Path) -> Result<String> {
    let output = Command::new(program).args(flags).arg(file).output();
    let output = output.with_context(|| format!("start {program} (binutils)"))?;
    ensure!(output.status.success(), "{program} cannot read {}", file.display());
    Ok(String::from_utf8(output.stdout)?)
}

/// Follows a command and all of its children from breakpoint to breakpoint.
struct Tracer {
    copy: PathBuf,
    functions: HashMap<u64, Function>,
    /// Where each process has the copy.
    bases: HashMap<Pid, u64>,
    /// What was found.
    names: Vec<String>,
}

impl Tracer {
    /// Runs the script to its end, and gives the names in their order.
    fn follow(mut self, arguments: &[PathBuf]) -> Result<Vec<String>> {
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "order"]).args(arguments).stdout(Stdio::null());
        let child = shell.spawn().context("start sh")?;
        let shell = Pid::from_raw(child.id().try_into()?);
        waitpid(shell, Some(WaitPidFlag::WUNTRACED))?;
        let options = Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(shell, options)?;
        kill(shell, Signal::SIGCONT)?;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, status)) if pid == shell && status != 0 => {
                    bail!("the containers did not run: status {status}");
                }
                Ok(what) => self.heed(what)?,
                Err(Errno::ECHILD) => return Ok(self.names),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn heed(&mut self, what: WaitStatus) -> Result<()> {
        let (pid, signal) = match what {
            WaitStatus::Stopped(pid, Signal::SIGTRAP) if self.pass(pid)? => (pid, None),
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => {
                self.bases.remove(&pid);
                (pid, None)
            }
            WaitStatus::PtraceEvent(pid, _, _) => (pid, None),
            _ => return Ok(()),
        };
        match ptrace::cont(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Writes down where `pid` is and takes the breakpoint out of its way, where there is one.
    fn pass(&mut self, pid: Pid) -> Result<bool> {
        let base = match self.bases.get(&pid) {
            Some(base) => *base,
            None => {
                let Some(base) = base(pid, &self.copy)? else { return Ok(false) };
                *self.bases.entry(pid).or_insert(base)
            }
        };
        let mut registers = ptrace::getregs(pid)?;
        let place = registers.rip - 1;
        let Some(function) = self.functions.get(&place.wrapping_sub(base)) else {
            return Ok(false);
        };
        let mut word = ptrace::read(pid, place as ptrace::AddressType)?.to_ne_bytes();
        word[0] = function.first;
        ptrace::write(pid, place as ptrace::AddressType, libc::c_long::from_ne_bytes(word))?;
        registers.rip = place;
        ptrace::setregs(pid, registers)?;
        self.names.push(function.name.clone());
        Ok(true)
    }
}

/// Where a process has `program` in its memory, if at all. It is told by its number: on a mount of
/// its own it has no path. Source: man 5 proc_pid_maps.
fn base(pid: Pid, program: &Path) -> Result<Option<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let inode = fs::metadata(program)?.ino().to_string();
    let first = maps.lines().find(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        matches!(fields[..], [_, _, "00000000", _, number, ..] if number == inode)
    });
    let start = first.and_then(|line| line.split('-').next());
    Ok(start.map(|start| u64::from_str_radix(start, 16)).transpose()?)
}

/// The list: each name once, without what changes from compiler to compiler.
fn listed(names: &[String]) -> String {
    let mut seen = HashSet::new();
    let lines = names.iter().map(|name| lasting(name)).filter(|name| seen.insert(name.clone()));
    lines.map(|name| name + "\n").collect()
}

/// A name with `*` in place of the numbers of crates, and without the mark of an optimiser.
/// Source: rustc book, "v0 symbol format", disambiguator.
fn lasting(name: &str) -> String {
    let name = name.split(".llvm.").next().unwrap_or(name);
    let mut parts = name.split("Cs");
    let mut lasting = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        lasting.push_str("Cs");
        let number = part.split_once('_').filter(|(number, rest)| {
            number.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && rest.starts_with(|first: char| first.is_ascii_digit())
        });
        match number {
            Some((_, rest)) => lasting.extend(["*_", rest]),
            None => lasting.push_str(part),
        }
    }
    lasting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_last_longer_than_a_compiler() {
        assert_eq!(lasting("_RNvNtCs7BliBxk_4core3str.llvm.123"), "_RNvNtCs*_4core3str");
        assert_eq!(
            lasting("_RNvMs_NtCs2Zo_10serde_json4readECsbsS6_10coffer_oci"),
            "_RNvMs_NtCs*_10serde_json4readECs*_10coffer_oci"
        );
        assert_eq!(lasting("memcpy"), "memcpy");
        assert_eq!(lasting("_RNvC4mineCs_x"), "_RNvC4mineCs_x");
    }

    #[test]
    fn sections_of_code_are_found() {
        let table = "
  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [10] .text             PROGBITS        0000000000002080 002080 65f093 00  AX  0   0 64
  [12] .rodata           PROGBITS        0000000000662000 662000 0c1f4c 00   A  0   0 4096
";
        let [section] = &text_sections(table)[..] else { panic!("not one") };
        assert_eq!(section.place(0x2090), Some(0x2090));
        assert_eq!((section.place(0x2000), section.place(0x66_2000)), (None, None));
    }
}

//! Looks at the disk while a container runs, and ends the container that takes the last of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use coffer_confine::ids;
use coffer_sys::pidfd::has_ended;
use jiff::Timestamp;
use rustix::event::Timespec;
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{Signal, pidfd_send_signal};

use super::count::{Grown, Question, named};
use super::give_back::give_back;
use super::hidden;
use super::reserve::{Amounts, Disk, Reserve, Scarce};
use crate::cgroup::Cgroup;
use crate::plan::Authority;
use crate::state::{Folder, Record};
use crate::volume::{FOLDER, Kind, Use};

/// How much earlier than it was a moment is taken to be: the kernel's clock for files stands still
/// between two of its ticks.
const TICK: Duration = Duration::from_millis(20);

/// Not waited for.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What is remembered of the disk from before a container could write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    reserve: Reserve,
    /// When there was last enough room.
    since: Timestamp,
    /// How much was free then; nobody knows of one that was watched by somebody else before.
    free: Option<Amounts>,
}

impl Watch {
    /// For a container that is about to start, whose folder is `container`.
    ///
    /// # Errors
    /// What man 3 statvfs lists.
    pub(crate) fn at_start(container: BorrowedFd<'_>) -> io::Result<Self> {
        let (since, disk) = (Timestamp::now(), Disk::of(container)?);
        Ok(Self { reserve: Reserve::at_start(&disk), since, free: Some(disk.free) })
    }

    /// For one that was started at `started`, and is taken over: what it has written since then was
    /// seen by nobody.
    ///
    /// # Errors
    /// As [`Self::at_start`].
    pub(crate) fn again(container: BorrowedFd<'_>, started: Timestamp) -> io::Result<Self> {
        Ok(Self { reserve: Reserve::of(container)?, since: started, free: None })
    }
}

/// Whom a guard watches.
#[derive(Debug)]
pub(crate) struct Ward<'a> {
    /// Its folder.
    container: BorrowedFd<'a>,
    /// The folders of the volumes that are its alone.
    volumes: Vec<OwnedFd>,
    /// The pid of its first process.
    init: i32,
    /// Its groups.
    cgroup: &'a Cgroup,
    /// Whose its files are.
    authority: Authority,
}

impl<'a> Ward<'a> {
    /// The container of `record`, which runs, in its `folder`.
    pub(crate) fn of(
        folder: &'a Folder,
        record: &Record,
        cgroup: &'a Cgroup,
        authority: Authority,
    ) -> Self {
        // There is no process 0 to be looked into where none is recorded.
        let init = record.init().map_or(0, |init| init.pid);
        let alone = record.volumes.iter().filter(|volume| volume.kind == Kind::Anonymous);
        // One that has gone holds nothing.
        let volumes = alone.filter_map(|volume| folder_of(folder.dir(), volume).ok()).collect();
        Self { container: folder.dir(), volumes, init, cgroup, authority }
    }
}

/// The folder of a volume, from a container's own in the same data root.
fn folder_of(container: BorrowedFd<'_>, volume: &Use) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(container, format!("../../{FOLDER}/{}", volume.name), flags, Mode::empty())
}

/// Whoever waits for a container, as long as it runs.
#[derive(Debug)]
pub(crate) struct Guard<'a> {
    ward: Ward<'a>,
    watch: Watch,
    next: Instant,
    /// What was free when it was last counted, while there is too little.
    counted: Option<Amounts>,
    /// Whether it seemed to hide something when it was last counted.
    suspected: bool,
    ended: Option<Scarce>,
}

/// What is found out about a container while the room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    /// It has taken nothing that matters.
    Nothing,
    /// It may have taken what has gone: something of it cannot be counted. So it is for a moment
    /// where descriptors are on their way that hold nothing, such as those of an `exec` that begins.
    MayHide(Scarce),
    /// It has grown.
    Took(Scarce),
}

impl<'a> Guard<'a> {
    pub(crate) fn new(ward: Ward<'a>, watch: Watch) -> Self {
        Self { ward, watch, next: Instant::now(), counted: None, suspected: false, ended: None }
    }

    /// How long nobody has to look; without end once the container was ended.
    pub(crate) fn wait(&self) -> Option<Timespec> {
        let left = self.next.saturating_duration_since(Instant::now());
        // What is rounded up is due when the time is over.
        let ms = i64::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i64::MAX);
        let wait = Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 };
        self.ended.is_none().then_some(wait)
    }

    /// The container's groups.
    pub(crate) fn cgroup(&self) -> &Cgroup {
        self.ward.cgroup
    }

    /// What it has ended the container for.
    pub(crate) fn ended(&self) -> Option<Scarce> {
        self.ended
    }

    /// Looks, where it is time to, and ends the container whose first process is `init` where that
    /// has taken what the host keeps.
    pub(crate) fn look(&mut self, init: &OwnedFd) {
        let now = Instant::now();
        if self.ended.is_some() || now < self.next {
            return;
        }
        let since = Timestamp::now();
        // A disk that cannot be looked at can hardly be written.
        let free = Disk::of(self.ward.container).map_or(Amounts::NONE, |disk| disk.free);
        self.next = now + self.watch.reserve.wait(free);
        let touched = |what: &Scarce| self.watch.reserve.is_touched(free, *what);
        let scarce: Vec<Scarce> =
            [Scarce::Bytes, Scarce::Inodes].into_iter().filter(touched).collect();
        if scarce.is_empty() {
            (self.watch.since, self.watch.free, self.counted) = (since, Some(free), None);
            self.suspected = false;
        } else if self.suspected || self.is_news(free, &scarce) {
            self.counted = Some(free);
            // Nothing can be seen of who has ended by himself while he was counted.
            let goes_on = |_: &Scarce| !has_ended(init.as_fd(), NOW).unwrap_or(false);
            self.ended = self.judge(free, &scarce).filter(goes_on);
            if self.ended.is_some() {
                // With it goes its whole pid namespace, and what has none of its own with its
                // groups, once it is waited for.
                pidfd_send_signal(init, Signal::KILL).ok();
            }
        }
    }

    /// Whether so much has gone since it was last counted that this container may have taken it.
    fn is_news(&self, free: Amounts, scarce: &[Scarce]) -> bool {
        let Some(before) = self.counted else { return true };
        let trifle = self.watch.reserve.trifle();
        scarce.iter().any(|what| {
            let step = (trifle.of(*what) / 2).min(before.of(*what) / 2).max(1);
            before.of(*what).saturating_sub(free.of(*what)) >= step
        })
    }

    /// For what this container is to be ended: that it hides something is believed when it is seen
    /// at two looks that follow each other.
    fn judge(&mut self, free: Amounts, scarce: &[Scarce]) -> Option<Scarce> {
        let finding = self.find(free, scarce);
        let suspected = matches!(finding, Finding::MayHide(_));
        match (finding, std::mem::replace(&mut self.suspected, suspected)) {
            (Finding::Took(what), _) | (Finding::MayHide(what), true) => Some(what),
            (Finding::Nothing, _) | (Finding::MayHide(_), false) => None,
        }
    }

    fn find(&self, free: Amounts, scarce: &[Scarce]) -> Finding {
        let trifle = self.watch.reserve.trifle();
        let wanted = |what| if scarce.contains(&what) { trifle.of(what).max(1) } else { u64::MAX };
        let enough = Amounts { bytes: wanted(Scarce::Bytes), inodes: wanted(Scarce::Inodes) };
        let since = Timestamp::now().min(self.watch.since) - TICK;
        let nanoseconds = u64::try_from(since.subsec_nanosecond()).unwrap_or(0);
        let question = Question { since: (since.as_second(), nanoseconds), enough };
        let grown = self.count(&question);
        let gone = self.watch.free.map_or(enough, |before| before.with(free, u64::saturating_sub));
        let first = |taken: Amounts| {
            scarce.iter().copied().find(|what| taken.of(*what) >= enough.of(*what))
        };
        match (first(grown.by), first(gone)) {
            (Some(what), _) => Finding::Took(what),
            (None, Some(what)) if grown.hides_more => Finding::MayHide(what),
            (None, _) => Finding::Nothing,
        }
    }

    /// Counts while the container stands still, where it can be held: what is moved meanwhile could
    /// be missed.
    fn count(&self, question: &Question) -> Grown {
        let Ward { container, volumes, init, cgroup, authority } = &self.ward;
        let held = !cgroup.is_frozen().unwrap_or(true) && cgroup.freeze().is_ok();
        let mut grown = match authority {
            Authority::Root => named(*container, volumes, question),
            Authority::User => of_user(|| Ok(named(*container, volumes, question))),
        };
        if !grown.is_enough(question) {
            match cgroup.pids() {
                Ok(pids) if !pids.is_empty() => hidden::add(&mut grown, *init, &pids, question),
                _ => match hidden::beside(*init) {
                    Ok(pids) => hidden::add(&mut grown, *init, &pids, question),
                    Err(_) => grown.hides_more = true,
                },
            }
        }
        if held {
            // Where that fails the next command's `unpause` or `kill` does it.
            drop(cgroup.thaw());
        }
        grown
    }

    /// Gives back what the container had taken and never written, once it has ended.
    pub(crate) fn give_back(&self) {
        // What is left goes with the container.
        drop(self.ward.cgroup.kill());
        let (container, volumes) = (self.ward.container, &self.ward.volumes);
        match self.ward.authority {
            Authority::Root => give_back(container, volumes),
            Authority::User => {
                of_user(|| {
                    give_back(container, volumes);
                    Ok(Grown::NOTHING)
                });
            }
        }
    }

    /// Why it was ended, for whoever watches it.
    pub(crate) fn words(&self) -> Option<String> {
        Some(self.ended?.words())
    }
}

/// The files of an ordinary user's container belong to ids that only its user namespace has.
fn of_user(work: impl FnOnce() -> io::Result<Grown>) -> Grown {
    let map = ids::of_caller();
    map.ok().and_then(|map| ids::in_user_namespace(&map, work).ok()).unwrap_or(Grown::UNKNOWN)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::mem::MaybeUninit;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    use coffer_sys::dir;
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::*;
    use crate::cgroup::Place;

    /// The last room is gone, and of a process that is gone nothing can be seen.
    #[test]
    fn who_has_ended_by_himself_was_ended_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let container = dir::open(folder.path()).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let init = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let all = Amounts { bytes: u64::MAX, inodes: u64::MAX };
        drop(child.stdin.take());
        poll(&mut [PollFd::new(&init, PollFlags::IN)], None).unwrap();
        let watch = Watch { reserve: Reserve(all), since: Timestamp::now(), free: Some(all) };
        let cgroup = Place::default().open().unwrap();
        let (container, authority) = (container.as_fd(), Authority::Root);
        let (volumes, number) = (Vec::new(), pid.as_raw_pid());
        let ward = Ward { container, volumes, init: number, cgroup: &cgroup, authority };
        let mut guard = Guard::new(ward, watch);
        assert_eq!(
            guard.find(Amounts::NONE, &[Scarce::Bytes]),
            Finding::MayHide(Scarce::Bytes),
            "it seems to hide all"
        );
        for _ in 0..2 {
            guard.next = Instant::now();
            guard.look(&init);
            assert_eq!(guard.ended(), None);
        }
        child.wait().unwrap();
    }

    /// As an `exec` has them on their way while it begins.
    #[test]
    fn root_descriptors_on_their_way_are_held_against_it_when_they_stay() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let container = dir::open(folder.path()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut drain = theirs.try_clone().unwrap();
        // Alone in a pid namespace, so that nobody else is counted.
        let script = "echo; exec sleep infinity";
        let line = ["--pid", "--fork", "--kill-child", "sh", "-c", script];
        let mut child = Command::new("unshare")
            .args(line)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let list = format!("/proc/{0}/task/{0}/children", child.id());
        #[expect(clippy::disallowed_methods, reason = "the kernel's list of a child of this test")]
        let pid: i32 = std::fs::read_to_string(list).unwrap().trim().parse().unwrap();
        let init = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
        let all = Amounts { bytes: u64::MAX, inodes: u64::MAX };
        let watch = Watch { reserve: Reserve(all), since: Timestamp::now(), free: Some(all) };
        let cgroup = Place::default().open().unwrap();
        let (container, authority) = (container.as_fd(), Authority::Root);
        let mut guard = Guard::new(
            Ward { container, volumes: Vec::new(), init: pid, cgroup: &cgroup, authority },
            watch,
        );
        let mut look = || {
            (guard.next, guard.counted) = (Instant::now(), None);
            guard.look(&init);
            guard.ended()
        };
        let send = || {
            let mut space = [MaybeUninit::uninit(); 64];
            let mut along = SendAncillaryBuffer::new(&mut space);
            let fds = [container];
            assert!(along.push(SendAncillaryMessage::ScmRights(&fds)));
            let text = [io::IoSlice::new(b"x")];
            sendmsg(&ours, &text, &mut along, SendFlags::empty()).unwrap();
        };
        assert_eq!(look(), None);
        for _ in 0..2 {
            send();
            assert_eq!(look(), None, "they are on their way");
            drain.read_exact(&mut [0]).unwrap();
            assert_eq!(look(), None, "they have come");
        }
        send();
        assert_eq!((look(), look()), (None, Some(Scarce::Bytes)), "they stay where they are");
        child.kill().ok();
        child.wait().unwrap();
    }
}

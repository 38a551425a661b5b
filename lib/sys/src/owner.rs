//! Doing one thing as another user, with the rights that the caller has.

use std::io::{self, Write};
use std::marker::PhantomData;

use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySets, Gid, Uid, capabilities, set_capabilities, set_thread_res_gid,
    set_thread_res_uid,
};

/// Whose files the thread reaches meanwhile: the kernel keeps a user and a group for them beside
/// the effective ones. Source: man 2 setfsuid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// The owner's, and what is made belongs to him.
    Owners,
    /// The caller's.
    Callers,
}

/// Calls `make` with this effective user and group, and the same capabilities as before. A user
/// namespace that is made in it is theirs, and counts against their quotas instead of the caller's
/// (man 7 user_namespaces, "user.max_*"); a process that is made in it has them too; a mount that
/// keeps the credentials of who makes it, as overlay does, keeps theirs.
///
/// Changing the effective user clears the effective capabilities; the permitted ones stay because
/// the real user stays (man 7 capabilities). It also makes the process undumpable, which would
/// close `/proc/self` to one that is made now.
///
/// What was before holds again on every way out, a panic included. Where the kernel refuses that,
/// the process is aborted: it must not go on as somebody else.
///
/// # Errors
/// `EPERM` without `CAP_SETUID` and `CAP_SETGID`; what `make` gives.
pub fn as_owner<T>(
    (uid, gid): (u32, u32),
    files: Files,
    make: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let before = Before::read()?;
    set_thread_res_gid(None, Some(Gid::from_raw(gid)), None)?;
    set_thread_res_uid(None, Some(Uid::from_raw(uid)), None)?;
    set_capabilities(None, before.capabilities)?;
    if files == Files::Callers {
        before.reach_files();
        // A change of the user of files takes the capabilities over files away.
        set_capabilities(None, before.capabilities)?;
    }
    before.set_dumpable()?;
    make()
}

/// What a thread was; taken back where this ends.
struct Before {
    uid: Uid,
    gid: Gid,
    capabilities: CapabilitySets,
    dumpable: DumpableBehavior,
    /// They are this thread's, and go to no other.
    of_thread: PhantomData<*const ()>,
}

impl Before {
    fn read() -> io::Result<Self> {
        Ok(Self {
            uid: rustix::process::geteuid(),
            gid: rustix::process::getegid(),
            capabilities: capabilities(None)?,
            dumpable: dumpable_behavior()?,
            of_thread: PhantomData,
        })
    }

    fn reach_files(&self) {
        // SAFETY: the call takes a number, and changes whose files this thread may reach.
        unsafe { libc::syscall(libc::SYS_setfsgid, self.gid.as_raw()) };
        // SAFETY: as above.
        unsafe { libc::syscall(libc::SYS_setfsuid, self.uid.as_raw()) };
    }

    fn set_dumpable(&self) -> io::Result<()> {
        match self.dumpable {
            // Nobody may ask for that; where it was so, a change of the user leaves it so, as both
            // come from fs.suid_dumpable. Source: man 2 PR_SET_DUMPABLE.
            DumpableBehavior::DumpableReadableOnlyByRoot => Ok(()),
            dumpable => Ok(set_dumpable_behavior(dumpable)?),
        }
    }

    /// The user and the group of files follow the effective ones.
    fn take_back(&self) -> io::Result<()> {
        set_thread_res_uid(None, Some(self.uid), None)?;
        set_thread_res_gid(None, Some(self.gid), None)?;
        set_capabilities(None, self.capabilities)?;
        self.set_dumpable()
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if let Err(error) = self.take_back() {
            let words = format!(
                "coffer: cannot be user {} again, and goes on as nobody else: {error}\n",
                self.uid.as_raw()
            );
            io::stderr().write_all(words.as_bytes()).unwrap_or_default();
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::Command;
    use std::sync::{Mutex, PoisonError};

    use rustix::thread::CapabilitySet;

    use super::*;

    /// In nobody's range.
    const OWNER: (u32, u32) = (0x7ff1_0000, 0x7ff2_0000);

    /// What `/proc` says of this thread's ids and capabilities, and whether it is dumpable.
    fn now() -> (Vec<String>, DumpableBehavior) {
        #[expect(clippy::disallowed_methods, reason = "a file of the kernel's")]
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let is_of_rights =
            |line: &&str| ["Uid:", "Gid:", "Cap"].iter().any(|name| line.starts_with(name));
        let lines = status.lines().filter(is_of_rights).map(str::to_owned).collect();
        (lines, dumpable_behavior().unwrap())
    }

    /// Whether a process is dumpable is one fact for all its threads: one test at a time.
    static DUMPABLE: Mutex<()> = Mutex::new(());

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn root_is_the_owner_meanwhile() {
        if !is_root() {
            return;
        }
        let _alone = DUMPABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now();
        for (files, uid) in [(Files::Owners, OWNER.0), (Files::Callers, 0)] {
            let (inside, dumpable) = as_owner(OWNER, files, || Ok(now())).unwrap();
            assert_eq!(inside[0], format!("Uid:\t0\t{}\t0\t{uid}", OWNER.0));
            assert_eq!(dumpable, before.1);
            let rights = |lines: &[String]| lines[2..].to_vec();
            assert_eq!(rights(&inside), rights(&before.0));
            assert_eq!(now(), before);
        }
    }

    #[test]
    fn root_what_fails_half_way_leaves_nothing_of_the_owner() {
        if !is_root() {
            return;
        }
        let _alone = DUMPABLE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = now();
        let fail = || -> io::Result<()> {
            assert_eq!(rustix::process::geteuid().as_raw(), OWNER.0);
            // It loses on its way what it was lent.
            set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..held() })?;
            Err(io::Error::other("half way"))
        };
        let error = as_owner(OWNER, Files::Callers, fail).unwrap_err();
        assert_eq!(error.to_string(), "half way");
        assert_eq!(now(), before);
        let panics = || as_owner::<()>(OWNER, Files::Owners, || panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(now(), before);
        // Without the right to the second of the two changes the first is taken back as well.
        let held = held();
        let without = held.effective - CapabilitySet::SETUID;
        set_capabilities(None, CapabilitySets { effective: without, ..held }).unwrap();
        let limited = now();
        let refused = as_owner(OWNER, Files::Owners, || Ok(())).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        assert_eq!(now(), limited);
    }

    fn held() -> CapabilitySets {
        capabilities(None).unwrap()
    }

    /// Tells the test below that it is the process that is to end.
    const INSIDE: &str = "COFFER_TEST_OWNER";

    #[test]
    fn root_who_cannot_be_himself_again_is_aborted() {
        if !is_root() {
            return;
        }
        if std::env::var_os(INSIDE).is_some() {
            let none = CapabilitySet::empty();
            let lose = CapabilitySets { effective: none, permitted: none, inheritable: none };
            let made = as_owner(OWNER, Files::Owners, || Ok(set_capabilities(None, lose)?));
            panic!("went on: {made:?}");
        }
        let name = "owner::tests::root_who_cannot_be_himself_again_is_aborted";
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        assert_eq!(ended.status.signal(), Some(libc::SIGABRT));
        let words = String::from_utf8_lossy(&ended.stderr);
        assert!(words.contains("coffer: cannot be user 0 again"), "{words}");
    }
}

//! What the things are called that an audit aims at and that outlast a process: chosen before
//! anything is made, so that somebody else can take them away where the audit is killed.
#![expect(clippy::disallowed_methods, reason = "the audit's own file, by a path nobody else has")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coffer_sys::attempt::{IpcKey, Messages, Queue, Segment, Semaphore};

use super::objects;

/// The names.
#[derive(Clone, Debug)]
pub struct Names {
    /// What nobody inside can know.
    pub(super) secret: String,
    /// What keys are called, and the queue behind a slash.
    pub(super) objects: String,
    /// What System V's objects are found by.
    pub(super) ipc: IpcKey,
}

impl Names {
    /// Names that nobody else has.
    ///
    /// # Errors
    /// Whatever getrandom says; on a host that has booted it does not fail.
    pub fn random() -> io::Result<Self> {
        let mut number = [0_u8; 4];
        rustix::rand::getrandom(&mut number, rustix::rand::GetRandomFlags::empty())?;
        // Not 0, which is nobody's.
        let ipc = IpcKey(i32::from_ne_bytes(number) | 1);
        let objects = format!("coffer-audit-{}", super::random()?);
        Ok(Self { secret: super::random()?, objects, ipc })
    }

    /// The file in shared memory.
    pub(super) fn shared_memory(&self) -> PathBuf {
        Path::new("/dev/shm").join(format!("coffer-audit-{}", self.secret))
    }

    /// Removes all of them that there are.
    pub fn remove(&self) {
        let found = [
            Segment::find(self.ipc).and_then(Segment::remove),
            Semaphore::find(self.ipc).and_then(Semaphore::remove),
            Messages::find(self.ipc).and_then(Messages::remove),
            objects::path(&self.objects).map_err(io::Error::from).and_then(|it| Queue::remove(&it)),
            fs::remove_file(self.shared_memory()),
        ];
        // What is not there needs no removal, and there is nobody left to tell of the rest.
        found.into_iter().for_each(|done| done.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_found_by_its_names_and_removed() {
        let names = Names::random().unwrap();
        let queue = objects::path(&names.objects).unwrap();
        Segment::make(names.ipc).unwrap();
        Semaphore::make(names.ipc).unwrap();
        Messages::make(names.ipc).unwrap();
        drop(Queue::make(&queue).unwrap());
        fs::write(names.shared_memory(), "").unwrap();
        names.remove();
        assert!(Segment::find(names.ipc).is_err() && Semaphore::find(names.ipc).is_err());
        assert!(Messages::find(names.ipc).is_err() && Queue::find(&queue).is_err());
        assert!(!names.shared_memory().exists());
        names.remove();
    }
}

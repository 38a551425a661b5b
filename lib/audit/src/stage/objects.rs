//! Objects of the host's kernel to aim at that lie in no file: keys, and what an IPC namespace holds.
//!
//! Where the host's kernel has no such thing there is nothing to aim at. All of it goes with the
//! audit; of one that was killed keys end by themselves, and the rest is found by its names.

use std::ffi::CString;
use std::io;

use coffer_sys::attempt::{
    IpcKey, Keyring, Messages, Queue, Segment, Semaphore, Serial, add_key, hold_user_keyring,
    open_to_user, read_key, unlink_key, update_key,
};

use super::{Change, Names};

/// How long keys are kept of an audit that was killed, in seconds.
const KEPT: u32 = 3600;

/// How many messages each queue holds.
const MESSAGES: u64 = 1;

/// The objects, all with the same secret in them that has a place for one.
#[derive(Debug)]
pub(super) struct Objects {
    names: Names,
    secret: String,
    /// What keys are called, and the queue behind a slash.
    pub(super) name: String,
    /// What System V's objects are found by.
    pub(super) ipc: IpcKey,
    session_key: Option<Serial>,
    user_key: Option<Serial>,
    segment: Option<Segment>,
    semaphore: Option<Semaphore>,
    messages: Option<Messages>,
    queue: Option<Queue>,
}

impl Objects {
    /// Makes them.
    pub(super) fn new(names: &Names) -> Self {
        let Names { secret, objects: name, ipc } = names.clone();
        let key = |ring| {
            let description = CString::new(name.as_str()).ok()?;
            let key = add_key(ring, &description, secret.as_bytes(), KEPT).ok()?;
            open_to_user(key).ok().map(|()| key)
        };
        let holds = hold_user_keyring().is_ok();
        let queue = path(&name).ok().and_then(|path| Queue::make(&path).ok());
        let objects = Self {
            session_key: key(Keyring::Session),
            user_key: if holds { key(Keyring::User) } else { None },
            segment: Segment::make(ipc).ok(),
            semaphore: Semaphore::make(ipc).ok(),
            messages: Messages::make(ipc).ok(),
            queue,
            names: names.clone(),
            secret,
            name,
            ipc,
        };
        objects.settle();
        objects
    }

    /// The numbers of the keys.
    pub(super) fn keys(&self) -> Option<(i32, i32)> {
        Some((self.session_key?.0, self.user_key?.0))
    }

    /// Whether there is a queue.
    pub(super) fn has_queue(&self) -> bool {
        self.queue.is_some()
    }

    /// What has changed, which is then as it was.
    pub(super) fn look(&self) -> Vec<Change> {
        let seen = self
            .changed()
            .into_iter()
            .map(|what| Change::new(format!("{what} has changed")))
            .collect::<Vec<_>>();
        if !seen.is_empty() {
            self.settle();
        }
        seen
    }

    fn changed(&self) -> Vec<&'static str> {
        let is_secret =
            |read: io::Result<Vec<u8>>| read.is_ok_and(|it| it == self.secret.as_bytes());
        let length = self.secret.len();
        let is_one = |count: io::Result<u64>| count.is_ok_and(|count| count == MESSAGES);
        let all = [
            (
                self.session_key.is_none_or(|key| is_secret(read_key(key))),
                "a key of the host's session",
            ),
            (self.user_key.is_none_or(|key| is_secret(read_key(key))), "a key of the host's user"),
            (self.segment.is_none_or(|it| is_secret(it.read(length))), "shared memory of the host"),
            (
                self.semaphore.is_none_or(|it| it.value().is_ok_and(|v| v == 0)),
                "a semaphore of the host",
            ),
            (self.messages.is_none_or(|it| is_one(it.count())), "a message queue of the host"),
            (
                self.queue.as_ref().is_none_or(|it| is_one(it.count())),
                "a POSIX message queue of the host",
            ),
        ];
        all.into_iter().filter(|(is_kept, _)| !is_kept).map(|(_, what)| what).collect()
    }

    /// Makes all as it should be. What fails is seen to have changed at the next look.
    fn settle(&self) {
        let secret = self.secret.as_bytes();
        let again = || -> io::Result<()> {
            self.session_key.map_or(Ok(()), |key| update_key(key, secret))?;
            self.user_key.map_or(Ok(()), |key| update_key(key, secret))?;
            self.segment.map_or(Ok(()), |it| it.write(secret))?;
            self.semaphore.map_or(Ok(()), |it| it.set(0))?;
            if let Some(messages) = self.messages {
                while messages.count()? > 0 {
                    messages.receive()?;
                }
                messages.send(secret)?;
            }
            if let Some(queue) = &self.queue {
                while queue.count()? > 0 {
                    queue.receive()?;
                }
                queue.send(secret)?;
            }
            Ok(())
        };
        again().unwrap_or_default();
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        let keys = [
            self.session_key.map(|key| unlink_key(key, Keyring::Session)),
            self.user_key.map(|key| unlink_key(key, Keyring::User)),
        ];
        // They are nobody else's; there is nobody left to tell.
        keys.into_iter().flatten().for_each(|done| done.unwrap_or_default());
        self.names.remove();
    }
}

/// The name that a queue has.
pub(crate) fn path(name: &str) -> Result<CString, std::ffi::NulError> {
    CString::new(format!("/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Objects {
        Objects::new(&Names::random().unwrap())
    }

    fn changed(what: &str) -> Change {
        Change::new(format!("{what} has changed"))
    }

    #[test]
    fn what_is_left_alone_has_not_changed() {
        assert_eq!(objects().look(), []);
    }

    #[test]
    fn each_change_is_seen_once() {
        let objects = objects();
        Segment::find(objects.ipc).unwrap().write(b"other").unwrap();
        assert_eq!(objects.look(), [changed("shared memory of the host")]);
        Semaphore::find(objects.ipc).unwrap().set(1).unwrap();
        assert_eq!(objects.look(), [changed("a semaphore of the host")]);
        Messages::find(objects.ipc).unwrap().receive().unwrap();
        assert_eq!(objects.look(), [changed("a message queue of the host")]);
        Queue::find(&path(&objects.name).unwrap()).unwrap().send(b"more").unwrap();
        assert_eq!(objects.look(), [changed("a POSIX message queue of the host")]);
        if let Some(key) = objects.user_key {
            update_key(key, b"other").unwrap();
            assert_eq!(objects.look(), [changed("a key of the host's user")]);
        }
        assert_eq!(objects.look(), []);
    }

    #[test]
    fn nothing_is_left() {
        let (ipc, name) = {
            let objects = objects();
            (objects.ipc, path(&objects.name).unwrap())
        };
        assert!(Segment::find(ipc).is_err() && Semaphore::find(ipc).is_err());
        assert!(Messages::find(ipc).is_err() && Queue::find(&name).is_err());
    }
}

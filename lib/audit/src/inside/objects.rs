//! The host's keys, and objects of its IPC namespace.

use std::ffi::CString;

use coffer_sys::attempt::{
    IpcKey, Keyring, Messages, Queue, Segment, Semaphore, Serial, find_key, link_key, read_key,
    update_key,
};

use super::{Stop, Tried, files, refused, untried};
use crate::answer::Handed;
use crate::stage::queue_path;

/// What is written over what is there.
const OTHER: &[u8] = b"audit";

/// Which of the host's two keys.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    Session,
    User,
}

fn number(handed: &Handed, whose: Whose) -> Result<Serial, Stop> {
    match (handed.keys, whose) {
        (Some((session, _)), Whose::Session) => Ok(Serial(session)),
        (Some((_, user)), Whose::User) => Ok(Serial(user)),
        (None, _) => untried("the host keeps no keys"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads a key by its number.
pub(crate) fn reads_key(handed: &Handed, whose: Whose) -> Tried {
    Ok(text(&read_key(number(handed, whose)?)?))
}

/// Looks for it in the keyring that the host has it in, and reads it.
pub(crate) fn finds_key(handed: &Handed, whose: Whose) -> Tried {
    number(handed, whose)?;
    let ring = match whose {
        Whose::Session => Keyring::Session,
        Whose::User => Keyring::User,
    };
    let name = CString::new(handed.key.as_str()).map_err(std::io::Error::from)?;
    Ok(text(&read_key(find_key(ring, &name)?)?))
}

/// Puts it into a keyring of its own.
pub(crate) fn links_key(handed: &Handed, whose: Whose) -> Tried {
    link_key(number(handed, whose)?, Keyring::Process)?;
    Ok("has it in a keyring of its own".to_owned())
}

/// Gives it another payload.
pub(crate) fn changes_key(handed: &Handed, whose: Whose) -> Tried {
    update_key(number(handed, whose)?, OTHER)?;
    Ok("changed it".to_owned())
}

/// Reads shared memory.
pub(crate) fn reads_memory(handed: &Handed) -> Tried {
    Ok(text(&Segment::find(IpcKey(handed.ipc))?.read(handed.length)?))
}

/// Writes to it.
pub(crate) fn writes_memory(handed: &Handed) -> Tried {
    Segment::find(IpcKey(handed.ipc))?.write(OTHER)?;
    Ok("wrote to it".to_owned())
}

/// Changes a semaphore.
pub(crate) fn changes_semaphore(handed: &Handed) -> Tried {
    Semaphore::find(IpcKey(handed.ipc))?.set(1)?;
    Ok("changed it".to_owned())
}

/// Takes a message.
pub(crate) fn takes_message(handed: &Handed) -> Tried {
    Ok(text(&Messages::find(IpcKey(handed.ipc))?.receive()?))
}

/// Sends one.
pub(crate) fn sends_message(handed: &Handed) -> Tried {
    Messages::find(IpcKey(handed.ipc))?.send(OTHER)?;
    Ok("sent one".to_owned())
}

/// Sees them in lists.
pub(crate) fn lists_objects(handed: &Handed) -> Tried {
    let lists = ["/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"];
    let key = handed.ipc.to_string();
    let listed = files::join(&lists);
    let is_it = |line: &&str| line.split_whitespace().next() == Some(&key);
    match listed.lines().find(is_it) {
        Some(line) => Ok(line.to_owned()),
        None => refused("they are not listed"),
    }
}

fn queue(handed: &Handed) -> Result<Queue, Stop> {
    if handed.queue.is_empty() {
        return untried("the host has no message queues");
    }
    let path = queue_path(&handed.queue).map_err(std::io::Error::from)?;
    Ok(Queue::find(&path)?)
}

/// Takes a message of a POSIX queue.
pub(crate) fn takes_from_queue(handed: &Handed) -> Tried {
    Ok(text(&queue(handed)?.receive()?))
}

/// Sends one.
pub(crate) fn sends_to_queue(handed: &Handed) -> Tried {
    queue(handed)?.send(OTHER)?;
    Ok("sent one".to_owned())
}

/// Sees it in the folder of queues.
pub(crate) fn lists_queue(handed: &Handed) -> Tried {
    if handed.queue.is_empty() {
        return untried("the host has no message queues");
    }
    let listed = files::lists("/dev/mqueue")?;
    match listed.split(' ').find(|name| *name == handed.queue) {
        Some(name) => Ok(name.to_owned()),
        None => refused("it is not listed"),
    }
}

//! Keys of the host, and objects of its IPC namespace: the host looks at each of them.

use crate::Control::{Filter, IpcNamespace};
use crate::inside::objects::{self, Whose};
use crate::primitive::Judge::{Host, Secret};
use crate::primitive::{Namespace, Primitive, row};

#[rustfmt::skip]
pub(super) const ROWS: &[Primitive] = &[
    row("key.session-read", "read a key of the host's session by its number", Filter, |handed| objects::reads_key(handed, Whose::Session)).judged(Secret),
    row("key.session-find", "find it in the session's keyring", Filter, |handed| objects::finds_key(handed, Whose::Session)).judged(Secret),
    row("key.session-link", "have it in a keyring of its own", Filter, |handed| objects::links_key(handed, Whose::Session)).of_host(),
    row("key.session-change", "change it", Filter, |handed| objects::changes_key(handed, Whose::Session)).judged(Host),
    row("key.user-read", "read a key of the host's user by its number", Filter, |handed| objects::reads_key(handed, Whose::User)).judged(Secret),
    row("key.user-find", "find it in the user's keyring", Filter, |handed| objects::finds_key(handed, Whose::User)).judged(Secret),
    row("key.user-link", "have it in a keyring of its own", Filter, |handed| objects::links_key(handed, Whose::User)).of_host(),
    row("key.user-change", "change it", Filter, |handed| objects::changes_key(handed, Whose::User)).judged(Host),
    row("ipc.memory-read", "read shared memory of the host", IpcNamespace, objects::reads_memory).judged(Secret),
    row("ipc.memory-write", "write to it", IpcNamespace, objects::writes_memory).judged(Host),
    row("ipc.semaphore", "change a semaphore of the host", IpcNamespace, objects::changes_semaphore).judged(Host),
    row("ipc.message-take", "take a message out of a queue of the host", IpcNamespace, objects::takes_message).judged(Host),
    row("ipc.message-send", "send one into it", IpcNamespace, objects::sends_message).judged(Host),
    row("ipc.list", "see these in lists", IpcNamespace, objects::lists_objects).of(Namespace::Ipc).reads(),
    row("ipc.queue-take", "take a message out of a POSIX queue of the host", IpcNamespace, objects::takes_from_queue).judged(Host),
    row("ipc.queue-send", "send one into it", IpcNamespace, objects::sends_to_queue).judged(Host),
    row("ipc.queue-list", "see it in /dev/mqueue", IpcNamespace, objects::lists_queue).of(Namespace::Ipc).reads(),
];

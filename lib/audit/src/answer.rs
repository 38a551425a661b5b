//! What passes between the host and the prober: one line of JSON at a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::place::Place;

/// What the host tells the prober of what there is to aim at; none of it is secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Handed {
    /// Where nothing is to be tried.
    pub host: Option<Place>,
    /// The host's process that watches its signals and memory.
    pub pid: i32,
    /// Where a word of it is in its memory.
    pub address: u64,
    /// How many bytes it has.
    pub length: usize,
    /// The folder on the host that holds the secret.
    pub folder: String,
    /// The name of a file in the host's `/dev/shm` that holds it too.
    pub shared_memory: String,
    /// The name of the host's abstract socket.
    pub abstract_socket: String,
    /// The numbers of the host's keys: its session's, and its user's.
    pub keys: Option<(i32, i32)>,
    /// What both are called.
    pub key: String,
    /// The number that the host's shared memory, semaphore and messages are found by.
    pub ipc: i32,
    /// The name of the host's message queue.
    pub queue: String,
    /// The port that the host listens on at 127.0.0.1.
    pub port: u16,
    /// The device of the host's root file system.
    pub root_device: (u32, u32),
    /// A handle of the secret's file: its kind and bytes.
    pub handle: Option<(i32, Vec<u8>)>,
    /// Bytes of memory that the host can spare for the rows that use some.
    pub room: u64,
}

/// What became of a row, as its process says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It worked; what was read or done.
    Reached(String),
    /// It did not; how it was stopped.
    Refused(String),
    /// It was not tried, and why.
    Untried(String),
}

/// A line of the prober.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first one.
    Inside(Surroundings),
    /// The only one: it is in no container, for this reason, and tries nothing.
    Outside(String),
    /// What became of a row; its process holds what it has until the next line is asked for.
    Row {
        /// Which.
        id: String,
        /// What.
        answer: Answer,
    },
    /// The last one.
    End,
}

/// Where the prober is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Its root and mount namespace.
    pub place: Place,
    /// Its namespaces: the name in `/proc/self/ns` and what that leads to.
    pub namespaces: BTreeMap<String, String>,
    /// The kernel that it runs on: release and build.
    pub kernel: String,
    /// Its user.
    pub user: u32,
}

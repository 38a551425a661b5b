//! All streams that are carried, of all processes.

use std::collections::BTreeMap;

use crate::io::pump::{More, Pump, ROOM};

/// The streams, and the one buffer through which all of them go.
#[derive(Debug)]
pub struct Streams {
    pumps: BTreeMap<u64, Pump>,
    next: u64,
    /// Room for whatever is read; nothing is kept in it.
    pub buffer: Vec<u8>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { pumps: BTreeMap::new(), next: 0, buffer: vec![0; ROOM] }
    }
}

impl Streams {
    /// Takes a stream on, and says its number.
    pub fn add(&mut self, pump: Pump) -> u64 {
        self.next += 1;
        self.pumps.insert(self.next, pump);
        self.next
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Pump)> {
        self.pumps.iter().map(|(number, pump)| (*number, pump))
    }

    /// Carries what the stream has; one that has ended is closed.
    pub fn turn(&mut self, number: u64) {
        if let Some(pump) = self.pumps.get_mut(&number)
            && pump.turn(&mut self.buffer) == More::No
        {
            self.close(number);
        }
    }

    /// Carries what is left of the stream of a process that has ended.
    pub fn last(&mut self, number: u64) {
        if let Some(pump) = self.pumps.get_mut(&number)
            && pump.last(&mut self.buffer) == More::No
        {
            self.close(number);
        }
    }

    /// Closes both ends of a stream.
    pub fn close(&mut self, number: u64) {
        self.pumps.remove(&number);
    }
}

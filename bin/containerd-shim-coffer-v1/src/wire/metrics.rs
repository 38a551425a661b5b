//! Messages that the metrics of both versions have in common.

use prost::Message;

/// Remote memory access.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RdmaStat {
    /// What is in use, one for each device.
    #[prost(message, repeated, tag = "1")]
    pub current: Vec<RdmaEntry>,
    /// The limits, one for each device.
    #[prost(message, repeated, tag = "2")]
    pub limit: Vec<RdmaEntry>,
}

/// One device.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RdmaEntry {
    /// Its name.
    #[prost(string, tag = "1")]
    pub device: String,
    /// Handles; the largest number where there is no limit.
    #[prost(uint32, tag = "2")]
    pub hca_handles: u32,
    /// Objects.
    #[prost(uint32, tag = "3")]
    pub hca_objects: u32,
}

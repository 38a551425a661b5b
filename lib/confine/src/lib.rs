//! What stands between the process and the host.

//! Tests with their set-up, benches against peers.

fn main() {}

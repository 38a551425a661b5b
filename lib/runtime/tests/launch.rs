//! Containers from a bare folder, as root: what they see, and how they end.

mod common;

use common::{Bench, needs_root};

#[test]
fn root_runs_and_ends() {
    if !needs_root() {
        return;
    }
    let ended = Bench::shell("echo hello; exit 7").run().unwrap();
    assert_eq!((ended.output.as_str(), ended.status), ("hello\n", Some(7)));
}

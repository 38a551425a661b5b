//! `cargo xtask test`: all tests of the workspace, quick ones first.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::stage::Stages;
use crate::{bed, package, peers, room, shipped, suites};

/// Installs, builds, runs, reports.
///
/// # Errors
/// What the tests need is missing, or a stage could not be started. A failed test is no error
/// but the exit code.
pub(crate) fn run(filter: &[&str]) -> Result<ExitCode> {
    room::enter()?;
    let mut stages = Stages::new()?;
    stages.step("packages", || package::ensure(package::FOR_TESTS))?;
    let built = stages.program("build coffer", &mut cargo(&shipped::words()))?
        && stages.program("build the tests", &mut cargo(&["test", "--workspace", "--no-run"]))?
        && stages
            .program("images", &mut cargo(&["run", "-p", "coffer-tests", "--bin", "images"]))?;
    if built && rustix::process::geteuid().is_root() {
        peers::for_tests();
        stages
            .step("the bed", || bed::run(&["build", "plain", "systemd", "apparmor", "selinux"]))?;
        stages.step("the bed, newer kernel", || {
            bed::run(&["build", "--kernel", "13", "plain", "systemd"])
        })?;
    }
    if built && filter.is_empty() && rustix::process::geteuid().is_root() {
        // What differs was said; the other tests are run all the same.
        stages.step("runc's own suite", suites::run_for_tests).ok();
    }
    if built {
        let each = ["test", "--workspace", "--exclude", "coffer-tests", "--no-fail-fast"];
        stages.program("tests of each crate", cargo(&each).args(filter))?;
        let whole = ["test", "-p", "coffer-tests", "--no-fail-fast"];
        stages.program("tests of the whole", cargo(&whole).args(filter))?;
    }
    let counts = stages.counts();
    eprintln!("{stages}");
    println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.ignored);
    Ok(if stages.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo ARGUMENTS` as the tests need it: quiet about compiling, temporary files on the tmpfs,
/// the shipped binary named.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(room::workspace())
        .args(arguments)
        .arg("--quiet")
        .env("TMPDIR", room::temporary())
        .env("COFFER_TEST_BINARY", shipped::coffer());
    command
}

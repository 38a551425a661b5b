//! `ps`: the processes of a container, as numbers or as the host's ps(1) shows them.

use std::process::{Command, Stdio};

use coffer_runtime::bundle;

use super::Outcome;
use super::create::operand;
use super::failure::Failure;
use super::globals::{Globals, print};
use super::grammar::{Grammar, Words, value};

/// The options of `ps`. What follows the id is ps's own.
pub(super) const GRAMMAR: Grammar =
    Grammar { flags: &[value("format", Some('f'))], operands: (1, usize::MAX), verbatim_after: 1 };

/// `ps`.
pub(super) fn run(globals: &Globals, words: &Words) -> Outcome {
    let pids = bundle::pids(&globals.find(operand(words))?)?;
    match words.value("format") {
        Some("json") => print(&format!("{}\n", serde_json::to_string(&pids)?)),
        None | Some("table") => print(&table(&pids, &words.operands()[1..])?),
        Some(other) => Err(Failure::new(format!("--format: {other:?} is not table or json"))),
    }
}

/// What ps(1) says of these processes. Its own selection is not used: it would look at all.
fn table(pids: &[i32], arguments: &[String]) -> Result<String, Failure> {
    let mut ps = Command::new("ps");
    if arguments.is_empty() {
        ps.arg("-ef");
    }
    let output = ps.args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("ps: {}: {}", output.status, words.trim())));
    }
    pick(&String::from_utf8_lossy(&output.stdout), pids)
}

/// The head and the lines of `pids`.
fn pick(table: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    let column = head.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Failure::new("ps was told to show no column PID"))?;
    let of = |line: &str| line.split_whitespace().nth(column)?.parse::<i32>().ok();
    let ours = lines.filter(|line| of(line).is_some_and(|pid| pids.contains(&pid)));
    Ok(std::iter::once(head).chain(ours).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_lines_are_shown() {
        let table = "UID PID CMD\nroot 1 init\nroot 12 sleep 1\n";
        assert_eq!(pick(table, &[12]).unwrap(), "UID PID CMD\nroot 12 sleep 1\n");
        assert!(pick("UID CMD\n", &[1]).is_err());
    }
}

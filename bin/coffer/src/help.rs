//! The overview that `coffer help` prints.

use crate::ui::Table;
use crate::verb::{Group, VERBS};

const HEAD: &str = "\
Takes a container from a name in a registry to a running process without trusting it.

Usage: coffer VERB [FLAGS] …
";

const TAIL: &str = "
Everywhere:
  --root DIR   Keep images and containers below DIR
  --verbose    Print each step even where stderr is no terminal
  --help       Print help for a verb

Images are named as registry names, oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE.
Exit status: the container's own; 121 refused by policy, 125 coffer failed, 126 cannot invoke,
127 not found. Verbs that ask: 0 clean, 1 findings, 2 cannot tell.
";

/// The whole text.
pub(crate) fn overview() -> String {
    let groups =
        [(Group::Containers, "Containers"), (Group::Images, "Images"), (Group::Coffer, "Coffer")];
    let mut text = HEAD.to_owned();
    for (group, title) in groups {
        let mut table = Table::bare();
        for verb in VERBS.iter().filter(|verb| verb.group == group) {
            table.row([format!("  {:<8}", verb.name), verb.about.to_owned()]);
        }
        text.push_str(&format!("\n{title}:\n{}", table.render()));
    }
    text + TAIL
}

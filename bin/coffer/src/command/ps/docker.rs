//! `--format`: docker's fields, as far as there is something to say. Source: docker ps, "Format the
//! output".

use coffer_runtime::state::Listed;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Ps, status, word};
use crate::failure::Failure;
use crate::flags::Columns;
use crate::ui;

/// The text for the containers of `list`, as `wanted` says.
pub(super) fn text(ps: &Ps, list: &[Listed], wanted: &Columns<'_>) -> Result<String, Failure> {
    let now = Timestamp::now();
    let mut rows: Vec<Value> = list.iter().map(|listed| fields(ps, listed, now)).collect();
    if !wanted.is_whole() {
        // What docker's templates can ask for beside the fields: `.Label "name"`.
        rows.iter_mut().zip(list).for_each(|(row, listed)| {
            row["Label"] = json!(listed.record.as_ref().map(|record| &record.labels));
        });
    }
    wanted.render(&rows)
}

/// Docker's fields by their headings.
pub(super) fn heading() -> Value {
    json!({
        "ID": "CONTAINER ID", "Names": "NAMES", "Image": "IMAGE", "Command": "COMMAND",
        "CreatedAt": "CREATED AT", "RunningFor": "CREATED", "State": "STATE", "Status": "STATUS",
        "Ports": "PORTS", "Labels": "LABELS", "Label": {},
    })
}

fn fields(ps: &Ps, listed: &Listed, now: Timestamp) -> Value {
    let record = listed.record.as_ref();
    let pair = |(name, value): (&String, &String)| format!("{name}={value}");
    let labels = record.map(|r| r.labels.iter().map(pair).collect::<Vec<_>>().join(","));
    json!({
        "ID": ps.id(listed),
        "Names": record.map_or("", |record| record.name.as_str()),
        "Image": record.map_or_else(String::new, |record| ps.image(record)),
        "Command": record.map_or_else(String::new, |record| ps.command(record)),
        "CreatedAt": record.map_or_else(String::new, |r| ui::docker_time(r.created)),
        "RunningFor": record.map_or_else(String::new, |r| ui::age(r.created, now) + " ago"),
        "State": word(listed),
        "Status": status(listed, now),
        "Ports": "",
        "Labels": labels.unwrap_or_default(),
    })
}

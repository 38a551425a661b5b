//! `--format json`: docker's fields, as far as there is something to say. Source: docker ps,
//! "Format the output".

use coffer_runtime::state::Listed;
use jiff::Timestamp;
use serde_json::json;

use super::{Ps, status, word};
use crate::failure::Failure;
use crate::ui;

/// A line of JSON for each container.
pub(super) fn lines(ps: &Ps, list: &[Listed]) -> Result<String, Failure> {
    let now = Timestamp::now();
    let one = |listed: &Listed| Ok(serde_json::to_string(&fields(ps, listed, now))? + "\n");
    list.iter().map(one).collect()
}

fn fields(ps: &Ps, listed: &Listed, now: Timestamp) -> serde_json::Value {
    let record = listed.record.as_ref();
    let pair = |(name, value): (&String, &String)| format!("{name}={value}");
    let labels = record.map(|r| r.labels.iter().map(pair).collect::<Vec<_>>().join(","));
    json!({
        "ID": ps.id(listed),
        "Names": record.map_or("", |record| record.name.as_str()),
        "Image": record.map_or("", |record| record.image.as_str()),
        "Command": record.map_or_else(String::new, |record| ps.command(record)),
        "CreatedAt": record.map_or_else(String::new, |r| ui::docker_time(r.created)),
        "RunningFor": record.map_or_else(String::new, |r| ui::age(r.created, now) + " ago"),
        "State": word(&listed.status),
        "Status": status(&listed.status, now),
        "Labels": labels.unwrap_or_default(),
    })
}

//! `coffer system check`: asks, so 0 is clean, 1 are findings and 2 is "cannot tell".

use coffer_store::{Finding, Repair};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    blobs: usize,
    bytes: u64,
    images: usize,
    findings: Vec<String>,
}

pub(super) fn run(context: &Context, repair: bool, json: &Json) -> Outcome {
    let repair = if repair { Repair::Remove } else { Repair::Report };
    let checked = context.store()?.check(repair)?;
    let findings: Vec<String> = checked.findings.iter().map(words).collect();
    let exit = if findings.is_empty() { Exit::DONE } else { Exit::FINDINGS };
    let (blobs, bytes, images) = (checked.blobs, checked.bytes, checked.images);
    if json.json {
        context.ui.json(&Report { version: 1, blobs, bytes, images, findings })?;
        return Ok(exit);
    }
    for finding in &findings {
        context.ui.line(ui::escape(finding))?;
    }
    context.ui.line(format_args!(
        "{} blobs with {} hashed, {images} images followed: {} findings",
        ui::thousands(blobs as u64),
        ui::bytes(bytes),
        findings.len()
    ))?;
    Ok(exit)
}

/// A finding, and what to do about it.
fn words(finding: &Finding) -> String {
    let name = |image: &coffer_store::Entry| match &image.name {
        Some(name) => name.familiar(),
        None => image.descriptor.digest.to_string(),
    };
    match finding {
        Finding::Corrupt { blob, found } => {
            format!("blob {blob} is corrupt: its bytes hash to {found}; --repair, then pull again")
        }
        Finding::Unreadable { blob, error } => format!("blob {blob} cannot be read: {error}"),
        Finding::Stray { name } => format!("{name} is no blob of the store"),
        Finding::Missing { image, blob } => {
            format!("image {} lacks {}; coffer pull {0}", name(image), blob.digest)
        }
        Finding::Broken { image, error } => format!("image {} is broken: {error}", name(image)),
    }
}

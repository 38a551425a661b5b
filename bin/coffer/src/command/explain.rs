//! `coffer explain`: what holds a container, who said so, and what does not.

use coffer_oci::Digest;
use coffer_policy::Admission;
use coffer_runtime::container::Config;
use coffer_runtime::state::{Containers, Folder, Record, StateError, Status};
use jiff::Timestamp;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json};
use crate::ui::{self, Table};
use crate::verb::Command;
use crate::{limits, lookup};

/// Say what holds a container, and what does not
///
/// Of an image it says what is known about it. It exits with 0 if nothing was opened by a flag,
/// and with 1 if something was.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Explain {
    /// A container or an image
    name: String,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    id: &'a str,
    name: &'a str,
    image: &'a str,
    admission: String,
    tier: &'static str,
    controls: &'a [coffer_confine::confinement::Control],
    not_protected: &'a [coffer_confine::confinement::Gap],
}

impl Command for Explain {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        self.explain(&context).map_err(Failure::cannot_tell)
    }
}

impl Explain {
    fn explain(&self, context: &Context) -> Outcome {
        let store = context.store()?;
        let containers = Containers::open(store.root())?;
        match containers.find(&self.name) {
            Ok(folder) => self.container(context, &containers, &folder),
            Err(StateError::NotFound { .. }) => {
                let entry = lookup::image(&store, &self.name)?;
                self.image(context, &entry.descriptor.digest)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn container(&self, context: &Context, containers: &Containers, folder: &Folder) -> Outcome {
        let (record, status) = folder.status(containers.boot())?;
        let record = record.ok_or_else(|| Failure::new("nothing is known of this container"))?;
        let config: Config = serde_json::from_slice(&folder.config()?)?;
        let mut explanation = config.confinement.explain();
        explanation.controls.extend(limits::controls(&config.limits, &record.cgroup));
        explanation.gaps.extend(limits::gaps(&config.limits, &record.cgroup));
        let opened = explanation.gaps.iter().any(|gap| gap.from.is_some());
        let exit = if opened { Exit::FINDINGS } else { Exit::DONE };
        if self.json.json {
            context.ui.json(&Report {
                version: 1,
                id: record.id.as_str(),
                name: record.name.as_str(),
                image: &record.image,
                admission: config.admission.to_string(),
                tier: "native",
                controls: &explanation.controls,
                not_protected: &explanation.gaps,
            })?;
            return Ok(exit);
        }
        context.ui.line(headline(&record, &status))?;
        let mut table = Table::new(&["CONTROL", "VALUE", "SET BY"]);
        table.row(["admitted".to_owned(), config.admission.to_string(), by(&config.admission)]);
        for control in &explanation.controls {
            table.row([control.control.to_owned(), control.value.clone(), control.set_by.clone()]);
        }
        context.ui.data(table.render().as_bytes())?;
        context.ui.line("NOT PROTECTED")?;
        let mut gaps = Table::bare();
        for gap in &explanation.gaps {
            let from = gap.from.as_ref().map(|from| format!("from: {from}"));
            let stronger = gap.stronger.as_ref().map(|stronger| format!("stronger: {stronger}"));
            let note: Vec<String> = from.into_iter().chain(stronger).collect();
            gaps.row([format!("  {}", gap.what), note.join("; ")]);
        }
        context.ui.data(gaps.render().as_bytes())?;
        Ok(exit)
    }
}

/// What nobody looks at yet.
const NOT_CHECKED: [&str; 2] = ["who made the image", "known vulnerabilities"];

/// What `--json` prints of an image.
#[derive(Serialize)]
struct ImageReport<'a> {
    version: u32,
    image: &'a str,
    digest: &'a Digest,
    content: &'static str,
    not_checked: [&'static str; 2],
}

impl Explain {
    fn image(&self, context: &Context, digest: &Digest) -> Outcome {
        let report = ImageReport {
            version: 1,
            image: &self.name,
            digest,
            content: "every byte was hashed when it came in",
            not_checked: NOT_CHECKED,
        };
        if self.json.json {
            context.ui.json(&report)?;
            return Ok(Exit::DONE);
        }
        let mut table = Table::new(&["CONTROL", "VALUE"]);
        let row = |a: &str, b: String| [a.to_owned(), b];
        table.row(row("image", self.name.clone()));
        table.row(row("digest", digest.to_string()));
        table.row(row("content", report.content.to_owned()));
        context.ui.data(table.render().as_bytes())?;
        context.ui.line(format_args!("NOT CHECKED\n  {}", NOT_CHECKED.join("\n  ")))?;
        Ok(Exit::DONE)
    }
}

/// Who let it run, and what nobody looked at.
fn by(admission: &Admission) -> String {
    let unchecked = "who made it and known vulnerabilities were not looked at";
    match admission {
        Admission::Policy { .. } => format!("coffer's policy; {unchecked}"),
        Admission::Caller { .. } => "the caller, who answers for it".to_owned(),
    }
}

/// `web  shop/web@sha256:9c1e…  running 3 minutes  native tier`
fn headline(record: &Record, status: &Status) -> String {
    let since = match status {
        Status::Running(running) => format!(" {}", ui::age(running.started, Timestamp::now())),
        _ => String::new(),
    };
    let line = format!(
        "{}  {}  {}{since}  native tier",
        record.name,
        record.image,
        super::ps::word(status)
    );
    ui::escape(&line).into_owned()
}

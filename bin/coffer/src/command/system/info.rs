//! `coffer system info`.

use coffer_oci::Platform;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::flags::Json;
use crate::ui::Table;

/// What `--json` prints.
#[derive(Serialize)]
struct Info {
    version: u32,
    coffer: &'static str,
    root: String,
    user: u32,
    kernel: String,
    platform: String,
    cpus: usize,
    images: usize,
    containers: usize,
}

pub(super) fn run(context: &Context, json: &Json) -> Outcome {
    let kernel = rustix::system::uname();
    let info = Info {
        version: 1,
        coffer: env!("CARGO_PKG_VERSION"),
        root: context.root()?.display().to_string(),
        user: rustix::process::geteuid().as_raw(),
        kernel: kernel.release().to_string_lossy().into_owned(),
        platform: Platform::host().to_string(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        images: context.store()?.images()?.len(),
        containers: context.containers()?.ids()?.len(),
    };
    if json.json {
        context.ui.json(&info)?;
        return Ok(Exit::DONE);
    }
    let mut table = Table::bare();
    table.row(["coffer".to_owned(), info.coffer.to_owned()]);
    table.row(["data root".to_owned(), info.root]);
    table.row(["user".to_owned(), info.user.to_string()]);
    table.row(["kernel".to_owned(), info.kernel]);
    table.row(["platform".to_owned(), info.platform]);
    table.row(["CPUs".to_owned(), info.cpus.to_string()]);
    table.row(["images".to_owned(), info.images.to_string()]);
    table.row(["containers".to_owned(), info.containers.to_string()]);
    context.ui.data(table.render().as_bytes())?;
    Ok(Exit::DONE)
}

//! `coffer pull`.

use coffer_intake::{Pulled, pull};
use coffer_oci::{ImageName, Platform, Reference};
use coffer_store::Store;
use serde::Serialize;

use crate::acquire::Shown;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json, PullFlags, UnpackFlags};
use crate::network;
use crate::ui::Detail;
use crate::unpack::unpack;
use crate::verb::Command;

/// Fetch an image and unpack it
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Pull {
    /// The image: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: ImageName,
    /// Print nothing but the name
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    flags: PullFlags,
    #[command(flatten)]
    unpack: UnpackFlags,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    name: Option<String>,
    digest: String,
    manifest: String,
    platform: String,
    layers_fetched: usize,
    bytes_fetched: u64,
}

impl Command for Pull {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, mut context: Context) -> Outcome {
        if self.quiet {
            context.ui.set_detail(Detail::Quiet);
        }
        let store = context.store()?;
        let platform = self.flags.platform();
        let (name, pulled) = match &self.image {
            ImageName::Registry(name) => {
                (Some(name.clone()), self.fetch(&context, &store, name, &platform)?)
            }
            file => import(&store, file, &platform)?,
        };
        let image = store.image(&pulled.manifest)?;
        unpack(&context.ui, &store, &image, &self.unpack.limits())?;
        self.report(&context, name.as_ref(), &pulled, &platform)
    }
}

impl Pull {
    fn fetch(
        &self,
        context: &Context,
        store: &Store,
        name: &Reference,
        platform: &Platform,
    ) -> Result<Pulled, Failure> {
        let client = network::client_to("pulled", name, &self.flags)?;
        let shown = Shown::new(&context.ui, platform);
        let pulled = pull(store, &client, name, platform, &shown)?;
        shown.pulled(&pulled);
        Ok(pulled)
    }

    fn report(
        &self,
        context: &Context,
        name: Option<&Reference>,
        pulled: &Pulled,
        platform: &Platform,
    ) -> Outcome {
        let digest = pulled.target.digest.to_string();
        if self.json.json {
            context.ui.json(&Report {
                version: 1,
                name: name.map(Reference::to_string),
                digest,
                manifest: pulled.manifest.digest.to_string(),
                platform: platform.to_string(),
                layers_fetched: pulled.layers,
                bytes_fetched: pulled.bytes,
            })?;
        } else {
            context.ui.line(name.map_or(digest, Reference::to_string))?;
        }
        Ok(Exit::DONE)
    }
}

/// Takes an image from a file, and names it as the file does.
fn import(
    store: &Store,
    file: &ImageName,
    platform: &Platform,
) -> Result<(Option<Reference>, Pulled), Failure> {
    let (found, image) = coffer_intake::import(store, file, platform)?;
    match found.names.first() {
        None => store.keep_untagged(&found.descriptor)?,
        Some(name) => store.tag(name, &found.descriptor)?,
    }
    let (target, manifest) = (found.descriptor, image.descriptor);
    let pulled = Pulled { target, manifest, layers: 0, bytes: 0 };
    Ok((found.names.into_iter().next(), pulled))
}

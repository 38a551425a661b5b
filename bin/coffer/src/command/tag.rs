//! `coffer tag`.

use coffer_oci::{Platform, Reference};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::lookup;
use crate::verb::Command;

/// Give an image another name
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Tag {
    /// The image: its name or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: String,
    /// Its new name
    name: Reference,
    #[command(flatten)]
    common: Common,
}

impl Command for Tag {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        if self.name.digest().is_some() {
            return Err(Failure::new("a name that is given cannot hold a digest")
                .at(self.name.familiar())
                .help("name a tag: coffer tag IMAGE NAME:TAG"));
        }
        let store = context.store()?;
        let entry = lookup::image(&store, &self.image, &Platform::host())?;
        store.tag(&self.name, &entry.descriptor)?;
        Ok(Exit::DONE)
    }
}

//! `coffer tag`.

use coffer_oci::Reference;

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
    /// A name or digest of the image
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
        let entry = lookup::image(&store, &self.image)?;
        store.tag(&self.name, &entry.descriptor)?;
        Ok(Exit::DONE)
    }
}

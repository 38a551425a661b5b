//! `coffer push`.

use coffer_intake::{Extent, push};
use coffer_oci::{ImageName, Platform, Reference};
use coffer_store::{Entry, Format, Store};

use super::save::Contents;
use crate::acquire::Shown;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, PullFlags};
use crate::lookup;
use crate::network;
use crate::ui::Detail;
use crate::verb::Command;

/// Send an image to a registry, a folder or a file
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Push {
    /// The image, by a name or digest
    image: String,
    /// Where to, if not where its name says: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    destination: Option<ImageName>,
    /// Print nothing but the digest
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    flags: PullFlags,
    #[command(flatten)]
    common: Common,
}

impl Command for Push {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, mut context: Context) -> Outcome {
        if self.quiet {
            context.ui.set_detail(Detail::Quiet);
        }
        let store = context.store()?;
        let entry = lookup::image(&store, &self.image)?;
        match self.destination(&entry)? {
            ImageName::Registry(name) => self.send(&context, &store, &entry, &name)?,
            ImageName::OciDir(path, tag) => {
                let platform = self.platform();
                store.export_folder(&entry.descriptor, &platform, &path, tag.as_deref())?;
            }
            ImageName::OciArchive(path, tag) => {
                let name = tag.map(|tag| self.image_named(&entry, &tag)).transpose()?;
                self.contents(&store, &[(name, entry.descriptor)], Format::Oci)
                    .write_file(&path)?;
            }
            ImageName::DockerArchive(path, name) => {
                let name = name.or(entry.name);
                self.contents(&store, &[(name, entry.descriptor)], Format::Docker)
                    .write_file(&path)?;
            }
        }
        Ok(Exit::DONE)
    }
}

impl Push {
    fn destination(&self, entry: &Entry) -> Result<ImageName, Failure> {
        match (&self.destination, &entry.name) {
            (Some(destination), _) => Ok(destination.clone()),
            (None, Some(name)) => Ok(ImageName::Registry(name.clone())),
            (None, None) => Err(Failure::new("an image without a name can be sent nowhere")
                .help(format!("coffer push {} NAME", self.image))),
        }
    }

    fn send(
        &self,
        context: &Context,
        store: &Store,
        entry: &Entry,
        name: &Reference,
    ) -> Result<(), Failure> {
        if self.flags.offline {
            return Err(Failure::new("nothing is pushed with --offline").at(name.familiar()));
        }
        let client = network::client_for_reference(name, &self.flags);
        let platform = self.platform();
        let shown = Shown::new(&context.ui, &platform);
        let sent = push(store, &client, &entry.descriptor, name, &platform, &shown)?;
        shown.done();
        if sent.extent == Extent::OnePlatform {
            context.ui.note(format_args!(
                "only {platform} was sent: the index lists platforms that were never pulled"
            ));
        }
        context.ui.line(sent.target.digest)
    }

    fn platform(&self) -> Platform {
        self.flags.platform.clone().unwrap_or_else(Platform::host)
    }

    fn contents<'a>(
        &self,
        store: &'a Store,
        images: &'a [(Option<Reference>, coffer_oci::Descriptor)],
        format: Format,
    ) -> Contents<'a> {
        Contents { store, images, platform: self.platform(), format }
    }

    /// The image's name with another tag, as archives hold it.
    fn image_named(&self, entry: &Entry, tag: &str) -> Result<Reference, Failure> {
        let repository = lookup::repository_and_tag(entry.name.as_ref()).0;
        Ok(format!("{repository}:{tag}").parse()?)
    }
}

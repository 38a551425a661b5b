//! `coffer push`.

use std::io::BufWriter;
use std::path::Path;

use coffer_intake::{Extent, Sent, push};
use coffer_oci::{Descriptor, ImageName, Reference};
use coffer_store::{Entry, Format, Store};
use serde::Serialize;

use super::save::write_file;
use crate::acquire::Shown;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::{Common, Json, PullFlags};
use crate::lookup;
use crate::network;
use crate::ui::Detail;
use crate::verb::Command;

/// Send an image to a registry, a folder or a file
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Push {
    /// The image: its name or digest, oci:DIR, oci-archive:FILE or docker-archive:FILE
    image: String,
    /// Where to, if not where its name says: a registry name, oci:DIR, oci-archive:FILE or docker-archive:FILE
    destination: Option<ImageName>,
    /// Print nothing but the digest
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    json: Json,
    #[command(flatten)]
    flags: PullFlags,
    #[command(flatten)]
    common: Common,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    version: u32,
    destination: String,
    /// What the destination has now: an index, or the manifest for one platform.
    digest: String,
    /// That platform, where an index lists others that did not go.
    platform: Option<String>,
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
        let entry = lookup::image(&store, &self.image, &self.flags.platform())?;
        if let Some(wanted) = &self.flags.platform {
            coffer_intake::image_for(&store, &self.image, &entry.descriptor, wanted)?;
        }
        let destination = self.destination(&entry)?;
        let (target, extent) = match &destination {
            ImageName::Registry(name) => {
                let sent = self.send(&context, &store, &entry, name)?;
                (sent.target, sent.extent)
            }
            file => self.write_file(&store, &entry, file)?,
        };
        if !self.json.json {
            return context.ui.line(target.digest).map(|()| Exit::DONE);
        }
        let report = Report {
            version: 1,
            destination: destination.to_string(),
            digest: target.digest.to_string(),
            platform: (extent == Extent::OnePlatform).then(|| self.flags.platform().to_string()),
        };
        context.ui.json(&report).map(|()| Exit::DONE)
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
    ) -> Result<Sent, Failure> {
        let client = network::client_to("pushed", name, &self.flags)?;
        let platform = self.flags.platform();
        let shown = Shown::new(&context.ui, &platform);
        let sent = push(store, &client, &entry.descriptor, name, &platform, &shown)?;
        shown.done();
        if sent.extent == Extent::OnePlatform {
            context.ui.note(format_args!(
                "only {platform} was sent: the index lists platforms that were never pulled"
            ));
        }
        Ok(sent)
    }

    /// Into a file goes the image for one platform.
    fn write_file(
        &self,
        store: &Store,
        entry: &Entry,
        file: &ImageName,
    ) -> Result<(Descriptor, Extent), Failure> {
        let platform = self.flags.platform();
        let target = store.choose(&entry.descriptor, &platform)?;
        match file {
            ImageName::Registry(_) => {}
            ImageName::OciDir(path, tag) => {
                store.export_folder(&target, &platform, path, tag.as_deref())?;
            }
            ImageName::OciArchive(path, tag) => self.write_oci(store, entry, path, tag.clone())?,
            ImageName::DockerArchive(path, name) => {
                let images = [(name.clone().or(entry.name.clone()), target.clone())];
                self.write(store, &images, Format::Docker, path)?;
            }
        }
        let is_whole = target.digest == entry.descriptor.digest;
        Ok((target, if is_whole { Extent::Whole } else { Extent::OnePlatform }))
    }

    fn write(
        &self,
        store: &Store,
        images: &[(Option<Reference>, Descriptor)],
        format: Format,
        path: &Path,
    ) -> Result<(), Failure> {
        let platform = self.flags.platform();
        write_file(path, |file| Ok(store.save(images, &platform, format, BufWriter::new(file))?))
    }

    /// The tag is any word, as in a folder.
    fn write_oci(
        &self,
        store: &Store,
        entry: &Entry,
        path: &Path,
        tag: Option<String>,
    ) -> Result<(), Failure> {
        let Some(tag) = tag else {
            return self.write(store, &[(None, entry.descriptor.clone())], Format::Oci, path);
        };
        let name = renamed(entry, &tag);
        let (label, platform) = ((tag.as_str(), name.as_ref()), self.flags.platform());
        write_file(path, |file| {
            Ok(store.save_tagged(label, &entry.descriptor, &platform, BufWriter::new(file))?)
        })
    }
}

/// The image's own name with another tag, where the word is one.
fn renamed(entry: &Entry, tag: &str) -> Option<Reference> {
    let (repository, _) = lookup::repository_and_tag(Some(entry.name.as_ref()?));
    format!("{repository}:{tag}").parse().ok()
}

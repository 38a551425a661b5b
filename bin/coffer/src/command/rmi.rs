//! `coffer rmi`.

use std::collections::HashSet;

use coffer_oci::{Descriptor, Digest, ImageName, Reference};
use coffer_runtime::state::Status;
use coffer_store::{Entry, Store};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::flags::Common;
use crate::lookup::{self, Needed};
use crate::unpack;
use crate::verb::Command;

/// Remove images
///
/// A name is taken away; an image that has lost its last name is gone, with all that only it
/// needed. While another command uses the store, that is left to `coffer system prune`.
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Rmi {
    /// Names or digests of images
    #[arg(required = true)]
    images: Vec<String>,
    /// Remove an image although it has several names, or stopped containers; say nothing of what is not here
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl Command for Rmi {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, context: Context) -> Outcome {
        let mut store = context.store()?;
        let mut outcome = Ok(Exit::DONE);
        let mut gone = Vec::new();
        for word in &self.images {
            if let Err(failure) = self.remove(&context, &store, word, &mut gone) {
                // The others are removed all the same, as docker does; the last failure is ours.
                if let Err(earlier) = std::mem::replace(&mut outcome, Err(failure)) {
                    context.ui.failure(&earlier);
                }
            }
        }
        if !gone.is_empty() {
            free(&context, &mut store, &gone)?;
        }
        outcome
    }
}

impl Rmi {
    /// Removes a name, or the image with all its names, which is then added to `gone`.
    fn remove(
        &self,
        context: &Context,
        store: &Store,
        word: &str,
        gone: &mut Vec<Descriptor>,
    ) -> Result<(), Failure> {
        let entry = match lookup::image_kept(store, word)? {
            None if self.force => return Ok(()),
            entry => entry.ok_or_else(|| lookup::missing(word, None))?,
        };
        let names = names(store, &entry)?;
        let by_name = names.iter().find(|name| Some(*name) == entry.name.as_ref() && is_name(word));
        match by_name {
            Some(name) if names.len() > 1 => untag(context, store, name),
            _ if names.len() > 1 && !self.force => Err(several(word, &names)),
            _ => {
                self.refuse_if_used(context, &entry)?;
                store.forget(&entry.descriptor)?;
                for name in &names {
                    context.ui.line(format_args!("Untagged: {}", name.familiar()))?;
                }
                context.ui.line(format_args!("Deleted: {}", entry.descriptor.digest))?;
                gone.push(entry.descriptor);
                Ok(())
            }
        }
    }

    fn refuse_if_used(&self, context: &Context, entry: &Entry) -> Result<(), Failure> {
        for listed in context.containers()?.list()? {
            let Some(record) = &listed.record else { continue };
            let is_running = matches!(listed.status, Status::Running(_));
            let is_it = entry.name.as_ref().is_some_and(|name| {
                record.image.parse::<Reference>().is_ok_and(|image| image == *name)
            }) || record.manifest.as_ref() == Some(&entry.descriptor.digest);
            if is_it && (is_running || !self.force) {
                let failure = Failure::new("an image that a container uses is not removed")
                    .at(format!("container {}", record.name));
                return Err(if is_running {
                    failure.because("it is running").help(format!("coffer stop {}", record.name))
                } else {
                    failure.help(format!("coffer rm {}, or rmi --force", record.name))
                });
            }
        }
        Ok(())
    }
}

/// Frees what only the images that are gone needed, unless another command is in the store.
fn free(context: &Context, store: &mut Store, gone: &[Descriptor]) -> Result<(), Failure> {
    let containers = context.containers()?;
    let Some(exclusive) = store.try_exclusive()? else { return Ok(()) };
    let needed = Needed::read(exclusive.store(), &containers)?;
    let collected = exclusive.collect(gone, &needed.images)?;
    if needed.unknown == 0 && !collected.chains.is_empty() {
        let chains: HashSet<&str> = collected.chains.iter().map(Digest::hex).collect();
        unpack::remove(exclusive.store().root(), &|name| {
            chains.contains(name) && !needed.has_layer(name)
        })?;
    }
    Ok(())
}

/// Whether a person typed a name and not a digest.
fn is_name(word: &str) -> bool {
    matches!(word.parse(), Ok(ImageName::Registry(name)) if name.digest().is_none())
}

/// All names of the image.
fn names(store: &Store, entry: &Entry) -> Result<Vec<Reference>, Failure> {
    let all = store.images()?.into_iter();
    let same = all.filter(|other| other.descriptor.digest == entry.descriptor.digest);
    Ok(same.filter_map(|other| other.name).collect())
}

fn untag(context: &Context, store: &Store, name: &Reference) -> Result<(), Failure> {
    store.untag(name)?;
    context.ui.line(format_args!("Untagged: {}", name.familiar()))
}

fn several(word: &str, names: &[Reference]) -> Failure {
    let list: Vec<String> = names.iter().map(Reference::familiar).collect();
    Failure::new(format!("image {word} has {} names", names.len()))
        .because(list.join(", "))
        .help("remove a name, or all of them with --force")
}

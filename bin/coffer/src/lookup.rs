//! Images by what a person types: a name, the beginning of a digest, or a file.

use std::collections::HashSet;

use coffer_oci::{Descriptor, Digest, ImageName, ImageNameError, MediaType, Platform, Reference};
use coffer_runtime::state::Containers;
use coffer_store::{Entry, Image, Store};

use crate::failure::Failure;

/// Fewer hex digits than this are too few to be meant as a digest.
const FEWEST_DIGITS: usize = 4;

/// The image that `word` means: one in the store, or one in a file, which is taken into the store
/// without a name, as `run` does it.
pub(crate) fn image(store: &Store, word: &str, platform: &Platform) -> Result<Entry, Failure> {
    match word.parse::<ImageName>() {
        Ok(ImageName::Registry(name)) => kept(store, word, Some(name)),
        Ok(file) => {
            let found = store.import(&file, platform)?;
            let name = found.names.into_iter().next();
            Ok(Entry { name, descriptor: found.descriptor })
        }
        Err(ImageNameError::Reference(_)) => kept(store, word, None),
        Err(error) => Err(error.into()),
    }
}

/// The image that `word` means in the store, and nowhere else: for those who take it from there.
/// `None` where it is not there.
pub(crate) fn image_kept(store: &Store, word: &str) -> Result<Option<Entry>, Failure> {
    match word.parse::<ImageName>() {
        Ok(ImageName::Registry(name)) => find(store, word, Some(&name)),
        Err(_) => find(store, word, None),
        Ok(file) => Err(Failure::new(format!("{file} is a file of yours, and not in the store"))
            .help("coffer images lists what is")),
    }
}

fn kept(store: &Store, word: &str, name: Option<Reference>) -> Result<Entry, Failure> {
    find(store, word, name.as_ref())?.ok_or_else(|| missing(word, name))
}

/// By the name that `word` may be, or by the digest.
fn find(store: &Store, word: &str, name: Option<&Reference>) -> Result<Option<Entry>, Failure> {
    if let Some(name) = name
        && let Some(descriptor) = store.resolve(name)?
    {
        let name = name.digest().is_none().then(|| name.clone());
        return Ok(Some(Entry { name, descriptor }));
    }
    by_digest(store, word)
}

/// The image whose id `word` is, or begins with; `None` where `word` is no such id, or is the name
/// of an image that is here.
pub(crate) fn by_id(store: &Store, word: &str) -> Result<Option<Entry>, Failure> {
    // Most words are names: for them no index is read here.
    if digits(word).is_none() {
        return Ok(None);
    }
    match word.parse::<Reference>() {
        Ok(name) if store.resolve(&name)?.is_some() => Ok(None),
        _ => by_digest(store, word),
    }
}

/// The one image whose digest begins with `word`.
fn by_digest(store: &Store, word: &str) -> Result<Option<Entry>, Failure> {
    let Some(hex) = digits(word) else { return Ok(None) };
    let mut found: Vec<Entry> = store.images()?;
    found.retain(|entry| entry.descriptor.digest.hex().starts_with(hex));
    // An image has an entry for each of its names.
    found.sort_by(|a, b| a.descriptor.digest.hex().cmp(b.descriptor.digest.hex()));
    found.dedup_by(|a, b| a.descriptor.digest == b.descriptor.digest);
    match found.len() {
        0 | 1 => Ok(found.pop()),
        count => Err(Failure::new(format!("{word:?} is the beginning of {count} images' digests"))
            .help("type more of it: coffer images --no-trunc")),
    }
}

/// The hex digits of `word`, if it can be meant as a digest.
fn digits(word: &str) -> Option<&str> {
    let hex = word.strip_prefix("sha256:").unwrap_or(word);
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (hex.len() >= FEWEST_DIGITS && hex.bytes().all(is_digit)).then_some(hex)
}

/// That `word` means no image that is here.
pub(crate) fn missing(word: &str, name: Option<Reference>) -> Failure {
    let failure = Failure::new(format!("image {word} is not here"));
    match name {
        Some(name) => failure.help(format!("coffer pull {}", name.familiar())),
        None => failure.help("coffer images lists those that are"),
    }
}

/// The image that `target` stands for on `platform`, if it was pulled for it.
pub(crate) fn for_platform(
    store: &Store,
    target: &Descriptor,
    platform: &Platform,
) -> Result<Image, Failure> {
    Ok(store.image(&store.choose(target, platform)?)?)
}

/// The descriptor of a manifest of which only the digest is recorded; its media type is what the
/// document calls itself. `None` where it is not here.
pub(crate) fn by_own_words(store: &Store, digest: &Digest) -> Result<Option<Descriptor>, Failure> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Own {
        media_type: Option<MediaType>,
    }
    let Some(size) = store.has(digest)? else { return Ok(None) };
    let mut descriptor = Descriptor::new(MediaType::OCI_MANIFEST, digest.clone(), size);
    let bytes = store.read(&descriptor, coffer_store::MAX_MANIFEST)?;
    if let Some(own) = serde_json::from_slice::<Own>(&bytes)?.media_type {
        descriptor.media_type = own;
    }
    Ok(Some(descriptor))
}

/// What containers need.
pub(crate) struct Needed {
    /// The images that they were made from.
    pub(crate) images: Vec<Descriptor>,
    /// The chain ids of the layers that they were made on, as their configurations name them:
    /// also where their image is not here any more.
    pub(crate) chains: HashSet<Digest>,
    /// How many have neither an image that is here nor a configuration: nobody knows their layers.
    pub(crate) unknown: usize,
}

impl Needed {
    /// Asks every container's record.
    pub(crate) fn read(store: &Store, containers: &Containers) -> Result<Self, Failure> {
        let mut needed = Self { images: Vec::new(), chains: HashSet::new(), unknown: 0 };
        for listed in containers.list()? {
            let chains = chains(containers, listed.id.as_str());
            let has_chains = chains.is_some();
            needed.chains.extend(chains.into_iter().flatten());
            let Some(digest) = listed.record.and_then(|record| record.manifest) else { continue };
            match by_own_words(store, &digest)? {
                Some(image) => needed.images.push(image),
                None if has_chains => {}
                None => needed.unknown += 1,
            }
        }
        Ok(needed)
    }

    /// Whether a container stands on the layer with this name.
    pub(crate) fn has_layer(&self, name: &str) -> bool {
        self.chains.iter().any(|chain| chain.hex() == name)
    }
}

/// The chain ids in a container's configuration; `None` where it cannot be read.
fn chains(containers: &Containers, id: &str) -> Option<Vec<Digest>> {
    #[derive(serde::Deserialize)]
    struct Layers {
        layers: Vec<Digest>,
    }
    let config = containers.find(id).ok()?.config().ok()?;
    serde_json::from_slice::<Layers>(&config).ok().map(|config| config.layers)
}

/// The name as `images` shows it, in repository and tag.
pub(crate) fn repository_and_tag(name: Option<&Reference>) -> (String, String) {
    let none = || "<none>".to_owned();
    let Some(name) = name else { return (none(), none()) };
    let familiar = name.familiar();
    let end = match (name.digest(), name.tag()) {
        (Some(_), _) => familiar.find('@').unwrap_or(familiar.len()),
        (None, Some(tag)) => familiar.len().saturating_sub(tag.len() + 1),
        (None, None) => familiar.len(),
    };
    let repository = familiar.get(..end).unwrap_or(&familiar).to_owned();
    (repository, name.tag().map_or_else(none, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are_typed() {
        let shown = |name: &str| repository_and_tag(Some(&name.parse().unwrap()));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(shown("busybox"), pair("busybox", "latest"));
        assert_eq!(shown("localhost:5000/a/b:1"), pair("localhost:5000/a/b", "1"));
        let digest = Digest::of(b"");
        assert_eq!(shown(&format!("busybox@{digest}")), pair("busybox", "<none>"));
        assert_eq!(repository_and_tag(None), pair("<none>", "<none>"));
    }
}

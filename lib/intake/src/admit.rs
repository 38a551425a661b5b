//! From a name to an image with leave to run.

use coffer_oci::{Descriptor, ImageName, Platform, Reference};
use coffer_policy::{Admitted, Facts, Policy, Refusal};
use coffer_registry::Client;
use coffer_store::{Found as InFile, Image, ImageError, IndexError, Store, StoreError};

use crate::pull::platform_of;
use crate::{Progress, PullError, Pulled, pull};

/// When to ask the registry. Source: docker run, `--pull`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// When the image is not here.
    #[default]
    Missing,
    /// Each time.
    Always,
    /// Never: what is not here is an error.
    Never,
}

/// Which image is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a ImageName,
    /// For which platform.
    pub platform: &'a Platform,
    /// When to ask the registry for it.
    pub policy: PullPolicy,
}

/// An image with leave to run.
#[derive(Clone, Debug)]
pub struct Intake {
    /// The leave.
    pub admitted: Admitted,
    /// The image.
    pub image: Image,
    /// What its name was resolved to: an index, or the image's manifest itself.
    pub target: Descriptor,
    /// What was fetched, if the registry was asked.
    pub pulled: Option<Pulled>,
}

/// Why an image may not run.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// It is not here, and is not to be fetched.
    #[error("image {} for {platform} is not here, and nothing is to be fetched", name.familiar())]
    NotHere {
        /// The image.
        name: Reference,
        /// For which platform.
        platform: Platform,
    },
    /// What the file holds is for another platform.
    #[error("{name} is not there for {wanted}; it is for {found}")]
    Platform {
        /// The file.
        name: String,
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        found: Platform,
    },
    /// It could not be pulled.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// It could not be read from its file.
    #[error(transparent)]
    Import(#[from] coffer_store::TransportError),
    /// It is damaged or no image that runs.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The names in the store could not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The policy refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl AdmitError {
    /// What to do about it, where there is something to do: what to type, after `help: `.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NotHere { name, .. } => {
                Some(format!("fetch it first: coffer pull {}", name.familiar()))
            }
            Self::Pull(error) => error.help(),
            Self::Platform { found, .. } => {
                Some(format!("take another platform: --platform {found}"))
            }
            _ => None,
        }
    }
}

/// Finds the image that is wanted, fetches it if it may, and asks the policy.
///
/// `client` is called at most once, and only where something has to be fetched.
///
/// # Errors
/// See [`AdmitError`].
pub fn admit(
    store: &Store,
    wanted: Wanted<'_>,
    client: impl FnOnce() -> Client,
    progress: &dyn Progress,
) -> Result<Intake, AdmitError> {
    let found = match wanted.name {
        ImageName::Registry(name) => from_registry(store, name, wanted, client, progress)?,
        file => {
            let (found, image) = import(store, file, wanted.platform)?;
            Found { image, target: found.descriptor, pulled: None }
        }
    };
    decide(wanted.name.to_string(), wanted.platform, found)
}

/// Takes the image for `platform` from a file or folder into the store, where it has no name yet.
///
/// # Errors
/// See [`AdmitError`].
pub fn import(
    store: &Store,
    file: &ImageName,
    platform: &Platform,
) -> Result<(InFile, Image), AdmitError> {
    let found = store.import(file, platform)?;
    let image = image_for(store, &file.to_string(), &found.descriptor, platform)?;
    Ok((found, image))
}

/// The image that `target` is on `platform`, and on no other: one that has no choice of platforms
/// must be for that one, too. `name` is what an error calls it.
///
/// # Errors
/// See [`AdmitError`].
pub fn image_for(
    store: &Store,
    name: &str,
    target: &Descriptor,
    platform: &Platform,
) -> Result<Image, AdmitError> {
    let image = store.image(&store.choose(target, platform)?)?;
    check_platform(name, &image, platform)?;
    Ok(image)
}

fn check_platform(name: &str, image: &Image, wanted: &Platform) -> Result<Platform, AdmitError> {
    let found = platform_of(image);
    if found.rank_for(wanted).is_some() {
        return Ok(found);
    }
    Err(AdmitError::Platform { name: name.to_owned(), wanted: wanted.clone(), found })
}

/// Asks the policy about an image that is here and was found without a name: nothing is fetched.
/// `name` is what the container's record calls it.
///
/// # Errors
/// See [`AdmitError`].
pub fn admit_here(
    store: &Store,
    target: &Descriptor,
    name: String,
    platform: &Platform,
) -> Result<Intake, AdmitError> {
    let image = store.image(&store.choose(target, platform)?)?;
    decide(name, platform, Found { image, target: target.clone(), pulled: None })
}

fn decide(name: String, wanted: &Platform, found: Found) -> Result<Intake, AdmitError> {
    let Found { image, target, pulled } = found;
    let platform = check_platform(&name, &image, wanted)?;
    let facts =
        Facts { name, manifest: image.descriptor.digest.clone(), platform, host: Platform::host() };
    Ok(Intake { admitted: Policy.decide(facts)?, image, target, pulled })
}

/// An image before anybody was asked about it.
struct Found {
    image: Image,
    target: Descriptor,
    pulled: Option<Pulled>,
}

fn from_registry(
    store: &Store,
    name: &Reference,
    wanted: Wanted<'_>,
    client: impl FnOnce() -> Client,
    progress: &dyn Progress,
) -> Result<Found, AdmitError> {
    if wanted.policy != PullPolicy::Always
        && let Some(found) = from_store(store, name, wanted.platform)?
    {
        return Ok(found);
    }
    if wanted.policy == PullPolicy::Never {
        let platform = wanted.platform.clone();
        return Err(AdmitError::NotHere { name: name.clone(), platform });
    }
    let pulled = pull(store, &client(), name, wanted.platform, progress)?;
    let image = store.image(&pulled.manifest)?;
    Ok(Found { image, target: pulled.target.clone(), pulled: Some(pulled) })
}

/// The image as it is in the store. One of which parts are missing is not here.
fn from_store(
    store: &Store,
    name: &Reference,
    platform: &Platform,
) -> Result<Option<Found>, AdmitError> {
    let Some(target) = store.resolve(name)? else { return Ok(None) };
    let image = store.choose(&target, platform).and_then(|manifest| store.image(&manifest));
    match image {
        // A name without a choice may have been pulled for another platform.
        Ok(image) if platform_of(&image).rank_for(platform).is_none() => Ok(None),
        Ok(image) => Ok(Some(Found { image, target, pulled: None })),
        Err(ImageError::Store(StoreError::Missing(_))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

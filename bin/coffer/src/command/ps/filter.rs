//! `--filter`. Source: docker ps, "Filtering".

use coffer_oci::Reference;
use coffer_runtime::state::{Listed, Record, Status};

use super::word;
use crate::failure::Failure;
use crate::pattern::{NamePattern, PatternError};

const STATUSES: [&str; 6] = ["created", "running", "paused", "exited", "removing", "dead"];

/// What a container must be to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Name(NamePattern),
    Id(String),
    Status(String),
    Label(String),
    Ancestor(String),
    Exited(u8),
    Before(String),
    Since(String),
}

impl std::str::FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let owned = str::to_owned;
        match text.split_once('=') {
            Some(("name", name)) => {
                name.parse().map(Self::Name).map_err(|error: PatternError| error.to_string())
            }
            Some(("id", id)) => Ok(Self::Id(owned(id))),
            Some(("status", status)) if STATUSES.contains(&status) => {
                Ok(Self::Status(owned(status)))
            }
            Some(("status", _)) => Err(format!("a status is one of {}", STATUSES.join(", "))),
            Some(("label", label)) => Ok(Self::Label(owned(label))),
            Some(("ancestor", image)) => Ok(Self::Ancestor(owned(image))),
            Some(("exited", code)) => {
                code.parse().map(Self::Exited).map_err(|_| "a code is from 0 to 255".to_owned())
            }
            Some(("before", other)) => Ok(Self::Before(owned(other))),
            Some(("since", other)) => Ok(Self::Since(owned(other))),
            _ => Err(
                "filters are name=, id=, status=, label=, ancestor=, exited=, before= and since="
                    .to_owned(),
            ),
        }
    }
}

/// Whether a container is what all filters say. Of several of one kind one is enough, but all of
/// the labels are wanted.
pub(super) fn all_match(filters: &[Filter], listed: &Listed) -> bool {
    filters.iter().all(|filter| {
        let same =
            |other: &&Filter| std::mem::discriminant(*other) == std::mem::discriminant(filter);
        match filter {
            Filter::Label(_) => filter.matches(listed),
            _ => filters.iter().filter(same).any(|filter| filter.matches(listed)),
        }
    })
}

/// Leaves of `list`, which has those made last first, what was made before or since the containers
/// that filters name.
pub(super) fn cut(filters: &[Filter], list: &mut Vec<Listed>) -> Result<(), Failure> {
    for filter in filters {
        let (Filter::Before(other) | Filter::Since(other)) = filter else { continue };
        let is_it = |listed: &Listed| {
            let name = listed.record.as_ref().map(|record| record.name.as_str());
            name == Some(other) || listed.id.as_str().starts_with(other.as_str())
        };
        let Some(at) = list.iter().position(is_it) else {
            return Err(Failure::new(format!("no such container: {other}")));
        };
        match filter {
            Filter::Before(_) => drop(list.drain(..=at)),
            _ => list.truncate(at),
        }
    }
    Ok(())
}

impl Filter {
    /// Whether it speaks of containers that do not run, too.
    pub(super) fn is_of_status(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Exited(_))
    }

    fn matches(&self, listed: &Listed) -> bool {
        let Some(record) = &listed.record else { return false };
        match self {
            Self::Name(part) => part.matches(record.name.as_str()),
            Self::Id(start) => listed.id.as_str().starts_with(start.as_str()),
            Self::Status(wanted) => word(listed) == wanted,
            Self::Label(wanted) => match wanted.split_once('=') {
                Some((name, value)) => record.labels.get(name).is_some_and(|found| found == value),
                None => record.labels.contains_key(wanted),
            },
            Self::Ancestor(image) => comes_from(record, image),
            // These cut the whole list: `cut`.
            Self::Before(_) | Self::Since(_) => true,
            Self::Exited(code) => match &listed.status {
                Status::Stopped(exit) => exit.outcome.code() == *code,
                _ => false,
            },
        }
    }
}

/// Whether `image` is the name that the container was made from, in any of its forms, or the
/// digest of its manifest or the beginning of that.
fn comes_from(record: &Record, image: &str) -> bool {
    let hex = image.strip_prefix("sha256:").unwrap_or(image);
    let same_name =
        |wanted: Reference| record.image.parse().is_ok_and(|made: Reference| made == wanted);
    record.image == image
        || image.parse().is_ok_and(same_name)
        || (hex.len() >= 4 && record.manifest.as_ref().is_some_and(|d| d.hex().starts_with(hex)))
}

//! Flags of every verb, and of every verb that may fetch.

use std::path::PathBuf;

use coffer_oci::Platform;
use coffer_rootfs::limits::Limits;

use super::{Count, Pull, Size, Tier};

/// Flags that every verb takes, before it or behind it.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// Keep images and containers below DIR
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Print each step even where stderr is no terminal
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    /// Print this help
    #[arg(long, global = true, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// For verbs that print data.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Json {
    /// Print JSON; its form is versioned and stable
    #[arg(long)]
    pub(crate) json: bool,
}

/// For verbs that may fetch an image.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct PullFlags {
    /// Take the image for this platform (os/architecture[/variant])
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<Platform>,
    /// Use no network: what is not here is an error
    #[arg(long)]
    pub(crate) offline: bool,
    /// Allow plain HTTP to the image's registry
    #[arg(long)]
    pub(crate) plain_http: bool,
}

impl PullFlags {
    /// The platform that is wanted.
    pub(crate) fn platform(&self) -> Platform {
        self.platform.clone().unwrap_or_else(Platform::host)
    }
}

/// For verbs that run an image.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct RunImageFlags {
    /// When to fetch the image: missing, always or never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: Pull,
    /// Say nothing of fetching and unpacking
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The wall: native is the only one yet
    #[arg(long, value_name = "TIER", default_value = "native")]
    pub(crate) tier: Tier,
}

/// What an image may cost to unpack; bombs meet these.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits on the image")]
pub(crate) struct UnpackFlags {
    /// At most so many bytes unpacked (64g)
    #[arg(long, value_name = "SIZE")]
    max_image_size: Option<Size>,
    /// At most so many times its compressed size for a layer (200)
    #[arg(long, value_name = "NUMBER")]
    max_image_ratio: Option<Count>,
    /// At most so many entries (2000000)
    #[arg(long, value_name = "NUMBER")]
    max_image_entries: Option<Count>,
    /// At most so many bytes in one path (4095)
    #[arg(long, value_name = "NUMBER")]
    max_path_bytes: Option<Count>,
    /// At most so many components in one path (256)
    #[arg(long, value_name = "NUMBER")]
    max_path_depth: Option<Count>,
    /// At most so many bytes of extended attributes on one entry (64k)
    #[arg(long, value_name = "SIZE")]
    max_xattr_bytes: Option<Size>,
}

impl UnpackFlags {
    /// The limits, the usual ones where no flag says otherwise.
    pub(crate) fn limits(&self) -> Limits {
        let usual = Limits::default();
        let most = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let count = |asked: Option<Count>, usual| asked.map_or(usual, |count| most(count.0));
        Limits {
            image_size: self.max_image_size.map_or(usual.image_size, |size| size.0),
            ratio: self.max_image_ratio.map_or(usual.ratio, |count| count.0),
            entries: self.max_image_entries.map_or(usual.entries, |count| count.0),
            path_bytes: count(self.max_path_bytes, usual.path_bytes),
            path_depth: count(self.max_path_depth, usual.path_depth),
            xattr_bytes: self.max_xattr_bytes.map_or(usual.xattr_bytes, |size| most(size.0)),
        }
    }
}

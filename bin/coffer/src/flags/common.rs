//! Flags of every verb, and of every verb that may fetch.

use std::path::PathBuf;

use coffer_oci::Platform;

use super::{Pull, Tier};

/// Flags that every verb takes, before it or behind it.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Common {
    /// Keep images and containers below DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Print each step even where stderr is no terminal
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
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

/// For verbs that run an image.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct RunImageFlags {
    /// When to fetch the image: missing, always or never
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub(crate) pull: Pull,
    /// The wall: native is the only one yet
    #[arg(long, value_name = "TIER", default_value = "native")]
    pub(crate) tier: Tier,
}

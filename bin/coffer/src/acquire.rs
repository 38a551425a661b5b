//! From a name to an admitted image whose layers are unpacked, shown step by step.

use std::sync::Mutex;
use std::time::Instant;

use coffer_intake::{
    Event, Intake, Progress as Watch, PullPolicy, Pulled, Wanted, admit, admit_here,
};
use coffer_oci::{Descriptor, ImageName, Platform};
use coffer_policy::Admitted;
use coffer_rootfs::Stack;
use coffer_rootfs::limits::Limits;
use coffer_store::{Entry, Image, Store};

use crate::failure::Failure;
use crate::flags::{Pull, PullFlags};
use crate::network;
use crate::ui::{self, Progress, Ui};

/// An image with leave to run, unpacked.
pub(crate) struct Acquired {
    /// The leave.
    pub(crate) admitted: Admitted,
    /// The image.
    pub(crate) image: Image,
    /// Its layers.
    pub(crate) stack: Stack,
}

/// Which image, and how it may be had.
pub(crate) struct Wish<'a> {
    /// Its name.
    pub(crate) name: &'a ImageName,
    /// When to fetch it.
    pub(crate) pull: Pull,
    /// Platform and network.
    pub(crate) flags: &'a PullFlags,
    /// What it may cost to unpack.
    pub(crate) limits: Limits,
}

impl Wish<'_> {
    /// Finds the image, fetches it if it may, asks the policy, and unpacks what is missing.
    pub(crate) fn acquire(&self, ui: &Ui, store: &Store) -> Result<Acquired, Failure> {
        let platform = self.flags.platform();
        let shown = Shown::new(ui, &platform);
        let wanted = Wanted { name: self.name, platform: &platform, policy: self.policy()? };
        let client = || network::client_for(self.name, self.flags);
        let intake = admit(store, wanted, client, &shown)?;
        shown.admitted(&self.name.to_string(), &intake);
        let stack = crate::unpack::unpack(ui, store, &intake.image, &self.limits)?;
        Ok(Acquired { admitted: intake.admitted, image: intake.image, stack })
    }

    fn policy(&self) -> Result<PullPolicy, Failure> {
        match (self.pull, self.flags.offline) {
            (Pull::Always, true) => {
                Err(Failure::new("--offline and --pull always contradict each other")
                    .help("leave one of them out"))
            }
            (Pull::Never, _) | (_, true) => Ok(PullPolicy::Never),
            (Pull::Missing, false) => Ok(PullPolicy::Missing),
            (Pull::Always, false) => Ok(PullPolicy::Always),
        }
    }
}

/// An image that was found by its id: it is here, and nothing is fetched.
pub(crate) fn here(
    ui: &Ui,
    store: &Store,
    entry: &Entry,
    platform: &Platform,
    limits: &Limits,
) -> Result<Acquired, Failure> {
    let digest = &entry.descriptor.digest;
    let name = match &entry.name {
        Some(name) => name.with_digest(digest.clone()).familiar(),
        None => digest.to_string(),
    };
    let shown = Shown::new(ui, platform);
    let intake = admit_here(store, &entry.descriptor, name.clone(), platform)?;
    shown.admitted(&name, &intake);
    let stack = crate::unpack::unpack(ui, store, &intake.image, limits)?;
    Ok(Acquired { admitted: intake.admitted, image: intake.image, stack })
}

/// Shows what travels.
pub(crate) struct Shown<'a> {
    ui: &'a Ui,
    platform: &'a Platform,
    bars: Progress,
    began: Instant,
    resolved: Mutex<bool>,
}

impl<'a> Shown<'a> {
    /// Shows what is done for `platform`.
    pub(crate) fn new(ui: &'a Ui, platform: &'a Platform) -> Self {
        let resolved = Mutex::new(false);
        Self { ui, platform, bars: Progress::new(ui), began: Instant::now(), resolved }
    }

    /// Wipes the bars and says what was fetched.
    pub(crate) fn pulled(&self, pulled: &Pulled) {
        self.bars.clear();
        let time = ui::duration(self.began.elapsed());
        match pulled.layers {
            0 if pulled.bytes == 0 => self.ui.step("pulled", "nothing new"),
            count => self.ui.step(
                "pulled",
                format_args!(
                    "{count} {}, {} in {time}",
                    if count == 1 { "layer" } else { "layers" },
                    ui::bytes(pulled.bytes)
                ),
            ),
        }
    }

    /// Wipes the bars.
    pub(crate) fn done(&self) {
        self.bars.clear();
    }

    fn admitted(&self, name: &str, intake: &Intake) {
        if let Some(pulled) = &intake.pulled {
            self.pulled(pulled);
        } else {
            self.resolve(name, &intake.image.descriptor);
        }
        if let [signer, findings] = intake.admitted.unchecked() {
            self.ui.step("verified", format_args!("its digests; not {signer}"));
            self.ui.step("scanned", format_args!("nothing; {findings} are not looked for yet"));
        }
    }

    fn resolve(&self, name: &str, target: &Descriptor) {
        let mut resolved = self.resolved.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !std::mem::replace(&mut *resolved, true) {
            let digest = short(target);
            self.ui.step("resolved", format_args!("{name} → {digest} ({})", self.platform));
        }
    }
}

impl Watch for Shown<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Resolved { name, target } => self.resolve(&name.familiar(), target),
            Event::Moving { blob, done } => self.bars.report(&blob.digest, done, blob.size),
            Event::Present(blob) | Event::Done(blob) => {
                self.bars.report(&blob.digest, blob.size, blob.size);
            }
        }
    }
}

/// A digest as messages show it: `sha256:9c1e…40ab`.
fn short(descriptor: &Descriptor) -> String {
    let digest = &descriptor.digest;
    let hex = digest.hex();
    let (start, end) = (hex.get(..4), hex.get(hex.len().saturating_sub(4)..));
    match (start, end) {
        (Some(start), Some(end)) => format!("{}:{start}…{end}", digest.algorithm().name()),
        _ => digest.to_string(),
    }
}

//! Unpacking what an image needs: several layers at once, the lowest first.

use std::num::NonZero;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use coffer_oci::{Compression, Descriptor, Digest, Kind};
use coffer_store::{Image, Store};
use rustix::fs::Mode;

use super::make::{Base, Claim};
use super::{Layers, LayersError, durable};
use crate::limits::{Budget, Limits};
use crate::stack::merged::Folder;
use crate::unpack::{Below, Unpacked, unpack};
use crate::{Report, Source, SourceError, Stack, UnpackError};

/// Something that happened to a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Unpacking begins.
    Started,
    /// It is there, with this done.
    Done(Report),
}

impl Layers {
    /// Unpacks the layers of `image` that are missing, and opens them all.
    ///
    /// Each layer is hashed while it is unpacked and must be the one that the configuration
    /// names. On an error nothing of the layer that failed is left; layers that were done stay.
    /// `progress` is called from several threads.
    ///
    /// For an ordinary user this runs inside a user namespace with the user's range of ids.
    pub fn ensure(
        &self,
        store: &Store,
        image: &Image,
        limits: &Limits,
        progress: &(dyn Fn(&Descriptor, Event) + Sync),
    ) -> Result<(Stack, Report), LayersError> {
        let (layers, diff_ids) = (&image.manifest.layers, &image.config.rootfs.diff_ids);
        if layers.len() != diff_ids.len() {
            let (layers, diff_ids) = (layers.len(), diff_ids.len());
            return Err(LayersError::Count { layers, diff_ids });
        }
        let chain = image.config.chain_ids();
        let mut report = Report::default();
        loop {
            if let Some(stack) = self.stack_of(&chain)? {
                return Ok((stack, report));
            }
            self.make_empty()?;
            durable::settle(self.folder.as_fd())?;
            let budget = Budget::new(limits.clone());
            let work = Work {
                layers: self,
                store,
                chain: &chain,
                diff_ids,
                blobs: layers,
                budget: &budget,
                progress,
                next: AtomicUsize::new(0),
                states: Mutex::new((0..chain.len()).map(|_| State::Pending).collect()),
                changed: Condvar::new(),
            };
            report = report.plus(work.run()?);
        }
    }
}

/// What the threads share.
struct Work<'a> {
    layers: &'a Layers,
    store: &'a Store,
    chain: &'a [Digest],
    diff_ids: &'a [Digest],
    blobs: &'a [Descriptor],
    budget: &'a Budget,
    progress: &'a (dyn Fn(&Descriptor, Event) + Sync),
    /// The next layer that nobody has taken. Layers are taken lowest first, so the lowest that is
    /// not done never waits, and the others wait for lower ones alone.
    next: AtomicUsize,
    states: Mutex<Vec<State>>,
    changed: Condvar,
}

enum State {
    Pending,
    Done(Report),
    Failed(LayersError),
}

impl Work<'_> {
    fn run(self) -> Result<Report, LayersError> {
        let processors = std::thread::available_parallelism().map_or(2, NonZero::get);
        let threads = self.chain.len().min(processors.max(2));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| self.take_layers());
            }
        });
        let states = self.states.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut report = Report::default();
        let mut waited = None;
        for state in states {
            match state {
                State::Done(done) => report = report.plus(done),
                State::Pending => {}
                // A layer that waited for the one that failed is not the news.
                State::Failed(error @ LayersError::Unpack { source: UnpackError::Below, .. }) => {
                    waited = waited.or(Some(error));
                }
                State::Failed(error) => return Err(error),
            }
        }
        waited.map_or(Ok(report), Err)
    }

    fn take_layers(&self) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            if at >= self.chain.len() || self.failed() {
                return;
            }
            let state = self.layer(at).map_or_else(State::Failed, State::Done);
            self.states()[at] = state;
            self.changed.notify_all();
        }
    }

    fn layer(&self, at: usize) -> Result<Report, LayersError> {
        let Some(claim) = Claim::take(self.layers.folder.as_fd(), &self.chain[at])? else {
            return Ok(Report::default());
        };
        (self.progress)(&self.blobs[at], Event::Started);
        match self.unpack(at, &claim) {
            Ok(done) => {
                claim.publish(if done.base { Base::Yes } else { Base::No })?;
                (self.progress)(&self.blobs[at], Event::Done(done.report));
                Ok(done.report)
            }
            Err(error) => {
                claim.give_up()?;
                Err(error)
            }
        }
    }

    fn unpack(&self, at: usize, claim: &Claim<'_>) -> Result<Unpacked, LayersError> {
        let blob = &self.blobs[at];
        let failed = |source| LayersError::Unpack { digest: blob.digest.clone(), source };
        let Kind::Layer(compression) = blob.media_type.kind() else {
            return Err(LayersError::MediaType { layer: Box::new(blob.clone()) });
        };
        let source = self.source(at, compression)?;
        coffer_sys::thread::own_umask(Mode::empty())
            .map_err(super::folder_error("set the umask for", self.chain[at].hex()))?;
        let below = LayersBelow { work: self, at };
        let done = unpack(source, claim.tree()?, self.layers.flavour, self.budget, &below)
            .map_err(failed)?;
        if done.digest == self.diff_ids[at] {
            return Ok(done);
        }
        let (expected, found) = (self.diff_ids[at].clone(), done.digest);
        Err(failed(UnpackError::DiffId { expected, found }))
    }

    fn source(&self, at: usize, compression: Compression) -> Result<Source<'_>, LayersError> {
        let blob = &self.blobs[at];
        let file = self
            .store
            .open_blob(blob)
            .map_err(|source| LayersError::Blob { digest: blob.digest.clone(), source })?;
        let algorithm = self.diff_ids[at].algorithm();
        Source::new(file, compression, blob.size, algorithm, self.budget).map_err(|source| {
            LayersError::Unpack { digest: blob.digest.clone(), source: tar(source) }
        })
    }

    fn failed(&self) -> bool {
        self.states().iter().any(|state| matches!(state, State::Failed(_)))
    }

    /// A thread that panicked has changed nothing of what is behind the lock.
    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct LayersBelow<'a> {
    work: &'a Work<'a>,
    at: usize,
}

impl Below for LayersBelow<'_> {
    fn wait(&self) -> Result<Option<Folder>, UnpackError> {
        let mut states = self.work.states();
        loop {
            // Whichever failed: nobody takes another layer then, so a lower one may never come.
            if states.iter().any(|state| matches!(state, State::Failed(_))) {
                return Err(UnpackError::Below);
            }
            if states[..self.at].iter().all(|state| matches!(state, State::Done(_))) {
                break;
            }
            states = self.work.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
        drop(states);
        if self.at == 0 {
            return Ok(None);
        }
        match self.work.layers.stack_of(&self.work.chain[..self.at]) {
            Ok(Some(stack)) => stack.root(None).map_err(|source| UnpackError::System {
                action: "open",
                path: crate::EntryPath::new(b""),
                source,
            }),
            // Pruned meanwhile, which the store's lock prevents.
            Ok(None) | Err(_) => Err(UnpackError::Below),
        }
    }

    fn cancelled(&self) -> bool {
        self.work.failed()
    }
}

fn tar(source: SourceError) -> UnpackError {
    UnpackError::Tar(source.into())
}

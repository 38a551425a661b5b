//! Hashing everything again, and following every name.

use std::io::Read;
use std::num::NonZero;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use coffer_oci::{Descriptor, Digest, Hasher};
use coffer_sys::dir;

use crate::reach::Reach;
use crate::{Entry, ImageError, IndexError, Store, StoreError, layout};

/// What to do with a blob that is corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Report it.
    Report,
    /// Report it and remove it; the next pull fetches it again.
    Remove,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub enum Finding {
    /// A blob's bytes are not what its name says.
    Corrupt {
        /// What its name says.
        blob: Digest,
        /// What its bytes hash to.
        found: Digest,
    },
    /// A blob could not be read to its end.
    Unreadable {
        /// Which blob.
        blob: Digest,
        /// Why not.
        error: StoreError,
    },
    /// Something lies among the blobs whose name is no digest.
    Stray {
        /// Its name from the root.
        name: String,
    },
    /// An image needs a blob that is not here.
    Missing {
        /// The image.
        image: Entry,
        /// What is not here.
        blob: Descriptor,
    },
    /// An image cannot be followed.
    Broken {
        /// The image.
        image: Entry,
        /// Why not.
        error: ImageError,
    },
}

/// What a check looked at, and what it found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many blobs were hashed.
    pub blobs: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many images were followed.
    pub images: usize,
    /// What is wrong; empty where all is well.
    pub findings: Vec<Finding>,
}

/// What a blob's bytes hash to, and how many they are.
type Hashed = Result<(Digest, u64), StoreError>;

impl Store {
    /// Hashes every blob again, on all processors, and follows every name.
    ///
    /// Other commands go on meanwhile: blobs never change, and only prune removes them.
    ///
    /// # Errors
    /// Where the store cannot be listed at all; what is wrong with single blobs are findings.
    pub fn check(&self, repair: Repair) -> Result<Checked, IndexError> {
        let mut checked = Checked::default();
        let blobs = self.blobs(&mut checked.findings)?;
        checked.blobs = blobs.len();
        for (blob, outcome) in self.hash_all(&blobs) {
            match outcome {
                Ok((found, size)) if found == blob => checked.bytes += size,
                Ok((found, _)) => {
                    if repair == Repair::Remove {
                        let name = layout::blob(&blob);
                        dir::remove_file(self.root(), &name).map_err(StoreError::file(name))?;
                    }
                    checked.findings.push(Finding::Corrupt { blob, found });
                }
                Err(error) => checked.findings.push(Finding::Unreadable { blob, error }),
            }
        }
        let images = self.images()?;
        checked.images = images.len();
        for image in images {
            self.check_image(&image, &mut checked.findings);
        }
        Ok(checked)
    }

    fn check_image(&self, image: &Entry, findings: &mut Vec<Finding>) {
        // Each image on its own, so that each says what it lacks.
        let mut reach = Reach::default();
        let followed = reach.follow(self, &image.descriptor);
        let missing = reach.missing.into_iter();
        findings.extend(missing.map(|blob| Finding::Missing { image: image.clone(), blob }));
        let broken = reach.broken.into_iter().chain(followed.err().map(ImageError::from));
        findings.extend(broken.map(|error| Finding::Broken { image: image.clone(), error }));
    }

    fn blobs(&self, findings: &mut Vec<Finding>) -> Result<Vec<Digest>, StoreError> {
        let mut blobs = Vec::new();
        for algorithm in layout::ALGORITHMS {
            let folder = format!("{}/{}", layout::BLOBS, algorithm.name());
            let listed = dir::open_at(self.root(), &folder)
                .and_then(|opened| dir::entries(opened.as_fd()))
                .map_err(StoreError::file(folder.as_str()))?;
            for entry in listed {
                let name = entry.name.to_string_lossy();
                match format!("{}:{name}", algorithm.name()).parse() {
                    Ok(digest) => blobs.push(digest),
                    Err(_) => findings.push(Finding::Stray { name: format!("{folder}/{name}") }),
                }
            }
        }
        blobs.sort();
        Ok(blobs)
    }

    fn hash_all(&self, blobs: &[Digest]) -> Vec<(Digest, Hashed)> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                done.push((blob.clone(), self.hash(blob)));
            }
            done
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut all = work();
            for worker in workers {
                match worker.join() {
                    Ok(done) => all.extend(done),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            all
        })
    }

    fn hash(&self, blob: &Digest) -> Hashed {
        let failed = || StoreError::file(layout::blob(blob));
        let mut file = self.open_any(blob)?;
        let mut hasher = Hasher::new(blob.algorithm());
        let mut buffer = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            match file.read(&mut buffer).map_err(failed())? {
                0 => return Ok((hasher.finish(), size)),
                n => {
                    hasher.update(buffer.get(..n).unwrap_or_default());
                    size += n as u64;
                }
            }
        }
    }
}

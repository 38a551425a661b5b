//! A few threads for a list of blobs; the first that fails ends them all.
//!
//! Each thread takes the next blob when it is done with one, so that none of them has to know
//! beforehand how fast a blob will come.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use coffer_oci::Descriptor;
use coffer_registry::Cancel;

/// How many blobs travel at once. More helps little and looks like abuse to registries.
const THREADS: usize = 4;

/// Does `work` for each blob, the largest first, so that none of them is left for last. Returns
/// the first error; `cancel` is thrown by then, and what else failed was because of that.
pub(crate) fn each<E: Send>(
    blobs: &[&Descriptor],
    cancel: &Cancel,
    work: impl Fn(&Descriptor) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let mut order = blobs.to_vec();
    order.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    let worker = || {
        while let Some(blob) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            if cancel.is_cancelled() {
                return;
            }
            if let Err(error) = work(blob) {
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                cancel.cancel();
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..THREADS.min(order.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// The blobs without those that stand there twice: a layer may occur more than once.
pub(crate) fn distinct<'a>(blobs: impl Iterator<Item = &'a Descriptor>) -> Vec<&'a Descriptor> {
    let mut seen = std::collections::HashSet::new();
    blobs.filter(|blob| seen.insert(&blob.digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coffer_oci::MediaType;
    use std::collections::BTreeSet;

    fn blobs(count: u8) -> Vec<Descriptor> {
        (0..count).map(|n| Descriptor::of(MediaType::OCI_LAYER, &vec![n; n.into()])).collect()
    }

    #[test]
    fn every_blob_is_worked_on_once() {
        let blobs = blobs(20);
        let twice = distinct(blobs.iter().chain(&blobs));
        let seen = Mutex::new(Vec::new());
        each(&twice, &Cancel::default(), |blob| {
            seen.lock().unwrap().push(blob.digest.clone());
            Ok::<(), ()>(())
        })
        .unwrap();
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.len(), 20);
        assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), 20);
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let blobs = blobs(20);
        let cancel = Cancel::default();
        let failed = each(&distinct(blobs.iter()), &cancel, |blob| {
            if cancel.is_cancelled() {
                Err("second")
            } else {
                Err(if blob.size > 9 { "first" } else { "late" })
            }
        });
        assert_eq!(failed, Err("first"));
        assert!(cancel.is_cancelled());
    }
}

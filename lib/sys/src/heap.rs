//! Memory for programs whose C library is musl: each that uses this crate has it.
//!
//! musl's own allocator gives each larger piece back to the kernel and asks again, which is a tenth
//! of what the start of a container costs. `dlmalloc` is what it replaces, behind a lock that takes
//! one instruction where nobody else wants it.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::Dlmalloc;

/// The program's one.
#[cfg(target_env = "musl")]
#[global_allocator]
pub(crate) static HEAP: Heap = Heap::new();

/// The allocator.
///
/// After a fork of a program with threads it must not be used, as none may: another thread could
/// have held the lock. coffer forks before it makes threads, and what runs in the fork allocates
/// nothing.
pub(crate) struct Heap(Mutex<Dlmalloc>);

impl Heap {
    const fn new() -> Self {
        Self(Mutex::new(Dlmalloc::new()))
    }

    /// Gives back to the kernel what is free at the end of it.
    pub(crate) fn trim(&self) {
        // SAFETY: nobody else is in it meanwhile, and only what is free goes.
        unsafe { self.lock().trim(0) };
    }

    fn lock(&self) -> MutexGuard<'_, Dlmalloc> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// SAFETY: all calls go to one `Dlmalloc`, which gives out what the contract of `GlobalAlloc` asks
// for, one at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises: the size is not zero, the alignment is a power of two.
        unsafe { self.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        unsafe { self.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises: `place` was given out for this layout.
        unsafe { self.lock().free(place, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises: `place` was given out for this layout, and the new size
        // is not zero.
        unsafe { self.lock().realloc(place, layout.size(), layout.align(), size) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Takes a piece of `size` bytes, writes all of it, has it grow, and looks whether it is still
    /// what was written.
    fn use_piece(heap: &Heap, size: usize, mark: u8) {
        let layout = Layout::from_size_align(size, 64).unwrap();
        // SAFETY: the size is not zero.
        let piece = unsafe { heap.alloc(layout) };
        assert!(!piece.is_null() && piece.addr() % 64 == 0);
        // SAFETY: the piece has `size` bytes.
        unsafe { piece.write_bytes(mark, size) };
        // SAFETY: it was given out for this layout.
        let piece = unsafe { heap.realloc(piece, layout, 3 * size) };
        // SAFETY: it has three times `size` bytes, and those of before have been written.
        let written = unsafe { std::slice::from_raw_parts(piece, size) };
        assert!(written.iter().all(|byte| *byte == mark));
        let layout = Layout::from_size_align(3 * size, 64).unwrap();
        // SAFETY: it was given out for this layout.
        unsafe { heap.dealloc(piece, layout) };
    }

    #[test]
    fn pieces_of_many_threads_are_apart() {
        let heap = Arc::new(Heap::new());
        let threads: Vec<_> = (1..=4_u8)
            .map(|mark| {
                let heap = Arc::clone(&heap);
                std::thread::spawn(move || {
                    for round in 0..2_000_usize {
                        use_piece(&heap, 1 + round * usize::from(mark) % 5_000, mark);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn what_is_in_use_stays_when_the_rest_is_given_back() {
        let heap = Heap::new();
        let layout = Layout::from_size_align(4_000, 8).unwrap();
        // SAFETY: the size is not zero.
        let piece = unsafe { heap.alloc(layout) };
        // SAFETY: the piece has that many bytes.
        unsafe { piece.write_bytes(3, 4_000) };
        use_piece(&heap, 100_000, 7);
        heap.trim();
        // SAFETY: it has that many bytes, all of them written.
        let bytes = unsafe { std::slice::from_raw_parts(piece, 4_000) };
        assert!(bytes.iter().all(|byte| *byte == 3));
        use_piece(&heap, 100_000, 9);
        // SAFETY: it was given out for this layout.
        unsafe { heap.dealloc(piece, layout) };
    }

    #[test]
    fn zeroed_memory_is_zero_though_it_was_used_before() {
        let heap = Heap::new();
        use_piece(&heap, 4_000, 7);
        let layout = Layout::from_size_align(4_000, 8).unwrap();
        // SAFETY: the size is not zero.
        let piece = unsafe { heap.alloc_zeroed(layout) };
        // SAFETY: it has that many bytes, all of them written.
        let bytes = unsafe { std::slice::from_raw_parts(piece, 4_000) };
        assert!(bytes.iter().all(|byte| *byte == 0));
        // SAFETY: it was given out for this layout.
        unsafe { heap.dealloc(piece, layout) };
    }
}

//! What a program's file is in memory. Sources: man 5 elf, man 3 dl_iterate_phdr.

use std::ffi::{c_int, c_void};

/// A part of the program's file in memory, in whole pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) start: usize,
    pub(crate) size: usize,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Whether it may be written.
    pub(crate) writable: bool,
    /// Whether it may be executed.
    pub(crate) executable: bool,
    /// How much of its beginning cannot be written any more, now that it was relocated.
    pub(crate) sealed: usize,
}

/// The segments of the program.
pub(crate) fn segments() -> Vec<Segment> {
    let mut segments = Vec::with_capacity(4);
    // SAFETY: `collect` has the type that the call wants, is called before it returns, and gets
    // the pointer to the list, which nobody else uses meanwhile.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut segments).cast()) };
    segments
}

/// Puts the segments of the first object, the program itself, into the list that `data` points to.
unsafe extern "C" fn collect(
    object: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the C library hands a valid object over.
    let object = unsafe { &*object };
    // SAFETY: and the pointer of `segments`.
    let segments = unsafe { &mut *data.cast::<Vec<Segment>>() };
    // SAFETY: it says how many headers there are, and they are part of the program.
    let headers =
        unsafe { std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)) };
    let page = rustix::param::page_size();
    let at = |address: u64| (object.dlpi_addr + address) as usize;
    let relocated = headers.iter().find(|header| header.p_type == libc::PT_GNU_RELRO);
    for header in headers.iter().filter(|header| header.p_type == libc::PT_LOAD) {
        let start = at(header.p_vaddr) & !(page - 1);
        let end = at(header.p_vaddr + header.p_filesz).next_multiple_of(page);
        let sealed = relocated.map_or(start, |sealed| at(sealed.p_vaddr + sealed.p_memsz));
        segments.push(Segment {
            start,
            size: end - start,
            offset: header.p_offset & !(page as u64 - 1),
            writable: header.p_flags & libc::PF_W != 0,
            executable: header.p_flags & libc::PF_X != 0,
            sealed: (sealed.clamp(start, end) & !(page - 1)).saturating_sub(start),
        });
    }
    1
}

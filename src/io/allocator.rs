//! Memory that goes back to the system: what the C library's allocator (glibc) does not do by itself.
//!
//! It asks the kernel for large pieces one by one and gives each back when it is freed, but the first such piece that
//! is freed makes it take all later ones of that size from its heap. A heap shrinks only from its end, where something
//! may be in use for ever. So how large a piece must be for that is fixed here, and when almost everybody has left, the
//! pages inside the heap that nothing uses are given back. Other C libraries have other allocators, and there this does
//! nothing.

/// Pieces of this size or more are never taken from the heap. It is what the allocator begins with.
#[cfg(target_env = "gnu")]
const PIECE_BYTES_MIN: i32 = 128 * 1024;

/// To be called once, before much is allocated.
pub fn set_up() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls change parameters of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, PIECE_BYTES_MIN);
        // Small pieces are joined with free neighbours when they are freed, not all at once when memory is given back.
        libc::mallopt(libc::M_MXFAST, 0);
    }
}

/// Gives back the pages of the heap that nothing uses. It takes a millisecond for some 20 MB, and more where much of
/// the heap is in use: it looks at each free piece between pieces that are not.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it gives back only what is free, under the allocator's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}

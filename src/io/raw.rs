//! A system call by its number, for tests of what a process may call.

use rustix::io::Errno;

/// Calls the kernel. What pointers there are among the arguments must be null, invalid, or of memory that lives for ever: a
/// test tries whether a call is refused, and wants nothing done.
pub fn call(number: libc::c_long, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller passes no pointer to memory that the kernel could change under anybody, as said above.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    usize::try_from(result).map_err(|_| {
        let errno = std::io::Error::last_os_error().raw_os_error().expect("a call that fails says why");
        Errno::from_raw_os_error(errno)
    })
}

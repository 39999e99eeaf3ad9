//! Where the journal and the transcript are written without waiting: a terminal, a pipe, a socket or a file.
//!
//! A standard stream is shared with other programs, which do not expect `EAGAIN`, so it must not have `O_NONBLOCK`. A
//! terminal or pipe is opened once more, which gives a description of our own (`/proc/self/fd/N`, proc(5)). Where that
//! is not possible the first of these that is possible is taken:
//!
//! 1. A socket cannot be opened (`ENXIO`), but `MSG_DONTWAIT` holds for one send only.
//! 2. A terminal of another user (after `su`) can be opened as `/dev/tty` when it controls this process.
//! 3. A pipe of another user (a container that runs as another user) takes `RWF_NOWAIT` (pipes: Linux 6.4).
//! 4. For everything else `O_NONBLOCK` is set on the shared description for the length of one write. Other programs can
//!    see it for microseconds. Asking with `poll` first would not do: it promises 4 KiB in a pipe that nobody else
//!    writes to, and fewer bytes in a terminal, and a write of more than that waits.
//!
//! A regular file is written through the description that was inherited, whose offset other programs share. Such a
//! write may wait for the disk: the kernel has no other way to append to a file.

use std::env;
use std::fs::File;
use std::io::{self, IoSlice, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, ReadWriteFlags};
use rustix::net::SendFlags;

/// Something that lines are written to.
pub trait Outlet {
    /// Takes some of `bytes`, which are not empty, without waiting. Returns how many, which is at least 1.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Unwritten>;

    /// What it is, as far as lines depend on it.
    fn place(&self) -> Place;

    /// The time of day, for lines that have it.
    fn time(&self) -> SystemTime;

    /// True where its path still leads to it.
    fn is_at_its_path(&self) -> bool;

    /// Opens the same path again, which may be another file now; `None` where there is no path.
    fn reopen(&self) -> Option<io::Result<Self>>
    where
        Self: Sized;
}

/// What lines are written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// A file, whose lines have their time.
    File,
    /// The stream of systemd's journal, which adds the time itself.
    Journald,
    /// A terminal, a pipe or a socket, whose lines stay as they are.
    #[default]
    Other,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum Unwritten {
    /// There is no space now.
    Full,
    /// The disk is full or fails, or the file is as large as it may be: an operator may mend that.
    Disk(io::Error),
    /// The terminal was closed.
    HungUp,
    /// Nothing will ever be written again.
    Broken(io::Error),
}

/// The stamp of a line that is written to `outlet` now: the time (RFC 3339, UTC) and a space, or nothing.
pub fn stamp(outlet: &impl Outlet) -> String {
    match outlet.place() {
        Place::File => format!("{} ", humantime::format_rfc3339_millis(outlet.time())),
        Place::Journald | Place::Other => String::new(),
    }
}

/// What stands before an error on the standard error: this program's name, or, where systemd's journal adds that, how
/// serious it is.
pub fn error_prefix() -> &'static str {
    let is_journald = Descriptor::standard_error().is_ok_and(|outlet| outlet.place() == Place::Journald);
    if is_journald { "<3>" } else { "uproar: " }
}

/// A descriptor that is written to.
#[derive(Debug)]
pub struct Descriptor {
    descriptor: OwnedFd,
    way: Way,
    kind: Kind,
    /// True when it is the stream that systemd's journal reads.
    is_journald: bool,
    /// The path that it was opened by, if any.
    path: Option<String>,
}

/// How a descriptor is written to without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `write`: the description is our own, or a file's.
    Write,
    Send,
    NoWait,
    /// `write`, with `O_NONBLOCK` set on the shared description during the call.
    Borrow,
}

/// The kinds of descriptors whose errors or lines are treated differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Terminal,
    File,
    Other,
}

const WRITE: OFlags =
    OFlags::WRONLY.union(OFlags::APPEND).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The variable by which a service knows that a stream is that of the journal: its device and its inode
/// (systemd.exec(5)). A process that another one starts with a stream of its own may have it too.
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

impl Descriptor {
    pub fn standard_error() -> io::Result<Self> {
        Self::of(io::stderr().as_fd())
    }

    /// Opens the path of a log: `-` is the standard error.
    pub fn open_log(path: &str) -> io::Result<Self> {
        match path {
            "-" | "/dev/stderr" => Self::standard_error(),
            _ => Self::open(path),
        }
    }

    /// Opens `path` to write lines to it, and makes it when it is not there, for this user alone. `-` is the standard
    /// output.
    ///
    /// A link to a file is refused: in a folder that other users may write to, it could make the server append to any
    /// file that the server may write. A link may lead to a device, a pipe or a terminal, because writing does no harm
    /// to those.
    pub fn open(path: &str) -> io::Result<Self> {
        match path {
            "-" | "/dev/stdout" => return Self::of(io::stdout().as_fd()),
            "/dev/stderr" => return Self::of(io::stderr().as_fd()),
            _ => {}
        }
        let opened = match rustix::fs::open(path, WRITE | OFlags::CREATE | OFlags::NOFOLLOW, Mode::RUSR | Mode::WUSR) {
            Err(Errno::LOOP) => Self::open_through_link(path)?,
            Err(Errno::NXIO) => return Err(io::Error::other("this is a socket, or a pipe that nobody reads yet")),
            opened => opened?,
        };
        let kind = Kind::of(&opened, &rustix::fs::fstat(&opened)?);
        if kind == Kind::File {
            end_last_line(&opened);
        }
        Ok(Self { descriptor: opened, way: Way::Write, kind, is_journald: false, path: Some(path.to_owned()) })
    }

    fn open_through_link(path: &str) -> io::Result<OwnedFd> {
        let refused = || io::Error::other("this is a symbolic link; name the file itself");
        let place = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|_| refused())?;
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Err(refused());
        }
        // Opens what was looked at, even if the link leads elsewhere by now.
        Ok(open_again(place.as_fd())?)
    }

    /// A way to write to a descriptor that other programs share.
    fn of(shared: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = rustix::fs::fstat(shared)?;
        let kind = Kind::of(shared, &stat);
        let duplicate = || rustix::io::fcntl_dupfd_cloexec(shared, 0);
        let (descriptor, way) = match (FileType::from_raw_mode(stat.st_mode), kind) {
            (_, Kind::File) => (duplicate()?, Way::Write),
            (FileType::Socket, _) => (duplicate()?, Way::Send),
            (_, Kind::Terminal) => match open_again(shared).or_else(|_| open_controlling_terminal(&stat)) {
                Ok(own) => (own, Way::Write),
                Err(_) => (duplicate()?, Way::NoWait),
            },
            _ => match open_again(shared) {
                Ok(own) => (own, Way::Write),
                Err(_) => (duplicate()?, Way::NoWait),
            },
        };
        let named = env::var(JOURNAL_STREAM).unwrap_or_default();
        Ok(Self { descriptor, way, kind, is_journald: is_journal_stream(&named, &stat), path: None })
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        let descriptor = &self.descriptor;
        match self.way {
            Way::Write => rustix::io::write(descriptor, bytes),
            Way::Send => rustix::net::send(descriptor, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::NoWait => {
                // An offset of -1 means the description's own offset.
                let written =
                    rustix::io::pwritev2(descriptor, &[IoSlice::new(bytes)], u64::MAX, ReadWriteFlags::NOWAIT);
                if matches!(written, Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)) {
                    self.way = Way::Borrow;
                    return self.try_write(bytes);
                }
                written
            }
            Way::Borrow => {
                let flags = rustix::fs::fcntl_getfl(descriptor)?;
                rustix::fs::fcntl_setfl(descriptor, flags | OFlags::NONBLOCK)?;
                let written = rustix::io::write(descriptor, bytes);
                // It cannot fail, because the call that set the flag did not.
                let _ = rustix::fs::fcntl_setfl(descriptor, flags);
                written
            }
        }
    }
}

impl Outlet for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Unwritten> {
        loop {
            return match self.try_write(bytes) {
                Ok(0) => Err(Unwritten::Broken(io::ErrorKind::WriteZero.into())),
                Ok(count) => Ok(count),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Err(Unwritten::Full),
                // A terminal that was closed answers EIO (tty(4)), one that was unplugged also ENXIO or ENODEV.
                Err(_) if self.kind == Kind::Terminal => Err(Unwritten::HungUp),
                // EFBIG needs SIGXFSZ to be ignored.
                Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(Unwritten::Disk(errno.into())),
                Err(errno @ Errno::IO) if self.kind == Kind::File => Err(Unwritten::Disk(errno.into())),
                Err(errno) => Err(Unwritten::Broken(errno.into())),
            };
        }
    }

    fn place(&self) -> Place {
        match self.kind {
            Kind::File => Place::File,
            _ if self.is_journald => Place::Journald,
            _ => Place::Other,
        }
    }

    fn time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn is_at_its_path(&self) -> bool {
        let Some(path) = &self.path else { return false };
        let (there, here) = (rustix::fs::stat(path), rustix::fs::fstat(&self.descriptor));
        there.is_ok_and(|there| here.is_ok_and(|here| (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)))
    }

    fn reopen(&self) -> Option<io::Result<Self>> {
        self.path.as_deref().map(Self::open)
    }
}

impl Kind {
    fn of(descriptor: impl AsFd, stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::CharacterDevice if descriptor.as_fd().is_terminal() => Self::Terminal,
            _ => Self::Other,
        }
    }
}

/// Whether a stream is the one that `JOURNAL_STREAM` names.
fn is_journal_stream(named: &str, stat: &Stat) -> bool {
    let stream = named.split_once(':').and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    stream == Some((stat.st_dev, stat.st_ino))
}

/// Opens what a descriptor stands for once more, for a description of our own.
fn open_again(descriptor: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    rustix::fs::open(format!("/proc/self/fd/{}", descriptor.as_raw_fd()), WRITE, Mode::empty())
}

/// Our own description of a terminal, if it is the one that controls this process.
fn open_controlling_terminal(terminal: &Stat) -> Result<OwnedFd, Errno> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(|_| Errno::NOTTY)?;
    // The program's name comes first, in brackets, and may hold any character. The terminal is the fifth field behind
    // it.
    let controlling = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(4)?.parse::<u32>().ok());
    // Twenty bits of the minor number, around twelve of the major one (proc_pid_stat(5)).
    let (major, minor) = (rustix::fs::major(terminal.st_rdev), rustix::fs::minor(terminal.st_rdev));
    if controlling != Some((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)) {
        return Err(Errno::NOTTY);
    }
    rustix::fs::open("/dev/tty", WRITE, Mode::empty())
}

/// Ends a line that an earlier server could not finish on a full disk, so that the next line begins as a line.
fn end_last_line(opened: &OwnedFd) {
    let is_torn = || -> io::Result<bool> {
        let length = rustix::fs::fstat(opened)?.st_size;
        let Some(last) = u64::try_from(length).ok().and_then(|length| length.checked_sub(1)) else { return Ok(false) };
        let mut byte = [0];
        let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
        File::open(path)?.read_exact_at(&mut byte, last)?;
        Ok(byte != *b"\n")
    };
    // A file that may not be read, or takes no bytes now, is used all the same.
    if is_torn().unwrap_or(false) {
        let _ = rustix::io::write(opened, b"\n");
    }
}

#[cfg(test)]
pub mod test_outlet {
    //! An outlet in memory for unit tests.

    use std::time::Duration;

    use super::*;

    /// Takes `space` bytes, then is full.
    #[derive(Debug, Default)]
    pub struct TestOutlet {
        pub space: usize,
        pub taken: Vec<u8>,
        pub place: Place,
        /// How every write fails.
        pub failure: Option<fn() -> Unwritten>,
        /// Whether its path still leads to it.
        pub stays: bool,
        /// True for an outlet that was opened anew. `taken` of it does not have the bytes that the first one took.
        pub reopened: bool,
    }

    impl TestOutlet {
        pub const STAMP: &str = "2001-09-09T01:46:40.123Z ";
    }

    impl Outlet for TestOutlet {
        fn write(&mut self, bytes: &[u8]) -> Result<usize, Unwritten> {
            if let Some(failure) = self.failure {
                return Err(failure());
            }
            let count = bytes.len().min(self.space);
            if count == 0 {
                return Err(Unwritten::Full);
            }
            self.space -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn place(&self) -> Place {
            self.place
        }

        fn time(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_123)
        }

        fn is_at_its_path(&self) -> bool {
            self.stays
        }

        fn reopen(&self) -> Option<io::Result<Self>> {
            Some(Ok(Self { space: usize::MAX, place: self.place, reopened: true, ..Self::default() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_of_the_journal_is_known_by_its_device_and_inode() {
        let stat = rustix::fs::fstat(io::stderr()).unwrap();
        let (device, inode) = (stat.st_dev, stat.st_ino);
        assert!(is_journal_stream(&format!("{device}:{inode}"), &stat));
        for other in [format!("{device}:{}", inode + 1), format!("{}:{inode}", device + 1), String::new(), ":".into()] {
            assert!(!is_journal_stream(&other, &stat), "{other:?}");
        }
    }
}

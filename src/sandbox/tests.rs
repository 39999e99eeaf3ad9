//! Each permission and each refusal, tried from inside: this test program is started again as a process that enters the
//! sandbox and tries one thing after the other. What each attempt is answered is a table.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{env, process, thread};

use rustix::io::Errno;

use super::*;
use crate::cli;
use crate::io::raw;

const CASE: &str = "UPROAR_TEST_SANDBOX";
const WORLD: &str = "UPROAR_TEST_SANDBOX_WORLD";

/// What of the sandbox is entered, and with which options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// A server alone.
    Alone,
    /// A node of a cluster whose NATS is known by its name.
    Node,
    /// A server with one table of direct descriptors.
    Table,
    /// A server that closes tables and opens them again.
    Tables,
    /// A node, without the filter: what landlock alone refuses.
    Landlock,
}

const CASES: [Case; 5] = [Case::Alone, Case::Node, Case::Table, Case::Tables, Case::Landlock];

/// What there is in and around the sandbox.
struct World {
    folder: PathBuf,
    /// Of a listener outside, which options name, and of another.
    ports: [u16; 2],
    /// Of the process outside.
    outside: u32,
    /// Made before the sandbox was entered.
    listener: TcpListener,
    /// A thread that landlock does not hold, because it was there before.
    outsider: Outsider,
}

struct Outsider {
    orders: Sender<(PathBuf, PathBuf)>,
    done: Receiver<()>,
}

impl Outsider {
    fn start() -> Self {
        let ((orders, taken), (finished, done)) = (channel::<(PathBuf, PathBuf)>(), channel());
        thread::spawn(move || {
            for (from, to) in taken {
                fs::rename(from, to).expect("nothing holds the outsider");
                finished.send(()).expect("somebody waits");
            }
        });
        Self { orders, done }
    }

    fn rename(&self, from: PathBuf, to: PathBuf) {
        self.orders.send((from, to)).expect("it is there");
        self.done.recv().expect("it is there");
    }
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn connect(&self, port: u16) -> io::Result<()> {
        TcpStream::connect(("127.0.0.1", port)).map(drop)
    }
}

fn permissions(case: Case, folder: &Path, port: u16) -> Permissions {
    let option = |name: &str, file: &str| [name.to_owned(), folder.join(file).display().to_string()];
    let mut arguments = vec!["uproar".to_owned(), "serve".to_owned()];
    arguments.extend(option("--motd", "own/motd"));
    arguments.extend(option("--transcript", "logs/room.log"));
    arguments.extend(option("--state", "state/state"));
    if matches!(case, Case::Node | Case::Landlock) {
        arguments.extend(["--cluster".to_owned(), format!("nats://localhost:{port}")]);
    }
    let (cli, _) = cli::parse(arguments.into_iter().map(Into::into)).expect("the options are right");
    let cli::Command::Serve(serve) = cli.command else { panic!("the command is serve") };
    let (makes_rings, changes_tables) = (case == Case::Tables, matches!(case, Case::Table | Case::Tables));
    let mut permissions = Permissions { makes_rings, changes_tables, ..serve.permissions() };
    // A device that may be read, and asked nothing.
    permissions.file("/dev/zero", Use::ReadAgain);
    permissions.file(folder.join("programs/one"), Use::Run);
    permissions
}

/// What an attempt is answered.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Done,
    /// Refused by landlock.
    Access,
    /// Refused by the filter, or by landlock where it is about signals and abstract sockets.
    Perm,
    /// The kernel's own, from behind the filter.
    Kernel(Errno),
}

use Answer::{Access, Done, Kernel, Perm};

type Attempt = (&'static str, fn(&World) -> io::Result<()>, [Answer; 5]);

/// What each attempt is answered in each of [`CASES`].
#[rustfmt::skip]
const ATTEMPTS: &[Attempt] = &[
    // Files.
    ("read the message of the day", |w| fs::read(w.path("own/motd")).map(drop), [Done; 5]),
    ("read the one that took its place", |w| {
        w.outsider.rename(w.path("own/motd.other"), w.path("own/motd"));
        fs::read(w.path("own/motd")).map(drop)
    }, [Done; 5]),
    ("read it where a link to elsewhere took its place", |w| {
        w.outsider.rename(w.path("own/link"), w.path("own/motd"));
        fs::read(w.path("own/motd")).map(drop)
    }, [Access; 5]),
    ("write to its folder", |w| fs::write(w.path("own/new"), ""), [Access; 5]),
    ("list its folder", |w| fs::read_dir(w.path("own")).map(drop), [Access; 5]),
    ("append to the transcript", |w| append(&w.path("logs/room.log")), [Done; 5]),
    ("make the transcript anew", |w| {
        w.outsider.rename(w.path("logs/room.log"), w.path("logs/room.log.1"));
        append(&w.path("logs/room.log"))
    }, [Done; 5]),
    ("remove a transcript", |w| fs::remove_file(w.path("logs/room.log.1")), [Access; 5]),
    ("cut a transcript off", |w| OpenOptions::new().write(true).truncate(true).open(w.path("logs/room.log")).map(drop), [Access; 5]),
    ("make a folder beside the transcript", |w| fs::create_dir(w.path("logs/folder")),
        [Perm, Perm, Perm, Perm, Access]),
    ("make a link beside the transcript", |w| std::os::unix::fs::symlink("/", w.path("logs/link")),
        [Perm, Perm, Perm, Perm, Access]),
    ("replace the state", |w| {
        let (new, old) = (w.path("state/state.new"), w.path("state/state"));
        File::create_new(&new)?.sync_all()?;
        fs::rename(&new, &old)?;
        File::open(w.path("state"))?.sync_all()
    }, [Done; 5]),
    ("move the state elsewhere", |w| fs::rename(w.path("state/state"), w.path("logs/state")), [Kernel(Errno::XDEV); 5]),
    ("read what no option names", |w| fs::read(w.path("elsewhere/file")).map(drop), [Access; 5]),
    ("write what no option names", |w| append(&w.path("elsewhere/file")), [Access; 5]),
    ("make what no option names", |w| fs::write(w.path("elsewhere/new"), ""), [Access; 5]),
    ("remove what no option names", |w| fs::remove_file(w.path("elsewhere/file")), [Access; 5]),
    ("read the list of users", |_| fs::read("/etc/passwd").map(drop), [Access, Done, Access, Access, Done]),
    ("read the addresses of names", |_| fs::read("/etc/hosts").map(drop), [Access, Done, Access, Access, Done]),
    ("list what there is", |_| fs::read_dir("/").map(drop), [Access; 5]),
    ("read its own memory as a file", |_| fs::read("/proc/self/mem").map(drop), [Access; 5]),
    ("write to nothing", |_| append(Path::new("/dev/null")), [Done; 5]),
    ("ask a device", |_| Ok(rustix::termios::tcgetattr(File::open("/dev/zero")?).map(drop)?), [Access; 5]),

    // Programs.
    ("run this program", |_| run(&env::current_exe()?, &["--exact", "no such test"]), [Done; 5]),
    ("run the one program of a folder", |w| run(&w.path("programs/one"), &[]), [Done; 5]),
    ("run another one of that folder", |w| run(&w.path("programs/two"), &[]), [Access; 5]),
    ("run a shell", |_| run(Path::new("/bin/sh"), &["-c", "true"]), [Access; 5]),
    ("signal what it started", |_| {
        let mut child = Command::new(env::current_exe()?).args(["--list"]).stdout(Stdio::null()).spawn()?;
        child.kill()?;
        child.wait().map(drop)
    }, [Done; 5]),
    ("signal others", |w| Ok(rustix::process::test_kill_process(pid(w.outside))?), [Perm; 5]),

    // Connections.
    ("accept", |w| match w.listener.accept() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => other.map(drop),
    }, [Done; 5]),
    ("connect to the cluster", |w| w.connect(w.ports[0]), [Perm, Done, Perm, Perm, Done]),
    ("connect to another port", |w| w.connect(w.ports[1]), [Perm, Access, Perm, Perm, Access]),
    ("listen", |_| TcpListener::bind("127.0.0.1:0").map(drop), [Perm, Perm, Perm, Perm, Access]),
    ("listen again", |w| Ok(rustix::net::listen(&w.listener, 1)?), [Perm, Perm, Perm, Perm, Done]),
    ("talk to a service of this machine", |w| {
        let name = format!("uproar-test-{}", w.outside);
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(drop)
    }, [Perm; 5]),
    ("talk to the kernel's network", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW), [Perm, Perm, Perm, Perm, Done]),
    ("send datagrams", |_| socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC), [Perm, Done, Perm, Perm, Done]),
    ("send raw packets", |_| socket(libc::AF_INET, libc::SOCK_RAW), [Perm, Perm, Perm, Perm, Kernel(Errno::PROTONOSUPPORT)]),
    ("speak another protocol", |_| raw(libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 254, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::PROTONOSUPPORT)]),
    ("have a pair of sockets", |_| UnixStream::pair().map(drop), [Done; 5]),
    ("have a pair of sockets for datagrams", |_| UnixDatagram::pair().map(drop), [Perm, Perm, Perm, Perm, Done]),
    ("send", |_| raw(libc::SYS_sendto, [usize::MAX, 0, 0, libc::MSG_DONTWAIT as usize, 0, 0]), [Kernel(Errno::BADF); 5]),
    ("send to an address", |_| raw(libc::SYS_sendto, [usize::MAX, 0, 0, 0, 1, 16]),
        [Kernel(Errno::BADF), TO_AN_ADDRESS, Kernel(Errno::BADF), Kernel(Errno::BADF), Kernel(Errno::BADF)]),
    ("connect by sending", |_| raw(libc::SYS_sendto, [usize::MAX, 0, 0, libc::MSG_FASTOPEN as usize, 0, 0]),
        [Kernel(Errno::BADF), Perm, Kernel(Errno::BADF), Kernel(Errno::BADF), Kernel(Errno::BADF)]),
    ("connect by sending much", |_| raw(libc::SYS_sendmmsg, [usize::MAX, 0, 0, libc::MSG_FASTOPEN as usize, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::BADF)]),
    ("ask for two addresses", |_| raw(libc::SYS_sendmmsg, [usize::MAX, 0, 0, libc::MSG_NOSIGNAL as usize, 0, 0]),
        [Perm, Kernel(Errno::BADF), Perm, Perm, Kernel(Errno::BADF)]),
    ("send descriptors", |_| raw(libc::SYS_sendmsg, [usize::MAX, 0, 0, 0, 0, 0]), [Perm, Perm, Perm, Perm, Kernel(Errno::BADF)]),
    ("set what connections have", |w| Ok(rustix::net::sockopt::set_socket_keepalive(&w.listener, true)?), [Done; 5]),
    ("filter packets", |w| raw(libc::SYS_setsockopt, [fd(&w.listener), libc::SOL_SOCKET as usize, libc::SO_ATTACH_FILTER as usize, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::INVAL)]),

    // Rings.
    ("make a ring", |_| raw(libc::SYS_io_uring_setup, [1, 0, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Kernel(Errno::FAULT), Kernel(Errno::FAULT)]),
    ("change the files of a ring", |_| raw(libc::SYS_io_uring_register, [usize::MAX, 6, 0, 0, 0, 0]),
        [Perm, Perm, Kernel(Errno::INVAL), Kernel(Errno::INVAL), Kernel(Errno::INVAL)]),
    ("register memory with a ring", |_| raw(libc::SYS_io_uring_register, [usize::MAX, 0, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::INVAL)]),

    // Memory.
    ("make code", |_| map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_ANONYMOUS, 0), [Perm, Perm, Perm, Perm, Done]),
    ("have code of nothing", |_| map(libc::PROT_READ | libc::PROT_EXEC, libc::MAP_ANONYMOUS, 0), [Perm, Perm, Perm, Perm, Done]),
    ("have a library", |_| map(libc::PROT_READ | libc::PROT_EXEC, 0, fd(&File::open(env::current_exe()?)?)), [Done; 5]),
    ("have a library that can be written", |_| {
        map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, 0, fd(&File::open(env::current_exe()?)?))
    }, [Perm, Perm, Perm, Perm, Done]),
    ("have a library that another mapping can change", |_| {
        map(libc::PROT_READ | libc::PROT_EXEC, libc::MAP_SHARED, fd(&File::open(env::current_exe()?)?))
    }, [Perm, Perm, Perm, Perm, Done]),
    ("have memory", |_| map(libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS, 0), [Done; 5]),
    ("turn memory into code", |_| protect(libc::PROT_READ | libc::PROT_EXEC), [Perm, Perm, Perm, Perm, Done]),
    ("protect memory", |_| protect(libc::PROT_READ), [Done; 5]),
    ("have a file without a name", |_| Ok(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).map(drop)?),
        [Perm, Perm, Perm, Perm, Done]),

    // The process.
    ("have a thread", |_| thread::spawn(|| ()).join().map_err(|_| io::Error::other("it panicked")), [Done; 5]),
    ("read elsewhere in another thread", |w| {
        let path = w.path("elsewhere/file");
        thread::spawn(|| fs::read(path).map(drop)).join().expect("it does not panic")
    }, [Access; 5]),
    ("have a namespace", |_| match raw::call(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD) as usize, 0, 0, 0, 0, 0]) {
        Ok(0) => process::exit(0),
        other => Ok(other.map(drop)?),
    }, [Perm, Perm, Perm, Perm, Done]),
    ("clone with flags that nobody sees", |_| raw(libc::SYS_clone3, [0; 6]),
        [Kernel(Errno::NOSYS), Kernel(Errno::NOSYS), Kernel(Errno::NOSYS), Kernel(Errno::NOSYS), Kernel(Errno::INVAL)]),
    ("call what no kernel has", |_| raw(UNKNOWN, [0; 6]), [Kernel(Errno::NOSYS); 5]),
    ("run a program by its descriptor", |_| raw(libc::SYS_execveat, [usize::MAX, 0, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::FAULT)]),
    ("become another user", |_| raw(libc::SYS_setresuid, [usize::MAX; 6]), [Perm, Perm, Perm, Perm, Done]),
    ("know its limits", |_| raw(libc::SYS_prlimit64, [0, 0, 0, 0, 0, 0]), [Done; 5]),
    ("know the limits of others", |_| raw(libc::SYS_prlimit64, [process::id() as usize, 0, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Done]),
    ("have a name", |_| Ok(rustix::thread::set_name(c"inside")?), [Done; 5]),
    ("be looked into", |_| raw(libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0, 0]), [Perm, Perm, Perm, Perm, Done]),
    ("have a descriptor's flags", |w| Ok(rustix::fs::fcntl_getfl(&w.listener).map(drop)?), [Done; 5]),
    ("have signals for a descriptor", |w| raw(libc::SYS_fcntl, [fd(&w.listener), libc::F_SETOWN as usize, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Done]),
    ("not wait", |w| w.listener.set_nonblocking(true), [Done; 5]),
    ("type into a terminal", |w| raw(libc::SYS_ioctl, [fd(&w.listener), libc::TIOCSTI as usize, 0, 0, 0, 0]),
        [Perm, Perm, Perm, Perm, Kernel(Errno::NOTTY)]),
    ("gain privileges", |_| match rustix::thread::no_new_privs() {
        Ok(true) => Err(Errno::PERM.into()),
        other => Ok(other.map(drop)?),
    }, [Perm; 5]),
];

/// musl looks names up by datagrams to an address.
const TO_AN_ADDRESS: Answer = if cfg!(target_env = "musl") { Kernel(Errno::BADF) } else { Perm };

/// A number that no kernel has given to a call.
const UNKNOWN: libc::c_long = 565;

fn append(path: &Path) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(b"x\n")
}

fn run(program: &Path, arguments: &[&str]) -> io::Result<()> {
    let mut command = Command::new(program);
    let status = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{status}"))) }
}

fn pid(number: u32) -> rustix::process::Pid {
    i32::try_from(number).ok().and_then(rustix::process::Pid::from_raw).expect("it is a process")
}

fn raw(number: libc::c_long, arguments: [usize; 6]) -> io::Result<()> {
    Ok(raw::call(number, arguments).map(drop)?)
}

fn fd(descriptor: &impl AsFd) -> usize {
    descriptor.as_fd().as_raw_fd() as usize
}

fn socket(family: libc::c_int, kind: libc::c_int) -> io::Result<()> {
    raw(libc::SYS_socket, [family as usize, kind as usize, 0, 0, 0, 0])
}

/// Maps a page, which stays.
fn map(protection: libc::c_int, flags: libc::c_int, file: usize) -> io::Result<()> {
    raw(libc::SYS_mmap, [0, 4096, protection as usize, (libc::MAP_PRIVATE | flags) as usize, file, 0])
}

/// Maps a page that can be written, and has it be something else.
fn protect(protection: libc::c_int) -> io::Result<()> {
    let (writable, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let page = raw::call(libc::SYS_mmap, [0, 4096, writable as usize, flags as usize, usize::MAX, 0])?;
    raw(libc::SYS_mprotect, [page, 4096, protection as usize, 0, 0, 0])
}

/// Starts this test program again, as a process that runs [`inside`].
fn start_inside(case: &str, world: &str) -> (ExitStatus, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "sandbox::tests::inside", "--nocapture"]).env(CASE, case).env(WORLD, world);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status, said)
}

/// True where this machine has all of the sandbox; says so where it does not.
fn is_here() -> bool {
    let here = look();
    if !here.is_whole() {
        eprintln!("NOT TESTED, because this machine lacks a part of it: {here}");
    }
    here.is_whole()
}

/// In the process that is started by others here it enters the sandbox; in the ordinary run it does nothing.
#[test]
fn inside() {
    let Ok(case) = env::var(CASE) else { return };
    let world = env::var(WORLD).unwrap();
    if case == "call" {
        let number = world.parse().expect("a number");
        assert!(filter::enter(&Permissions::default()).is_ok());
        let answer = raw::call(number, [usize::MAX; 6]);
        println!("{answer:?}");
        return;
    }
    let case = *CASES.iter().find(|known| format!("{known:?}") == case).expect("the case is known");
    let mut words = world.split(' ');
    let mut word = || words.next().expect("it is there");
    let folder = PathBuf::from(word());
    let ports = [word(), word()].map(|port| port.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let outside = word().parse().unwrap();
    let world = World { folder, ports, outside, listener, outsider: Outsider::start() };
    let permissions = permissions(case, &world.folder, world.ports[0]);
    if case == Case::Landlock {
        assert_eq!(landlock::enter(&permissions), Landlock::look());
    } else {
        let entered = permissions.enter();
        assert!(entered.is_whole(), "{entered}");
    }
    let mut wrong = Vec::new();
    for (name, attempt, answers) in ATTEMPTS {
        let expected = match answers[CASES.iter().position(|known| *known == case).unwrap()] {
            Done => None,
            Access => Some(Errno::ACCESS.raw_os_error()),
            Perm => Some(Errno::PERM.raw_os_error()),
            Kernel(errno) => Some(errno.raw_os_error()),
        };
        let answer = attempt(&world);
        if answer.as_ref().map_err(io::Error::raw_os_error).err() != expected.map(Some) {
            wrong.push(format!("{name}: {answer:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{case:?}:\n{}", wrong.join("\n"));
    println!("all {} attempts were answered as they should be", ATTEMPTS.len());
}

fn try_everything(case: Case) {
    if !is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    for name in ["own", "logs", "state", "elsewhere", "programs"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for name in ["own/motd", "own/motd.other", "elsewhere/file", "state/state", "logs/room.log"] {
        fs::write(root.join(name), "x\n").unwrap();
    }
    std::os::unix::fs::symlink(root.join("elsewhere/file"), root.join("own/link")).unwrap();
    for name in ["one", "two"] {
        fs::copy("/bin/true", root.join("programs").join(name)).unwrap();
    }
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [known, unknown] = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
    let name = SocketAddr::from_abstract_name(format!("uproar-test-{}", process::id())).unwrap();
    // Two tests may have it at a time.
    let _service = UnixListener::bind_addr(&name);
    let world = format!("{} {known} {unknown} {}", root.display(), process::id());
    let (status, said) = start_inside(&format!("{case:?}"), &world);
    assert!(status.success() && said.contains("attempts were answered"), "{status}: {said}");
}

#[test]
fn what_a_server_alone_may_do() {
    try_everything(Case::Alone);
}

#[test]
fn what_a_node_of_a_cluster_may_do() {
    try_everything(Case::Node);
}

#[test]
fn what_a_server_with_one_table_may_do() {
    try_everything(Case::Table);
}

#[test]
fn what_a_server_with_tables_may_do() {
    try_everything(Case::Tables);
}

#[test]
fn what_landlock_alone_refuses() {
    try_everything(Case::Landlock);
}

#[test]
fn what_only_an_attacker_calls_ends_the_process() {
    if !is_here() {
        return;
    }
    for (name, number) in filter::deadly() {
        let (status, said) = start_inside("call", &number.to_string());
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{name}: {status}: {said}");
    }
}

/// A call with no argument that makes sense is answered by the kernel, and not with `EPERM`.
#[test]
fn what_is_allowed_whatever_the_arguments_reaches_the_kernel() {
    const ENDS_OR_CHANGES: [&str; 7] =
        ["SYS_exit", "SYS_exit_group", "SYS_rt_sigreturn", "SYS_fork", "SYS_vfork", "SYS_kill", "SYS_set_tid_address"];
    if !is_here() {
        return;
    }
    for (name, number) in filter::always().filter(|(name, _)| !ENDS_OR_CHANGES.contains(name)) {
        let (status, said) = start_inside("call", &number.to_string());
        assert!(
            status.success() && !said.contains("Os { code: 1,") && !said.contains("PERM"),
            "{name}: {status}: {said}"
        );
    }
}

#[test]
fn one_line_says_what_there_is_and_what_is_missing() {
    let line = |landlock, filter| Entered { landlock, filter }.to_string();
    for (version, expected) in [
        (7, "landlock 7 (files, ports, devices, signals)"),
        (5, "landlock 5 (files, ports, devices), without signals (Linux 6.12 has all)"),
        (3, "landlock 3 (files), without ports, devices, signals (Linux 6.12 has all)"),
        (
            2,
            "landlock 2 (files), not against cutting files off (Linux 6.2), without ports, devices, signals (Linux 6.12 \
             has all)",
        ),
    ] {
        assert_eq!(line(Landlock::On(version), Ok(99)), format!("sandbox: {expected}, 99 system calls"));
    }
    assert_eq!(
        line(Landlock::Off("why".to_owned()), Err("too".to_owned())),
        "sandbox: no landlock, so that files and ports are not restricted: why, no filter of system calls: too"
    );
    let whole = |landlock, filter| Entered { landlock, filter }.is_whole();
    assert!(whole(Landlock::On(6), Ok(1)) && !whole(Landlock::On(5), Ok(1)));
    assert!(!whole(Landlock::On(7), Err(String::new())) && !whole(Landlock::Off(String::new()), Ok(1)));
}

//! The transcript in files: opened anew on SIGHUP, on a full disk, with its times, and paths that are refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Person, Server, expect_stop, expect_talk, uproar};

/// A folder that is removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new("/tmp").join(format!("uproar-transcript-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A file system that holds 256 KiB, unmounted when dropped.
struct SmallDisk(Folder);

impl SmallDisk {
    /// `None`, after saying so, where this process may not mount one.
    fn new(name: &str) -> Option<Self> {
        let folder = Folder::new(name);
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs", &folder.path("")]).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(folder)),
            failed => {
                eprintln!("not tried: a small file system cannot be mounted here: {failed:?}");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0.path("")]).status();
    }
}

fn start(path: &str, options: &[&str]) -> Server {
    let mut command = uproar(&["serve", "127.0.0.1:0", "--flood-rate", "0", "--transcript", path]);
    command.args(options);
    Server::spawn(command)
}

/// The text of each line of a transcript, whose time is looked at.
#[track_caller]
fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    let line = |line: &str| {
        let (time, text) = line.split_once(' ').expect("a time and a text");
        humantime::parse_rfc3339(time).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        assert_eq!(time.len(), 24, "{line:?}");
        text.to_owned()
    };
    text.lines().map(line).collect()
}

/// Waits until a file is as expected.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Says numbered lines, each heard before the next.
fn count(author: &mut Person, listener: &mut Person, numbers: std::ops::Range<usize>, fill: usize) {
    let name = author.name();
    for number in numbers {
        author.send(format!("{number} {}\n", "x".repeat(fill)));
        listener.lines_until(|line| line.starts_with(&format!("[{name}] {number} ")));
    }
}

/// The numbers that were said, with those that were missed.
fn numbers(lines: &[String]) -> (Vec<usize>, usize) {
    let missed = |line: &String| line.strip_prefix("! you missed ")?.split(' ').next()?.parse::<usize>().ok();
    let number = |line: &String| line.strip_prefix('[')?.split(' ').nth(1)?.parse().ok();
    (lines.iter().filter_map(number).collect(), lines.iter().filter_map(missed).sum())
}

#[test]
fn a_hangup_has_it_opened_anew_and_no_line_is_lost_or_torn() {
    let folder = Folder::new("rotated");
    let path = folder.path("transcript");
    let mut server = start(&path, &[]);
    let (mut a, mut b) = (server.join(), server.join());
    let mut files = Vec::new();
    for turn in 0..5 {
        count(&mut a, &mut b, turn * 200..turn * 200 + 100, 100);
        let old = folder.path(&format!("transcript.{turn}"));
        fs::rename(&path, &old).unwrap();
        server.signal("HUP");
        count(&mut a, &mut b, turn * 200 + 100..turn * 200 + 200, 100);
        assert_eq!(server_line(&server, "SIGHUP"), "uproar: SIGHUP: the transcript file was opened anew");
        files.push(old);
    }
    expect_stop(&mut server);
    files.push(path);
    assert!(files.iter().all(|file| fs::metadata(file).unwrap().len() > 0), "each was written");
    let all: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    assert_eq!(numbers(&all), ((0..1000).collect(), 0));
    assert_eq!(all.first().map(|line| line.starts_with("Chat Server started on port ")), Some(true));
    assert_eq!(all.last().map(String::as_str), Some("! the server is stopping"));
}

/// The next line of the server's log that has `words`.
fn server_line(server: &Server, words: &str) -> String {
    loop {
        let line = server.log_line();
        if line.contains(words) {
            return line;
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_anew_is_kept() {
    let folder = Folder::new("kept");
    let path = folder.path("transcript");
    let mut server = start(&path, &[]);
    fs::rename(&path, folder.path("old")).unwrap();
    symlink(folder.path("elsewhere"), &path).unwrap();
    server.signal("HUP");
    let said = server_line(&server, "SIGHUP");
    assert!(
        said.starts_with("uproar: SIGHUP: the transcript stays as it is, not opened anew: this is a symbolic link"),
        "{said}"
    );
    expect_talk(&server);
    expect_stop(&mut server);
    assert!(lines(&folder.path("old")).iter().any(|line| line.ends_with("] yes")));
    assert!(!Path::new(&folder.path("elsewhere")).exists());
}

#[test]
fn a_full_disk_is_reported_and_the_transcript_goes_on_when_it_has_space() {
    let Some(disk) = SmallDisk::new("full") else { return };
    let path = disk.0.path("transcript");
    let filler = disk.0.path("filler");
    fs::write(&filler, vec![0; 128 << 10]).unwrap();
    let mut server = start(&path, &["--log-bytes", "64KiB"]);
    let (mut a, mut b) = (server.join(), server.join());
    // 800 KB, of which 128 find place.
    count(&mut a, &mut b, 0..800, 1000);
    let paused = server_line(&server, "transcript");
    assert!(paused.starts_with("uproar: transcript paused, tried again every second: No space left"), "{paused}");
    fs::remove_file(&filler).unwrap();
    assert_eq!(server_line(&server, "transcript"), "uproar: transcript resumed");
    count(&mut a, &mut b, 800..810, 10);
    wait_until("it goes on", || fs::read_to_string(&path).unwrap().contains("] 809 "));
    let (said, missed) = numbers(&lines(&path));
    assert!(missed > 0 && said.len() + missed == 810, "{} lines and {missed} missed", said.len());
    assert!(said.is_sorted() && said.ends_with(&(800..810).collect::<Vec<_>>()));
    expect_stop(&mut server);
}

#[test]
fn a_file_as_large_as_it_may_be_does_not_end_the_server() {
    let folder = Folder::new("large");
    let path = folder.path("transcript");
    let mut command = Command::new("sh");
    // Eight blocks of 512 bytes, or of 1,024.
    let serve = format!(
        "ulimit -f 8; exec {} serve 127.0.0.1:0 --flood-rate 0 --transcript {path}",
        env!("CARGO_BIN_EXE_uproar")
    );
    command.args(["-c", &serve]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Server::spawn(command);
    let (mut a, mut b) = (server.join(), server.join());
    count(&mut a, &mut b, 0..40, 1000);
    let paused = server_line(&server, "transcript");
    assert!(paused.ends_with("File too large (os error 27)"), "{paused}");
    // A new file has space again. It gets whole lines, also the one that was cut.
    let old = folder.path("old");
    fs::rename(&path, &old).unwrap();
    server.signal("HUP");
    wait_until("it goes on", || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() > 3));
    let new = fs::read_to_string(&path).unwrap();
    let old = fs::read_to_string(&old).unwrap();
    let (whole, torn) = old.rsplit_once('\n').unwrap();
    assert!(new.starts_with(torn), "the line that was cut is said again");
    let of =
        |text: &str| text.lines().filter_map(|line| line.split(' ').nth(2)?.parse::<usize>().ok()).collect::<Vec<_>>();
    let said = [of(whole), of(&new)].concat();
    assert_eq!(said, (0..said.len()).collect::<Vec<_>>());
    expect_talk(&server);
    expect_stop(&mut server);
}

#[test]
fn a_new_file_is_its_owners_alone_and_one_with_a_torn_end_goes_on_in_a_new_line() {
    let folder = Folder::new("modes");
    let path = folder.path("transcript");
    expect_stop(&mut start(&path, &[]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = lines(&path).len();

    fs::write(&path, "an old line\nand one that was c").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    expect_stop(&mut start(&path, &[]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640, "what is there stays as it is");
    let text = fs::read_to_string(&path).unwrap();
    let rest = text.strip_prefix("an old line\nand one that was c\n").expect("a line of its own");
    assert_eq!(rest.lines().count(), before, "{text}");
}

/// The error of a server that does not start because of its transcript.
fn refusal(path: &str) -> String {
    let mut child = uproar(&["serve", "127.0.0.1:0", "--transcript", path]).spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "it does not start");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_link_to_a_file_is_refused_and_devices_and_pipes_are_not() {
    let folder = Folder::new("links");
    let (target, link) = (folder.path("target"), folder.path("link"));
    for there in [false, true] {
        if there {
            fs::write(&target, "mine\n").unwrap();
        } else {
            symlink(&target, &link).unwrap();
        }
        let said = refusal(&link);
        assert_eq!(said, format!("uproar: --transcript {link}: this is a symbolic link; name the file itself\n"));
        assert_eq!(Path::new(&target).exists(), there, "it is not made");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine\n");

    // The standard output by another name, which is a file here.
    let out = folder.path("out");
    for name in ["/dev/stdout", "-"] {
        let mut command = uproar(&["serve", "127.0.0.1:0", "--transcript", name]);
        command.stdout(fs::File::create(&out).unwrap());
        let mut server = Server::spawn(command);
        expect_talk(&server);
        expect_stop(&mut server);
        assert!(lines(&out).iter().any(|line| line.ends_with("] yes")), "{name}");
    }

    // A pipe with a name, directly and through a link.
    let pipe = folder.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let said = refusal(&pipe);
    assert!(said.ends_with(": this is a socket, or a pipe that nobody reads yet\n"), "{said}");
    let through = folder.path("through");
    symlink(&pipe, &through).unwrap();
    for name in [&pipe, &through] {
        let reader = fs::File::options().read(true).write(true).open(&pipe).unwrap();
        let mut server = start(name, &[]);
        expect_talk(&server);
        expect_stop(&mut server);
        let mut bytes = [0; 65536];
        let count = std::io::Read::read(&mut &reader, &mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]);
        assert!(text.starts_with("Chat Server started on port "), "no times in a pipe: {text}");
    }
}

//! Tests of the file of the state, on a disk that does as it is told.

use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use super::*;
use crate::moderation::state::{Modes, RoomState};
use crate::names::RoomName;

/// A state that `name` tells from others.
fn state(name: &str) -> State {
    let name = RoomName::parse(name).unwrap();
    let room = RoomState { name, topic: None, modes: Modes { slow_seconds: 0, only_operators: true } };
    State { rooms: vec![room], ..State::default() }
}

/// A disk that does each step when it is told to, as it is told.
struct Told<D> {
    disk: D,
    steps: Receiver<Step>,
}

enum Step {
    Done,
    Failed,
    /// The process is killed here, so nothing follows.
    Killed,
}

impl<D: Disk> Told<D> {
    fn new(disk: D) -> (Self, Sender<Step>) {
        let (steps_in, steps) = channel();
        (Self { disk, steps }, steps_in)
    }

    fn step(&mut self, act: impl FnOnce(&mut D) -> io::Result<()>) -> io::Result<()> {
        match self.steps.recv().unwrap_or(Step::Killed) {
            Step::Done => act(&mut self.disk),
            Step::Failed => Err(io::ErrorKind::StorageFull.into()),
            Step::Killed => loop {
                thread::park();
            },
        }
    }
}

impl<D: Disk> Disk for Told<D> {
    fn write_new(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.step(|disk| disk.write_new(bytes))
    }

    fn replace(&mut self) -> io::Result<()> {
        self.step(D::replace)
    }
}

/// Waits for an outcome, as the server does turn by turn.
fn wait(file: &mut StateFile) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(outcome) = file.outcome() {
            return outcome;
        }
        assert!(Instant::now() < end, "no outcome");
        thread::sleep(Duration::from_millis(1));
    }
}

fn state_in(path: &Path) -> State {
    State::decode(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_is_offered_is_in_the_file_and_read_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (file, before) = StateFile::open(&path).unwrap();
    let mut file = file.start().unwrap();
    assert_eq!((before, state_in(&path)), (State::default(), State::default()));
    assert!(file.offer(state("den")));
    wait(&mut file).unwrap();
    assert_eq!(state_in(&path), state("den"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path().join("state.new").exists());
    Box::new(file).finish(Some(state("attic"))).unwrap();
    let (file, before) = StateFile::open(&path).unwrap();
    assert_eq!(before, state("attic"));
    Box::new(file.start().unwrap()).finish(None).unwrap();
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let mut bytes = state("den").encode();
    bytes.truncate(bytes.len() - 3);
    fs::write(&path, &bytes).unwrap();
    let error = StateFile::open(&path).unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    fs::write(&path, vec![b'\n'; STATE_BYTES_MAX + 1]).unwrap();
    assert!(matches!(StateFile::open(&path), Err(FileError::Large)));
}

#[test]
fn what_cannot_be_a_file_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(StateFile::open(folder.path()), Err(FileError::NoFile)));
    assert!(matches!(StateFile::open(Path::new("/dev/null")), Err(FileError::NoFile)));
    // Nobody may make a file there, whatever the user.
    for path in ["/proc/state", "/nowhere/state"] {
        assert!(matches!(StateFile::open(Path::new(path)), Err(FileError::Unwritable(_))), "{path}");
    }
    let under_a_file = folder.path().join("file/state");
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(StateFile::open(&under_a_file), Err(FileError::Unreadable(_))));
    // What is in the place of the new file is never written into.
    fs::create_dir(folder.path().join("state.new")).unwrap();
    let error = StateFile::open(&folder.path().join("state")).unwrap_err();
    assert!(error.to_string().contains("state.new"), "{error}");
}

#[test]
fn a_link_is_followed_and_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    fs::write(&real, state("den").encode()).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (file, before) = StateFile::open(&link).unwrap();
    Box::new(file.start().unwrap()).finish(Some(state("attic"))).unwrap();
    assert_eq!((before, state_in(&real)), (state("den"), state("attic")));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // What an earlier server left is not written into, whatever it is.
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, folder.path().join("real.new")).unwrap();
    let (file, _) = StateFile::open(&real).unwrap();
    Box::new(file.start().unwrap()).finish(None).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn a_kill_between_the_steps_leaves_the_old_file_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    fs::write(&path, state("den").encode()).unwrap();
    for steps in [vec![Step::Killed], vec![Step::Done, Step::Killed]] {
        let (disk, told) = Told::new(Folder::of(path.clone()));
        let mut file = StateFile::start(disk).unwrap();
        assert!(file.offer(state("attic")));
        let is_new = steps.len() > 1;
        steps.into_iter().for_each(|step| told.send(step).unwrap());
        let end = Instant::now() + Duration::from_secs(20);
        while is_new && fs::read(folder.path().join("state.new")).ok() != Some(state("attic").encode()) {
            assert!(Instant::now() < end, "no new file");
        }
        assert_eq!(state_in(&path), state("den"));
    }
    // A write that was cut off is in nobody's way.
    fs::write(folder.path().join("state.new"), "{\"kind\":\"sta").unwrap();
    let (_, before) = StateFile::open(&path).unwrap();
    assert_eq!(before, state("den"));
}

#[test]
fn offering_never_waits_and_the_last_state_taken_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (disk, told) = Told::new(Folder::of(path.clone()));
    let mut file = StateFile::start(disk).unwrap();
    // The disk does nothing yet: one is being written, one waits, and there is no room for a third.
    assert!(file.offer(state("one")) && file.offer(state("two")));
    assert!(!file.has_room() && !file.offer(state("three")));
    assert!(file.outcome().is_none());
    (0..4).for_each(|_| told.send(Step::Done).unwrap());
    wait(&mut file).unwrap();
    assert!(file.has_room());
    wait(&mut file).unwrap();
    assert_eq!(state_in(&path), state("two"));
}

#[test]
fn a_disk_that_fails_is_an_outcome_and_may_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    fs::write(&path, state("den").encode()).unwrap();
    let (disk, told) = Told::new(Folder::of(path.clone()));
    let mut file = StateFile::start(disk).unwrap();
    for steps in [vec![Step::Failed], vec![Step::Done, Step::Failed]] {
        assert!(file.offer(state("attic")));
        steps.into_iter().for_each(|step| told.send(step).unwrap());
        assert_eq!(wait(&mut file).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(state_in(&path), state("den"));
    }
    assert!(file.offer(state("attic")));
    (0..2).for_each(|_| told.send(Step::Done).unwrap());
    wait(&mut file).unwrap();
    assert_eq!(state_in(&path), state("attic"));
    told.send(Step::Failed).unwrap();
    assert_eq!(Box::new(file).finish(Some(state("cellar"))).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_stop_waits_for_what_was_taken_but_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (disk, told) = Told::new(Folder::of(path.clone()));
    let mut file = StateFile::start(disk).unwrap();
    assert!(file.offer(state("one")) && file.offer(state("two")));
    (0..6).for_each(|_| told.send(Step::Done).unwrap());
    Box::new(file).finish(Some(state("three"))).unwrap();
    assert_eq!(state_in(&path), state("three"));
    let (disk, _told) = Told::new(Folder::of(path));
    let file = StateFile::start(disk).unwrap();
    let hung = file.finish_within(Some(state("four")), Duration::from_millis(20));
    assert_eq!(hung.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn states_have_no_path_but_their_own() {
    let parts = |path: &str| {
        let folder = Folder::of(path.into());
        (folder.new.to_str().unwrap().to_owned(), folder.folder.to_str().unwrap().to_owned())
    };
    assert_eq!(parts("state"), ("state.new".to_owned(), ".".to_owned()));
    assert_eq!(parts("/var/lib/uproar/state"), ("/var/lib/uproar/state.new".to_owned(), "/var/lib/uproar".to_owned()));
}

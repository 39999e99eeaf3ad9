//! Which rules the files of [`Permissions`] need: a path, and what may be done there.
//!
//! A rule holds for what is there when the sandbox is entered, and a rule of a folder for all that is ever below it. A
//! path may lead over links, which are followed: a rule is of what they lead to. The folder that has the name itself has
//! a rule too, because a link may be replaced by a file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use super::{Permissions, Use};

/// What may be done at a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    pub path: PathBuf,
    pub used: Use,
    /// True when `path` is the folder of what is used, false when it is that itself.
    pub is_folder: bool,
}

/// The rules for all files.
pub fn rules(permissions: &Permissions) -> Vec<Rule> {
    let mut rules = BTreeSet::new();
    for (path, used) in &permissions.files {
        let real = fs::canonicalize(path).ok();
        let kind = real.as_deref().and_then(|real| fs::metadata(real).ok()).map(|metadata| metadata.file_type());
        let is_special = kind.is_some_and(|kind| !kind.is_file() && !kind.is_dir());
        let mut rule = |path: &Path, is_folder| {
            rules.insert(Rule { path: path.to_owned(), used: *used, is_folder });
        };
        match used {
            Use::ReadFolder | Use::RunFolder => rule(path, true),
            Use::Run | Use::Device => rule(path, false),
            // Its folder is /dev, or somebody's.
            Use::Append | Use::ReadAgain if is_special => rule(path, false),
            // All there is would be below the root. A file, or a link, that is read there is not replaced.
            Use::ReadAgain | Use::Append | Use::Replace => {
                for path in [Some(path.as_path()), real.as_deref()].into_iter().flatten() {
                    let is_in_root = *used == Use::ReadAgain && is_root(folder(path));
                    if is_in_root { rule(path, false) } else { rule(folder(path), true) }
                }
            }
        }
    }
    rules.into_iter().collect()
}

/// The folder that a path's last name is in.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_root(folder: &Path) -> bool {
    fs::canonicalize(folder).is_ok_and(|real| real.parent().is_none())
}

/// Folders that may be written to and that are not the server's own: the root, those in which everybody may make
/// files, and that of the program, which could then be another one at the next start.
pub fn shared(permissions: &Permissions) -> Vec<PathBuf> {
    let written = |rule: &Rule| matches!(rule.used, Use::Append | Use::Replace) && rule.is_folder;
    let program = std::env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let is_shared = |folder: &PathBuf| {
        let mode = rustix::fs::stat(folder).map(|stat| Mode::from_raw_mode(stat.st_mode));
        let has_program = program.as_ref().is_some_and(|place| place.starts_with(folder));
        is_root(folder) || has_program || mode.is_ok_and(|mode| mode.contains(Mode::SVTX))
    };
    let folders = rules(permissions).into_iter().filter(written).filter_map(|rule| fs::canonicalize(rule.path).ok());
    folders.filter(is_shared).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Has the installed program be run again, which an upgrade does: a new one of the same name where the program has a
/// folder of its own, and only the one that runs now where it lies among all other programs, in a folder called `bin` or
/// `sbin`, or in the root. A program that is linked to libraries needs those, in whichever version is there then.
pub fn program(permissions: &mut Permissions) {
    let Ok(program) = std::env::current_exe() else { return };
    let place = folder(&program);
    if is_among_others(place) {
        permissions.file(&program, Use::Run);
    } else {
        permissions.file(place, Use::RunFolder);
    }
    for folder in library_folders(&fs::read_to_string("/proc/self/maps").unwrap_or_default(), &program) {
        permissions.file(folder, Use::RunFolder);
    }
    // What a program is given instead of a standard stream.
    permissions.file("/dev/null", Use::Device);
}

fn is_among_others(place: &Path) -> bool {
    place.file_name().is_none_or(|name| name == "bin" || name == "sbin")
}

/// The folders of the libraries in a list of what is mapped (proc_pid_maps(5)), the dynamic loader among them.
fn library_folders(maps: &str, program: &Path) -> BTreeSet<PathBuf> {
    let mapped =
        maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| PathBuf::from(format!("/{path}")));
    let is_library = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        path != program && (name.ends_with(".so") || name.contains(".so."))
    };
    mapped.filter(is_library).map(|path| folder(&path).to_owned()).collect()
}

/// Files by which names become addresses (resolver(3), nsswitch.conf(5)). All of them are in `/etc`, but for what links
/// there lead to, and they are replaced whenever the network changes.
pub const NAME_FILES: [&str; 5] =
    ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// Where distributions keep the certificates of authorities, and what links there lead to.
pub const CERTIFICATE_FOLDERS: [&str; 9] = [
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/share/pki",
    "/var/lib/ca-certificates",
    "/usr/local/share/certs",
];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn rules_for(path: impl Into<PathBuf>, used: Use) -> Vec<(PathBuf, bool)> {
        let mut permissions = Permissions::default();
        permissions.file(path, used);
        rules(&permissions).into_iter().map(|rule| (rule.path, rule.is_folder)).collect()
    }

    #[test]
    fn a_file_that_may_be_replaced_is_covered_by_its_folder_and_a_device_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        for used in [Use::ReadAgain, Use::Append, Use::Replace] {
            assert_eq!(rules_for(folder.join("none"), used), [(folder.clone(), true)], "{used:?}");
        }
        assert_eq!(rules_for("none", Use::Replace), [(PathBuf::from("."), true)]);
        assert_eq!(rules_for("/dev/null", Use::Append), [(PathBuf::from("/dev/null"), false)]);
        assert_eq!(rules_for("/dev/null", Use::ReadAgain), [(PathBuf::from("/dev/null"), false)]);
        assert_eq!(rules_for(&folder, Use::ReadFolder), [(folder.clone(), true)]);
    }

    #[test]
    fn the_root_is_no_folder_of_one_file_or_one_program() {
        for path in ["/none", "/proc/self/root/none"].map(PathBuf::from) {
            assert_eq!(rules_for(&path, Use::ReadAgain), [(path, false)]);
        }
        let file = fs::read_dir("/")
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| fs::canonicalize(path).is_ok_and(|real| real.is_file() && is_root(folder(&real))));
        match file {
            Some(file) => assert_eq!(rules_for(&file, Use::ReadAgain), [(file, false)]),
            None => eprintln!("NOT TESTED: there is no file in the root here"),
        }
        for (place, expected) in
            [("/", true), ("/usr/bin", true), ("/usr/local/sbin", true), ("/usr/lib/uproar", false), ("/opt/x", false)]
        {
            assert_eq!(is_among_others(Path::new(place)), expected, "{place}");
        }
    }

    #[test]
    fn a_link_gives_the_folder_that_it_is_in_and_the_one_that_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let [here, there] = ["here", "there"].map(|name| folder.join(name));
        fs::create_dir(&here).unwrap();
        fs::create_dir(&there).unwrap();
        fs::write(there.join("motd"), "").unwrap();
        symlink(there.join("motd"), here.join("motd")).unwrap();
        assert_eq!(rules_for(here.join("motd"), Use::ReadAgain), [(here, true), (there, true)]);
    }

    #[test]
    fn libraries_are_found_by_their_names() {
        let maps = "5581e0000000-5581e0001000 r-xp 00000000 08:01 12 /opt/uproar/uproar\n\
                    7f00a0000000-7f00a0001000 r-xp 00000000 08:01 13 /usr/lib/x86_64-linux-gnu/libc.so.6\n\
                    7f00b0000000-7f00b0001000 r-xp 00000000 08:01 14 /lib64/ld-linux-x86-64.so.2\n\
                    7f00c0000000-7f00c0001000 rw-s 00000000 00:0f 15 anon_inode:[io_uring]\n\
                    7f00d0000000-7f00d0001000 r--p 00000000 08:01 16 /usr/lib/locale/C.utf8/LC_CTYPE\n\
                    7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0 [vdso]\n";
        let folders = library_folders(maps, Path::new("/opt/uproar/uproar"));
        assert_eq!(folders, ["/lib64", "/usr/lib/x86_64-linux-gnu"].map(PathBuf::from).into());
    }

    #[test]
    fn the_root_and_a_folder_of_everybody_are_shared() {
        let mut permissions = Permissions::default();
        permissions.file("/state", Use::Replace);
        permissions.file("/tmp/room.log", Use::Append);
        permissions.file("/proc/room.log", Use::Append);
        permissions.file("/motd", Use::ReadAgain);
        assert_eq!(shared(&permissions), ["/", "/tmp"].map(PathBuf::from));
        let program = std::env::current_exe().unwrap().canonicalize().unwrap();
        let [beside, above] = [folder(&program), folder(folder(&program))];
        for place in [beside, above] {
            let mut permissions = Permissions::default();
            permissions.file(place.join("room.log"), Use::Append);
            assert_eq!(shared(&permissions), [place]);
        }
    }
}

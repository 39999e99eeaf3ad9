//! Files, ports and signals: a ruleset of landlock (landlock(7)), which the kernel asks whatever way a file is opened, by
//! a system call or by a ring.
//!
//! What a kernel knows of it grew with its versions, and what it does not know it does not refuse.

use std::fmt;
use std::thread;

use landlock::{
    AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
};

use super::paths::{self, Rule};
use super::{Permissions, Use};

/// What each version brought that is used here, and the Linux that has it.
const VERSIONS: [(i32, &str, &str); 4] =
    [(1, "files", "5.13"), (4, "ports", "6.7"), (5, "devices", "6.10"), (6, "signals", "6.12")];

/// Before this version a file may be cut off by its path without permission.
const VERSION_WITH_TRUNCATE: i32 = 3;
const LINUX_WITH_TRUNCATE: &str = "6.2";

/// What of it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// With the kernel's version of landlock, or the last one that is used here.
    On(i32),
    Off(String),
}

/// Restricts the calling thread, and those that it starts from now on.
pub fn enter(permissions: &Permissions) -> Landlock {
    match restrict(permissions) {
        Ok(RestrictionStatus { landlock, .. }) => Landlock::of(&landlock),
        Err(error) => Landlock::Off(error.to_string()),
    }
}

fn restrict(permissions: &Permissions) -> Result<RestrictionStatus, RulesetError> {
    // All that a file can be used for is refused, but for what a rule allows.
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(everything())?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?;
    for rule in paths::rules(permissions) {
        // What is not there now cannot have a rule, and a folder that is not there cannot have the file either.
        let Ok(place) = PathFd::new(&rule.path) else { continue };
        ruleset = ruleset.add_rule(PathBeneath::new(place, rights(&rule)))?;
    }
    for port in &permissions.ports {
        ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    ruleset.restrict_self()
}

fn everything() -> BitFlags<AccessFs> {
    use AccessFs::*;
    let make = MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym;
    Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | make | Refer | Truncate | IoctlDev
}

fn rights(rule: &Rule) -> BitFlags<AccessFs> {
    use AccessFs::*;
    match (rule.used, rule.is_folder) {
        (Use::ReadAgain, _) => ReadFile.into(),
        // Its last line is read, which a full disk may have cut off.
        (Use::Append, true) => ReadFile | WriteFile | MakeReg,
        // A terminal is asked whether it is one.
        (Use::Append, false) | (Use::Device, _) => ReadFile | WriteFile | IoctlDev,
        // The folder itself is opened, to have the change of names on the disk.
        (Use::Replace, _) => ReadFile | WriteFile | MakeReg | RemoveFile | ReadDir,
        (Use::ReadFolder, _) => ReadFile | ReadDir,
        (Use::Run | Use::RunFolder, _) => ReadFile | Execute,
    }
}

impl Landlock {
    /// What the kernel has of it. It is put in force for a thread that ends at once.
    pub fn look() -> Self {
        let entered = thread::spawn(|| enter(&Permissions::default())).join();
        entered.unwrap_or_else(|_| Self::Off("it could not be tried".to_owned()))
    }

    fn of(status: &LandlockStatus) -> Self {
        match status {
            LandlockStatus::Available { effective_abi, kernel_abi } => {
                Self::On(kernel_abi.unwrap_or(*effective_abi as i32))
            }
            LandlockStatus::NotEnabled => Self::Off("it is off in this kernel; boot with lsm=landlock,...".to_owned()),
            LandlockStatus::NotImplemented => {
                Self::Off("this kernel has none (it is from Linux 5.13 on), or a container forbids it".to_owned())
            }
        }
    }

    pub fn is_whole(&self) -> bool {
        matches!(self, Self::On(version) if VERSIONS.iter().all(|(since, ..)| since <= version))
    }
}

impl fmt::Display for Landlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self {
            Self::On(version) => *version,
            Self::Off(why) => return write!(f, "no landlock, so that files and ports are not restricted: {why}"),
        };
        let (known, unknown): (Vec<_>, Vec<_>) = VERSIONS.iter().partition(|(since, ..)| *since <= version);
        let names = |rows: &[&(i32, &'static str, &str)]| rows.iter().map(|row| row.1).collect::<Vec<_>>().join(", ");
        write!(f, "landlock {version} ({})", names(&known))?;
        if version < VERSION_WITH_TRUNCATE {
            write!(f, ", not against cutting files off (Linux {LINUX_WITH_TRUNCATE})")?;
        }
        match unknown.last() {
            Some((.., linux)) => write!(f, ", without {} (Linux {linux} has all)", names(&unknown)),
            None => Ok(()),
        }
    }
}

//! Options of a node of a cluster. All builds know them; one without the feature `cluster` says how to get one with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use data_encoding::HEXLOWER_PERMISSIVE;

use super::{Serve, Switch};
use crate::cluster::Settings;
use crate::cluster::alike;
use crate::cluster::engine::{ClusterName, Engine, History, Url};
use crate::cluster::link::NodeId;
use crate::cluster::start;
use crate::limits::{CLUSTER_GRACE_DEFAULT, CLUSTER_REPLICAS_MAX, OPTION_TIME_MAX};
use crate::random::Random;
use crate::wire::Framing;

const NAME_DEFAULT: &str = "uproar";
const REPLICAS_DEFAULT: u8 = 1;

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of a node of a cluster")]
pub struct Cluster {
    /// Be a node of a cluster, whose rooms are on all its nodes: NATS servers with JetStream, such as
    /// nats://HOST:4222,tls://HOST:4222; any of them is used [default: none]
    #[arg(long, value_name = "URL,...", value_parser = Url::parse, value_delimiter = ',', env = "UPROAR_CLUSTER")]
    pub cluster: Vec<Url>,

    /// Name of the cluster, which keeps several apart that use the same NATS servers [default: uproar]
    #[arg(long, value_name = "NAME", value_parser = ClusterName::parse, env = "UPROAR_CLUSTER_NAME")]
    pub cluster_name: Option<ClusterName>,

    /// File with a NATS user's credentials, as nsc makes it
    #[arg(long, value_name = "FILE", env = "UPROAR_CLUSTER_CREDS", value_hint = ValueHint::FilePath)]
    pub cluster_creds: Option<PathBuf>,

    /// File of certificates that may have signed those of the NATS servers, beside those that this machine trusts; it asks
    /// for TLS
    #[arg(long, value_name = "FILE", env = "UPROAR_CLUSTER_CA", value_hint = ValueHint::FilePath)]
    pub cluster_ca: Option<PathBuf>,

    /// NATS servers that each keep all messages, if this node makes the stream [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=CLUSTER_REPLICAS_MAX as i64), env = "UPROAR_CLUSTER_REPLICAS")]
    pub cluster_replicas: Option<u8>,

    /// What the stream keeps for newcomers and those who come back, as a size such as 1GiB or a time such as 7d, if this
    /// node makes the stream [default: 256MiB]
    #[arg(long, value_name = "SIZE|TIME", value_parser = History::parse, env = "UPROAR_CLUSTER_HISTORY")]
    pub cluster_history: Option<History>,

    /// How long lines are held while NATS is away, before rooms become read-only [default: 10s]
    #[arg(long, value_name = "TIME", env = "UPROAR_CLUSTER_GRACE")]
    pub cluster_grace: Option<humantime::Duration>,

    /// File with 64 hexadecimal digits, the same on all nodes, so that a member may come back on another node than
    /// before: openssl rand -hex 32
    #[arg(long, value_name = "FILE", env = "UPROAR_CLUSTER_KEY", value_hint = ValueHint::FilePath)]
    pub cluster_key: Option<PathBuf>,
}

impl Cluster {
    /// True when the server is to be a node.
    pub fn is_wanted(&self) -> bool {
        !self.cluster.is_empty()
    }

    pub(super) fn validate(&self, serve: &Serve) -> Result<(), String> {
        if !self.is_wanted() {
            let given = [
                ("--cluster-name", self.cluster_name.is_some()),
                ("--cluster-creds", self.cluster_creds.is_some()),
                ("--cluster-ca", self.cluster_ca.is_some()),
                ("--cluster-replicas", self.cluster_replicas.is_some()),
                ("--cluster-history", self.cluster_history.is_some()),
                ("--cluster-grace", self.cluster_grace.is_some()),
                ("--cluster-key", self.cluster_key.is_some()),
            ];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((option, _)) => Err(format!("{option} is of a node of a cluster, and there is no --cluster")),
                None => Ok(()),
            };
        }
        if !start::IS_BUILT_IN {
            return Err(start::NOT_BUILT_IN.to_owned());
        }
        if serve.state.is_some() {
            return Err("--state is of one server; with --cluster the cluster keeps bans, topics and modes".to_owned());
        }
        if serve.framing == Framing::Chunk {
            return Err("--framing chunk is of one server; members of a cluster end lines with line feeds".to_owned());
        }
        if self.grace() > OPTION_TIME_MAX {
            let most = humantime::format_duration(OPTION_TIME_MAX);
            return Err(format!("--cluster-grace is at most {most}"));
        }
        Ok(())
    }

    /// True when an address has a user and a password.
    pub(super) fn has_secret(&self) -> bool {
        self.cluster.iter().any(|url| url.secret() != url.to_string())
    }

    /// What an option of these is without a value, by its id.
    pub(super) fn default_of(&self, id: &str) -> Option<String> {
        match id {
            "cluster_name" => Some(NAME_DEFAULT.to_owned()),
            "cluster_replicas" => Some(REPLICAS_DEFAULT.to_string()),
            "cluster_history" => Some(History::default().to_string()),
            "cluster_grace" => Some(humantime::format_duration(CLUSTER_GRACE_DEFAULT).to_string()),
            _ => None,
        }
    }

    fn name(&self) -> ClusterName {
        let default = || ClusterName::parse(NAME_DEFAULT).expect("the default is a name");
        self.cluster_name.clone().unwrap_or_else(default)
    }

    fn grace(&self) -> Duration {
        self.cluster_grace.map_or(CLUSTER_GRACE_DEFAULT, |grace| *grace)
    }

    /// How to reach the engine; `None` where the server is no node.
    pub fn engine(&self) -> Option<Engine> {
        self.is_wanted().then(|| Engine {
            servers: self.cluster.clone(),
            name: self.name(),
            credentials: self.cluster_creds.clone(),
            authority: self.cluster_ca.clone(),
            replicas: self.cluster_replicas.unwrap_or(REPLICAS_DEFAULT).into(),
            history: self.cluster_history.unwrap_or_default(),
        })
    }
}

impl Serve {
    /// What a node of a cluster is told of it.
    pub fn cluster_settings(&self, random: &mut Random) -> Result<Settings, String> {
        let path = self.cluster.cluster_key.as_deref();
        let wrong = |path: &Path, why| format!("--cluster-key {}: {why}", path.display());
        let key = path.map(|path| load_key(path).map_err(|why| wrong(path, why))).transpose()?;
        Ok(Settings {
            node: NodeId(random.number()),
            name: self.cluster.name().as_str().to_owned(),
            grace: self.cluster.grace(),
            key,
            options: alike::text(&[
                ("line-bytes", self.line_bytes().to_string()),
                ("commands", if self.commands == Switch::On { "on" } else { "off" }.to_owned()),
                ("hide-addresses", self.hide_addresses.to_string()),
                ("resume-for", humantime::format_duration(*self.resume_for).to_string()),
                ("cluster-key", key.map_or_else(|| "none".to_owned(), |key| fingerprint(&key))),
            ]),
        })
    }
}

/// The key of a file: hexadecimal digits, and a line ending.
fn load_key(path: &Path) -> Result<[u8; 32], String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let digits = text.trim_ascii();
    let mut key = [0; 32];
    if digits.len() != 2 * key.len() {
        return Err("it is 64 hexadecimal digits, which openssl rand -hex 32 prints".to_owned());
    }
    match HEXLOWER_PERMISSIVE.decode_mut(digits, &mut key) {
        Ok(_) => Ok(key),
        Err(_) => Err("it has characters that are no hexadecimal digits".to_owned()),
    }
}

/// What tells keys apart and says nothing else of them.
fn fingerprint(key: &[u8; 32]) -> String {
    use sha1::Digest;
    let digest = sha1::Sha1::new().chain_update(b"uproar cluster key ").chain_update(key).finalize();
    digest[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_node_are_refused_without_a_cluster() {
        for option in [
            &["--cluster-name", "x"][..],
            &["--cluster-creds", "x"],
            &["--cluster-ca", "x"],
            &["--cluster-replicas", "3"],
            &["--cluster-history", "7d"],
            &["--cluster-grace", "1s"],
            &["--cluster-key", "x"],
        ] {
            let wrong = Serve::with(option).unwrap_err();
            assert_eq!(wrong, format!("{} is of a node of a cluster, and there is no --cluster", option[0]));
        }
        let alone = Serve::with(&[]).unwrap();
        assert!(alone.cluster.engine().is_none() && !alone.cluster.is_wanted());
    }

    const NODE: [&str; 2] = ["--cluster", "nats://a:4222,tls://b"];

    /// A node's options, and these.
    fn node(options: &[&str]) -> Result<Serve, String> {
        Serve::with(&[&NODE, options].concat())
    }

    #[test]
    #[cfg(not(feature = "cluster"))]
    fn a_build_without_it_says_how_to_get_one_with_it() {
        assert!(node(&[]).unwrap_err().contains("cargo build --release --features cluster"));
    }

    #[test]
    #[cfg(feature = "cluster")]
    fn what_is_of_one_server_is_refused_in_a_cluster() {
        for (options, part) in [
            (&["--state", "x"][..], "--state is of one server"),
            (&["--framing", "chunk"], "--framing chunk is of one server"),
            (&["--cluster-grace", "300000y"], "--cluster-grace is at most"),
        ] {
            let wrong = node(options).unwrap_err();
            assert!(wrong.contains(part), "{wrong}");
        }
        for wrong in [
            &["--cluster", "localhost"][..],
            &["--cluster-name", "a.b"],
            &["--cluster-replicas", "0"],
            &["--cluster-replicas", "6"],
            &["--cluster-history", "1s"],
        ] {
            assert!(node(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    #[cfg(feature = "cluster")]
    fn an_engine_is_what_was_typed() {
        let engine = node(&[]).unwrap().cluster.engine().unwrap();
        let servers: Vec<String> = engine.servers.iter().map(Url::to_string).collect();
        assert_eq!(servers, ["nats://a:4222", "tls://b"]);
        assert_eq!((engine.name.as_str(), engine.replicas, engine.history), ("uproar", 1, History::Bytes(256 << 20)));
        let engine = node(&["--cluster-name", "x", "--cluster-replicas", "3", "--cluster-history", "7d"]).unwrap();
        let engine = engine.cluster.engine().unwrap();
        assert_eq!((engine.name.as_str(), engine.replicas), ("x", 3));
        assert_eq!(engine.history, History::Time(Duration::from_secs(7 * 86_400)));
    }

    #[test]
    fn a_key_is_64_digits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let digits = "0123456789abcdefABCDEF0123456789".repeat(2);
        for (text, is_key) in [
            (digits.clone(), true),
            (format!("{digits}\n"), true),
            (format!("{digits}\r\n"), true),
            (digits[1..].to_owned(), false),
            (format!("{}x", &digits[1..]), false),
            (String::new(), false),
        ] {
            fs::write(&path, &text).unwrap();
            assert_eq!(load_key(&path).is_ok(), is_key, "{text:?}");
        }
        assert!(load_key(&folder.path().join("none")).is_err());
        let [one, other] = [[1; 32], [2; 32]].map(|key| fingerprint(&key));
        assert!(one != other && one.len() == 8);
    }

    #[test]
    fn nodes_tell_each_other_what_they_must_have_alike() {
        let text = |options: &[&str]| {
            let serve = Serve::with(options).unwrap();
            serve.cluster_settings(&mut Random::new([1; 32])).unwrap().options
        };
        let defaults = text(&[]);
        assert_eq!(defaults, "line-bytes=4096 commands=on hide-addresses=false resume-for=1m cluster-key=none");
        for options in
            [&["--line-bytes", "8KiB"][..], &["--commands", "off"], &["--hide-addresses"], &["--resume-for", "1s"]]
        {
            assert_ne!(text(options), defaults, "{options:?}");
        }
        assert_eq!(text(&["--members", "5", "--flood-rate", "1"]), defaults);
    }
}

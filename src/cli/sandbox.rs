//! What the options leave the process once it serves.

use std::env;
use std::path::PathBuf;

use super::Serve;
use crate::cluster::engine::Url;
use crate::sandbox::paths::{self, CERTIFICATE_FOLDERS, NAME_FILES};
use crate::sandbox::{Permissions, Use};

/// What is written to through a descriptor that is there, and is never opened anew.
const STANDARD_STREAMS: [&str; 3] = ["-", "/dev/stdout", "/dev/stderr"];

/// Where a name server takes questions whose answers are too long for a datagram.
const DNS_PORT: u16 = 53;

impl Serve {
    /// What it takes to serve with these options, and to start the program again with them.
    pub fn permissions(&self) -> Permissions {
        let mut permissions = Permissions::default();
        paths::program(&mut permissions);
        let cluster = &self.cluster;
        let read_again =
            [&self.operator_key, &self.motd, &cluster.cluster_creds, &cluster.cluster_ca, &cluster.cluster_key];
        for path in read_again.into_iter().flatten() {
            permissions.file(path, Use::ReadAgain);
        }
        if let Some(path) = &self.state {
            permissions.file(path, Use::Replace);
        }
        let appended = self.transcript_path().into_iter().chain([self.log.as_str()]);
        for path in appended.filter(|path| !STANDARD_STREAMS.contains(path)) {
            permissions.file(path, Use::Append);
        }
        if cluster.is_wanted() {
            permissions.connects = true;
            permissions.ports = cluster.cluster.iter().map(Url::port).collect();
            // NATS may ask for TLS whatever its URL says.
            let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().filter_map(env::var_os).map(PathBuf::from);
            for path in named.chain(CERTIFICATE_FOLDERS.map(PathBuf::from)) {
                permissions.file(path, Use::ReadFolder);
            }
            if cluster.cluster.iter().any(Url::is_by_name) {
                permissions.ports.push(DNS_PORT);
                for path in NAME_FILES {
                    permissions.file(path, Use::ReadAgain);
                }
            }
        }
        permissions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(options: &[&str]) -> Permissions {
        let arguments = [&["uproar", "serve"], options].concat();
        let (cli, _) = crate::cli::parse(arguments.iter().map(Into::into)).unwrap();
        let crate::cli::Command::Serve(serve) = cli.command else { panic!("the command is serve") };
        serve.permissions()
    }

    fn is_used(permissions: &Permissions, path: &str) -> Option<Use> {
        permissions.files.iter().find(|(file, _)| file == &PathBuf::from(path)).map(|(_, used)| *used)
    }

    #[test]
    fn each_file_that_an_option_names_is_there_as_it_is_used() {
        for (options, path, used) in [
            (&["--motd", "/x/a"][..], "/x/a", Use::ReadAgain),
            (&["--operator-key", "/x/a"], "/x/a", Use::ReadAgain),
            (&["--state", "/x/a"], "/x/a", Use::Replace),
            (&["--transcript", "/x/a"], "/x/a", Use::Append),
            (&["--log", "/x/a"], "/x/a", Use::Append),
            (&["--cluster-key", "/x/a"], "/x/a", Use::ReadAgain),
            (&["--cluster-creds", "/x/a"], "/x/a", Use::ReadAgain),
            (&["--cluster-ca", "/x/a"], "/x/a", Use::ReadAgain),
        ] {
            assert_eq!(is_used(&permissions(options), path), Some(used), "{options:?}");
        }
        for nowhere in ["-", "/dev/stdout", "off"] {
            let alone = permissions(&["--transcript", nowhere]);
            assert!(!alone.connects && alone.ports.is_empty() && !alone.makes_rings && !alone.changes_tables);
            let used: Vec<Use> = alone.files.iter().map(|(_, used)| *used).collect();
            assert!(used.iter().all(|used| matches!(used, Use::Run | Use::RunFolder | Use::Device)), "{alone:?}");
        }
    }

    #[test]
    fn only_a_node_of_a_cluster_connects_and_only_to_the_ports_that_it_was_told() {
        let by_number = permissions(&["--cluster", "nats://10.0.0.1:4333,nats://[fe80::1]:4444,tls://10.0.0.2"]);
        assert!(by_number.connects);
        assert_eq!(by_number.ports, [4333, 4444, 4222]);
        assert_eq!(is_used(&by_number, "/etc/hosts"), None);
        let by_name = permissions(&["--cluster", "nats://user:pass@nats.example:4333"]);
        assert_eq!(by_name.ports, [4333, DNS_PORT]);
        assert_eq!(is_used(&by_name, "/etc/hosts"), Some(Use::ReadAgain));
        assert_eq!(is_used(&by_name, "/etc/ssl"), Some(Use::ReadFolder));
    }
}

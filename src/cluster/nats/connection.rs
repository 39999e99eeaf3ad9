//! A connection to NATS, and a look at what is there: the server, the stream and the store, which are made where they
//! are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, Info};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerAddr, ServerError, ServerInfo};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::mpsc;

use super::fit;
use crate::cluster::engine::Engine;
use crate::cluster::link::StreamState;
use crate::limits::{CLUSTER_ANSWER_WAIT, CLUSTER_CONNECT_WAIT, CLUSTER_MESSAGE_BYTES_MAX, CLUSTER_PING};

/// For ever: this connection is not made again by the client. What it had not sent yet would be sent then, after its
/// outcome was told as unknown; so another client makes another connection.
const NEVER: Duration = Duration::from_secs(365 * 86_400);

/// Troubles that wait to be looked at. One is enough to end a connection.
const TROUBLES_MAX: usize = 16;

/// Why there is no connection, or no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may work later.
    Lost(String),
    /// NATS does not let us in.
    Denied(String),
    /// It will never work.
    Unfit(String),
}

#[derive(Debug)]
pub struct Connection {
    pub client: Client,
    pub context: Context,
    pub server: ServerInfo,
}

/// What ends a connection.
pub type Troubles = mpsc::Receiver<Failure>;

/// The stream and the store as they were found or made.
#[derive(Debug)]
pub struct Found {
    pub stream: Info,
    pub store: Info,
}

impl Connection {
    pub async fn open(engine: &Engine) -> Result<(Self, Troubles), Failure> {
        let servers: Vec<ServerAddr> = addresses(engine).map_err(Failure::Unfit)?;
        let (tell, troubles) = mpsc::channel(TROUBLES_MAX);
        let was_connected = Arc::new(AtomicBool::new(false));
        let options = options(engine, &servers).await.map_err(Failure::Denied)?;
        let options = options
            .event_callback(move |event| {
                let tell = tell.clone();
                async move {
                    if let Some(trouble) = trouble(&event) {
                        // When there are many, the first ones say enough.
                        let _ = tell.try_send(trouble);
                    }
                }
            })
            .reconnect_delay_callback({
                let was_connected = Arc::clone(&was_connected);
                move |_| if was_connected.load(Ordering::Relaxed) { NEVER } else { Duration::ZERO }
            });
        let client = options.connect(&servers[..]).await.map_err(|error| match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                Failure::Denied(format!("NATS does not let us in: {error}"))
            }
            _ => Failure::Lost(format!("no connection to NATS: {error}")),
        })?;
        was_connected.store(true, Ordering::Relaxed);
        let context = jetstream::new(client.clone());
        let server = client.server_info();
        Ok((Self { client, context, server }, troubles))
    }

    /// Looks whether the server takes messages of the size that is needed.
    pub fn check_payload(&self) -> Result<(), Failure> {
        let most = self.server.max_payload;
        if most < CLUSTER_MESSAGE_BYTES_MAX {
            return Err(Failure::Unfit(format!(
                "the NATS server takes messages of at most {most} bytes, and needs to take {CLUSTER_MESSAGE_BYTES_MAX}: \
                 max_payload in its configuration"
            )));
        }
        Ok(())
    }

    /// Looks whether JetStream is on.
    pub async fn account(&self) -> Result<(), Failure> {
        // Of what an account has and may have, versions of servers tell in several ways. That they do is enough.
        let info = self.context.request::<_, _, serde_json::Value>("INFO", &()).await;
        let info = info.map_err(|error| self.silence("of any name", &error.to_string()))?;
        match info.get("error").cloned().map(serde_json::from_value::<jetstream::Error>) {
            None => Ok(()),
            Some(Ok(error)) => Err(self.failure("of any name", &error)),
            Some(Err(_)) => Err(Failure::Lost("NATS does not say whether JetStream is on".to_owned())),
        }
    }

    /// Looks at the stream and the store, and makes what is not there.
    pub async fn examine(&self, engine: &Engine) -> Result<Found, Failure> {
        self.check_payload()?;
        let stream = self.find_or_make(&fit::stream(engine)).await?;
        let store = self.find_or_make(&fit::store(engine)).await?;
        Ok(Found { stream, store })
    }

    async fn find_or_make(&self, wanted: &Config) -> Result<Info, Failure> {
        let found = match self.find(&wanted.name).await? {
            Some(info) => info,
            None => match self.make(wanted).await? {
                Some(info) => info,
                // Another node has made it at the same time.
                None => self
                    .find(&wanted.name)
                    .await?
                    .ok_or_else(|| Failure::Lost(format!("the stream {} is there and is not", wanted.name)))?,
            },
        };
        match fit::misfit(&found.config, wanted) {
            Some(why) => Err(Failure::Unfit(why)),
            None => Ok(found),
        }
    }

    /// The stream of a name, if there is one.
    pub async fn find(&self, name: &str) -> Result<Option<Info>, Failure> {
        let error = match self.context.get_stream(name).await {
            Ok(stream) => return Ok(Some(stream.cached_info().clone())),
            Err(error) => error,
        };
        match error.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            GetStreamErrorKind::JetStream(error) => Err(self.failure(name, &error)),
            _ => Err(self.silence(name, &error.to_string())),
        }
    }

    /// Makes a stream; `None` when one of its name is there.
    async fn make(&self, wanted: &Config) -> Result<Option<Info>, Failure> {
        let error = match self.context.create_stream(wanted.clone()).await {
            Ok(stream) => return Ok(Some(stream.cached_info().clone())),
            Err(error) => error,
        };
        match error.kind() {
            CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST => Ok(None),
            CreateStreamErrorKind::JetStream(error) => Err(self.failure(&wanted.name, &error)),
            _ => Err(self.silence(&wanted.name, &error.to_string())),
        }
    }

    /// Nobody has answered a question about a stream.
    fn silence(&self, name: &str, why: &str) -> Failure {
        // A server in a cluster passes questions on to others, which may be away for now.
        if !self.server.jetstream && self.server.cluster.is_none() {
            return Failure::Unfit(
                "JetStream is off on the NATS server: start it with -js, or with a jetstream block in its configuration"
                    .to_owned(),
            );
        }
        Failure::Lost(format!("the stream {name} has no leader, or NATS does not answer: {why}"))
    }

    fn failure(&self, name: &str, error: &jetstream::Error) -> Failure {
        let text = format!("the stream {name}: {error}");
        match error.error_code() {
            ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => {
                Failure::Unfit(format!("JetStream is off for this account of NATS: {error}"))
            }
            ErrorCode::STREAM_SUBJECT_OVERLAP => Failure::Unfit(format!(
                "{text}; another stream has its subjects, which nats stream ls shows: take another --cluster-name"
            )),
            ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => {
                Failure::Unfit(format!("{text}; a NATS server alone keeps one replica: --cluster-replicas 1"))
            }
            ErrorCode::ACCOUNT_RESOURCES_EXCEEDED
            | ErrorCode::STORAGE_RESOURCES_EXCEEDED
            | ErrorCode::STREAM_LIMITS => Failure::Unfit(format!(
                "{text}; NATS has less room than the stream may take: a smaller --cluster-history, or max_file_store"
            )),
            _ => Failure::Lost(text),
        }
    }
}

impl Found {
    pub fn state(&self) -> StreamState {
        let state = &self.stream.state;
        StreamState {
            created: nanoseconds(self.stream.created.unix_timestamp_nanos()),
            first: state.first_sequence.max(1),
            last: state.last_sequence,
            duplicate_window: self.stream.config.duplicate_window,
        }
    }
}

fn nanoseconds(since: i128) -> u64 {
    u64::try_from(since).unwrap_or(0)
}

fn addresses(engine: &Engine) -> Result<Vec<ServerAddr>, String> {
    let parsed = engine.servers.iter().map(|url| {
        let wrong = |error| format!("--cluster {url}: {error}");
        url.secret().parse::<ServerAddr>().map_err(wrong)
    });
    parsed.collect()
}

/// Looks at what can be looked at without a connection.
pub fn check(engine: &Engine) -> Result<(), String> {
    addresses(engine)?;
    if let Some(path) = &engine.credentials {
        let wrong = |error| format!("--cluster-creds {}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(wrong)?;
        ConnectOptions::with_credentials(&text).map_err(wrong)?;
    }
    if let Some(path) = &engine.authority {
        let wrong = |error: &dyn std::fmt::Display| format!("--cluster-ca {}: {error}", path.display());
        let bytes = std::fs::read(path).map_err(|error| wrong(&error))?;
        if !CertificateDer::pem_slice_iter(&bytes).any(|certificate| certificate.is_ok()) {
            return Err(wrong(&"there is no certificate in it"));
        }
    }
    Ok(())
}

async fn options(engine: &Engine, servers: &[ServerAddr]) -> Result<ConnectOptions, String> {
    let mut options = ConnectOptions::new()
        .name(format!("uproar {}", engine.name.as_str()))
        .no_echo()
        .ping_interval(CLUSTER_PING)
        .connection_timeout(CLUSTER_CONNECT_WAIT)
        .request_timeout(Some(CLUSTER_ANSWER_WAIT));
    // The client does not look at these by itself.
    let with_user = servers.iter().find(|server| server.has_user_pass());
    options = match with_user.map(|server| (server.username(), server.password())) {
        Some((Some(user), Some(password))) => options.user_and_password(user.to_owned(), password.to_owned()),
        Some((Some(token), None)) => options.token(token.to_owned()),
        _ => options,
    };
    if let Some(path) = &engine.authority {
        options = options.add_root_certificates(path.clone()).require_tls(true);
    }
    match &engine.credentials {
        // Read for each connection, so that a file that was replaced counts.
        Some(path) => {
            options.credentials_file(path).await.map_err(|error| format!("--cluster-creds {}: {error}", path.display()))
        }
        None => Ok(options),
    }
}

/// What an event means for the connection.
fn trouble(event: &Event) -> Option<Failure> {
    match event {
        Event::Disconnected | Event::Closed => Some(Failure::Lost("the connection to NATS is lost".to_owned())),
        Event::ServerError(ServerError::AuthorizationViolation) => {
            Some(Failure::Denied("NATS does not let us in any more".to_owned()))
        }
        Event::ServerError(ServerError::Other(text)) if text.contains("Permissions Violation") => {
            Some(Failure::Denied(format!("NATS does not allow what a node does: {text}")))
        }
        _ => None,
    }
}

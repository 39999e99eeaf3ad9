//! What `uproar check --cluster` sees of NATS: that it is there, that JetStream is on, that the stream and the store fit
//! or can be made, and how long a message takes. It makes one stream of its own, which it removes again.

use std::time::{Duration, Instant};

use async_nats::jetstream::stream::{Config, Info};
use bytesize::ByteSize;

use super::connection::{self, Connection, Failure};
use super::fit;
use crate::cluster::engine::{Engine, Seen};
use crate::random::Random;

/// Messages that are timed, one after the other.
const TIMED: usize = 50;

/// A message that takes longer is felt by those who talk.
const SLOW: Duration = Duration::from_millis(50);

/// The first version with everything that is used.
const VERSION_MIN: (u32, u32) = (2, 9);

pub fn look(engine: &Engine) -> Vec<Seen> {
    let mut seen = Vec::new();
    if let Err(why) = connection::check(engine) {
        return vec![Seen::Wrong(why)];
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            if let Err(why) = runtime.block_on(look_at(engine, &mut seen)) {
                seen.push(Seen::Wrong(why));
            }
            runtime.shutdown_background();
        }
        Err(error) => seen.push(Seen::Wrong(format!("no runtime for a connection to NATS: {error}"))),
    }
    seen
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Lost(why) | Failure::Denied(why) | Failure::Unfit(why) => why,
    }
}

async fn look_at(engine: &Engine, seen: &mut Vec<Seen>) -> Result<(), String> {
    let (connection, mut troubles) = Connection::open(engine).await.map_err(text)?;
    tokio::select! {
        looked = look_through(engine, &connection, seen) => looked,
        trouble = troubles.recv() => Err(trouble.map_or_else(|| "the connection to NATS is lost".to_owned(), text)),
    }
}

async fn look_through(engine: &Engine, connection: &Connection, seen: &mut Vec<Seen>) -> Result<(), String> {
    let server = &connection.server;
    let here = format!("NATS {} answers: {}", server.version, server.server_name);
    seen.push(if is_old(&server.version) {
        Seen::Doubtful(format!("{here}; versions before {}.{} were not tried", VERSION_MIN.0, VERSION_MIN.1))
    } else {
        Seen::Right(here)
    });
    connection.check_payload().map_err(text)?;
    let payload = ByteSize(server.max_payload as u64);
    connection.account().await.map_err(text)?;
    seen.push(Seen::Right(format!("JetStream is on, and takes messages of {payload}")));
    for wanted in [fit::stream(engine), fit::store(engine)] {
        let found = connection.find(&wanted.name).await.map_err(text)?;
        seen.push(match found {
            None => {
                Seen::Right(format!("the stream {} will be made by the first node: {}", wanted.name, limits(&wanted)))
            }
            Some(found) => match fit::misfit(&found.config, &wanted) {
                Some(why) => Seen::Wrong(why),
                None => as_found(&found, &wanted),
            },
        });
    }
    seen.push(timed(engine, connection).await?);
    Ok(())
}

fn is_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < VERSION_MIN
}

fn limits(config: &Config) -> String {
    let mut text = match config.num_replicas {
        1 => "1 replica".to_owned(),
        replicas => format!("{replicas} replicas"),
    };
    if let Some(bytes) = u64::try_from(config.max_bytes).ok().filter(|bytes| *bytes > 0) {
        text += &format!(", at most {}", ByteSize(bytes));
    }
    if !config.max_age.is_zero() {
        text += &format!(", for {}", humantime::format_duration(config.max_age));
    }
    text
}

/// A stream that fits: what it has, and where it is otherwise than was asked.
fn as_found(found: &Info, wanted: &Config) -> Seen {
    let cluster = found.cluster.as_ref();
    let leader = cluster.and_then(|cluster| cluster.leader.as_deref()).map(|leader| format!(", leader {leader}"));
    let text = format!(
        "the stream {} is there: {} messages, {}{}",
        wanted.name,
        found.state.messages,
        limits(&found.config),
        leader.unwrap_or_default()
    );
    let late = |cluster: &async_nats::jetstream::stream::ClusterInfo| {
        cluster.replicas.iter().filter(|peer| peer.offline || !peer.current).count()
    };
    match cluster.map_or(0, late) {
        0 if found.config.num_replicas < wanted.num_replicas => {
            Seen::Doubtful(format!("{text}; {} replicas were asked for: nats stream edit", wanted.num_replicas))
        }
        0 => Seen::Right(text),
        late => Seen::Doubtful(format!("{text}; {late} of its servers are away or behind")),
    }
}

/// How long messages take that are published one after the other, to a stream that is removed again.
async fn timed(engine: &Engine, connection: &Connection) -> Result<Seen, String> {
    let mut random = Random::from_kernel().map_err(|error| error.to_string())?;
    let mark = format!("{:016x}", random.number());
    let subject = format!("uproar.{}.check.{mark}", engine.name.as_str());
    let made = fit::stream(engine);
    let config = Config {
        name: format!("{}-check-{mark}", made.name),
        description: Some("made by uproar check, which removes it".to_owned()),
        subjects: vec![subject.clone()],
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(600),
        ..made
    };
    let name = config.name.clone();
    let made = connection.context.create_stream(config).await;
    made.map_err(|error| format!("no stream can be made: {error}"))?;
    let times = publish(connection, &subject).await;
    let removed = connection.context.delete_stream(&name).await;
    let mut times = times?;
    removed.map_err(|error| format!("the stream {name} is left, nats stream rm {name}: {error}"))?;
    times.sort_unstable();
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    let text = format!("a message takes {median:.1?} to be stored, at most {longest:.1?} of {TIMED}");
    Ok(if median > SLOW { Seen::Doubtful(format!("{text}, which is felt")) } else { Seen::Right(text) })
}

async fn publish(connection: &Connection, subject: &str) -> Result<Vec<Duration>, String> {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        let start = Instant::now();
        let sent = connection.context.publish(subject.to_owned(), vec![b'x'; 200].into()).await;
        let stored = sent.map_err(|error| format!("a message cannot be published: {error}"))?;
        stored.await.map_err(|error| format!("a message is not stored: {error}"))?;
        times.push(start.elapsed());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, expected) in
            [("2.9.10", false), ("2.10.0", false), ("3.0.0", false), ("2.8.4", true), ("1.99.9", true), ("", true)]
        {
            assert_eq!(is_old(version), expected, "{version}");
        }
    }
}

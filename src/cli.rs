//! The command line: options as they are typed, their ranges, and the server's configuration made from them.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::bare_urls,
    reason = "comments here are help texts, where [IPv6] is an address and nothing is a link"
)]

mod cluster;
mod environment_file;
mod sandbox;
pub mod settings;
mod variables;

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{BoolishValueParser, PossibleValue};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use ipnet::IpNet;

use crate::capacity::Demand;
use crate::chat;
use crate::config::{self, BackEnd, Config, Descriptors, Proxies, RoomSettings, SlowPolicy};
use crate::door::{Door, Doors};
use crate::flood::{AddressLimits, Rate};
use crate::journal::{Format, Style};
use crate::limits::{
    ADDRESS_RATE_FACTOR, ADMIN_CONNECTIONS_MAX, ANNOUNCE_BURST_FACTOR, ANNOUNCE_MAX_DEFAULT, ANNOUNCE_RATE_DEFAULT,
    BUFFER_BYTES_DEFAULT, BUFFER_BYTES_MIN, CHECK_MEMBERS_DEFAULT, DEAD_AFTER_DEFAULT, DEAD_AFTER_MIN,
    FLOOD_BURST_DEFAULT, FLOOD_RATE_DEFAULT, HISTORY_MAX_DEFAULT, INPUT_END_WAIT_DEFAULT, JOIN_BURST_FACTOR,
    JOIN_RATE_DEFAULT, LINE_BYTES_DEFAULT, LINE_BYTES_MAX, LINE_BYTES_MIN, LINE_TIMEOUT_DEFAULT, LOG_BYTES_DEFAULT,
    LOG_BYTES_MAX, LOGS_BYTES_DEFAULT, LOGS_BYTES_MAX, MEMBERS_MAX, OPTION_RATE_MAX, OPTION_TIME_MAX,
    PROXY_NETWORKS_MAX, RESUME_FOR_DEFAULT, ROOM_BURST_SECONDS, ROOMS_MAX, ROOMS_MAX_DEFAULT, STALL_TIMEOUT_DEFAULT,
    TABLE_SLOTS_MAX, TIMEOUT_NEVER, log_bytes_min,
};
use crate::moderation::operator_files::Paths;
use crate::wire::Framing;
use crate::wire::http::{Origin, Origins};
pub use cluster::Cluster;
pub use variables::Variables;

/// The address of `serve` and `chat` when none is given, as in the original.
pub const ADDRESS_DEFAULT: &str = "127.0.0.1:8888";

/// A chat server for very large rooms: one thread, one io_uring.
#[derive(Debug, Parser)]
#[command(name = "uproar", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a chat room
    Serve(Serve),
    /// Talk in a chat room, on a terminal or through pipes
    Chat(Chat),
    /// See whether this machine is ready to serve, and how to make it so; changes nothing
    Check(Check),
}

#[derive(Debug, Args)]
pub struct Check {
    /// Ask a running server whether it is well, at this address or else at that of --admin, and nothing else: one line,
    /// exit code 0 or 1. Nobody joins a room for it
    #[arg(long, value_name = "ADDR", num_args = 0..=1, env = "UPROAR_HEALTH")]
    pub health: Option<Option<String>>,

    #[command(flatten)]
    pub serve: Serve,
}

impl Check {
    /// Where a running server is to be asked whether it is well, if that was asked for. An error when nothing says
    /// where its figures are.
    pub fn health(&self) -> Result<Option<String>, String> {
        let Some(address) = &self.health else { return Ok(None) };
        let address = address.as_ref().or(self.serve.admin.as_ref()).ok_or(
            "--health asks a server at the address of its --admin, and there is none: write --health ADDR, or --admin ADDR \
             or UPROAR_ADMIN as the server has it",
        )?;
        Ok(Some(on_loopback(address)))
    }

    /// Members that are to be served at a time.
    pub fn members(&self) -> usize {
        self.serve.members.unwrap_or(CHECK_MEMBERS_DEFAULT)
    }
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen: IP:PORT, [IPv6]:PORT, NAME:PORT, or :PORT for every interface
    #[arg(default_value = ADDRESS_DEFAULT, env = "UPROAR_ADDR")]
    pub addr: String,

    /// Serve browsers too, on this address: a page at / and /room/NAME, and WebSockets at /ws
    #[arg(long, value_name = "ADDR", env = "UPROAR_WEB")]
    pub web: Option<String>,

    /// Pages that may open WebSockets, such as https://chat.example,https://example.org:8443 [default: those of the host
    /// that the request names]
    #[arg(long, value_name = "ORIGIN,...", value_delimiter = ',', env = "UPROAR_WEB_ORIGIN")]
    pub web_origin: Vec<Origin>,

    /// Serve IRC clients too, on this address
    #[arg(long, value_name = "ADDR", env = "UPROAR_IRC")]
    pub irc: Option<String>,

    /// Serve /metrics for Prometheus and /healthz on this address, over HTTP; :PORT is loopback here. A few connections at
    /// a time, beside --members [default: none]
    #[arg(long, value_name = "ADDR", env = "UPROAR_ADMIN")]
    pub admin: Option<String>,

    /// Networks from which proxies come, such as 127.0.0.1,192.0.2.0/24. On every door but --admin they must begin each
    /// connection with a PROXY header, version 1 or 2; limits, bans and names are then those of the address that it names
    /// [default: none]
    #[arg(long, value_name = "CIDR,...", value_parser = network, value_delimiter = ',', env = "UPROAR_PROXY_FROM")]
    pub proxy_from: Vec<IpNet>,

    /// How to wait for the kernel
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, env = "UPROAR_BACKEND")]
    pub backend: BackendChoice,

    /// Members at a time, such as 500, 10k or 1M; more than the descriptor limit allows needs io_uring [default: what
    /// descriptors allow; check: 19000]
    #[arg(long, value_name = "N", value_parser = members, env = "UPROAR_MEMBERS")]
    pub members: Option<usize>,

    /// Which descriptors connections have
    #[arg(long, value_enum, default_value_t = Descriptors::Auto, env = "UPROAR_DESCRIPTORS")]
    pub descriptors: Descriptors,

    /// Slots of a table of direct descriptors, for tests
    #[arg(long, hide = true, value_parser = clap::value_parser!(u16).range(2..=i64::from(TABLE_SLOTS_MAX)), env = "UPROAR_TABLE_SLOTS", hide_env = true)]
    pub table_slots: Option<u16>,

    /// Run without a sandbox: without restricting files, ports, system calls and the ring; for debugging
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_NO_SANDBOX")]
    pub no_sandbox: bool,

    /// What ends a message: a line feed, or also the end of a received chunk for clients that send none
    #[arg(long, value_enum, default_value_t = Framing::Line, env = "UPROAR_FRAMING")]
    pub framing: Framing,

    /// Whether lines that begin with `/` are commands; there are none with --framing chunk
    #[arg(long, value_enum, default_value_t = Switch::On, env = "UPROAR_COMMANDS")]
    pub commands: Switch,

    /// Messages of a room that each newcomer is sent
    #[arg(long, value_name = "N", default_value_t = 0, env = "UPROAR_HISTORY")]
    pub history: u64,

    /// Most messages that `/history` sends; they count against the rate of the one who asks
    #[arg(long, value_name = "N", default_value_t = HISTORY_MAX_DEFAULT, env = "UPROAR_HISTORY_MAX")]
    pub history_max: u64,

    /// Most rooms at a time, the lobby among them
    #[arg(long, value_name = "N", default_value_t = ROOMS_MAX_DEFAULT, value_parser = rooms, env = "UPROAR_ROOMS_MAX")]
    pub rooms_max: usize,

    /// How long a member may come back with its name and without a gap after its connection has ended
    #[arg(long, value_name = "TIME", default_value_t = RESUME_FOR_DEFAULT.into(), env = "UPROAR_RESUME_FOR")]
    pub resume_for: humantime::Duration,

    /// Show members `guest-` and eight characters instead of their address
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_HIDE_ADDRESSES")]
    pub hide_addresses: bool,

    /// Longest line that a member may type
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(LINE_BYTES_DEFAULT as u64), env = "UPROAR_LINE_BYTES")]
    pub line_bytes: ByteSize,

    /// Cap of a room's log, in each format that is read in it: how far a member may lag before it is skipped and told
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(LOG_BYTES_DEFAULT as u64), env = "UPROAR_LOG_BYTES")]
    pub log_bytes: ByteSize,

    /// Memory for the logs of all rooms together; when it is spent the quietest rooms forget their oldest lines first
    /// [default: 256 MiB, or --log-bytes where that is more]
    #[arg(long, value_name = "SIZE", env = "UPROAR_LOGS_BYTES")]
    pub logs_bytes: Option<ByteSize>,

    /// Memory for unfinished lines, own lines and notices of all members together; while it is spent members are not
    /// read
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(BUFFER_BYTES_DEFAULT as u64), env = "UPROAR_BUFFER_BYTES")]
    pub buffer_bytes: ByteSize,

    /// What becomes of a member that falls off the log
    #[arg(long, value_enum, default_value_t = SlowPolicy::Skip, env = "UPROAR_SLOW")]
    pub slow: SlowPolicy,

    /// How long a member whose socket is full may take no byte before it is closed, 0 for no limit
    #[arg(long, value_name = "TIME", default_value_t = STALL_TIMEOUT_DEFAULT.into(), env = "UPROAR_STALL_TIMEOUT")]
    pub stall_timeout: humantime::Duration,

    /// How long a peer that answers nothing counts as there. In a house for more than 30,000 members at least 2 ms for
    /// each, which is 2,000 s for a million: the kernel probes silent peers, and that takes the core's time
    #[arg(long, value_name = "TIME", default_value_t = DEAD_AFTER_DEFAULT.into(), env = "UPROAR_DEAD_AFTER")]
    pub dead_after: humantime::Duration,

    /// How long a line that was begun may make no progress before its author is closed, 0 for no limit
    #[arg(long, value_name = "TIME", default_value_t = LINE_TIMEOUT_DEFAULT.into(), env = "UPROAR_LINE_TIMEOUT")]
    pub line_timeout: humantime::Duration,

    /// Lines a second that a member may say; more are delayed, 0 for no limit
    #[arg(long, value_name = "LINES/S", default_value_t = FLOOD_RATE_DEFAULT, env = "UPROAR_FLOOD_RATE")]
    pub flood_rate: u64,

    /// Lines that a member may say at once
    #[arg(long, value_name = "LINES", default_value_t = FLOOD_BURST_DEFAULT, env = "UPROAR_FLOOD_BURST")]
    pub flood_burst: u64,

    /// Lines a second that one address (IPv6: one /64 network) may say over all its connections, with a burst in
    /// proportion; more are delayed, 0 for no limit, and none with --flood-rate 0. A proxy in front is one address
    /// [default: 4 times --flood-rate]
    #[arg(long, value_name = "LINES/S", env = "UPROAR_ADDRESS_RATE")]
    pub address_rate: Option<u64>,

    /// Bytes a second of fan-out that members may cause together; more lines are delayed, 0 for no limit
    #[arg(long, value_name = "SIZE", default_value_t = ByteSize(0), env = "UPROAR_ROOM_RATE")]
    pub room_rate: ByteSize,

    /// Joins a second from one address (IPv6: one /64 network), five times as many at once; 0 for no limit
    #[arg(long, value_name = "JOINS/S", default_value_t = JOIN_RATE_DEFAULT, env = "UPROAR_JOIN_RATE")]
    pub join_rate: u64,

    /// Connections at a time from one address (IPv6: one /64 network), 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 0, env = "UPROAR_CONNECTIONS_PER_ADDRESS")]
    pub connections_per_address: usize,

    /// Hold loopback addresses to the limits on joins and connections per address too
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_LIMIT_LOOPBACK")]
    pub limit_loopback: bool,

    /// How often to log the statistics line, which SIGUSR1 asks for at any time [default: never]
    #[arg(long, value_name = "TIME", env = "UPROAR_STATS_INTERVAL")]
    pub stats_interval: Option<humantime::Duration>,

    /// Room size up to which each join and leave is announced; above it they are summed up, once a second up to 4,000
    /// members and more rarely above, once in 250 s with a million
    #[arg(long, value_name = "MEMBERS", default_value_t = ANNOUNCE_MAX_DEFAULT, env = "UPROAR_ANNOUNCE_MAX")]
    pub announce_max: usize,

    /// Lines a second that announce a single join or leave, five times as many at once; more are summed up, 0 for
    /// no limit
    #[arg(long, value_name = "LINES/S", default_value_t = ANNOUNCE_RATE_DEFAULT, env = "UPROAR_ANNOUNCE_RATE")]
    pub announce_rate: u64,

    /// Where to write what is said: - for the standard output, a file, which SIGHUP opens anew, or off [default: - on a
    /// terminal, else off]
    #[arg(long, value_name = "-|FILE|off", env = "UPROAR_TRANSCRIPT", value_hint = ValueHint::FilePath)]
    pub transcript: Option<String>,

    /// Where to write the log: - for the standard error, or a file, which SIGHUP opens anew
    #[arg(long, value_name = "-|FILE", default_value = "-", env = "UPROAR_LOG", value_hint = ValueHint::FilePath)]
    pub log: String,

    /// What a line of the log is. In files text has the time and the level in front, under systemd its journal has both
    #[arg(long, value_enum, default_value_t = Format::Text, env = "UPROAR_LOG_FORMAT")]
    pub log_format: Format,

    /// Whether the log has addresses of members and of whom operators hold off
    #[arg(long, value_enum, default_value_t = Switch::On, env = "UPROAR_LOG_ADDRESSES")]
    pub log_addresses: Switch,

    /// File whose first line is the key that makes a member an operator: /op KEY. SIGHUP reads it anew; once it is another,
    /// operators have to type it again [default: nobody becomes one]
    #[arg(long, value_name = "FILE", env = "UPROAR_OPERATOR_KEY", value_hint = ValueHint::FilePath)]
    pub operator_key: Option<PathBuf>,

    /// File that keeps bans, mutes, topics and modes over a restart; made when it is not there, and written beside
    /// itself as FILE.new [default: none]
    #[arg(long, value_name = "FILE", env = "UPROAR_STATE", value_hint = ValueHint::FilePath)]
    pub state: Option<PathBuf>,

    /// File whose text newcomers are shown, up to 8 KiB; SIGHUP reads it anew [default: none]
    #[arg(long, value_name = "FILE", env = "UPROAR_MOTD", value_hint = ValueHint::FilePath)]
    pub motd: Option<PathBuf>,

    /// Print the settings in force and where each comes from, as an environment file, and end
    #[arg(long)]
    pub print_config: bool,

    #[command(flatten)]
    pub cluster: Cluster,
}

#[derive(Debug, Args)]
pub struct Chat {
    /// Where the server is: IP:PORT, [IPv6]:PORT, NAME:PORT, or :PORT on this machine; without a port, 8888
    #[arg(default_value = ADDRESS_DEFAULT, env = "UPROAR_ADDR", value_hint = ValueHint::Hostname)]
    pub addr: String,

    /// After the last line, how long the server is given to take what was sent: it may be slowing us down
    #[arg(long, value_name = "TIME", default_value_t = INPUT_END_WAIT_DEFAULT.into(), env = "UPROAR_WAIT")]
    pub wait: humantime::Duration,

    /// Take this name first
    #[arg(long, value_name = "NAME", value_parser = one_word, env = "UPROAR_NICK")]
    pub nick: Option<String>,

    /// Join this room first
    #[arg(long, value_name = "ROOM", value_parser = one_word, env = "UPROAR_ROOM")]
    pub room: Option<String>,

    /// Show when each line was said, in local time; TZ=UTC is another
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_TIMES")]
    pub times: bool,

    /// Print each object of the server as it is, in place of a line of text; what is no object goes to the standard
    /// error
    #[arg(long, value_parser = BoolishValueParser::new(), conflicts_with = "plain", env = "UPROAR_JSON")]
    pub json: bool,

    /// Do not ask the server for JSON, and take its lines as they are; for servers of another kind
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_PLAIN")]
    pub plain: bool,

    /// On a terminal, end when the connection breaks; without it, come back to where you were
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_NO_RECONNECT")]
    pub no_reconnect: bool,

    /// Speak TLS: the server must prove that it is the one of this name
    #[arg(long, value_parser = BoolishValueParser::new(), env = "UPROAR_TLS")]
    pub tls: bool,

    /// File of the certificates that may have signed the server's, in place of those that this machine trusts
    #[arg(long, value_name = "FILE", requires = "tls", env = "UPROAR_TLS_CA", value_hint = ValueHint::FilePath)]
    pub tls_ca: Option<PathBuf>,
}

impl Chat {
    pub fn options(&self) -> chat::Options {
        chat::Options {
            address: self.addr.clone(),
            wait: *self.wait,
            plain: self.plain,
            json: self.json,
            times: self.times,
            no_reconnect: self.no_reconnect,
            nick: self.nick.clone(),
            room: self.room.clone(),
            tls: self.tls,
            tls_ca: self.tls_ca.clone(),
        }
    }
}

/// What is sent as one word of a command. The server says what else is wrong with it.
fn one_word(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|character: char| character.is_control() || character.is_whitespace()) {
        return Err("it is one word".to_owned());
    }
    Ok(text.to_owned())
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// Which back end to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendChoice {
    /// io_uring where it works, epoll where it does not
    Auto,
    /// io_uring, or an error
    Uring,
    /// The fallback where io_uring is forbidden
    Epoll,
    /// The original's, for comparison: up to 1,024 descriptors
    Select,
}

/// Parses the command line. Errors are wrong usage, and requests for help.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(Cli, Variables), clap::Error> {
    variables::parse(arguments)
}

/// Ends the process on wrong usage that the parser cannot find, as on wrong usage that it finds.
pub fn exit_wrong_usage(wrong: &str) -> ! {
    Cli::command().error(ErrorKind::ValueValidation, wrong).exit()
}

impl ValueEnum for Descriptors {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Normal, Self::Direct]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => {
                PossibleValue::new("auto").help("Normal ones up to the descriptor limit, direct ones beyond it")
            }
            Self::Normal => {
                PossibleValue::new("normal").help("Those of the process, which its descriptor limit bounds")
            }
            Self::Direct => PossibleValue::new("direct").help("Those of io_uring, in as many tables as it takes"),
        })
    }
}

impl ValueEnum for Framing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Line, Self::Chunk]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Line => PossibleValue::new("line").help("A line feed ends a message"),
            Self::Chunk => PossibleValue::new("chunk").help(
                "As `line`, and what a chunk has after its last line feed is a message too, for clients that send none",
            ),
        })
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("A sentence, for people"),
            Self::Json => PossibleValue::new("json").help("An object with time, level, event and fields, for programs"),
        })
    }
}

impl ValueEnum for SlowPolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Skip, Self::Close]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Skip => PossibleValue::new("skip")
                .help("It is told how many messages it missed and goes on from the oldest line kept"),
            Self::Close => PossibleValue::new("close").help("It is closed"),
        })
    }
}

impl Serve {
    /// The options as if they had been typed; an error when they are not valid.
    pub fn with(options: &[&str]) -> Result<Self, String> {
        let typed = ["uproar", "serve"].iter().chain(options);
        let cli = Cli::try_parse_from(typed).map_err(|error| error.to_string())?;
        let Command::Serve(serve) = cli.command else { unreachable!("the command is serve") };
        serve.validate().map(|()| serve)
    }

    /// Looks at ranges that depend on each other, which the parser cannot do.
    pub fn validate(&self) -> Result<(), String> {
        let line_bytes = self.line_bytes();
        if !(LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&line_bytes) {
            return Err(format!("--line-bytes {line_bytes} is not from {LINE_BYTES_MIN} to {LINE_BYTES_MAX}"));
        }
        let log_bytes = self.log_bytes();
        let log_bytes_min = log_bytes_min(line_bytes);
        if !(log_bytes_min..=LOG_BYTES_MAX).contains(&log_bytes) {
            return Err(format!(
                "--log-bytes {log_bytes} is not from {log_bytes_min} to {LOG_BYTES_MAX}, for lines of {line_bytes} bytes"
            ));
        }
        if !(log_bytes..=LOGS_BYTES_MAX).contains(&self.logs_bytes()) {
            let logs_bytes = self.logs_bytes();
            return Err(format!("--logs-bytes {logs_bytes} is not from --log-bytes {log_bytes} to {LOGS_BYTES_MAX}"));
        }
        if self.buffer_bytes() < BUFFER_BYTES_MIN {
            return Err(format!("--buffer-bytes is at least {}", ByteSize(BUFFER_BYTES_MIN as u64)));
        }
        for (name, time) in [
            ("--stall-timeout", Some(self.stall_timeout)),
            ("--dead-after", Some(self.dead_after)),
            ("--line-timeout", Some(self.line_timeout)),
            ("--stats-interval", self.stats_interval),
            ("--resume-for", Some(self.resume_for)),
        ] {
            if time.is_some_and(|time| *time > OPTION_TIME_MAX) {
                return Err(format!("{name} is at most {}", humantime::format_duration(OPTION_TIME_MAX)));
            }
        }
        for (name, rate) in [
            ("--flood-rate", self.flood_rate),
            ("--flood-burst", self.flood_burst),
            ("--room-rate", self.room_rate.as_u64()),
            ("--join-rate", self.join_rate),
            ("--announce-rate", self.announce_rate),
            ("--address-rate", self.address_rate.unwrap_or(0)),
        ] {
            if rate > OPTION_RATE_MAX {
                return Err(format!("{name} is at most {OPTION_RATE_MAX}"));
            }
        }
        if Proxies::new(&self.proxy_from).is_none() {
            return Err(format!("--proxy-from is at most {PROXY_NETWORKS_MAX} networks"));
        }
        if self.stats_interval.is_some_and(|interval| interval.is_zero()) {
            return Err("--stats-interval 0 would never end".to_owned());
        }
        if *self.dead_after < DEAD_AFTER_MIN {
            return Err(format!("--dead-after is at least {}", humantime::format_duration(DEAD_AFTER_MIN)));
        }
        self.cluster.validate(self)
    }

    /// The server's configuration for at most `members_max` members.
    pub fn config(&self, members_max: usize) -> Config {
        let room_rate = self.room_rate.as_u64();
        Config {
            doors: self.doors(),
            proxies: Proxies::new(&self.proxy_from).expect("it was validated"),
            web_origins: Origins::of(&self.web_origin),
            members_max,
            line_bytes: self.line_bytes(),
            framing: self.framing,
            commands: self.commands == Switch::On && self.framing == Framing::Line,
            history: self.history,
            history_max: self.history_max,
            rooms_max: self.rooms_max,
            resume_for: *self.resume_for,
            hide_addresses: self.hide_addresses,
            flood: Rate::new(self.flood_rate, self.flood_burst),
            addresses: AddressLimits {
                line_rate: self.line_rate_of_address(),
                join_rate: Rate::new(self.join_rate, self.join_rate * JOIN_BURST_FACTOR),
                connections_max: self.connections_per_address,
                loopback: self.limit_loopback,
            },
            buffer_bytes: self.buffer_bytes(),
            stall_timeout: limit_or_never(self.stall_timeout),
            line_timeout: limit_or_never(self.line_timeout),
            dead_after: self.dead_after_for(members_max),
            stats_interval: self.stats_interval.map(|interval| *interval),
            room: RoomSettings {
                members_max,
                log_bytes: self.log_bytes(),
                logs_bytes: self.logs_bytes(),
                line_bytes: self.line_bytes(),
                announce_max: self.announce_max,
                announce_rate: Rate::new(self.announce_rate, self.announce_rate * ANNOUNCE_BURST_FACTOR),
                slow: self.slow,
                rate: Rate::new(room_rate, room_rate * ROOM_BURST_SECONDS),
            },
        }
    }

    /// The doors, in the order of their listeners.
    pub fn doors(&self) -> Doors {
        self.further_doors().into_iter().fold(Doors::only(Door::Text), |doors, (door, _)| doors.and(door))
    }

    /// The doors beside that for text, each with its address.
    pub fn further_doors(&self) -> Vec<(Door, String)> {
        let further = [
            (Door::Web, self.web.clone()),
            (Door::Irc, self.irc.clone()),
            (Door::Admin, self.admin.as_deref().map(on_loopback)),
        ];
        further.into_iter().filter_map(|(door, address)| Some((door, address?))).collect()
    }

    /// What is asked for of a back end, by a process with this descriptor limit.
    pub fn demand(&self, back_end: BackEnd, descriptor_limit: usize) -> Demand {
        Demand {
            members: self.members,
            descriptors: self.descriptors,
            table_slots: self.table_slots,
            back_end,
            is_back_end_asked_for: self.backend != BackendChoice::Auto,
            descriptor_limit,
            beside: if self.admin.is_some() { ADMIN_CONNECTIONS_MAX } else { 0 },
        }
    }

    /// How long a peer may answer nothing in a house of `members_max`.
    pub fn dead_after_for(&self, members_max: usize) -> Duration {
        config::dead_after(*self.dead_after, members_max)
    }

    /// Lines a second that one address may say, where members are held to a rate.
    fn address_rate(&self) -> u64 {
        self.address_rate.unwrap_or(ADDRESS_RATE_FACTOR * self.flood_rate)
    }

    /// What one address may say.
    fn line_rate_of_address(&self) -> Option<Rate> {
        if self.flood_rate == 0 {
            return None;
        }
        let rate = self.address_rate();
        // Burst and rate are in the same proportion as those of a member.
        let burst = u128::from(self.flood_burst) * u128::from(rate) / u128::from(self.flood_rate);
        Rate::new(rate, u64::try_from(burst).unwrap_or(u64::MAX))
    }

    pub fn line_bytes(&self) -> usize {
        usize::try_from(self.line_bytes.as_u64()).unwrap_or(usize::MAX)
    }

    pub fn log_bytes(&self) -> usize {
        usize::try_from(self.log_bytes.as_u64()).unwrap_or(usize::MAX)
    }

    pub fn logs_bytes(&self) -> usize {
        let default = || LOGS_BYTES_DEFAULT.max(self.log_bytes());
        self.logs_bytes.map_or_else(default, |bytes| usize::try_from(bytes.as_u64()).unwrap_or(usize::MAX))
    }

    pub fn buffer_bytes(&self) -> usize {
        usize::try_from(self.buffer_bytes.as_u64()).unwrap_or(usize::MAX)
    }

    /// How lines of the log are written.
    pub fn log_style(&self) -> Style {
        Style { format: self.log_format, addresses: self.log_addresses == Switch::On }
    }

    /// The files that SIGHUP has read anew.
    pub fn operator_files(&self) -> Paths {
        Paths { motd: self.motd.clone(), key: self.operator_key.clone(), line_bytes: self.line_bytes() }
    }

    /// Where the transcript goes: `-`, a file, or nowhere.
    pub fn transcript_path(&self) -> Option<&str> {
        match self.transcript.as_deref() {
            Some("off") => None,
            Some(path) => Some(path),
            None => std::io::stdout().is_terminal().then_some("-"),
        }
    }
}

/// An address of operators, where a port alone is on this machine.
fn on_loopback(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("127.0.0.1:{port}"),
        None => address.to_owned(),
    }
}

/// A time-out, where 0 means none.
fn limit_or_never(time: humantime::Duration) -> Duration {
    if time.is_zero() { TIMEOUT_NEVER } else { *time }
}

/// Parses a network: an address, or an address and the length of a prefix.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let network = text.parse::<IpNet>().or_else(|_| address());
    network
        .map(|network| network.trunc())
        .map_err(|_| format!("{text:?} is no network; write 192.0.2.7 or 192.0.2.0/24"))
}

/// Parses a number of rooms.
fn rooms(text: &str) -> Result<usize, String> {
    match count(text)? {
        0 => Err("there is at least the lobby".to_owned()),
        rooms if rooms > ROOMS_MAX => Err(format!("at most {ROOMS_MAX}")),
        rooms => Ok(rooms),
    }
}

/// Parses a number of members.
fn members(text: &str) -> Result<usize, String> {
    match count(text)? {
        0 => Err("a server without members serves nobody".to_owned()),
        members if members > MEMBERS_MAX => Err(format!("at most {MEMBERS_MAX} members")),
        members => Ok(members),
    }
}

/// Parses a count, which may be in thousands or millions: `100`, `10k`, `1.5M`.
fn count(text: &str) -> Result<usize, String> {
    let wrong = || format!("{text:?} is no count; write for example 100, 10k or 1M");
    let (number, scale) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 3),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 6),
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part = part.trim_end_matches('0');
    if whole.is_empty() || part.len() > scale || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    format!("{whole}{part:0<scale$}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let defaults = Serve::with(&[]).unwrap();
        assert_eq!(defaults.addr, "127.0.0.1:8888");
        assert_eq!((defaults.line_bytes(), defaults.log_bytes(), defaults.announce_max), (4096, 8 << 20, 200));
        assert_eq!(defaults.logs_bytes(), 256 << 20);
        assert_eq!((defaults.framing, defaults.buffer_bytes()), (Framing::Line, 256 << 20));
    }

    #[test]
    fn an_address_may_say_four_times_what_a_member_may() {
        for (options, expected) in [
            (&[][..], Rate::new(40, 200)),
            (&["--flood-rate", "3", "--flood-burst", "7"], Rate::new(12, 28)),
            (&["--address-rate", "100"], Rate::new(100, 500)),
            (&["--address-rate", "0"], None),
            (&["--flood-rate", "0"], None),
            (&["--flood-rate", "0", "--address-rate", "100"], None),
        ] {
            assert_eq!(Serve::with(options).unwrap().config(1).addresses.line_rate, expected, "{options:?}");
        }
    }

    #[test]
    fn a_time_out_of_0_is_none() {
        let config = Serve::with(&["--stall-timeout", "0s", "--line-timeout", "0s"]).unwrap().config(1);
        assert_eq!((config.stall_timeout, config.line_timeout), (TIMEOUT_NEVER, TIMEOUT_NEVER));
        let config = Serve::with(&["--stall-timeout", "1s", "--line-timeout", "2s"]).unwrap().config(1);
        assert_eq!((config.stall_timeout.as_secs(), config.line_timeout.as_secs()), (1, 2));
    }

    #[test]
    fn files_of_operators_are_options_that_are_off_by_default() {
        let files = |options: &[&str]| {
            let Serve { operator_key, state, motd, .. } = Serve::with(options).unwrap();
            [operator_key, state, motd].map(|path| path.map(|path| path.into_os_string().into_string().unwrap()))
        };
        assert_eq!(files(&[]), [None, None, None]);
        let expected = ["key", "state", "motd"].map(|name| Some(name.to_owned()));
        assert_eq!(files(&["--operator-key", "key", "--state", "state", "--motd", "motd"]), expected);
        for option in ["--operator-key", "--state", "--motd"] {
            assert!(Serve::with(&[option, ""]).is_err(), "{option} without a file");
        }
    }

    #[test]
    fn counts_take_suffixes() {
        for (text, expected) in [("0", 0), ("19000", 19_000), ("10k", 10_000), ("1M", 1_000_000), ("1.5m", 1_500_000)] {
            assert_eq!(count(text), Ok(expected));
        }
        for wrong in ["", "k", "1.5", "1.0005k", "-1", "+1", "1g", ".5k", "1e3", "99999999999999999999"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_take_suffixes_and_are_held_to_their_ranges() {
        let sized = Serve::with(&["--line-bytes", "1KiB", "--log-bytes", "16MiB"]).unwrap();
        assert_eq!((sized.line_bytes(), sized.log_bytes()), (1024, 16 << 20));
        for wrong in [
            &["--line-bytes", "1"][..],
            &["--line-bytes", "65KiB"],
            &["--log-bytes", "4KiB"],
            &["--log-bytes", "lots"],
            &["--buffer-bytes", "1023KiB"],
            &["--framing", "words"],
            &["--backend", "kqueue"],
            &["--flood-burst", "18446744073709551615"],
            &["--join-rate", "9000000000000000000"],
            &["--address-rate", "9000000000000000000"],
            &["--line-timeout", "300000000000y"],
            &["--stats-interval", "366d"],
            &["--dead-after", "1s"],
        ] {
            assert!(Serve::with(wrong).is_err(), "{wrong:?}");
        }
    }
}

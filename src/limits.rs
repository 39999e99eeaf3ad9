//! Every fixed bound of the server, with its reason. Sizes are bytes unless the name says otherwise.
//!
//! What an operator may choose is a field of [`Config`](crate::config::Config); its default and the range it is held to
//! stand here too. Relations between bounds are asserted at compile time, beside the bounds.

use std::time::Duration;

/// Most bytes that one receive takes from a connection. It is small, and a turn receives one chunk per connection, so a
/// fast sender does not keep the others waiting.
pub const RECEIVE_CHUNK_BYTES: usize = 4096;

/// Most receives in one turn. Their scratch memory together fits the second-level cache.
pub const RECEIVES_PER_TURN_MAX: usize = 64;

/// Most newcomers accepted in one turn by a back end that accepts them one by one.
pub const ACCEPTS_PER_TURN_MAX: usize = 256;

/// Most descriptors whose readiness is collected in one turn.
pub const READY_PER_TURN_MAX: usize = 1024;

/// Descriptors that select can watch: numbers below this (`FD_SETSIZE`, select(2)).
pub const FD_SETSIZE: i32 = 1024;

/// Most sends handed to the kernel at once. Larger batches are not cheaper (their requests fall out of the first-level
/// cache) and would hold up everything else for longer: 64 sends take about 300 us.
pub const SEND_BATCH_MEMBERS: usize = 64;

/// Most members of a batch that are returning from a full socket, while others are behind. The rest of the batch is for
/// those.
pub const SEND_BATCH_RETURNING: usize = SEND_BATCH_MEMBERS / 4;

/// Most members skipped in one turn because the log is going to forget their place. Each takes some 0.5 us, and one
/// that is closed instead some 5 us.
pub const SKIPS_PER_TURN_MAX: usize = 512;

/// Most slow members that a statistics line looks at to find the one furthest behind. Where more of them are in one
/// segment of the log, the start of the segment stands for its members.
pub const LAG_LOOKS_MAX: usize = 1024;

/// Largest segment of a room's log. A member whose bytes lie in two segments needs two sends, so a segment is much
/// longer than the messages of one sweep.
pub const LOG_SEGMENT_BYTES_MAX: usize = 256 * 1024;

/// Smallest segment: a few messages. It is the memory of a room in which hardly anything was said.
pub const LOG_SEGMENT_BYTES_MIN: usize = 512;

/// A segment that is begun has this part of the memory that its log has already, within these bounds: so a third of a
/// log is unused at most, and a log of 8 MiB has some fifty segments.
pub const LOG_GROWTH_PART: usize = 2;

/// Bytes that a segment has at least for each reader of its log: less than a member takes itself. Where bytes lie in two
/// segments each reader is sent them with two calls, so a large room begins with large ones.
pub const LOG_READER_BYTES: usize = 128;

/// What a message takes in the log beside its bytes: where it begins, who said it and when, and what it is.
pub const LOG_ENTRY_BYTES: usize = 20;

/// Longest line that the server says to a room of its own accord: two names, or a name and a count, and the words take
/// at most 119 bytes.
pub const EVENT_BYTES_MAX: usize = 128;

/// A log has at least this many segments at its cap, so that retiring one takes a small part of the history.
pub const LOG_SEGMENTS_MIN: usize = 4;

/// Default and range of `--log-bytes`.
pub const LOG_BYTES_DEFAULT: usize = 8 * 1024 * 1024;
pub const LOG_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Default and largest of `--logs-bytes`, the memory of the logs of all rooms together: 100,000 rooms of 20 lines, or 32
/// rooms as large as one may be. It is never less than `--log-bytes`, so that one room can always speak: it has a log
/// for each format that is read in it, and no more of them than a log has segments.
pub const LOGS_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
pub const LOGS_BYTES_MAX: usize = 1 << 40;

/// Memory of a room with a few members beside its log: the room, its place in every order of rooms, and the lists of the
/// members of its feeds.
pub const ROOM_BYTES: usize = 1536;

/// Rooms that are looked at for one line when that memory is spent, to find one that can forget something.
pub const QUIET_LOOKS_MAX: usize = 16;

/// Rooms whose logs were full of which a turn looks whether they have space.
pub const FULL_LOOKS_MAX: usize = 64;

/// Default and range of `--line-bytes`, the text of a line without its line ending.
pub const LINE_BYTES_DEFAULT: usize = 4096;
pub const LINE_BYTES_MIN: usize = 16;
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Sanitising replaces each run of invalid bytes, of which the shortest is one byte, by one U+FFFD: three bytes of
/// UTF-8.
pub const SANITISED_GROWTH_MAX: usize = 3;

/// Most bytes of a message beside its text, `> IP:PORT|N set the topic: `: an IPv6 address with a scope is 58 bytes, its
/// number 4, the words are 18.
pub const PREFIX_BYTES_MAX: usize = 80;

/// Most bytes of a numbered message as JSON beside its text: numbers of 53 bits and of 48, the longest kind, a name, an
/// id of 64 bits, and the words; and the header of the frame that it may be in.
pub const JSON_PREFIX_BYTES_MAX: usize = 192;

/// Most bytes of an event as JSON: two names, and what a message has; and frames as above.
pub const JSON_EVENT_BYTES_MAX: usize = 256;

/// Most bytes that sanitising makes of a line: between two U+FFFD, of three bytes each, stands a character of it.
pub const fn sanitised_bytes_max(line_bytes: usize) -> usize {
    2 * line_bytes + 1
}

/// Most bytes of a line of IRC without its tags, its end included, and most bytes of the tags of one that a client sends
/// (RFC 2812, section 2.3; IRCv3 message tags, "Size limit").
pub const IRC_LINE_BYTES_MAX: usize = 512;
pub const IRC_TAGS_BYTES_MAX: usize = 4096;

/// What stands in front of the text of a line of IRC: two names, the longest an address and its number of 62 bytes and a
/// room's of 33, and the words.
pub const IRC_HEAD_BYTES_MAX: usize = 128;

/// The same where a second member's name stands for the room's.
pub const IRC_PRIVATE_HEAD_BYTES_MAX: usize = 160;

/// Most bytes that a client of IRC may send as one line, its tags included and its end not.
pub const IRC_INPUT_BYTES_MAX: usize = IRC_TAGS_BYTES_MAX + IRC_LINE_BYTES_MAX - 2;

/// Lines that a client of IRC may send before it is a member: several times as many as any client does.
pub const IRC_REGISTRATION_LINES_MAX: u32 = 64;

/// Most bytes of the answer to one line of IRC: the members of a room in which joins are announced.
pub const IRC_ANSWER_BYTES_MAX: usize = 32 * 1024;

/// Most rooms that an IRC client is listed at once.
pub const IRC_ROOMS_LISTED_MAX: usize = 100;

/// What of a word that a client sent is shown to it in an answer: longer than any name.
pub const IRC_SHOWN_BYTES_MAX: usize = 64;

/// The longest topic that is shown whole, whatever the names in front of it are.
pub const IRC_TOPIC_BYTES: usize = IRC_LINE_BYTES_MAX - 2 - IRC_HEAD_BYTES_MAX;

/// `@time=2026-11-28T12:00:00.000Z `.
pub const IRC_TIME_BYTES: usize = 31;

/// Most bytes of an event as a line of IRC: its words, where it is said, and its time.
pub const IRC_EVENT_BYTES_MAX: usize = 256;

/// Most bytes of a message whose text has `text_bytes`, as so many lines as it needs. Each but the last is filled up to
/// a character, of at most four bytes.
pub const fn irc_bytes_max(text_bytes: usize) -> usize {
    let filled = IRC_LINE_BYTES_MAX - 2 - IRC_HEAD_BYTES_MAX - 3;
    let lines = if text_bytes == 0 { 1 } else { text_bytes.div_ceil(filled) };
    text_bytes + lines * (IRC_TIME_BYTES + IRC_HEAD_BYTES_MAX + 2)
}

/// Most bytes of the header of a frame (RFC 6455, section 5.2), without a mask: a server's frames have none.
pub const FRAME_HEADER_BYTES_MAX: usize = 10;

/// What of the name of a command that does not exist is shown to its author, so that the answer is no longer than a
/// message: it stands there twice.
pub const UNKNOWN_NAME_BYTES_MAX: usize = 32;

/// Entries of a page of `/rooms` and `/who`.
pub const LIST_PAGE_ENTRIES: usize = 20;

/// Largest room whose members are all listed. To find a page the members before it are walked over.
pub const LIST_MEMBERS_MAX: usize = 1000;

/// Bytes of the past that are handed to a member at a time; a message may go beyond them.
pub const PAST_PIECE_BYTES: usize = 4096;

/// What the allocator adds to a small piece of memory, and rounds up, on average.
pub const ALLOCATION_BYTES: usize = 16;

/// Most tokens of members that are here, or have gone: a quarter of a million members that may come back.
pub const TOKENS_MAX: usize = 262_144;

/// Tokens that are kept for members that have gone, beyond one for each place of the house.
pub const SESSIONS_SLACK: usize = 1024;

/// Default of `--resume-for`: longer than a phone needs to find another network.
pub const RESUME_FOR_DEFAULT: Duration = Duration::from_secs(60);

/// Connections that a turn looks at for those that are banned, at some 50 ns each.
pub const BAN_LOOKS_PER_TURN: usize = 4096;

/// Wrong keys of operators that a member may type at once; then one a second. Each costs it as many lines of its rate,
/// and of its address's, as are here.
pub const WRONG_KEY_BURST: u64 = 3;
pub const WRONG_KEY_LINES: u64 = 20;

/// Default and largest of `--rooms-max`.
pub const ROOMS_MAX_DEFAULT: usize = 100_000;
pub const ROOMS_MAX: usize = 4_000_000;

/// Messages that `/history` asks for when it has no number, and default of `--history-max`.
pub const HISTORY_DEFAULT: u64 = 20;
pub const HISTORY_MAX_DEFAULT: u64 = 500;

/// Ranges of its own lines that a member may have ahead of its cursor. At the bound its lines wait until its cursor has
/// moved, so a member that does not read cannot speak without end, and its state stays bounded.
pub const OWN_RANGES_MAX: usize = 128;

/// Ranges of its own lines for which a member keeps memory. They are reckoned for every member.
pub const OWN_RANGES_KEPT: usize = 4;

/// Default and least of `--buffer-bytes`, which all members share: unfinished and held lines, own ranges, notices, and
/// what was copied for skipped members. 5,000 members at their worst at once, and 268 bytes each in a house of a
/// million: a line as people type it. The least is several times what one member can take.
pub const BUFFER_BYTES_DEFAULT: usize = 256 * 1024 * 1024;
pub const BUFFER_BYTES_MIN: usize = 1024 * 1024;

/// When that memory is spent, connections are read again once this part of it is in use, in eighths. Without a
/// distance, peers that hold it and send a byte now and then would have everybody wait for each byte that others need.
pub const BUFFER_RESUME_EIGHTHS: usize = 7;

/// While that memory is spent, how long a connection that has more than its share may make no progress. Nobody is read
/// meanwhile, so it is short; the pieces of a line arrive closer together.
pub const BUFFER_PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two lines of the log that say that this memory is spent.
pub const BUFFER_REPORT: Duration = Duration::from_secs(60);

/// Most time-outs and retries in one turn: closing a connection takes some 10 us.
pub const DUES_PER_TURN_MAX: usize = 256;

/// Connections, or members, whose memory is one piece, so that entries never move. Address space for the first piece is
/// reserved at the start; memory is used only as members come. Freeing a piece takes less than a millisecond.
pub const SLOTS_CHUNK: usize = 32_768;

/// Entries of a queue or a heap whose memory is one piece. Some tens of KiB are allocated, copied or looked through at
/// a time.
pub const PIECE_ENTRIES: usize = 1024;

/// Entries that a part of a hash table has on average, at most. A part that doubles moves all of its entries, of which
/// each is looked up elsewhere in memory: half a microsecond each in a room of a million.
pub const HASHED_PART_ENTRIES: usize = 1024;

/// Bytes of notices that may wait for a peer. At the bound further notices are dropped, except those of missed
/// messages.
pub const PRIVATE_BYTES_MAX: usize = 512;

/// Bytes of notices that are reckoned for every member, so that a newcomer is welcomed whatever others hold.
pub const PRIVATE_BYTES_KEPT: usize = 128;

/// Buffers kept for partial lines after their line was completed, so that the steady state allocates nothing.
pub const SPARE_BUFFERS_MAX: usize = 64;

/// Most members up to which each join and each leave is announced by a line of its own.
pub const ANNOUNCE_MAX_DEFAULT: usize = 200;

/// Defaults of `--announce-rate` and its burst: as many lines a second as a reader can follow, and a school class that
/// joins at once.
pub const ANNOUNCE_RATE_DEFAULT: u64 = 20;
pub const ANNOUNCE_BURST_FACTOR: u64 = 5;

/// Shortest pause between two presence summaries in a room above either bound.
pub const PRESENCE_SUMMARY_INTERVAL: Duration = Duration::from_secs(1);

/// Pause between two presence summaries for each member of a large room. A delivery costs up to 12 us of the core while
/// sockets are cold, so presence takes at most a twentieth of it.
pub const PRESENCE_SUMMARY_PER_MEMBER: Duration = Duration::from_micros(250);

/// Nodes of a cluster that one knows, those among them that have gone a while ago.
pub const NODES_MAX: usize = 64;

/// Rooms that are known of all other nodes together, each counted once for each node that has members in it. What is
/// told of more is not counted.
pub const NODES_ROOMS_MAX: usize = 200_000;

/// Memory of such a room: what its node has told, the sum of all nodes, and a change that is not in the room yet. Each
/// stands in a tree, whose nodes are half full at worst.
pub const NODES_ROOM_BYTES: usize = 320;

/// Memory of a room that this node tells others of: its totals, and its place among those that have changed, or among
/// those that nobody is in.
pub const TOLD_ROOM_BYTES: usize = 192;

/// Rooms that nobody is in any more and whose totals are kept until they were told.
pub const TOLD_EMPTY_MAX: usize = 4096;

/// Most bytes of a word in which a node tells of itself, and most rooms in it. An engine takes words of 1 MiB, but those
/// who hear them read each in one turn.
pub const BEAT_BYTES_MAX: usize = 64 * 1024;
pub const BEAT_ROOMS_MAX: usize = 768;

/// Most bytes of a room in a beat: its name, two totals of 53 bits, and what is between them.
pub const BEAT_ROOM_BYTES_MAX: usize = ROOM_NAME_BYTES_MAX + 2 * 16 + 7;

/// Most bytes of a beat beside its rooms.
pub const BEAT_HEAD_BYTES_MAX: usize = NODE_NAME_BYTES_MAX + NODE_OPTIONS_BYTES_MAX + 512;

/// Most bytes of what a node is called, of its options that others must have too, and of its version.
pub const NODE_NAME_BYTES_MAX: usize = 64;
pub const NODE_OPTIONS_BYTES_MAX: usize = 4096;
pub const NODE_VERSION_BYTES_MAX: usize = 32;

/// From one beat to the next, when counts have changed and when not.
pub const BEAT_INTERVAL: Duration = Duration::from_secs(1);
pub const BEAT_INTERVAL_QUIET: Duration = Duration::from_secs(2);

/// From one beat to the next while there is more to tell than fits one: twenty of them have 15,360 rooms, so those of
/// 100,000 rooms are told in 6.5 s.
pub const BEAT_PAUSE: Duration = Duration::from_millis(50);

/// How often all rooms are told, so that counts that were lost on their way are right again.
pub const BEAT_ROUND: Duration = Duration::from_secs(5);

/// How long a node may not be heard of before its members have left. It beats every 2 s, so three beats may be lost.
pub const NODE_SILENCE_MAX: Duration = Duration::from_secs(8);

/// A node that has not looked for as long was stopped itself, and cannot tell who was silent meanwhile.
pub const NODE_STANDSTILL: Duration = Duration::from_secs(3);

/// How long a node that has gone is remembered, so that what it said before is not taken for its return.
pub const NODE_REMEMBERED: Duration = Duration::from_secs(60);

/// How long after its first connection a node is new: all others have told their options by then.
pub const NODE_NEW: Duration = Duration::from_secs(3);

/// Counts of rooms that are changed in one turn, and rooms that a node which has gone is taken out of in one turn: some
/// microseconds each.
pub const NODES_CHANGES_PER_TURN: usize = 256;

/// Rooms that one beat takes a node out of because it has told of all others between two names. Those beyond are taken
/// out with the next round.
pub const NODES_OMITTED_PER_BEAT: usize = 1024;

/// Default of `--flood-rate` and `--flood-burst`: more lines a second than a person types, and a pasted screenful.
pub const FLOOD_RATE_DEFAULT: u64 = 10;
pub const FLOOD_BURST_DEFAULT: u64 = 50;

/// Burst of `--room-rate`, in seconds of that rate.
pub const ROOM_BURST_SECONDS: u64 = 1;

/// The room that everybody joins first.
pub const LOBBY: &str = "lobby";

/// Longest name that a member may choose, and longest name of a room.
pub const MEMBER_NAME_BYTES_MAX: usize = 24;
pub const ROOM_NAME_BYTES_MAX: usize = 32;

/// Most members with the same address and port at a time. They are connected to different addresses of the server.
pub const NAMESAKES_MAX: u8 = 255;

/// Joins from one address that may come at once, as a multiple of `--join-rate`.
pub const JOIN_BURST_FACTOR: u64 = 5;

/// Default of `--join-rate`, joins a second from one address: more than a person, an office, or many clients that
/// reconnect from behind one address reach for long.
pub const JOIN_RATE_DEFAULT: u64 = 50;

/// Rate of lines from one address, as a multiple of that of one member: enough for a household, or for a member that
/// has connected again.
pub const ADDRESS_RATE_FACTOR: u64 = 4;

/// Once so many connections were open and all but one in this many of them have gone, memory inside the heap is given
/// back to the system. That takes longer the more of it is in use.
pub const CROWD_MIN: usize = 8192;
pub const CROWD_LEFT: usize = 1024;

/// Addresses without a connection whose joins and lines are remembered. At the bound those with full buckets are
/// forgotten.
pub const ADDRESSES_REMEMBERED_MAX: usize = 16_384;

/// Pause between two searches for addresses to forget in the same part of their table; meanwhile newcomers from unknown
/// addresses are turned away.
pub const ADDRESSES_CLEANING: Duration = Duration::from_secs(1);

/// Parts of the table of addresses that are searched at a time, which takes about a millisecond. A server of up to
/// 49,000 members has no more of them.
pub const ADDRESSES_CLEANED_PARTS: usize = 64;

/// Events of one kind that members cause, closes by our own decision and wrong keys, that are logged a second. The
/// statistics count them all.
pub const REPORTS_PER_SECOND: u64 = 10;

/// A queue of the schedule may have two entries a connection and this many more. Beyond that the entries of freed
/// connections are dropped, a piece a turn.
pub const TIMEOUT_SLACK: usize = 1024;

/// Shortest prefixes of networks that may be held. A /8 of IPv4 is a large operator's. Registries of IPv6 have a /12
/// for a continent, of which a /16 is a part.
pub const NETWORK_LENGTH_MIN_V4: u8 = 8;
pub const NETWORK_LENGTH_MIN_V6: u8 = 16;

/// Most bans, and most mutes: more than operators set by hand, and as many as a list of networks has that somebody
/// collected.
pub const HOLDS_MAX: usize = 10_000;

/// Memory of a hold: its entries in a table and its indexes, and the name of who set it.
pub const HOLD_BYTES: usize = 704;

/// Most holds that are dropped at once because they are over, at about a microsecond each.
pub const HOLDS_DROPPED_AT_ONCE: usize = 64;

/// The last moment that is kept and shown, the end of the year 9999, in milliseconds of Unix time.
pub const UNTIL_MAX_MS: u64 = 253_402_300_799_000;

/// Shortest and longest key in `--operator-key`. A key is guessed at no more than some tries a second, so eight
/// characters that nobody knows are enough.
pub const OPERATOR_KEY_BYTES_MIN: usize = 8;
pub const OPERATOR_KEY_BYTES_MAX: usize = 256;

/// Longest word that a node tells the others: the longest line to one member, of which JSON writes each byte as two at
/// most, and what stands around it. NATS takes 1 MiB.
pub const WORD_BYTES_MAX: usize = 2 * sanitised_bytes_max(LINE_BYTES_MAX) + 1024;

/// How long a question to all nodes waits for an answer: a hundred times what it takes, and not long for the member that
/// waits.
pub const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Most questions of a node at a time. Each is a command of a member, which waits for the answer.
pub const QUESTIONS_MAX: usize = 1024;

/// Most names that a node asks the cluster for at a time: so many answers come in a second.
pub const NAME_CLAIMS_MAX: usize = 4096;

/// Most names of members of other nodes that a node knows. A name beyond it is found out to be taken by asking for it,
/// and is not taken over from a node that has gone.
pub const NAMES_ELSEWHERE_MAX: usize = 262_144;

/// Names of nodes that have gone of which a node gives free so many a second.
pub const NAMES_FREED_PER_TURN: usize = 16;

/// How long a node that handed a name over waits for the other node to take it.
pub const HAND_OVER_WAIT: Duration = Duration::from_secs(10);

/// For how long after it was given a token is good on another node when the one that gave it has gone; used ones are
/// recorded as long.
pub const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How far the clocks of nodes may be apart.
pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(3600);

/// Most used tokens of the cluster that a node knows. One beyond it is found out to be used by recording it.
pub const TOKENS_USED_MAX: usize = 65_536;

/// Records of used tokens whose time is over that a node takes away in a second.
pub const USED_DROPPED_PER_TURN: usize = 64;

/// Longest token that is good on every node: 127 bytes in base64. It fits a line of `/resume` by default.
pub const CLUSTER_TOKEN_BYTES_MAX: usize =
    (1 + 8 + 16 + 4 + 8 + 8 + 8 + 1 + MEMBER_NAME_BYTES_MAX + 1 + ROOM_NAME_BYTES_MAX + 16) * 4 / 3 + 1;

/// Most topics, modes and holds in the store of a cluster that a node knows, those included that were taken away lately.
pub const SNAPSHOTS_MAX: usize = 4 * (HOLDS_MAX + STATE_ROOMS_MAX);

/// Longest key of one: `hold.mute.NAME.NETWORK`.
pub const SNAPSHOT_KEY_BYTES_MAX: usize = 10 + MEMBER_NAME_BYTES_MAX + 1 + 43;

/// How long an entry stays in the store that says nothing any more: longer than a node takes to hear of it.
pub const SNAPSHOT_KEPT: Duration = Duration::from_secs(3600);

/// Entries that a node looks at in a second for those.
pub const SNAPSHOTS_DROPPED_PER_TURN: usize = 256;

/// How often a node looks after names, used tokens and what else it has in the store.
pub const CLUSTER_TICK: Duration = Duration::from_secs(1);

/// Parts of the table of names elsewhere that it looks at then: all of them in some 16 s.
pub const NAME_PARTS_PER_TICK: usize = 16;

/// How long a node that is there may be silent: it tells something every second.
pub const NODE_SILENT: Duration = Duration::from_secs(10);

/// Nodes of which it is remembered when they were last heard of, also when they have ended.
pub const NODES_HEARD_MAX: usize = 1024;

/// Largest file of `--motd`: a screenful or two.
pub const MOTD_BYTES_MAX: usize = 8 * 1024;

/// Longest topic of a room: some lines of a terminal.
pub const TOPIC_BYTES_MAX: usize = 512;

/// Longest pause of `/slow`.
pub const SLOW_MAX: Duration = Duration::from_secs(24 * 3600);

/// Most rooms that have a topic or a mode. Each was set by an operator.
pub const STATE_ROOMS_MAX: usize = 4096;

/// Longest line of a hold, and of a room, in the file of `--state`: what they hold, of which each byte of a text takes
/// up to two, and the words.
pub const STATE_HOLD_LINE_BYTES: usize = MEMBER_NAME_BYTES_MAX + 43 + 20 + 2 * PREFIX_BYTES_MAX + 80;
pub const STATE_ROOM_LINE_BYTES: usize = ROOM_NAME_BYTES_MAX + 2 * TOPIC_BYTES_MAX + 2 * PREFIX_BYTES_MAX + 60 + 120;

/// Largest file of `--state`.
pub const STATE_BYTES_MAX: usize =
    2 * HOLDS_MAX * STATE_HOLD_LINE_BYTES + STATE_ROOMS_MAX * STATE_ROOM_LINE_BYTES + 1024;

/// States that wait for the disk or are being written. A later one waits with the server.
pub const STATE_WRITES_MAX: usize = 2;

/// Pause between two writes of the state, which gathers what an operator's program does in a row.
pub const STATE_WRITE_PAUSE: Duration = Duration::from_millis(100);

/// Pause before what SIGHUP has had read is looked for, and the longest that it becomes, doubled with each look, on a disk
/// that takes long.
pub const RELOAD_LOOK: Duration = Duration::from_millis(5);
pub const RELOAD_LOOK_MAX: Duration = Duration::from_secs(1);

/// How long a server that stops waits for a disk that does not take its state.
pub const STATE_FINISH_MAX: Duration = Duration::from_secs(10);

/// Longest time and highest rate that an option takes: sums of them stay far from any overflow.
pub const OPTION_TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);
pub const OPTION_RATE_MAX: u64 = 1_000_000_000_000;

/// A time-out that is never reached: centuries, and small enough to be added to any time of the clock.
pub const TIMEOUT_NEVER: Duration = Duration::from_secs(200 * 365 * 24 * 3600);

/// Longest pause that the kernel keeps between probes of a silent peer (`MAX_TCP_KEEPIDLE`).
pub const KEEPALIVE_PAUSE_MAX: Duration = Duration::from_secs(32_767);

/// Default of `--stall-timeout`: how long a full socket may take no byte. The peer's kernel acknowledges more bytes
/// only when a good part of its buffer is free again: a peer that read 100 bytes a second took some every 6 to 12
/// minutes (Linux 6.18, over loopback, where segments are large). A peer that has vanished is found within a minute,
/// see `--dead-after`.
pub const STALL_TIMEOUT_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// Default of `--line-timeout`: how long a line that was begun may make no progress.
pub const LINE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);

/// How long a connection may take until it is a member, whatever it sends: `--line-timeout` where that is shorter.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(60);

/// Connections of the admin door at a time, beside all members: two that collect figures, one that looks whether the
/// server is well, and people with curl.
pub const ADMIN_CONNECTIONS_MAX: usize = 8;

/// Most bytes of an answer of the admin door: its figures are known, and so is how many digits they have.
pub const ADMIN_ANSWER_BYTES_MAX: usize = 32 * 1024;

/// Rooms that are looked at in one turn when figures are asked for: some hundred microseconds.
pub const SURVEY_ROOMS_PER_TURN: u32 = 2048;

/// The part of all connections that may be greeting at a time. Beyond it the one that came first is closed, so peers
/// that never finish cannot keep members out.
pub const GREETING_PART: usize = 10;

/// Longest header of a proxy: 16 bytes and 216 of addresses in version 2, and its further fields, which may have another
/// 304 bytes.
pub const PROXY_HEADER_BYTES_MAX: usize = 536;

/// Longest header of version 1, its line end included.
pub const PROXY_LINE_BYTES_MAX: usize = 107;

/// Most networks of `--proxy-from`.
pub const PROXY_NETWORKS_MAX: usize = 16;

/// With `--framing chunk`, how long the end of a chunk waits for more when it could still become another protocol's
/// beginning. The pieces of a request arrive closer together than this, and a person that sends `OK` does not notice
/// the delay.
pub const OPENING_HOLD: Duration = Duration::from_millis(200);

/// Default of `--dead-after`: how long a peer may answer nothing before its connection is closed.
pub const DEAD_AFTER_DEFAULT: Duration = Duration::from_secs(60);

/// Smallest `--dead-after`: the kernel counts its probes in seconds.
pub const DEAD_AFTER_MIN: Duration = Duration::from_secs(5);

/// Shortest silence, for each member that the house may hold, after which the kernel probes a peer. So the probes of an
/// idle house are at most a thousand a second: probing an idle million every 30 s takes a tenth of a core.
pub const KEEPALIVE_PAUSE_PER_MEMBER: Duration = Duration::from_millis(1);

/// Most members of a house whose operator alone chooses that pause. With the default of `--dead-after` a larger one
/// changes nothing up to here.
pub const KEEPALIVE_FREE_MEMBERS: usize = 30_000;

/// Longest pause between two looks at some of the connections with unacknowledged bytes. Each is looked at twice in
/// `--dead-after`.
pub const SILENCE_LOOK: Duration = Duration::from_secs(1);

/// Most connections that one turn looks at for silence, at up to 2 us each. Where a second has more looks, it has more
/// pauses.
pub const SILENCE_LOOKS_PER_TURN: usize = 256;

/// How long a peer has sent nothing before a look may free its received state: a member who speaks every few seconds
/// keeps it, so that its lines allocate nothing.
pub const RECEIVED_KEPT: Duration = Duration::from_secs(10);

/// Probes of a silent peer within `--dead-after`.
pub const KEEPALIVE_PROBES: u32 = 3;

/// Receive buffer of a connection, which the kernel doubles for its own overhead. The bytes of a flooder that the
/// server has not received yet wait here, so it is small.
pub const SOCKET_RECEIVE_BYTES: usize = 32 * 1024;

/// Largest `--members`: the slots of all members are numbers of 32 bits, and so are links between members.
pub const MEMBERS_MAX: usize = 16_000_000;

/// Default of `uproar check --members`.
pub const CHECK_MEMBERS_DEFAULT: usize = 19_000;

/// Kernel memory of an idle connection, at the server's end: 3.9 KiB in the tables of `/proc/slabinfo` on Linux 6.18,
/// mostly the socket, its inode and its file, with io_uring as with epoll.
pub const KERNEL_CONNECTION_BYTES: usize = 4096;

/// Of these, what waits for input: a poll request of io_uring, or a registration with epoll.
pub const POLL_BYTES: usize = 256;
pub const EPOLL_ENTRY_BYTES: usize = 192;

/// Kernel memory of one short line that a peer has not read: the head of a buffer and its bytes.
pub const UNREAD_LINE_BYTES: usize = 576 + 512;

/// Kernel memory that a slot of a table may keep while its ring is open: its place, its node, and a request of 256
/// bytes, which the ring keeps for reuse (Linux 6.18).
pub const KERNEL_SLOT_BYTES: usize = 8 + 32 + 256;

/// Descriptors that members do not get: standard streams, listeners, connections of the admin door, ring, signals, transcript, the state's file while it
/// is written, and newcomers that are told that the server is full.
pub const DESCRIPTOR_RESERVE: usize = 32;

/// Pause after a failed accept, when no slot is freed sooner. Accepting again at once would spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(500);

/// Pause before an operation that the kernel had no memory for is tried again.
pub const MEMORY_RETRY: Duration = Duration::from_millis(100);

/// Bytes that the slabs add to a connection and its member: its serial number, links, place, and whether an entry is
/// taken.
pub const SLAB_ENTRY_BYTES: usize = 48;

/// A descriptor in the back end's table.
pub const DESCRIPTOR_BYTES: usize = 4;

/// An entry of a queue of time-outs.
pub const TIMEOUT_ENTRY_BYTES: usize = 24;

/// Backlog asked of the kernel, which holds it to `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 65_535;

/// Send buffer of a connection, which the kernel doubles for its own overhead. It holds the bytes that one turn of a
/// very busy room sends to a peer that reads. At 50 million deliveries a second, half of it costs latency, and a
/// quarter costs rate.
pub const SOCKET_SEND_BYTES: usize = 128 * 1024;

/// Bytes in that buffer that the kernel has not sent yet because the peer's window is full. So bytes for a slow peer
/// wait in the room's log, which all members share, instead of in kernel memory, which they do not share.
pub const SOCKET_UNSENT_BYTES: u32 = 16 * 1024;

/// After a stop signal, how long members that lag are given to take the rest, and how much longer for each member: a
/// goodbye to a cold socket takes up to 12 us of the core, so a million need some ten seconds for it alone.
pub const STOP_FLUSH: Duration = Duration::from_secs(2);
pub const STOP_FLUSH_PER_MEMBER: Duration = Duration::from_micros(25);

/// Rooms that a turn says goodbye in.
pub const GOODBYES_PER_TURN: usize = 256;

/// Most bytes handed to the transcript in one turn.
pub const TRANSCRIPT_WRITE_BYTES: usize = 64 * 1024;

/// Bytes of one room's lines that the transcript takes at a time, before it is the turn of another room.
pub const TRANSCRIPT_ROOM_BYTES: usize = 16 * 1024;

/// Bytes that may wait for the transcript's outlet while rooms are freed whose lines were not written. Beyond it the
/// lines are counted, and their number is written.
pub const TRANSCRIPT_GONE_BYTES: usize = 256 * 1024;

/// Pause after the transcript's terminal, pipe or file took no more.
pub const TRANSCRIPT_RETRY: Duration = Duration::from_millis(10);

/// How long `uproar check --health` waits for the whole answer. The admin door answers between turns of the loop, each of which
/// is far shorter, and a container engine that asks gives up after 30 s.
pub const HEALTH_TIME_MAX: Duration = Duration::from_secs(5);

/// Most bytes that `uproar check --health` reads of an answer; the server's head is some 200.
pub const HEALTH_ANSWER_BYTES_MAX: usize = 4096;

/// Most bytes of lines typed or pasted in `uproar chat` that wait for the server: thousands of lines as people write
/// them. Lines beyond it are refused, and the terminal still takes keys.
pub const CHAT_QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// Send buffer of `uproar chat` on a terminal: bytes in it count as sent.
pub const CHAT_SEND_BYTES: usize = 16 * 1024;

/// Default of `--wait`: after the last line, how long the server is given to take what was sent and to close. A server
/// that allows ten lines a second needs a while for a long text.
pub const INPUT_END_WAIT_DEFAULT: Duration = Duration::from_secs(60);

/// Most bytes of the server's own log that its standard error has not taken. Further lines are dropped and counted.
pub const JOURNAL_BYTES_MAX: usize = 64 * 1024;

/// Pause after the standard error took no more. Nothing waits for its lines, so it is longer than for the transcript: a
/// terminal that is stopped for a long time costs ten calls a second.
pub const JOURNAL_RETRY: Duration = Duration::from_millis(100);

/// Pause after the service manager's socket took no more. The kernel queues some messages for it, so a manager whose
/// queue is full does not read.
pub const SERVICE_RETRY: Duration = Duration::from_millis(100);

/// Pause between two statuses for the service manager, which tells each to its own clients.
pub const SERVICE_STATUS_PAUSE: Duration = Duration::from_secs(1);

/// Pause after a write failed on a disk that is full or broken. That lasts until an operator mends it.
pub const DISK_RETRY: Duration = Duration::from_secs(1);

/// `2026-11-24T17:20:05.123Z ` before a line in a file.
pub const STAMP_BYTES: usize = 25;

/// Submission queue of the ring: several send batches and the re-armed receives of a turn. The back end submits more
/// than that in several calls.
pub const RING_SUBMISSIONS: u32 = 1024;

/// Completion queue of the ring: a whole accept backlog may complete at once.
pub const RING_COMPLETIONS: u32 = 16_384;

/// Most slots of a table of direct descriptors; the descriptor limit may allow fewer. A slot's number takes two bytes.
pub const TABLE_SLOTS_MAX: u16 = 32_768;

/// Most tables. Each takes a descriptor.
pub const TABLES_MAX: usize = 1024;

/// Queues of a table's ring: a batch of sends or some re-armed receives, and what completes in one collection.
pub const TABLE_SUBMISSIONS: u32 = 256;
pub const TABLE_COMPLETIONS: u32 = 2048;

/// Deferred completions that are collected from one table at a time. Each takes the kernel some 0.3 us.
pub const TABLE_HARVEST: usize = 1024;

/// Completions of all tables after which a turn collects no more.
pub const TABLES_HARVEST: usize = 4096;

/// How long a table is empty before it is closed.
pub const TABLE_EMPTY_MAX: Duration = Duration::from_secs(10);

/// An entry of either queue of a ring.
pub const SUBMISSION_BYTES: usize = 64;
pub const COMPLETION_BYTES: usize = 16;

/// Most bytes of the head of an HTTP request, and most fields in it. Browsers send less than 2 KiB and twenty fields to a
/// server that sets no cookies; other servers on the same host may have set some, and proxies add fields.
pub const HTTP_HEAD_BYTES_MAX: usize = 8 * 1024;
pub const HTTP_FIELDS_MAX: usize = 64;

/// Silence in a feed of WebSockets after which its members are sent a frame that means nothing. Proxies close connections
/// in which nothing was sent for 60 s (nginx, load balancers), and a page cannot send a ping.
pub const HEARTBEAT_AFTER: Duration = Duration::from_secs(45);

/// Rooms that a turn looks at for that silence.
pub const HEARTBEATS_PER_TURN: usize = 256;

/// Records of a batch of the cluster. The number of a message has 12 bits for its place in its batch.
pub const CLUSTER_BATCH_RECORDS_MAX: usize = 1 << 12;

/// Bytes of a batch, its last record aside: a quarter of what a NATS server takes by default.
pub const CLUSTER_BATCH_BYTES_MAX: usize = 256 * 1024;

/// Bytes of all batches that the stream is not known to have. Lines beyond that stay with their authors.
pub const CLUSTER_HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Lines of one member that the stream has not given back. Each may become a range of own lines.
pub const CLUSTER_LINES_UNDER_WAY_MAX: usize = 64;

/// Stretches of numbers of a room's messages that are kept also when its log has forgotten them: somebody may still be
/// told that those were missed.
pub const CLUSTER_RUNS_KEPT: usize = 256;

/// Nodes whose last batch a room remembers, to know it again. More are only those that have ended.
pub const CLUSTER_SPEAKERS_MAX: usize = 64;

/// How long a newcomer waits at the start for what the rooms had before.
pub const CLUSTER_START_WAIT: Duration = Duration::from_secs(2);

/// Pause before a batch is published again of which it is not known whether the stream has it.
pub const CLUSTER_RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Pause before a batch is published again that the stream has acknowledged and does not give back.
pub const CLUSTER_GIVE_BACK_WAIT: Duration = Duration::from_secs(2);

/// How much of the stream's duplicate window is not used: for clocks that differ, and for an attempt under way.
pub const CLUSTER_WINDOW_MARGIN: Duration = Duration::from_secs(20);

/// Pieces of news that a turn takes from the link, and bytes of them after which it takes no more.
pub const CLUSTER_NEWS_PER_TURN: usize = 256;
pub const CLUSTER_NEWS_BYTES_PER_TURN: usize = 1024 * 1024;

/// Largest message of the stream: a batch, its last record, and NATS's own headers. A NATS server takes 1 MiB by default.
pub const CLUSTER_MESSAGE_BYTES_MAX: usize = 512 * 1024;
const _: () =
    assert!(CLUSTER_BATCH_BYTES_MAX + sanitised_bytes_max(LINE_BYTES_MAX) + 4096 <= CLUSTER_MESSAGE_BYTES_MAX);

/// Orders that the link has and whose outcome the loop was not told: one batch for each room that speaks, changes of the
/// store, words.
pub const CLUSTER_ORDERS_MAX: usize = 1024;

/// Bytes of those orders after which no more are taken.
pub const CLUSTER_ORDERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// News that wait for the loop, and their bytes, after which nothing more is read of the stream and the store.
pub const CLUSTER_NEWS_MAX: usize = 1024;
pub const CLUSTER_NEWS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Words of other nodes that wait for the loop, and their bytes. Beyond that they are dropped: they are of the moment.
pub const CLUSTER_WORDS_MAX: usize = 1024;
pub const CLUSTER_WORDS_BYTES_MAX: usize = 8 * 1024 * 1024;
const _: () = assert!(BEAT_BYTES_MAX <= WORD_BYTES_MAX && 16 * WORD_BYTES_MAX <= CLUSTER_WORDS_BYTES_MAX);

/// Messages that the NATS server may send ahead of being read, of the stream and of the store each.
pub const CLUSTER_FETCH_MAX: usize = 32;

/// What the link may have in memory: orders, news, what was sent ahead, and as much again in buffers of the connection.
pub const CLUSTER_LINK_BYTES_MAX: usize = 2
    * (CLUSTER_ORDERS_BYTES_MAX
        + CLUSTER_NEWS_BYTES_MAX
        + CLUSTER_MESSAGE_BYTES_MAX * (1 + 2 * CLUSTER_FETCH_MAX)
        + CLUSTER_WORDS_BYTES_MAX);

/// How long a connection to NATS may take to be made, for each of a server's addresses.
pub const CLUSTER_CONNECT_WAIT: Duration = Duration::from_secs(3);

/// How long the answer to a publish is waited for, and any other answer of NATS. An election takes some 5 s, and what is
/// asked meanwhile is refused at once or not answered: two questions in a row that are not must end within the grace.
pub const CLUSTER_ANSWER_WAIT: Duration = Duration::from_secs(2);

/// How often NATS says of a quiet consumer that it is alive, and the silence after which the consumer is made anew.
pub const CLUSTER_HEARTBEAT: Duration = Duration::from_secs(1);
pub const CLUSTER_SILENCE_MAX: Duration = Duration::from_secs(3);

/// How long NATS holds a request for messages, and how long it keeps a consumer that is not asked for any.
pub const CLUSTER_FETCH_WAIT: Duration = Duration::from_secs(30);

/// How often NATS is asked whether the connection is alive; it is given up when two questions are not answered.
pub const CLUSTER_PING: Duration = Duration::from_secs(5);

/// Pauses between attempts to connect: the first and the longest. A third of each is chance, so that nodes do not come
/// back at the same moment.
pub const CLUSTER_PAUSE_MIN: Duration = Duration::from_millis(100);
pub const CLUSTER_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a connection has to last for the next pause to be the first again.
pub const CLUSTER_STEADY_AFTER: Duration = Duration::from_secs(5);

/// How long a stream may have fewer messages than it gave before: a server that has just become its leader may still be
/// taking them from its log. After that they are lost, and it counts as another stream.
pub const CLUSTER_SHORT_MAX: Duration = Duration::from_secs(8);

/// How often the loop is told how far behind the stream it is.
pub const CLUSTER_LAG_INTERVAL: Duration = Duration::from_secs(1);

/// For how long a stream that uproar makes knows batches again. It is what NATS has by default.
pub const CLUSTER_DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// What the stream keeps when it is not said, at least, and for at least how long: the duplicate window must fit.
pub const CLUSTER_HISTORY_DEFAULT: u64 = 256 * 1024 * 1024;
pub const CLUSTER_HISTORY_BYTES_MIN: u64 = 1024 * 1024;
pub const CLUSTER_HISTORY_TIME_MIN: Duration = Duration::from_secs(600);

/// Servers that hold the stream, at most: what NATS allows.
pub const CLUSTER_REPLICAS_MAX: usize = 5;

/// Longest name of a cluster. It is a part of names in NATS, which are file names there.
pub const CLUSTER_NAME_BYTES_MAX: usize = 32;

/// How long lines are held while the cluster is away, before rooms become read-only: longer than an election takes.
pub const CLUSTER_GRACE_DEFAULT: Duration = Duration::from_secs(10);

/// Longest line in the log, for a limit on typed lines of `line_bytes`: author, sanitised text, line feed.
pub const fn rendered_bytes_max(line_bytes: usize) -> usize {
    PREFIX_BYTES_MAX + line_bytes * SANITISED_GROWTH_MAX + 1
}

/// The same in the format that takes most.
pub const fn rendered_bytes_max_of_all(line_bytes: usize) -> usize {
    let line = JSON_PREFIX_BYTES_MAX + line_bytes * SANITISED_GROWTH_MAX + 1;
    if line > JSON_EVENT_BYTES_MAX { line } else { JSON_EVENT_BYTES_MAX }
}

/// Smallest `--log-bytes` for a limit on typed lines: each segment holds any message in any format.
pub const fn log_bytes_min(line_bytes: usize) -> usize {
    LOG_SEGMENTS_MIN * (rendered_bytes_max_of_all(line_bytes) + LOG_ENTRY_BYTES)
}

const _: () = assert!(BEAT_HEAD_BYTES_MAX + BEAT_ROOMS_MAX * BEAT_ROOM_BYTES_MAX <= BEAT_BYTES_MAX);
const _: () = assert!(NODES_MAX * MEMBERS_MAX + MEMBERS_MAX < u32::MAX as usize);
const _: () = assert!(log_bytes_min(LINE_BYTES_DEFAULT) <= LOG_BYTES_DEFAULT);
const _: () = assert!(rendered_bytes_max_of_all(LINE_BYTES_MAX) + LOG_ENTRY_BYTES <= LOG_SEGMENT_BYTES_MAX);
const _: () = assert!(rendered_bytes_max(LINE_BYTES_MAX) <= rendered_bytes_max_of_all(LINE_BYTES_MAX));
const _: () = assert!(irc_bytes_max(sanitised_bytes_max(LINE_BYTES_MIN)) <= rendered_bytes_max_of_all(LINE_BYTES_MIN));
const _: () = assert!(irc_bytes_max(sanitised_bytes_max(LINE_BYTES_MAX)) <= rendered_bytes_max_of_all(LINE_BYTES_MAX));
const _: () = assert!(IRC_EVENT_BYTES_MAX <= JSON_EVENT_BYTES_MAX);
const _: () = assert!(EVENT_BYTES_MAX <= rendered_bytes_max(LINE_BYTES_MIN));
const _: () = assert!(log_bytes_min(LINE_BYTES_MAX) <= LOG_BYTES_MAX);
const _: () = assert!(PRIVATE_BYTES_KEPT < PRIVATE_BYTES_MAX && OWN_RANGES_KEPT < OWN_RANGES_MAX);
const _: () =
    assert!(BUFFER_BYTES_MIN >= 2 * (2 * (LINE_BYTES_MAX + RECEIVE_CHUNK_BYTES) + rendered_bytes_max(LINE_BYTES_MAX)));
const _: () = assert!(SEND_BATCH_RETURNING < SEND_BATCH_MEMBERS);
const _: () = assert!(SEND_BATCH_MEMBERS <= RING_SUBMISSIONS as usize);
const _: () = assert!(RECEIVES_PER_TURN_MAX <= RING_SUBMISSIONS as usize);
const _: () = assert!(RING_COMPLETIONS >= 2 * RING_SUBMISSIONS);
const _: () = assert!(SEND_BATCH_MEMBERS <= TABLE_SUBMISSIONS as usize);
const _: () = assert!(RECEIVES_PER_TURN_MAX <= TABLE_SUBMISSIONS as usize);
const _: () = assert!(TABLE_HARVEST <= TABLE_COMPLETIONS as usize);
const _: () = assert!(TABLES_MAX <= u16::MAX as usize);

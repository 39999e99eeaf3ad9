//! What the log says of a server that begins to serve: where it listens, how much memory it takes at most, and what it
//! can reach no more.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;

use crate::capacity::{Capacity, TableSizes};
use crate::door::Door;
use crate::io::Io;
use crate::journal::{LogEvent, LogField, Value};
use crate::memory::MemoryBound;
use crate::outlet::Descriptor;
use crate::sandbox::Entered;
use crate::server::Server;

/// Reports the start. The first of `addresses` is where the door for text listens. `entered` is `None` without a sandbox.
pub fn start<I: Io>(
    server: &mut Server<I, Descriptor>,
    addresses: &[(Door, SocketAddr)],
    back_end: &str,
    capacity: &Capacity,
    bound: &MemoryBound,
    entered: Option<&Entered>,
) {
    let address = addresses[0].1;
    for (door, address) in &addresses[1..] {
        let door = door.name();
        let fields = [(LogField::Door, Value::Text(&door)), (LogField::Address, Value::Text(address))];
        server.report_with(LogEvent::Listening, format_args!("listening on {address} ({door})"), &fields);
    }
    let Capacity { members_max, tables, .. } = capacity;
    let fields = [
        (LogField::Door, Value::Text(&Door::Text.name())),
        (LogField::Address, Value::Text(&address)),
        (LogField::BackEnd, Value::Text(&back_end)),
        (LogField::MembersMax, Value::Number(*members_max as u64)),
    ];
    let counted = |TableSizes { count, .. }| format!("{count} {}, ", if count == 1 { "table" } else { "tables" });
    let tables = tables.map(counted).unwrap_or_default();
    let text = format_args!("listening on {address} ({back_end}, {tables}up to {members_max} members)");
    server.report_with(LogEvent::Listening, text, &fields);
    let fields = [(LogField::Bytes, Value::Number(bound.total() as u64))];
    server.report_with(LogEvent::MemoryBound, format_args!("memory {bound}"), &fields);
    match entered {
        None => server.report(LogEvent::SandboxPartial, format_args!("sandbox: none, as --no-sandbox asks for")),
        Some(entered) if entered.is_whole() => server.report(LogEvent::Sandbox, format_args!("{entered}")),
        Some(entered) => server.report(LogEvent::SandboxPartial, format_args!("{entered}")),
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        let place = if address.ip().is_unspecified() { format!(":{}", address.port()) } else { address.to_string() };
        let text = format_args!("nothing that is typed here is read; to talk, elsewhere: uproar chat {place}");
        server.report(LogEvent::Hint, text);
    }
}

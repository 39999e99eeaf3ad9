//! What the server's own log is told of members and operators, with and without their addresses. Nothing that anybody
//! has said, or given as a reason, is in it.

use std::fmt::{self, Display};
use std::net::IpAddr;
use std::time::Instant;

use super::Server;
use super::speaker::Speaker;
use crate::cluster::holds::Kind;
use crate::counters::CloseReason;
use crate::flood::{Bucket, Rate};
use crate::io::Io;
use crate::journal::{Field, Held, LogEvent, LogField, Value, Whom};
use crate::limits::REPORTS_PER_SECOND;
use crate::moderation::{Hold, time};
use crate::names::Name;
use crate::outlet::Outlet;
use crate::token::PublicId;

impl<I: Io, W: Outlet> Server<I, W> {
    /// Reports an event in the server's own log.
    pub fn report(&mut self, event: LogEvent, text: fmt::Arguments<'_>) {
        self.journal.report(event, self.now, text);
    }

    /// As [`Server::report`], with what of the event is data.
    pub fn report_with(&mut self, event: LogEvent, text: fmt::Arguments<'_>, fields: &[Field<'_>]) {
        self.journal.report_with(event, self.now, text, fields);
    }

    /// As [`Server::report`], of something that went wrong.
    pub fn report_error(&mut self, event: LogEvent, text: fmt::Arguments<'_>, error: &impl Display) {
        self.journal.report_error(event, self.now, text, error);
    }

    /// A member, as the log names it.
    pub(super) fn whom(&self, name: Name, id: Option<PublicId>) -> Whom {
        Whom { name, id, addresses: self.journal.has_addresses() }
    }

    pub(super) fn held(&self, hold: &Hold) -> Held {
        Held::of(hold, self.journal.has_addresses())
    }

    /// An operator has done something.
    pub(super) fn report_action(&mut self, by: Whom, action: &str, what: fmt::Arguments<'_>, fields: &[Field<'_>]) {
        let mut all = vec![(LogField::By, Value::Text(&by)), (LogField::Action, Value::Text(&action))];
        all.extend_from_slice(fields);
        self.report_with(LogEvent::Moderation, format_args!("{by} {what}"), &all);
    }

    /// As [`Server::report_action`], of a member of this node.
    pub(super) fn report_action_of(
        &mut self,
        speaker: &Speaker,
        action: &str,
        what: fmt::Arguments<'_>,
        fields: &[Field<'_>],
    ) {
        let by = self.whom(speaker.name, Some(speaker.received.public_id));
        self.report_action(by, action, what, fields);
    }

    pub(super) fn report_kick(&mut self, by: Whom, whom: Whom, where_: &str) {
        let mut fields = vec![(LogField::Name, Value::Text(&whom))];
        fields.extend(whom.id.as_ref().map(|id| (LogField::Id, Value::Text(id))));
        self.report_action(by, "kick", format_args!("kicked {whom}{where_}"), &fields);
    }

    /// Something is held, until a moment in milliseconds of Unix time or without end.
    pub(super) fn report_hold(&mut self, by: Whom, kind: Kind, held: Held, until: Option<u64>) {
        let verb = if kind == Kind::Ban { "banned" } else { "muted" };
        let moment = until.map(|until| time::moment(until).to_string());
        let mut fields = vec![(LogField::Held, Value::Text(&held))];
        fields.extend(moment.as_ref().map(|moment| (LogField::Until, Value::Text(moment))));
        let end = moment.as_ref().map_or("without end".to_owned(), |moment| format!("until {moment}"));
        self.report_action(by, kind.shown(), format_args!("{verb} {held} {end}"), &fields);
    }

    /// Something is held no longer.
    pub(super) fn report_lift(&mut self, by: Whom, kind: Kind, held: Held) {
        let (action, verb) = if kind == Kind::Ban { ("unban", "unbanned") } else { ("unmute", "unmuted") };
        self.report_action(by, action, format_args!("{verb} {held}"), &[(LogField::Held, Value::Text(&held))]);
    }

    /// Logs that the server closed a connection, up to a number of them a second. The statistics count them all.
    pub(super) fn report_close(&mut self, whom: Whom, ip: IpAddr, reason: CloseReason) {
        if !takes_report(&mut self.close_reports, self.now) {
            return;
        }
        let key = reason.row().key;
        let key = key.strip_prefix("closed_").unwrap_or(key);
        let mut fields = origin(&whom, &ip);
        fields.push((LogField::Reason, Value::Text(&key)));
        self.report_with(LogEvent::Closed, format_args!("closed {whom}: {reason}"), &fields);
    }

    /// A member has typed a wrong key of operators; logged as often as closes are.
    pub(super) fn report_wrong_key(&mut self, speaker: &Speaker) {
        if !takes_report(&mut self.wrong_key_reports, self.now) {
            return;
        }
        let whom = self.whom(speaker.name, Some(speaker.received.public_id));
        let from = if whom.addresses { format!(" at {}", speaker.ip) } else { String::new() };
        let text = format_args!("wrong key of operators from {whom}{from}");
        self.report_with(LogEvent::WrongKey, text, &origin(&whom, &speaker.ip));
    }
}

/// Whether an event that members cause may be logged now, which counts as one more.
fn takes_report(reports: &mut Bucket, now: Instant) -> bool {
    let rate = Rate::new(REPORTS_PER_SECOND, REPORTS_PER_SECOND).expect("it is not 0");
    let takes = reports.allows(rate, 1.0, now).is_ok();
    if takes {
        reports.take(rate, 1.0, now);
    }
    takes
}

/// Whose connection it is, and from where.
fn origin<'a>(whom: &'a Whom, ip: &'a IpAddr) -> Vec<Field<'a>> {
    let mut fields = vec![(LogField::Name, Value::Text(whom))];
    fields.extend(whom.id.as_ref().map(|id| (LogField::Id, Value::Text(id))));
    if whom.addresses {
        fields.push((LogField::Address, Value::Text(ip)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_members_cause_is_logged_some_times_a_second() {
        let mut reports = Bucket::default();
        let start = Instant::now();
        let mut taken = |ms| takes_report(&mut reports, start + Duration::from_millis(ms));
        let at_once = (0..100).filter(|_| taken(0)).count();
        assert_eq!(at_once as u64, REPORTS_PER_SECOND);
        let later = (1..=2000).filter(|ms| taken(*ms)).count();
        assert_eq!(later as u64, 2 * REPORTS_PER_SECOND);
    }
}

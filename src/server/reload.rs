//! SIGHUP: what can change without a restart is opened or read anew, and each of these things has a line of the log.
//!
//! The log and the transcript are opened at once, so that no line goes to the old files any more. The message of the day
//! and the operators' key are read by a thread, and count from the turn on in which they are found. What cannot be opened
//! or read stays as it is.

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use super::Server;
use crate::io::Io;
use crate::journal::{LogEvent, LogField, Value};
use crate::limits::{RELOAD_LOOK, RELOAD_LOOK_MAX};
use crate::moderation::OperatorKey;
use crate::moderation::operator_files::{Files, Found};
use crate::outlet::Outlet;
use crate::transcript::Transcript;

/// What to add to an error that the sandbox may be the reason of.
const DENIED: &str = "; a server in its sandbox reaches it only in the folder where it was at the start";

fn is_denied(error: &(dyn Error + 'static)) -> bool {
    let is_io = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    error.downcast_ref().is_some_and(is_io) || error.source().is_some_and(is_denied)
}

/// What a reload has still to do.
#[derive(Debug, Default)]
pub struct Reload {
    /// Present where an option names a file that is read again.
    files: Option<Box<dyn Files>>,
    /// While files are being read: when to look for what was found, and how long after the last look that is.
    look: Option<(Instant, Duration)>,
    /// True when a signal came while files were being read, so that they are read once more.
    again: bool,
}

impl Reload {
    /// When [`Server::take_files`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.look.map(|(next, _)| next)
    }
}

impl<I: Io, W: Outlet> Server<I, W> {
    /// Has `files` read again on SIGHUP.
    pub fn reread(&mut self, files: Box<dyn Files>) {
        self.reload.files = Some(files);
    }

    /// Opens and reads everything anew.
    pub(super) fn reload(&mut self) {
        self.begin_reload();
        let log = self.journal.reopen(self.now);
        let transcript = self.transcript.as_mut().and_then(Transcript::reopen);
        let has_any = log.is_some() || transcript.is_some() || self.reload.files.is_some();
        self.report_opened("log", "the log", log);
        self.report_opened("transcript", "the transcript", transcript);
        if !has_any {
            let fields = [(LogField::What, Value::Text(&"nothing"))];
            let text = format_args!("SIGHUP: there is no file to open or to read anew");
            self.report_with(LogEvent::Reloaded, text, &fields);
        }
        if self.reload.look.is_some() {
            self.reload.again = true;
        } else {
            self.read_files();
        }
    }

    /// Once a turn: takes what was found in files.
    pub(super) fn take_files(&mut self) {
        let Some((_, pause)) = self.reload.look.filter(|(next, _)| *next <= self.now) else { return };
        let Some(found) = self.reload.files.as_mut().and_then(|files| files.found()) else {
            // A disk that takes long is asked more and more rarely.
            let pause = (2 * pause).min(RELOAD_LOOK_MAX);
            self.reload.look = Some((self.now + pause, pause));
            return;
        };
        self.reload.look = None;
        self.take_found(found);
        if std::mem::take(&mut self.reload.again) {
            self.begin_reload();
            self.read_files();
        } else {
            self.end_reload();
        }
    }

    /// Has files read, where there are any.
    fn read_files(&mut self) {
        if self.reload.files.as_mut().is_some_and(|files| files.ask()) {
            self.reload.look = Some((self.now + RELOAD_LOOK, RELOAD_LOOK));
        } else {
            self.end_reload();
        }
    }

    fn take_found(&mut self, Found { motd, key }: Found) {
        match motd {
            None => {}
            Some(Ok(motd)) => {
                let bytes = motd.bytes();
                let fields = [(LogField::What, Value::Text(&"motd")), (LogField::Bytes, Value::Number(bytes as u64))];
                let text = format_args!("SIGHUP: the message of the day was read anew, {bytes} bytes");
                self.report_with(LogEvent::Reloaded, text, &fields);
                self.keeping.motd = Some(motd);
            }
            Some(Err(error)) => self.report_stays("motd", "--motd stays as it is", &error),
        }
        match key {
            None => {}
            Some(Ok((key, warning))) => self.take_key(key, warning),
            Some(Err(error)) => self.report_stays("operator_key", "--operator-key stays as it is", &error),
        }
    }

    fn take_key(&mut self, key: OperatorKey, warning: Option<String>) {
        let what = if self.keeping.change_key(key) {
            "the operators' key is another, and those who are operators have to type it"
        } else {
            "the operators' key was read anew, and is the same"
        };
        let fields = [(LogField::What, Value::Text(&"operator_key"))];
        self.report_with(LogEvent::Reloaded, format_args!("SIGHUP: {what}"), &fields);
        if let Some(warning) = warning {
            self.report(LogEvent::OperatorKeyWeak, format_args!("--operator-key: {warning}"));
        }
    }

    /// Says whether a file was opened; nothing where there is none.
    fn report_opened(&mut self, what: &str, name: &str, opened: Option<io::Result<()>>) {
        match opened {
            None => {}
            Some(Ok(())) => {
                let fields = [(LogField::What, Value::Text(&what))];
                self.report_with(LogEvent::Reloaded, format_args!("SIGHUP: {name} file was opened anew"), &fields);
            }
            Some(Err(error)) => {
                self.report_stays(what, &format!("{name} stays as it is, not opened anew"), &error);
            }
        }
    }

    fn report_stays(&mut self, what: &str, text: &str, error: &(impl Error + 'static)) {
        let fields = [(LogField::What, Value::Text(&what)), (LogField::Error, Value::Text(error))];
        let remedy = if is_denied(error) { DENIED } else { "" };
        self.report_with(LogEvent::NotReloaded, format_args!("SIGHUP: {text}: {error}{remedy}"), &fields);
    }
}

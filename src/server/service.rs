//! What the server does with a service manager: it says once a turn how it is. Without a manager that costs one look at
//! a field.

use super::Server;
use super::schedule::Moment;
use crate::io::Io;
use crate::journal::LogEvent;
use crate::outlet::Outlet;
use crate::service::{Service, State, Status};

impl<I: Io, W: Outlet> Server<I, W> {
    /// Tells a service manager from now on how the server is.
    pub fn serve_under(&mut self, service: Service) {
        self.service = Some(service);
    }

    /// The files that the server reads and writes are about to be read and opened anew.
    pub(super) fn begin_reload(&mut self) {
        if let Some(service) = &mut self.service {
            service.begin_reload();
            self.tell_service();
        }
    }

    /// All of them were, or stay as they are.
    pub(super) fn end_reload(&mut self) {
        if let Some(service) = &mut self.service {
            service.end_reload();
        }
    }

    /// Tells the service manager what it does not know.
    pub(super) fn tell_service(&mut self) {
        if self.service.is_none() {
            return;
        }
        let state = self.service_state();
        let Some(service) = &mut self.service else { return };
        if let Err(error) = service.tell(self.now, state) {
            self.service = None;
            // Otherwise the loop would wake at once, for ever.
            self.schedule.set(Moment::Service, None);
            let text = format_args!("the service manager is told nothing any more: {error}");
            self.report_error(LogEvent::ServiceGone, text, &error);
        }
    }

    /// Has the loop wake for what the service manager is to be told.
    pub(super) fn set_service_moment(&mut self) {
        let Some(service) = &self.service else { return };
        self.schedule.set(Moment::Service, service.deadline(self.now, self.service_state()));
    }

    fn service_state(&self) -> State {
        State {
            accepts: self.accepts(),
            status: Status {
                is_stopping: self.phase.is_stopping(),
                members: self.rooms.online(),
                rooms: self.rooms.occupied(),
            },
        }
    }
}

#[cfg(any(test, feature = "sim"))]
impl<I: Io, W: Outlet> Server<I, W> {
    /// Tells a service manager nothing any more.
    pub fn serve_alone(&mut self) {
        self.service = None;
        self.schedule.set(Moment::Service, None);
    }

    /// True when every door accepts.
    pub fn is_accepting(&self) -> bool {
        self.accepts()
    }

    /// True when nothing is to come but signs for the service manager that the loop turns.
    pub fn only_beats(&self) -> bool {
        let state = self.service_state();
        self.service.as_ref().is_some_and(|service| service.only_beats(state))
            && self.schedule.has_only(Moment::Service)
    }
}

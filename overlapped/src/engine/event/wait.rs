//! Waits on a slice of events.

use super::domain::{Domain, Goal, Tables};
use super::handle::Event;
use crate::driver::Wait;
use crate::engine::park::{self, Unpark};
use crate::error::{Action, Error, ErrorKind};

/// Waits until one of the events is signalled, and returns its place in the slice: the lowest, if
/// several are signalled. `None` means that the wait has timed out. The event that it returns is
/// reset if it is an [auto-reset](Event::auto_reset) one; the others stay as they are.
///
/// A program that always waits on the same slice starves the events at its end. Rotate the slice,
/// or use a [`WaitSet`](crate::WaitSet): its waits also cost only what is signalled, not what it
/// holds.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` false, without its limit of 64.
///
/// # Errors
/// `InvalidArgument` for an empty slice; `WouldDeadlock` on the thread of an
/// [`Engine`](crate::Engine).
pub fn wait_any(events: &[&Event], wait: Wait) -> Result<Option<usize>, Error> {
    wait_for(events, wait, WaitFor::Any, None)
}

/// Waits until all of the events are signalled at one moment; `false` means that the wait has timed
/// out. At that moment it resets the [auto-reset](Event::auto_reset) events among them, all at
/// once; until then it changes nothing.
///
/// In Winsock: `WSAWaitForMultipleEvents` with `fWaitAll` true.
///
/// # Errors
/// As for [`wait_any`].
pub fn wait_all(events: &[&Event], wait: Wait) -> Result<bool, Error> {
    Ok(wait_for(events, wait, WaitFor::All, None)?.is_some())
}

/// As [`wait_any`]; also ends, with `None`, when `interrupted` returns true.
pub(crate) fn wait_any_or(
    events: &[&Event],
    wait: Wait,
    interrupted: &dyn Fn() -> bool,
) -> Result<Option<usize>, Error> {
    wait_for(events, wait, WaitFor::Any, Some(interrupted))
}

impl Event {
    /// Waits until it is signalled; `false` means that the wait has timed out. An
    /// [auto-reset](Event::auto_reset) event is reset by the wait.
    ///
    /// # Errors
    /// `WouldDeadlock` on the thread of an [`Engine`](crate::Engine).
    pub fn wait(&self, wait: Wait) -> Result<bool, Error> {
        Ok(wait_any(&[self], wait)?.is_some())
    }
}

#[derive(Clone, Copy)]
enum WaitFor {
    Any,
    All,
}

fn wait_for(
    events: &[&Event],
    wait: Wait,
    goal: WaitFor,
    interrupted: Option<&dyn Fn() -> bool>,
) -> Result<Option<usize>, Error> {
    let Some(first) = events.first() else {
        return Err(Error::new(Action::Wait, ErrorKind::InvalidArgument).because("a wait on no events"));
    };
    park::begin();
    let domain = first.domain();
    if let Some(place) = take(&mut domain.lock(), events, goal) {
        return Ok(Some(place));
    }
    if wait == Wait::Poll {
        park::poll()?;
        return Ok(take(&mut domain.lock(), events, goal));
    }
    let until = park::deadline(wait);
    let mut waiting = match Waiting::begin(domain, events, goal) {
        Ok(waiting) => waiting,
        Err(place) => return Ok(Some(place)),
    };
    let mut ended = None;
    loop {
        if let Some(result) = waiting.fulfilled_or(&mut ended) {
            return result;
        }
        ended = if park::is_over(until) || interrupted.is_some_and(|interrupted| interrupted()) {
            Some(Ok(None))
        } else {
            park::park(until).err().map(Err)
        };
    }
}

/// Ends a wait now, if it can: returns its place, and resets what it reports.
fn take(tables: &mut Tables, events: &[&Event], goal: WaitFor) -> Option<usize> {
    let signalled = |event: &&Event| tables.events[event.index()].signalled;
    match goal {
        WaitFor::Any => {
            let place = events.iter().position(signalled)?;
            tables.report(events[place].index());
            Some(place)
        }
        WaitFor::All => {
            events.iter().all(signalled).then_some(())?;
            events.iter().for_each(|event| tables.report(event.index()));
            Some(0)
        }
    }
}

/// A wait in progress, registered with its events.
struct Waiting<'a> {
    domain: &'static Domain,
    events: &'a [&'a Event],
    waiter: Option<usize>,
}

type Ended = Result<Option<usize>, Error>;

impl<'a> Waiting<'a> {
    /// Fails with the place at which the wait ends, if it ends at once.
    fn begin(domain: &'static Domain, events: &'a [&'a Event], goal: WaitFor) -> Result<Waiting<'a>, usize> {
        let unpark = Unpark::this_thread();
        let mut tables = domain.lock();
        if let Some(place) = take(&mut tables, events, goal) {
            return Err(place);
        }
        let goal = match goal {
            WaitFor::Any => Goal::Any,
            WaitFor::All => {
                let states = || events.iter().map(|event| (event.index(), &tables.events[event.index()]));
                let missing = states().filter(|(_, state)| !state.signalled).count();
                let autos = states().filter(|(_, state)| state.auto).map(|(index, _)| index as u32).collect();
                Goal::All { missing, autos }
            }
        };
        let waiter = tables.begin(unpark, goal);
        for (place, event) in events.iter().enumerate() {
            tables.events[event.index()].waiters.push((waiter as u32, place as u32));
        }
        Ok(Waiting { domain, events, waiter: Some(waiter) })
    }

    /// The end of the wait: its place if it is fulfilled, or else what has `ended` it.
    fn fulfilled_or(&mut self, ended: &mut Option<Ended>) -> Option<Ended> {
        let mut tables = self.domain.lock();
        let fulfilled = tables.waiters[self.waiter?].fulfilled;
        let result = fulfilled.map(|place| Ok(Some(place))).or_else(|| ended.take())?;
        self.leave(&mut tables);
        Some(result)
    }

    fn leave(&mut self, tables: &mut Tables) {
        let Some(left) = self.waiter.take() else { return };
        for event in self.events {
            tables.events[event.index()].waiters.retain(|(waiter, _)| *waiter as usize != left);
        }
        tables.waiters.remove(left);
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.waiter.is_some() {
            let domain = self.domain;
            self.leave(&mut domain.lock());
        }
    }
}

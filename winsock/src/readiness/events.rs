//! `WSAEventSelect` and `WSAEnumNetworkEvents`.

use std::sync::Arc;

use super::watch::{ArcWatch, BITS, Record, Watch};
use crate::abi::{self, Handle, SOCKET_ERROR};
use crate::error::{ERROR_INVALID_HANDLE, WSAEFAULT, WSAEINVAL, WSAENOTSOCK};
use crate::handles;
use crate::io::hub;
use crate::object::Event;
use crate::socket::entry::{Socket, State, Watched};
use crate::socket::startup::{answer, find};

/// `WSANETWORKEVENTS`
#[repr(C)]
pub(crate) struct NetworkEvents {
    events: i32,
    codes: [i32; BITS],
}

/// The record of a watch.
fn watch_of(watched: &Arc<dyn Watched>) -> Option<Arc<Watch>> {
    let any: &dyn std::any::Any = &**watched;
    any.downcast_ref::<ArcWatch>().map(|watch| Arc::clone(&watch.0))
}

fn event_of(event: Handle) -> Result<Option<Arc<Event>>, u32> {
    match event {
        0 => Ok(None),
        handle => handles::get::<Event>(handle).map(Some).ok_or(ERROR_INVALID_HANDLE),
    }
}

fn select(socket: &Arc<Socket>, event: Handle, mask: u32) -> Result<(), u32> {
    let event = if mask == 0 { None } else { Some(event_of(event)?.ok_or(WSAEINVAL)?) };
    let mut core = socket.core();
    if core.state == State::Closed {
        return Err(WSAENOTSOCK);
    }
    let watch = Watch::new(mask, event);
    let watched: Option<Arc<dyn Watched>> = match mask {
        0 => None,
        _ => Some(Arc::new(ArcWatch(Arc::clone(&watch)))),
    };
    let before = std::mem::replace(&mut core.watched, watched);
    // Whatever is asked for, also nothing.
    core.nonblocking = true;
    drop(core);
    if let Some(before) = before {
        before.end();
    }
    if mask != 0 {
        watch.begin(socket);
    }
    if let Some(hub) = hub::hub() {
        hub.hasten();
    }
    Ok(())
}

fn enumerate(socket: &Arc<Socket>, event: Handle) -> Result<Record, u32> {
    if let Some(hub) = hub::hub() {
        hub.hasten();
    }
    let event = event_of(event)?;
    let watched = socket.core().watched.clone();
    Ok(match watched.as_ref().and_then(watch_of) {
        Some(watch) => watch.take(event.as_ref()),
        None => {
            if let Some(event) = event {
                event.state().reset();
            }
            Record::default()
        }
    })
}

export! {
    fn wsk_WSAEventSelect(s: abi::Socket, event: Handle, mask: i32) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| select(&socket, event, mask as u32)))
    }

    fn wsk_WSAEnumNetworkEvents(s: abi::Socket, event: Handle, events: *mut NetworkEvents) -> i32, SOCKET_ERROR => {
        answer(find(s).and_then(|socket| {
            if events.is_null() {
                return Err(WSAEFAULT);
            }
            let record = enumerate(&socket, event)?;
            (*events).events = record.events as i32;
            for (bit, code) in record.codes.iter().enumerate().filter(|(bit, _)| record.events & 1 << bit != 0) {
                (*events).codes[bit] = *code as i32;
            }
            Ok(())
        }))
    }
}

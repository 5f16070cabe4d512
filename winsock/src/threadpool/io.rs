//! I/O whose completions are callbacks: `CreateThreadpoolIo` and `BindIoCompletionCallback`. Both
//! are a completion port behind the pool.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::environment::{Environment, place};
use super::instance::Instance;
use super::outstanding::Outstanding;
use super::pool::{PacketTarget, Pool};
use crate::abi::{Bool, FALSE, Handle, Overlapped, TRUE, Ulong};
use crate::deliver::Completion;
use crate::error::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, fail};
use crate::handles::{self, Header, Object};
use crate::port::Packet;

type IoCallback = unsafe extern "C-unwind" fn(*const Instance, *mut c_void, *mut Overlapped, Ulong, usize, Handle);
type BoundRoutine = unsafe extern "C-unwind" fn(u32, u32, *mut Overlapped);

/// Routines that may be bound in one process.
const MOST_BOUND: usize = 4096;

struct Io {
    header: Header,
    callback: IoCallback,
    context: usize,
    outstanding: Outstanding,
    value: AtomicUsize,
    /// The handle of its `PacketTarget`.
    target: AtomicUsize,
    closed: AtomicBool,
}

impl Object for Io {
    fn header(&self) -> &Header {
        &self.header
    }
}

impl Io {
    fn ended(&self, instance: &Instance, packet: Packet) {
        if self.outstanding.begin(None) {
            let Packet { overlapped, bytes, status, .. } = packet;
            let (context, value) = (self.context as *mut c_void, self.value.load(Ordering::Acquire));
            // SAFETY: the program has given the callback with its context.
            unsafe { (self.callback)(instance, context, overlapped, status.win32(), bytes as usize, value) };
            self.outstanding.end();
        }
        self.release_if_done();
    }

    /// A closed object stays until its operations have ended.
    fn release_if_done(&self) {
        if self.closed.load(Ordering::Acquire) && self.outstanding.is_idle() {
            handles::close_if::<PacketTarget>(self.target.load(Ordering::Acquire));
        }
    }
}

fn create(file: Handle, callback: IoCallback, context: *mut c_void, pool: &Arc<Pool>) -> Result<Handle, u32> {
    let object = handles::any(file).ok_or(ERROR_INVALID_HANDLE)?;
    let completion = Completion::of(&*object).ok_or(ERROR_INVALID_HANDLE)?;
    let io = Arc::new(Io {
        header: Header::new(),
        callback,
        context: context as usize,
        outstanding: Outstanding::new(),
        value: AtomicUsize::new(0),
        target: AtomicUsize::new(0),
        closed: AtomicBool::new(false),
    });
    // The object lives while its target does, which is until it is closed and nothing is in flight.
    let kept = Arc::clone(&io);
    let run = move |instance: &Instance, packet| kept.ended(instance, packet);
    let target = Arc::new(PacketTarget { header: Header::new(), run: Box::new(run) });
    let target = handles::insert(target).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    io.target.store(target, Ordering::Release);
    let value = handles::insert(io.clone());
    let associated = value.ok_or(ERROR_NO_SYSTEM_RESOURCES).and_then(|value| {
        io.value.store(value, Ordering::Release);
        completion.associate(pool.port(), target)
    });
    if let Err(code) = associated {
        handles::close(target);
        value.map(handles::close);
        return Err(code);
    }
    value.ok_or(ERROR_NO_SYSTEM_RESOURCES)
}

/// The key for the packets of a routine; the same routine has one key.
fn bound(routine: BoundRoutine) -> Result<usize, u32> {
    static BOUND: Mutex<Option<HashMap<usize, usize>>> = Mutex::new(None);
    let mut bound = BOUND.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = bound.get_or_insert_default();
    let address = routine as usize;
    if let Some(key) = bound.get(&address) {
        return Ok(*key);
    }
    if bound.len() >= MOST_BOUND {
        return Err(ERROR_NO_SYSTEM_RESOURCES);
    }
    let run = move |_: &Instance, packet: Packet| {
        let Packet { overlapped, bytes, status, .. } = packet;
        // SAFETY: the program has bound it.
        unsafe { routine(status.win32(), bytes, overlapped) };
    };
    let target = Arc::new(PacketTarget { header: Header::new(), run: Box::new(run) });
    let key = handles::insert(target).ok_or(ERROR_NO_SYSTEM_RESOURCES)?;
    bound.insert(address, key);
    Ok(key)
}

fn bind(file: Handle, routine: BoundRoutine) -> Result<(), u32> {
    let object = handles::any(file).ok_or(ERROR_INVALID_HANDLE)?;
    let completion = Completion::of(&*object).ok_or(ERROR_INVALID_HANDLE)?;
    completion.associate(Pool::of_process().port(), bound(routine)?)
}

export! {
    fn wsk_BindIoCompletionCallback(file: Handle, routine: Option<BoundRoutine>, _flags: Ulong) -> Bool, FALSE => {
        let Some(routine) = routine else { return fail(ERROR_INVALID_PARAMETER, FALSE) };
        match bind(file, routine) {
            Ok(()) => TRUE,
            Err(code) => fail(code, FALSE),
        }
    }

    fn wsk_CreateThreadpoolIo(
        file: Handle, callback: Option<IoCallback>, context: *mut c_void, environment: *const Environment,
    ) -> Handle, 0 => {
        let Some(callback) = callback else { return fail(ERROR_INVALID_PARAMETER, 0) };
        create(file, callback, context, &place(environment).pool).unwrap_or_else(|code| fail(code, 0))
    }

    /// Before each operation.
    fn wsk_StartThreadpoolIo(io: Handle) -> (), () => {
        if let Some(io) = handles::get::<Io>(io) {
            io.outstanding.queue();
        }
    }

    /// After an operation that has failed to start, or that tells nothing.
    fn wsk_CancelThreadpoolIo(io: Handle) -> (), () => {
        if let Some(io) = handles::get::<Io>(io) {
            io.outstanding.unqueue();
            io.release_if_done();
        }
    }

    fn wsk_WaitForThreadpoolIoCallbacks(io: Handle, cancel: Bool) -> (), () => {
        if let Some(io) = handles::get::<Io>(io) {
            io.outstanding.wait(cancel != 0);
        }
    }

    fn wsk_CloseThreadpoolIo(io: Handle) -> (), () => {
        if let Some(io) = handles::close_if::<Io>(io) {
            io.closed.store(true, Ordering::Release);
            io.release_if_done();
        }
    }
}

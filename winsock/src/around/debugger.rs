//! Debugging aids: output, exception filters over signals, symbols from the dynamic linker.

use super::text;
use crate::abi::Wchar;
use crate::error::{ERROR_INVALID_ADDRESS, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, fail};
use std::ffi::c_void;
use std::io::Write;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const MAX_PARAMETERS: usize = 15;

/// `EXCEPTION_RECORD`.
#[repr(C)]
pub struct Record {
    code: u32,
    flags: u32,
    inner: *mut Record,
    address: usize,
    count: u32,
    information: [usize; MAX_PARAMETERS],
}

/// `CONTEXT` of x64.
#[repr(C, align(16))]
pub struct Context {
    bytes: [u8; 1232],
}

/// `EXCEPTION_POINTERS`.
#[repr(C)]
pub struct Pointers {
    record: *mut Record,
    context: *mut Context,
}

type Filter = unsafe extern "C-unwind" fn(*mut Pointers) -> i32;

/// The address of the program's filter, or 0.
static FILTER: AtomicUsize = AtomicUsize::new(0);
static ERROR_MODE: AtomicU32 = AtomicU32::new(0);
static OPTIONS: AtomicU32 = AtomicU32::new(0);

const EXECUTE_HANDLER: i32 = 1;
const CONTINUE_EXECUTION: i32 = -1;
const SIGNALS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

fn code_of(signal: i32, code: i32) -> u32 {
    const FPE_INTDIV: i32 = 1;
    const FPE_INTOVF: i32 = 2;
    const FPE_FLTDIV: i32 = 3;
    match (signal, code) {
        (libc::SIGSEGV, _) => 0xC000_0005,
        (libc::SIGBUS, _) => 0xC000_0006,
        (libc::SIGFPE, FPE_INTDIV) => 0xC000_0094,
        (libc::SIGFPE, FPE_INTOVF) => 0xC000_0095,
        (libc::SIGFPE, FPE_FLTDIV) => 0xC000_008E,
        (libc::SIGFPE, _) => 0xC000_0090,
        _ => 0xC000_001D,
    }
}

fn filter() -> Option<Filter> {
    let address = FILTER.load(Ordering::Acquire);
    // SAFETY: only filters are stored.
    (address != 0).then(|| unsafe { std::mem::transmute::<usize, Filter>(address) })
}

/// Registers from the signal's context to `CONTEXT`, at their documented places.
#[cfg(target_arch = "x86_64")]
unsafe fn fill(context: &mut Context, registers: *const [libc::greg_t; 23]) {
    // REG_* of <sys/ucontext.h>, and the offset in CONTEXT.
    const PLACES: [(usize, usize); 17] = [
        (13, 0x78),
        (14, 0x80),
        (12, 0x88),
        (11, 0x90),
        (15, 0x98),
        (10, 0xa0),
        (9, 0xa8),
        (8, 0xb0),
        (0, 0xb8),
        (1, 0xc0),
        (2, 0xc8),
        (3, 0xd0),
        (4, 0xd8),
        (5, 0xe0),
        (6, 0xe8),
        (7, 0xf0),
        (16, 0xf8),
    ];
    const CONTROL_AND_INTEGER: u32 = 0x0010_0003;
    context.bytes[0x30..0x34].copy_from_slice(&CONTROL_AND_INTEGER.to_le_bytes());
    for (from, to) in PLACES {
        // SAFETY: the caller's registers.
        let value = unsafe { (*registers)[from] };
        context.bytes[to..to + 8].copy_from_slice(&value.to_le_bytes());
    }
}

extern "C-unwind" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel's arguments; the filter is the program's, and runs as it would on Windows:
    // on the thread that failed.
    unsafe {
        let mut registers = Context { bytes: [0; 1232] };
        #[cfg(target_arch = "x86_64")]
        let address = {
            let machine = &raw const (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
            fill(&mut registers, machine);
            (*machine)[16] as usize
        };
        #[cfg(not(target_arch = "x86_64"))]
        let address = {
            let _ = (context, &mut registers);
            (*info).si_addr() as usize
        };
        let mut record = Record {
            code: code_of(signal, (*info).si_code),
            flags: 0,
            inner: std::ptr::null_mut(),
            address,
            count: if signal == libc::SIGSEGV { 2 } else { 0 },
            information: [0; MAX_PARAMETERS],
        };
        record.information[1] = (*info).si_addr() as usize;
        let answer = ask(&mut record, &mut registers);
        if answer == CONTINUE_EXECUTION {
            return;
        }
        libc::fflush(std::ptr::null_mut());
        if answer == EXECUTE_HANDLER {
            libc::_exit((record.code & 0xff) as i32);
        }
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

unsafe fn ask(record: &mut Record, context: &mut Context) -> i32 {
    let mut pointers = Pointers { record, context };
    // SAFETY: the program's filter gets pointers that live through the call.
    filter().map_or(0, |filter| unsafe { filter(&mut pointers) })
}

fn debug_output(text: Option<String>) {
    let _ = std::io::stderr().write_all(text.unwrap_or_default().as_bytes());
}

#[repr(C)]
pub struct SymbolInfo {
    size: u32,
    type_index: u32,
    reserved: [u64; 2],
    index: u32,
    symbol_size: u32,
    module: u64,
    flags: u32,
    value: u64,
    address: u64,
    register: u32,
    scope: u32,
    tag: u32,
    name_length: u32,
    name_room: u32,
    name: [u8; 1],
}

unsafe extern "C" {
    fn backtrace(frames: *mut *mut c_void, size: i32) -> i32;
}

export! {
    fn wsk_IsDebuggerPresent() -> i32, 0 => {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        i32::from(tracer.is_some_and(|tracer| tracer.trim() != "0"))
    }
    fn wsk_DebugBreak() -> (), () => {
        libc::raise(libc::SIGTRAP);
    }
    fn wsk_OutputDebugStringA(text: *const u8) -> (), () => { debug_output(text::narrow(text)) }
    fn wsk_OutputDebugStringW(text: *const Wchar) -> (), () => { debug_output(text::wide(text)) }
    fn wsk_SetUnhandledExceptionFilter(new_filter: Option<Filter>) -> Option<Filter>, None => {
        let before = filter();
        FILTER.store(new_filter.map_or(0, |filter| filter as *const () as usize), Ordering::Release);
        for signal in SIGNALS {
            if new_filter.is_some() {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_signal as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            } else {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
        before
    }
    fn wsk_UnhandledExceptionFilter(pointers: *mut Pointers) -> i32, 0 => { filter().map_or(0, |filter| filter(pointers)) }
    fn wsk_SetErrorMode(mode: u32) -> u32, 0 => { ERROR_MODE.swap(mode, Ordering::Relaxed) }
    fn wsk_GetErrorMode() -> u32, 0 => { ERROR_MODE.load(Ordering::Relaxed) }
    /// No handler of a stack frame can take it, so it goes to the filter, and ends the process
    /// unless that says to go on.
    fn wsk_RaiseException(code: u32, flags: u32, count: u32, arguments: *const usize) -> (), () => {
        let mut record = Record { code, flags, inner: std::ptr::null_mut(), address: 0, count: 0, information: [0; MAX_PARAMETERS] };
        if !arguments.is_null() {
            record.count = count.min(MAX_PARAMETERS as u32);
            for at in 0..record.count as usize {
                record.information[at] = arguments.add(at).read_unaligned();
            }
        }
        let mut context = Context { bytes: [0; 1232] };
        if ask(&mut record, &mut context) != CONTINUE_EXECUTION {
            libc::fflush(std::ptr::null_mut());
            libc::abort();
        }
    }
    fn wsk_RtlCaptureContext(context: *mut Context) -> (), () => {
        let mut filled = Context { bytes: [0; 1232] };
        #[cfg(target_arch = "x86_64")]
        {
            let mut machine: libc::ucontext_t = std::mem::zeroed();
            if libc::getcontext(&mut machine) == 0 {
                fill(&mut filled, &raw const machine.uc_mcontext.gregs);
            }
        }
        context.write(filled);
    }
    fn wsk_RtlCaptureStackBackTrace(skip: u32, count: u32, frames: *mut *mut c_void, hash: *mut u32) -> u16, 0 => {
        const MOST: usize = 512;
        let mut all = [std::ptr::null_mut(); MOST];
        let found = usize::try_from(backtrace(all.as_mut_ptr(), MOST as i32)).unwrap_or(0);
        // This function and the one that contains panics are not the program's.
        let start = (skip as usize).saturating_add(2).min(found);
        let taken = &all[start..found.min(start.saturating_add(count as usize))];
        std::ptr::copy_nonoverlapping(taken.as_ptr(), frames, taken.len());
        if !hash.is_null() {
            hash.write_unaligned(taken.iter().fold(0u32, |sum, frame| sum.wrapping_add(frame.addr() as u32)));
        }
        taken.len() as u16
    }
    fn wsk_SymInitialize(_process: usize, _path: *const u8, _invade: i32) -> i32, 0 => { 1 }
    fn wsk_SymCleanup(_process: usize) -> i32, 0 => { 1 }
    fn wsk_SymSetOptions(options: u32) -> u32, 0 => {
        OPTIONS.store(options, Ordering::Relaxed);
        options
    }
    fn wsk_SymGetOptions() -> u32, 0 => { OPTIONS.load(Ordering::Relaxed) }
    /// The names that the dynamic linker knows: link the program with `-rdynamic` for its own.
    fn wsk_SymFromAddr(_process: usize, address: u64, displacement: *mut u64, symbol: *mut SymbolInfo) -> i32, 0 => {
        if symbol.is_null() {
            return fail(ERROR_INVALID_PARAMETER, 0);
        }
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(std::ptr::without_provenance(address as usize), &mut info) == 0 || info.dli_sname.is_null() {
            return fail(ERROR_INVALID_ADDRESS, 0);
        }
        let name = text::narrow(info.dli_sname.cast()).unwrap_or_default();
        (*symbol).address = info.dli_saddr.addr() as u64;
        (*symbol).module = info.dli_fbase.addr() as u64;
        (*symbol).name_length = name.len() as u32;
        let room = (*symbol).name_room as usize;
        let _ = text::copy_out(name.as_bytes(), (&raw mut (*symbol).name).cast::<u8>(), room);
        if !displacement.is_null() {
            displacement.write_unaligned(address - info.dli_saddr.addr() as u64);
        }
        1
    }
    /// Lines are in the debugging information, which is read by debuggers here.
    fn wsk_SymGetLineFromAddr64(_process: usize, _address: u64, _displacement: *mut u32, _line: *mut c_void) -> i32, 0 => {
        fail(ERROR_INVALID_ADDRESS, 0)
    }
    /// The kernel writes core files: `ulimit -c unlimited`.
    fn wsk_MiniDumpWriteDump(_process: usize, _id: u32, _file: usize, _kind: i32, _exception: *mut c_void, _streams: *mut c_void, _callback: *mut c_void) -> i32, 0 => {
        fail(ERROR_NOT_SUPPORTED, 0)
    }
}

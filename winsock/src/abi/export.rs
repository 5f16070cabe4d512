//! How a function is exported: under its name, and so that no panic crosses into C.

/// Exports Windows functions. Each is written as
///
/// ```text
/// export! {
///     /// What is special about it here.
///     fn wsk_closesocket(s: Socket) -> i32, SOCKET_ERROR => { ... }
/// }
/// ```
///
/// The expression before `=>` is what it returns if its body panics; the thread's error is then
/// `ERROR_INTERNAL_ERROR`. The body is an `unsafe` block: what the call's documentation asks of the
/// caller is what makes it sound.
#[macro_export]
macro_rules! export {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty, $panicked:expr => $body:block)*) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        #[allow(
            clippy::missing_safety_doc,
            clippy::too_many_arguments,
            clippy::not_unsafe_ptr_arg_deref,
            reason = "Microsoft documents what each function takes, and asks of its caller"
        )]
        pub unsafe extern "C" fn $name($($arg: $type),*) -> $ret {
            #[allow(
                unused_unsafe,
                clippy::redundant_closure_call,
                clippy::macro_metavars_in_unsafe,
                reason = "some bodies need no more than a safe function does"
            )]
            // SAFETY: the caller keeps to what the documentation of the Windows function asks.
            $crate::abi::contained(move || -> $ret { unsafe { $body } }, || $panicked)
        }
    )*};
}

/// Runs the body of an exported function.
#[inline(always)]
pub fn contained<R>(body: impl FnOnce() -> R, panicked: impl FnOnce() -> R) -> R {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(result) => result,
        Err(_) => {
            crate::error::set_last(crate::error::ERROR_INTERNAL_ERROR);
            panicked()
        }
    }
}

/// Exports Windows functions that may run the program's routines. A routine may end its thread:
/// that unwinds the stack, through this function too. So a panic is not contained here: what such a
/// function does besides calling routines runs in [`contained`].
#[macro_export]
macro_rules! export_unwind {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $ret:ty => $body:block)*) => {$(
        $(#[$meta])*
        #[unsafe(no_mangle)]
        #[allow(
            clippy::missing_safety_doc,
            clippy::too_many_arguments,
            clippy::not_unsafe_ptr_arg_deref,
            reason = "Microsoft documents what each function takes, and asks of its caller"
        )]
        pub unsafe extern "C-unwind" fn $name($($arg: $type),*) -> $ret {
            #[allow(
                unused_unsafe,
                clippy::macro_metavars_in_unsafe,
                reason = "some bodies need no more than a safe function does"
            )]
            // SAFETY: the caller keeps to what the documentation of the Windows function asks.
            unsafe { $body }
        }
    )*};
}

/// Exports a function with variable arguments that is written in C: `trampoline!(wsk_printf =>
/// wskc_printf)`. What C defines is not exported from the shared library; this is.
#[macro_export]
macro_rules! trampoline {
    ($($name:ident => $target:ident),* $(,)?) => {$(
        unsafe extern "C" {
            fn $target();
        }
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        #[allow(clippy::missing_safety_doc, reason = "C documents what the function asks of its caller")]
        pub unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            core::arch::naked_asm!("jmp {}", sym $target);
            #[cfg(target_arch = "aarch64")]
            core::arch::naked_asm!("b {}", sym $target);
        }
    )*};
}

//! Macros that run rules on every backend.

/// Runs each rule, a function of [`On`](crate::harness::place::On), on every backend of this
/// system, and on io_uring once more with direct descriptors.
///
/// A name may be followed by the reason why the rule cannot run on the simulated network.
macro_rules! rules {
    ($($name:ident $(: $real:literal)?),* $(,)?) => {
        backends!(rule [$(($name $($real)?))*]);
    };
}

/// Runs each rule, a function of an engine, on every backend: on an engine with a thread of its
/// own, and on one that the test's waits turn. (The simulated network has only the second kind.)
macro_rules! engine_rules {
    ($($name:ident $(: $real:literal)?),* $(,)?) => {
        backends!(engine_rule [$(($name $($real)?))*]);
    };
}

/// As [`engine_rules!`], for rules about the engine's own thread.
macro_rules! threaded_rules {
    ($($name:ident),* $(,)?) => {
        backends!(threaded_rule [$(($name))*]);
    };
}

macro_rules! backends {
    ($kind:ident $rules:tt) => {
        #[cfg(target_os = "linux")]
        mod uring {
            $kind!(Uring $rules);
        }
        #[cfg(target_os = "linux")]
        mod uring_direct {
            $kind!(UringDirect $rules);
        }
        #[cfg(unix)]
        mod poll {
            $kind!(Poll $rules);
        }
        #[cfg(windows)]
        mod winsock {
            $kind!(Winsock $rules);
        }
        mod sim {
            $kind!(Sim $rules);
        }
    };
}

macro_rules! rule {
    (Sim [$(($name:ident $($real:literal)?))*]) => {
        $(unless_real! { $($real)? =>
            #[test]
            fn $name() {
                crate::harness::place::run(overlapped::report::Backend::Sim, super::$name);
            }
        })*
    };
    (UringDirect [$(($name:ident $($real:literal)?))*]) => {
        $(#[test]
        fn $name() {
            crate::harness::place::run_direct(super::$name);
        })*
    };
    ($backend:ident [$(($name:ident $($real:literal)?))*]) => {
        $(#[test]
        fn $name() {
            crate::harness::place::run(overlapped::report::Backend::$backend, super::$name);
        })*
    };
}

macro_rules! engine_rule {
    // An engine's driver has no direct descriptors.
    (UringDirect $rules:tt) => {};
    (Sim [$(($name:ident $($real:literal)?))*]) => {
        mod local {
            $(unless_real! { $($real)? =>
                #[test]
                fn $name() {
                    crate::harness::engine::local(overlapped::report::Backend::Sim, super::super::$name);
                }
            })*
        }
    };
    ($backend:ident [$(($name:ident $($real:literal)?))*]) => {
        mod threaded {
            $(#[test]
            fn $name() {
                crate::harness::engine::threaded(overlapped::report::Backend::$backend, super::super::$name);
            })*
        }
        mod local {
            $(#[test]
            fn $name() {
                crate::harness::engine::local(overlapped::report::Backend::$backend, super::super::$name);
            })*
        }
    };
}

macro_rules! threaded_rule {
    (Sim $rules:tt) => {};
    (UringDirect $rules:tt) => {};
    ($backend:ident [$(($name:ident))*]) => {
        mod threaded {
            $(#[test]
            fn $name() {
                crate::harness::engine::threaded(overlapped::report::Backend::$backend, super::super::$name);
            })*
        }
    };
}

macro_rules! unless_real {
    (=> $($test:tt)*) => { $($test)* };
    ($real:literal => $($test:tt)*) => {};
}

//! What becomes of an engine's operations when its backend fails.

use crate::driver::*;
use crate::options::*;
use crate::sim::*;
use crate::{Address, Engine, Event};

#[test]
fn a_backend_that_fails_ends_what_is_in_flight_and_what_is_started_after_it() {
    let network = Network::new(1);
    let local = Engine::builder().network(&network).local().unwrap();
    let listener = local.listen("10.0.0.1:80", &ListenOptions::new()).unwrap();
    let event = Event::new();
    let mut accept = listener.accept().event(&event).start().unwrap();
    let client = local.socket("10.0.0.1:80".parse::<Address>().unwrap(), &StreamOptions::new()).unwrap();
    local.turn(Wait::Poll).unwrap();
    assert!(!event.is_signalled());

    local.driver.driver.borrow_mut().failures = 1;
    let failure = local.turn(Wait::Forever).unwrap_err();
    assert!(event.is_signalled());
    assert_eq!(accept.result(Wait::Poll).unwrap_err().os_code(), failure.os_code());

    let mut receive = client.recv(vec![0u8; 10]).start().unwrap();
    assert!(local.turn(Wait::Forever).is_err());
    assert_eq!(receive.result(Wait::Poll).unwrap_err().os_code(), failure.os_code());
    assert_eq!(receive.take_buf().unwrap().len(), 10);

    let close = client.close(CloseMode::Now).start().unwrap();
    let core = std::sync::Arc::clone(&local.core);
    drop(local);
    assert!(close.has_ended());
    drop((close, listener, accept, receive));
    assert_eq!(core.live(), Live::default());
}

/// No code of the program can make an engine's thread panic. If a bug does, nothing hangs.
#[test]
fn a_panic_of_the_engines_thread_ends_what_is_in_flight_and_refuses_what_is_started_after_it() {
    for backend in crate::report::Backend::of_this_system() {
        let Ok(checked) = Driver::new(DriverConfig::new().backend(*backend)) else { continue };
        drop(checked);
        let make = || {
            let mut driver = Driver::new(DriverConfig::new().backend(*backend))?;
            // The first turn is that of the operation.
            driver.panics = true;
            Ok(driver)
        };
        let limits = super::limits::Limits { operations: 16, sockets: 16, queue: 16 };
        let (core, thread) = super::thread::EngineThread::start(make, limits).unwrap();
        let engine = Engine { core, _thread: Some(std::sync::Arc::new(thread)) };
        let mut sleep = engine.sleep(std::time::Duration::from_secs(60)).start().unwrap();
        let ended = sleep.result(Wait::For(std::time::Duration::from_secs(20))).unwrap_err();
        assert_eq!(ended.kind(), crate::ErrorKind::Other, "{ended}");
        let refused = engine.sleep(std::time::Duration::ZERO).start().unwrap_err().error;
        assert_eq!(refused.kind(), crate::ErrorKind::Closed);
        assert!(refused.to_string().contains("its thread panicked"), "{refused}");
        assert_eq!(engine.live(), Live::default());
    }
}

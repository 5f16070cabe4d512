//! Addresses as texts and pairs, wherever an engine takes one.

use overlapped::{Engine, ErrorKind};

use crate::harness::engine::{close, end};

engine_rules! {
    a_text_or_a_pair_is_an_address,
    a_text_that_is_no_address_refuses_the_start_and_the_buffer_comes_back,
}

fn a_text_or_a_pair_is_an_address(engine: &Engine) {
    let listener = engine.listen(("127.0.0.1", 0), &Default::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let socket = engine.socket("127.0.0.1:0", &Default::default()).unwrap();
    let accept = listener.accept().start().unwrap();
    end(socket.connect(("127.0.0.1", address.ip().unwrap().port())).start().unwrap()).unwrap();
    let accepted = end(accept).unwrap();
    assert_eq!(accepted.peer, socket.local_addr().unwrap());
    let again = engine.socket(&address, &Default::default()).unwrap();
    end(again.connect(address.to_string()).start().unwrap()).unwrap();
    for socket in [&listener, &socket, &again, &accepted.socket] {
        close(socket);
    }
}

fn a_text_that_is_no_address_refuses_the_start_and_the_buffer_comes_back(engine: &Engine) {
    let socket = engine.socket("127.0.0.1:0", &Default::default()).unwrap();
    let refused = socket.connect("example.org:80").start().unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    assert!(refused.error.to_string().contains("look it up first"), "{refused}");
    let refused = socket.send_to(b"kept".to_vec(), "127.0.0.1").start().unwrap_err();
    assert_eq!((refused.error.kind(), &refused.given[..]), (ErrorKind::InvalidArgument, &b"kept"[..]));
    assert!(refused.error.to_string().contains("'127.0.0.1' is not an address"), "{refused}");
    close(&socket);
}

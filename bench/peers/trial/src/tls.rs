//! Whatever comes in goes back, over TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::generate_simple_self_signed;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::bytes;
use crate::server::Server;

const NAME: &str = "localhost";
/// Some within a record, one that fills it, and some over several.
const LENGTHS: [usize; 6] = [1, 64, 1024, 16 * 1024, 16 * 1024 + 1, 100_000];

/// A directory with a certificate and its key, removed at the end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

type Client = StreamOwned<ClientConnection, TcpStream>;

pub(crate) fn serves(program: &str, arguments: &[&str]) {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("peer-trial-{}-{number}", std::process::id()));
    fs::create_dir_all(&path).expect("there is a place for temporary files");
    let folder = Folder(path);
    let made = generate_simple_self_signed([NAME.to_owned()]).expect("a certificate is made");
    let write = |name: &str, pem: String| {
        let file = folder.0.join(name);
        fs::write(&file, pem).expect("it can be written");
        file.into_os_string().into_string().expect("its name is text")
    };
    let certificate = write("cert.pem", made.cert.pem());
    let key = write("key.pem", made.signing_key.serialize_pem());
    let files = ["--tls-cert", certificate.as_str(), "--tls-key", key.as_str()];
    let server = Server::start(program, &[arguments, &files].concat());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("it is an authority too");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS 1.3 is there")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tried(&server, &Arc::new(config));
}

fn open(server: &Server, config: &Arc<ClientConfig>) -> Client {
    let name = ServerName::try_from(NAME).expect("it is a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client is made");
    StreamOwned::new(connection, server.connect().socket)
}

#[track_caller]
fn expect(client: &mut Client, bytes: &[u8]) {
    let mut came = vec![0; bytes.len()];
    client.read_exact(&mut came).expect("the server answers");
    assert!(came == bytes, "what came back of {} bytes is not what was sent", bytes.len());
}

fn write(client: &mut Client, bytes: &[u8]) {
    client.write_all(bytes).expect("the server takes what it is sent");
}

fn tried(server: &Server, config: &Arc<ClientConfig>) {
    let (mut one, mut other) = (open(server, config), open(server, config));
    for length in LENGTHS {
        let (mine, yours) = (bytes(length, 1), bytes(length, 2));
        write(&mut one, &mine);
        write(&mut other, &yours);
        expect(&mut other, &yours);
        expect(&mut one, &mine);
    }
    for seed in 0..200 {
        write(&mut one, &bytes(100, seed));
    }
    (0..200).for_each(|seed| expect(&mut one, &bytes(100, seed)));
    // One that says nothing of TLS, and one that leaves in its handshake.
    server.connect().write(b"GET / HTTP/1.1\r\n\r\n");
    server.connect().reset();
    write(&mut other, b"still there");
    expect(&mut other, b"still there");
    one.conn.send_close_notify();
    one.flush().expect("the server takes the end");
    let mut rest = Vec::new();
    one.read_to_end(&mut rest).expect("the server ends its stream in order");
    assert_eq!(rest, b"", "nothing is left to come");
}

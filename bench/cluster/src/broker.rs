//! A `nats-server` of its own, with JetStream in a folder that goes with it.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub(crate) struct Broker {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Broker {
    pub(crate) fn start() -> Result<Broker> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("proactor-figures-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let named = std::env::var_os("NATS_SERVER").map(PathBuf::from);
        let usual = || PathBuf::from("/usr/sbin/nats-server");
        let program = named.unwrap_or_else(|| if usual().exists() { usual() } else { "nats-server".into() });
        let mut command = Command::new(&program);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| {
            format!("{} does not start; install nats-server, or name it in NATS_SERVER", program.display())
        })?;
        let broker = Broker { child, port, folder };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                bail!("nats-server does not listen on port {port} after 10 s");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(broker)
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

//! Options, start-up line and shutdown of the commands that serve.

use std::error::Error;
#[cfg(feature = "http")]
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use overlapped::{Address, DriverConfig};
#[cfg(feature = "websocket")]
use proactor::WebSocket;
#[cfg(feature = "tls")]
use proactor::tls::{Tls, TlsClient};
use proactor::{Builder, Handler, Limits, Listener, Outbound, Server, Signals, Stats, Timeouts};

use crate::admin::{Admin, AdminOptions, Subject};
use crate::backend::BackendChoice;
use crate::codec::CodecChoice;
use crate::config::ConfigOptions;
use crate::flight::FlightOptions;
#[cfg(feature = "tls")]
use crate::hello::HelloCodec;
use crate::inherited::Inherited;
use crate::life::{DrainCut, LifeOptions, WrongOptions};
use crate::limits::LimitOptions;
use crate::listeners::{ListenerTable, Listeners};
use crate::logging::LogOptions;
use crate::notify::{Keeper, Notify};
use crate::pid_file::Prepared;
use crate::printing::{product, say};
use crate::proxied::Proxied;
use crate::reloading::{Certificates, Reloading};
use crate::room::{Place, Room};
use crate::setting::set;
use crate::summary::summary;
use crate::system;
#[cfg(feature = "tls")]
use crate::tls::TlsOptions;
use crate::upgrade::{self, Upgrade};
use crate::values;

/// Life cycle of a command that serves, for its `--help`.
macro_rules! life {
    ($name:literal) => {
        concat!(
            "When the server is ready, it prints one line on standard error. The line begins with \"proactor: ",
            $name,
            " on\" and says the addresses, the backend and why it was chosen, the number of shards, and for how many sessions there is room \
             and why. If the log or standard error cannot be written, the server goes on without them. On SIGHUP the server reads its certificates again, and the limits and the log level of its configuration file; without certificates and a file it only logs a line. On SIGQUIT a server with --admin or --flight-recorder prints its last events, and goes on. On SIGUSR2 (not on Windows) a new process of the same program takes over without a refused connection, and this one ends as after SIGTERM. On SIGINT or SIGTERM (on Windows: \
             Ctrl-C, Ctrl-Break or closing the console) the server stops accepting, finishes the work under way, closes each session when it \
             is idle, and exits with 0. What is left after --drain-timeout is cut off, by a reset where bytes are missing; then it exits \
             with 3. A second signal stops the server at once. At the end it prints how many sessions it served, why they ended, and how \
             many of them the drain completed (\"whole\") and truncated (\"cut\")."
        )
    };
}
pub(crate) use life;

/// Headings of the options in `--help`.
pub(crate) const LISTENING: &str = "Listening";
pub(crate) const TIMES: &str = "Timeouts (for example 500ms, 10s or 5m)";
pub(crate) const TCP: &str = "Lost peers (what the system can notice by itself; not for Unix sockets)";
pub(crate) const SLOW: &str = "Slow consumers";

#[derive(Args)]
pub(crate) struct Serving {
    /// Where to listen: `127.0.0.1:7777`, `[::1]:7777`, `localhost:7777` (all addresses of that),
    /// `:7777` (every interface, IPv4 and IPv6) or `unix:/run/proactor.sock`. Port 0 takes a free
    /// port. Repeat the option to listen on several addresses. If systemd has passed a socket with
    /// the address (socket activation), that is used.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7777", value_parser = values::listener, help_heading = LISTENING)]
    listen: Vec<String>,
    /// Number of shards. Each shard is one thread; 0 means one per core, or as many as a
    /// container's limit of CPU time keeps busy.
    #[arg(long, value_name = "N", default_value = "0", value_parser = values::shards, help_heading = LISTENING)]
    shards: usize,
    /// I/O backend to use.
    #[arg(long, value_enum, default_value_t = BackendChoice::Auto, help_heading = LISTENING)]
    backend: BackendChoice,
    /// Keep the sockets of sessions in a table of io_uring, where the limit of open files does not
    /// count them. Each shard has a table, with room for as many sockets as that limit. Needs
    /// io_uring and Linux 6.8 or newer.
    #[arg(long, help_heading = LISTENING)]
    direct_descriptors: bool,
    #[command(flatten)]
    limits: LimitOptions,

    /// Close a session after this time without a byte in either direction [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    idle_timeout: Option<Duration>,
    /// Reset a session from which nothing was received for this time, whatever is sent to it. It
    /// must be longer than --heartbeat, if there is one [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    receive_timeout: Option<Duration>,
    /// Reset a session whose peer takes none of the queued bytes for this time [default: never]
    #[arg(long, value_name = "TIME", value_parser = values::time, help_heading = TIMES)]
    write_timeout: Option<Duration>,
    /// How long a TCP connection is idle before the system asks whether the peer is still there: 1s
    /// to 32767s, in whole seconds; 0s never asks.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = values::keep_alive_or_off, help_heading = TCP)]
    keep_alive: Duration,
    /// How long the system waits for the answer before it asks again.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = values::keep_alive, help_heading = TCP)]
    keep_alive_interval: Duration,
    /// How often the system asks without an answer before it resets the connection: 1 to 127.
    #[arg(long, value_name = "N", default_value = "5", value_parser = values::probes, help_heading = TCP)]
    keep_alive_probes: u32,
    /// Reset a TCP connection whose peer has not acknowledged what was sent, or takes nothing, for
    /// this time: `TCP_USER_TIMEOUT`, Linux only [default: the system decides, about 15 minutes]
    #[arg(long, value_name = "TIME", value_parser = values::user_timeout, help_heading = TCP)]
    user_timeout: Option<Duration>,
    /// Bytes that may be queued for one session: 64KiB to 1GiB.
    #[arg(long, value_name = "BYTES", default_value = "256KiB", value_parser = values::outbox, help_heading = SLOW)]
    outbox_bytes: usize,

    #[command(flatten)]
    proxied: Proxied,
    #[command(flatten)]
    life: LifeOptions,
    #[command(flatten)]
    admin: AdminOptions,
    #[command(flatten)]
    flight: FlightOptions,
    #[command(flatten)]
    log: LogOptions,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    config: ConfigOptions,
    #[arg(skip)]
    listeners: Listeners,
    #[cfg(feature = "tls")]
    #[arg(skip)]
    loaded_tls: Option<Tls>,
    /// What the server trusts and shows where it connects.
    #[cfg(feature = "tls")]
    #[arg(skip)]
    loaded_client: Option<TlsClient>,
    /// Clients are read from up to their TLS hello.
    #[cfg(feature = "tls")]
    #[arg(skip)]
    reads_hellos: bool,
    #[cfg(feature = "websocket")]
    #[arg(skip)]
    websocket: Option<WebSocket>,
    #[arg(skip)]
    datagrams: bool,
    #[cfg(feature = "http")]
    #[arg(skip)]
    browsers: Option<(SocketAddr, WebSocket)>,
}

/// Sockets of a shard that are neither sessions nor listeners: refused connections that are being
/// told why.
const OTHER_SOCKETS: usize = 64;
/// By default.
const MOST_SHARDS: usize = 256;

impl Serving {
    /// Room for sessions, if each takes `files_each` descriptors.
    pub(crate) fn room(&self, files_each: u64) -> Result<Room, String> {
        let shards = self.shards();
        let place = Place {
            files: system::raise_open_files().unwrap_or(u64::MAX),
            tables: self.direct_descriptors.then_some(shards as u64),
            files_each,
            sockets: DriverConfig::new()
                .most_sockets()
                .saturating_sub(2 * self.listen.len() + self.listeners.tables.len() + 1 + OTHER_SOCKETS)
                .saturating_mul(shards),
            more_files: self.admin.files(),
        };
        place.room(self.limits.max_sessions)
    }

    /// One for each CPU that the process may use, if no number was given.
    fn shards(&self) -> usize {
        if self.shards == 0 { system::cpus().min(MOST_SHARDS) } else { self.shards }
    }

    /// A server on these addresses; its limits and timeouts are still to be set. Reads the
    /// certificates.
    pub(crate) fn builder(&mut self) -> Result<Builder, Box<dyn Error>> {
        #[cfg(feature = "tls")]
        {
            self.loaded_tls = self.tls.load()?;
            self.listeners.load()?;
        }
        self.listeners.check_places(&self.listen).map_err(WrongOptions)?;
        let builder = Server::builder()
            .shards(self.shards())
            .backend(self.backend.backend())
            .direct_descriptors(self.direct_descriptors);
        let builder = self.listen.iter().fold(builder, |builder, place| builder.listen(self.listener(place)));
        let tables = self.listeners.tables.iter();
        let builder = tables.fold(builder, |builder, table| builder.listen(self.with_tcp(self.listener_of(table))));
        let is_path = |place: &str| matches!(Listener::new(place).address(), Some(Address::Unix(_)));
        let datagrams = self.listen.iter().filter(|place| self.datagrams && !is_path(place));
        let builder = datagrams.fold(builder, |builder, place| builder.listen(Listener::datagrams(place.as_str())));
        #[cfg(feature = "http")]
        let builder = match &self.browsers {
            // The last of the addresses.
            Some((address, websocket)) => {
                builder.listen(self.options(Listener::new(*address)).websocket(websocket.clone()))
            }
            None => builder,
        };
        Ok(builder)
    }

    /// Listens on what these tables say too.
    pub(crate) fn listen_also(&mut self, listeners: Listeners) {
        if listeners.are_alone {
            self.listen.clear();
        }
        self.listeners = listeners;
    }

    /// Settles how the listeners of tables frame packets.
    pub(crate) fn frame_listeners(&mut self, codec: CodecChoice, needs_empty: Option<&str>) -> Result<(), String> {
        self.listeners.frame(codec, self.outbox_bytes, needs_empty)
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn has_websocket_listener(&self) -> bool {
        self.listeners.tables.iter().any(ListenerTable::speaks_websocket)
    }

    /// Takes datagrams at the same addresses.
    pub(crate) fn take_datagrams(&mut self) {
        self.datagrams = true;
    }

    /// Listens for browsers too.
    #[cfg(feature = "http")]
    pub(crate) fn serve_browsers(&mut self, address: SocketAddr, websocket: WebSocket) {
        self.browsers = Some((address, websocket));
    }

    /// Whether nothing is to be started.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_check(&self) -> bool {
        self.config.is_check()
    }

    /// The addresses of the start-up line. That for browsers is one to open.
    fn addresses(&self, local: &[Address]) -> Vec<String> {
        let addresses = local.iter().map(Address::to_string);
        #[cfg(feature = "http")]
        let addresses = {
            #[cfg(feature = "tls")]
            let scheme = if self.loaded_tls.is_some() { "https" } else { "http" };
            #[cfg(not(feature = "tls"))]
            let scheme = "http";
            let is_for_browsers = |index| self.browsers.is_some() && index + 1 == local.len();
            addresses.enumerate().map(move |(index, address)| match is_for_browsers(index) {
                true => format!("{scheme}://{address}/"),
                false => address,
            })
        };
        addresses.collect()
    }

    /// Whether clients can connect without TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn has_plain_listener(&self) -> bool {
        let has_plain_table = self.listeners.tables.iter().any(|table| !table.speaks_tls());
        !self.listen.is_empty() && !self.tls.is_on() || has_plain_table
    }

    /// Has the TLS hello of each client that does not speak TLS with the server read as one packet.
    #[cfg(feature = "tls")]
    pub(crate) fn read_hellos(&mut self) {
        self.reads_hellos = true;
    }

    /// Has the files of what connects read again on SIGHUP too.
    #[cfg(feature = "tls")]
    pub(crate) fn reload_also(&mut self, client: Option<TlsClient>) {
        self.loaded_client = client;
    }

    /// Has the listeners speak WebSocket, if there are settings for that.
    #[cfg(feature = "websocket")]
    pub(crate) fn speak_websocket(&mut self, websocket: Option<WebSocket>) {
        self.websocket = websocket;
    }

    /// The certificates, which are read again while the server runs.
    fn certificates(&self) -> Certificates {
        Certificates {
            #[cfg(feature = "tls")]
            own: self.loaded_tls.iter().cloned().chain(self.listeners.loaded()).collect(),
            #[cfg(feature = "tls")]
            upstream: self.loaded_client.clone(),
        }
    }

    /// What the start-up line says of TLS and WebSocket.
    fn transport(&self) -> String {
        if self.listen.is_empty() {
            return ", each as its table of the configuration says".to_owned();
        }
        let mut transport = String::new();
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            transport.push_str(" as WebSocket");
        }
        #[cfg(feature = "tls")]
        if self.loaded_tls.is_some() {
            transport.push_str(" over TLS");
        }
        if self.datagrams {
            transport.push_str(", the later ones for datagrams");
        }
        if !self.listeners.tables.is_empty() {
            transport.push_str(", others as tables of the configuration say");
        }
        transport
    }

    fn listener(&self, place: &str) -> Listener {
        let listener = self.options(Listener::new(place));
        #[cfg(feature = "tls")]
        let reads_hello = self.reads_hellos && self.loaded_tls.is_none();
        #[cfg(feature = "tls")]
        let listener = set(listener, reads_hello.then_some(HelloCodec), Listener::codec);
        #[cfg(feature = "websocket")]
        let listener = set(listener, self.websocket.clone(), Listener::websocket);
        listener
    }

    fn listener_of(&self, table: &ListenerTable) -> Listener {
        let listener = table.listener();
        #[cfg(feature = "tls")]
        let listener = set(listener, (self.reads_hellos && !table.speaks_tls()).then_some(HelloCodec), Listener::codec);
        listener
    }

    fn options(&self, listener: Listener) -> Listener {
        let listener = set(listener, self.proxied.header(), Listener::proxy_protocol);
        #[cfg(feature = "tls")]
        let listener = set(listener, self.loaded_tls.as_ref(), Listener::tls);
        self.with_tcp(listener)
    }

    /// A Unix socket has no options of TCP.
    fn with_tcp(&self, listener: Listener) -> Listener {
        if matches!(listener.address(), Some(Address::Unix(_))) {
            return listener;
        }
        let listener = listener
            .keep_alive(self.keep_alive())
            .keep_alive_interval(self.keep_alive_interval)
            .keep_alive_probes(self.keep_alive_probes);
        set(listener, self.user_timeout, Listener::user_timeout)
    }

    /// The connections that the server itself makes.
    pub(crate) fn outbound(&self) -> Outbound {
        let outbound = Outbound::new()
            .keep_alive(self.keep_alive())
            .keep_alive_interval(self.keep_alive_interval)
            .keep_alive_probes(self.keep_alive_probes);
        set(outbound, self.user_timeout, Outbound::user_timeout)
    }

    /// Where it would listen.
    fn places(&self) -> Vec<String> {
        let tables = self.listeners.tables.iter().map(ListenerTable::place);
        let places = self.listen.iter().map(String::as_str).chain(tables);
        #[cfg_attr(not(feature = "http"), allow(unused_mut))]
        let mut places: Vec<String> = places.map(str::to_owned).collect();
        #[cfg(feature = "http")]
        places.extend(self.browsers.iter().map(|(address, _)| address.to_string()));
        places
    }

    fn keep_alive(&self) -> Option<Duration> {
        Some(self.keep_alive).filter(|time| !time.is_zero())
    }

    pub(crate) fn limits(&self, sessions: usize) -> Limits {
        self.limits.limits(sessions).outbox_bytes(self.outbox_bytes)
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        let timeouts = set(Timeouts::new(), self.idle_timeout, Timeouts::idle);
        let timeouts = set(timeouts, self.receive_timeout, Timeouts::receive);
        set(timeouts, self.write_timeout, Timeouts::write)
    }

    pub(crate) fn receive_timeout(&self) -> Option<Duration> {
        self.receive_timeout
    }

    pub(crate) fn outbox_bytes(&self) -> usize {
        self.outbox_bytes
    }

    /// Runs the server until a signal ends it. Prints the start-up line, with `more` after the
    /// addresses, and the closing summary, which `count` begins.
    pub(crate) fn run<H: Handler>(
        self,
        name: &str,
        more: &str,
        room: &Room,
        (builder, handler): (Builder, H),
        count: impl FnOnce(&Stats) -> String,
    ) -> Result<(), Box<dyn Error>> {
        let transport = self.transport();
        let drain = self.life.drain()?;
        if self.config.is_check() {
            self.admin.check()?;
            let addresses = self.places().join(", ");
            return Ok(product(&format!("{name} on {addresses}{transport}{more}: no fault found; {room}\n"))?);
        }
        let notify = Notify::of_environment();
        let signals = Signals::new()?.drain(drain);
        self.log.apply()?;
        let (signals, on_quit) = self.flight.print_on_quit(signals, self.admin.is_on())?;
        let upgrade = Upgrade::new();
        let signals = upgrade.on_signal(signals)?;
        room.warn_if_small();
        let inherited = Inherited::take()?;
        let pid_file = self.life.pid_file.as_deref().map(Prepared::write).transpose()?;
        let admin = self.admin.start(inherited.admin)?;
        let builder = inherited.listeners.give_to(builder);
        #[cfg(feature = "admin")]
        let builder = builder.metrics(admin.is_some());
        let builder = self.log.set(self.flight.set(builder, admin.is_some()));
        let server = builder.start(handler).map_err(|error| {
            let remedy = error.io().map_or("", |error| self.backend.remedy(error));
            format!("{error}{remedy}")
        })?;
        let addresses = self.addresses(server.local_addrs());
        let report = server.report();
        let handle = server.handle().untyped();
        on_quit.serve(&handle);
        let reloading = Reloading::new(&notify, self.certificates(), handle.clone(), room);
        let on_hang_up = reloading.clone();
        let signals = signals.on_hang_up(move || on_hang_up.hang_up());
        if let Some(admin) = &admin {
            admin.serve(Subject {
                handle: handle.clone(),
                name: name.to_owned(),
                addresses: addresses.clone(),
                backend: report.backend.to_string(),
                shards: server.shards(),
                drain,
                drain_timeout: self.life.drain_timeout(),
                reloading,
                upgrade: upgrade.clone(),
            });
        }
        let manager = notify.clone();
        let pid_file = pid_file.map(Prepared::put_in_place).transpose()?.map(Arc::new);
        upgrade.serve(upgrade::Subject {
            handle: handle.clone(),
            admin: admin.as_ref().map(Admin::handle),
            pid_file: pid_file.clone(),
            drain,
            patience: self.life.upgrade_timeout,
            handed_over: Box::new(move |process| manager.hand_over(process)),
        });
        let operated = admin.as_ref().map_or_else(String::new, |admin| format!("; admin on {}", admin.addresses()));
        say(format_args!(
            "{name} on {}{transport}{more}; backend {} ({}); {} {}; {room}{operated}",
            addresses.join(", "),
            report.backend,
            report.why,
            server.shards(),
            if server.shards() == 1 { "shard" } else { "shards" }
        ));
        let keeper = Keeper::start(&notify, &handle, server.shards());
        inherited.predecessor.say_ready();
        inherited.paths.own();
        let ended = server.run_until(signals);
        upgrade.end();
        drop(keeper);
        if let Some(file) = pid_file {
            file.remove();
        }
        ended?;
        if let Some(admin) = admin {
            admin.end();
        }
        let stats = handle.stats();
        say(format_args!("{name} has ended: {}", summary(&stats, &count(&stats))));
        match stats.drain_cut {
            0 => Ok(()),
            sessions => Err(DrainCut { sessions }.into()),
        }
    }
}

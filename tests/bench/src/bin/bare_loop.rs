//! The floor of the cost of a probe: one epoll loop that connects, sends, reads and closes.
//!
//! ```text
//! bare_loop PORT NETWORK COUNT PATH
//! ```
//!
//! COUNT servers from the address NETWORK on are asked once a second for PATH, spread evenly
//! over the second in steps of 5 ms, as the agent does. Nothing is decided from the answers. The
//! next connection to a server closes the one before; an error ends the process.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};

const INTERVAL: Duration = Duration::from_secs(1);
/// Connections that are due within this time begin together, as those of the agent do: a loop
/// that wakes for each of them pays for more waits than a probe needs.
const TOGETHER: Duration = Duration::from_millis(5);

/// A connection in flight.
struct Connection {
    socket: Socket,
    is_sent: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, network, count, path] = arguments.as_slice() else {
        return Err("usage: bare_loop PORT NETWORK COUNT PATH".into());
    };
    let (port, count): (u16, u32) = (port.parse()?, count.parse()?);
    let first = network.parse::<Ipv4Addr>()?.to_bits();
    let targets: Vec<SocketAddr> = (0..count)
        .map(|place| (Ipv4Addr::from_bits(first + place), port).into())
        .collect();
    let requests: Vec<String> = targets
        .iter()
        .map(|target| format!("GET {path} HTTP/1.1\r\nhost: {target}\r\nconnection: close\r\n\r\n"))
        .collect();

    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut connections: Vec<Option<Connection>> = targets.iter().map(|_| None).collect();
    let mut events = vec![EpollEvent::empty(); 256];
    let start = Instant::now();
    let mut made: u32 = 0;
    loop {
        let due =
            |made: u32| start + step(INTERVAL * (made / count) + INTERVAL * (made % count) / count);
        let now = Instant::now();
        while due(made) <= now {
            let place = usize::try_from(made % count)?;
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            let socket = connect(targets[place])?;
            epoll.add(&socket, EpollEvent::new(flags, u64::try_from(place)?))?;
            let connection = Connection {
                socket,
                is_sent: false,
            };
            // A connection that got no answer within the second is closed here.
            connections[place] = Some(connection);
            made += 1;
        }
        // The wait of epoll counts in milliseconds, and a probe may not be early.
        let wait = due(made).saturating_duration_since(now);
        let wait = u16::try_from(wait.as_micros().div_ceil(1000))?;
        let number = epoll.wait(&mut events, EpollTimeout::from(wait))?;
        for event in &events[..number] {
            let place = usize::try_from(event.data())?;
            if let Some(connection) = &mut connections[place]
                && is_done(connection, event.events(), &requests[place])?
            {
                connections[place] = None;
            }
        }
    }
}

/// The first step at or after this time.
fn step(since_start: Duration) -> Duration {
    let steps = since_start.as_micros().div_ceil(TOGETHER.as_micros());
    TOGETHER * u32::try_from(steps).unwrap_or(u32::MAX)
}

fn connect(target: SocketAddr) -> io::Result<Socket> {
    let stream = Type::STREAM.nonblocking();
    let socket = Socket::new(Domain::IPV4, stream, Some(Protocol::TCP))?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// Goes on with a connection, and tells whether the answer has come.
fn is_done(connection: &mut Connection, events: EpollFlags, request: &str) -> io::Result<bool> {
    if !connection.is_sent && events.contains(EpollFlags::EPOLLOUT) {
        connection.socket.write_all(request.as_bytes())?;
        connection.is_sent = true;
        return Ok(false);
    }
    if !events.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
        return Ok(false);
    }
    let mut answer = [0; 2048];
    match connection.socket.read(&mut answer) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

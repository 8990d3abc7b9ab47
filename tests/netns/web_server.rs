//! A web server of a real server, which can be told what to answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket;

use crate::support::Namespace;

/// Answers on port 80 of a host; dropping it closes the port.
pub(crate) struct WebServer {
    listener: Arc<TcpListener>,
    status: Arc<AtomicU16>,
    thread: Option<JoinHandle<()>>,
}

impl WebServer {
    pub(crate) fn start(host: &Namespace) -> Self {
        let listener = host.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)));
        let listener = Arc::new(listener.expect("port 80"));
        let status = Arc::new(AtomicU16::new(200));
        let thread = thread::spawn({
            let (listener, status) = (Arc::clone(&listener), Arc::clone(&status));
            move || {
                while let Ok((connection, _)) = listener.accept() {
                    // A client that goes away is its own affair.
                    let _ = answer(&connection, status.load(Ordering::Relaxed));
                }
            }
        });
        Self {
            listener,
            status,
            thread: Some(thread),
        }
    }

    /// The status code of every answer from now on.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // accept(2) fails from now on, and ends the thread.
        let _ = socket::shutdown(self.listener.as_raw_fd(), socket::Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut connection: &TcpStream, status: u16) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut request = BufReader::new(connection);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    connection.write_all(
        format!("HTTP/1.1 {status} Test\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            .as_bytes(),
    )?;
    connection.shutdown(Shutdown::Both)
}

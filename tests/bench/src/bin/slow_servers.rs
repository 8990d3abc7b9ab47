//! Servers on all addresses of a port that take their time to answer.
//!
//! ```text
//! slow_servers PORT MILLISECONDS
//! ```

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, milliseconds] = arguments.as_slice() else {
        return Err("usage: slow_servers PORT MILLISECONDS".into());
    };
    let (port, delay): (u16, u64) = (port.parse()?, milliseconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::UNSPECIFIED, port).into())?;
        let listener = socket.listen(8192)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(answer(stream, Duration::from_millis(delay)));
        }
    })
}

/// A client that has gone is the client's own decision.
async fn answer(mut stream: TcpStream, delay: Duration) {
    let mut request = [0; 1024];
    if stream.read(&mut request).await.is_ok_and(|came| came > 0) {
        tokio::time::sleep(delay).await;
        let _ = stream.write_all(ANSWER).await;
    }
}

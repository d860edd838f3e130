//! The smallest HTTP client that will do: one request, one answer.

use anyhow::{Context, Result, ensure};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The body that a server answers with; anything but status 200 is an error.
pub fn get(addr: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {addr}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no whole answer")?;
    let status = head.split_whitespace().nth(1).context("no status")?;
    ensure!(status == "200", "status {status}");
    Ok(body.to_owned())
}

//! Clients that were answered once, keep their connection, and wait without a word.

use super::container::inside;
use anyhow::{Context, Result, bail, ensure};
use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end of an answer of the example's web server, which sends it in chunks.
const END: &[u8] = b"\r\n0\r\n\r\n";

/// One such client.
#[derive(Debug)]
pub struct Waiter {
    stream: TcpStream,
    to: SocketAddr,
    /// What it was answered.
    pub answer: String,
}

impl Waiter {
    /// Connects from the namespace that a file leads to, and asks once.
    pub fn connect(namespace: &Path, to: SocketAddr) -> Result<Self> {
        let stream = inside(namespace, move || TcpStream::connect_timeout(&to, PATIENCE))??;
        let mut waiter = Self { stream, to, answer: String::new() };
        waiter.answer = waiter.ask()?;
        Ok(waiter)
    }

    /// Asks once more by the same connection.
    pub fn ask(&mut self) -> Result<String> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        write!(self.stream, "GET / HTTP/1.1\r\nHost: web\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(END) {
            let mut part = [0; 1024];
            let count = self.stream.read(&mut part).with_context(|| format!("no answer from {}", self.to))?;
            ensure!(count > 0, "{} closed the connection", self.to);
            answer.extend(&part[..count]);
        }
        Ok(String::from_utf8(answer)?)
    }

    /// Waits for more without asking for it, until the connection is reset.
    pub fn await_reset(mut self, longest: Duration) -> Result<()> {
        self.stream.set_read_timeout(Some(longest))?;
        match self.stream.read(&mut [0]) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                bail!("a connection to {} still hangs after {longest:?}", self.to)
            }
            other => bail!("a connection to {} was not reset: {other:?}", self.to),
        }
    }
}

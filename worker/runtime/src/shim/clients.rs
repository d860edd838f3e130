//! Those who are connected to a shim's socket.

use crate::{
    descriptors,
    protocol::{Command, Event, line},
};
use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
};

/// No command is longer; whoever sends more is cut off.
const COMMAND_MAX: usize = 4096;
/// More connections at once are let go: the daemon needs a few.
const CLIENTS_MAX: usize = 64;

/// The socket and its connections.
#[derive(Default)]
pub(super) struct Clients {
    listener: Option<UnixListener>,
    connected: Vec<Client>,
}

struct Client {
    stream: UnixStream,
    received: Vec<u8>,
    /// What came along with it.
    given: Vec<OwnedFd>,
}

/// What is said to a command, and what goes along.
pub(super) struct Answer {
    pub event: Event,
    pub descriptors: Vec<OwnedFd>,
}

impl From<Event> for Answer {
    fn from(event: Event) -> Self {
        Self { event, descriptors: Vec::new() }
    }
}

impl Clients {
    pub fn new(listener: UnixListener) -> Self {
        Self { listener: Some(listener), connected: Vec::new() }
    }

    /// What to wait for.
    pub fn waiting(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let listener = self.listener.iter().map(AsFd::as_fd);
        listener.chain(self.connected.iter().map(|client| client.stream.as_fd()))
    }

    /// Takes new connections and answers the commands that have come, each with what came along.
    pub fn serve(&mut self, mut answer: impl FnMut(Command, Vec<OwnedFd>) -> Answer) {
        self.accept();
        self.connected.retain_mut(|client| client.serve(&mut answer).is_ok());
    }

    /// Tells everyone something and lets them go. Whoever connected meanwhile is told too.
    pub fn tell_all(mut self, event: &Event) {
        self.accept();
        let message = line(event);
        for client in &mut self.connected {
            // Who is not there any more, or does not read, finds it in the record.
            let _ = client.stream.write_all(&message);
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        while let Ok((stream, _)) = listener.accept() {
            if self.connected.len() < CLIENTS_MAX && stream.set_nonblocking(true).is_ok() {
                self.connected.push(Client { stream, received: Vec::new(), given: Vec::new() });
            }
        }
    }
}

impl Client {
    /// An error means that the client is gone, or should be.
    fn serve(&mut self, answer: &mut impl FnMut(Command, Vec<OwnedFd>) -> Answer) -> io::Result<()> {
        let mut chunk = [0; COMMAND_MAX];
        loop {
            match descriptors::receive(&self.stream, &mut chunk, &mut self.given) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.received.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            while let Some(end) = self.received.iter().position(|&byte| byte == b'\n') {
                let command: Vec<u8> = self.received.drain(..=end).collect();
                let given = std::mem::take(&mut self.given);
                let Answer { event, descriptors } = match serde_json::from_slice(&command) {
                    Ok(command) => answer(command, given),
                    Err(error) => Event::Refused { reason: format!("not a command: {error}") }.into(),
                };
                let along: Vec<BorrowedFd> = descriptors.iter().map(AsFd::as_fd).collect();
                descriptors::send(&self.stream, &line(&event), &along)?;
            }
            if self.received.len() > COMMAND_MAX || self.given.len() > descriptors::DESCRIPTORS_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }
}

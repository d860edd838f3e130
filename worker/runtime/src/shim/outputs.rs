//! Carries what a container writes from its pipes into its log.

use crate::logs::{Stream, splitter::Splitter, writer::LogWriter};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::{
    io::{self, PipeReader, Read},
    os::fd::{AsFd, BorrowedFd},
};

/// How much is read from a pipe before the other one has its turn: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// Both outputs of a container.
pub(super) struct Outputs {
    sources: Vec<Source>,
    writer: LogWriter,
    chunk: Box<[u8]>,
}

struct Source {
    pipe: PipeReader,
    stream: Stream,
    splitter: Splitter,
}

impl Outputs {
    pub fn new(stdout: PipeReader, stderr: PipeReader, writer: LogWriter) -> io::Result<Self> {
        let mut sources = Vec::new();
        for (pipe, stream) in [(stdout, Stream::Stdout), (stderr, Stream::Stderr)] {
            fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
            sources.push(Source { pipe, stream, splitter: Splitter::default() });
        }
        Ok(Self { sources, writer, chunk: vec![0; CHUNK].into() })
    }

    /// The pipes that are still open.
    pub fn waiting(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sources.iter().map(|source| source.pipe.as_fd())
    }

    /// Whether all that will ever come has been written.
    pub fn have_ended(&self) -> bool {
        self.sources.is_empty()
    }

    /// Writes what has come, at most one chunk of each stream.
    pub fn pump(&mut self) {
        let Self { sources, writer, chunk } = self;
        sources.retain_mut(|source| {
            let stream = source.stream;
            match source.pipe.read(chunk) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
                {
                    true
                }
                // An error on a pipe is as final as its end.
                Ok(0) | Err(_) => {
                    source.splitter.finish(|text| writer.write(stream, text));
                    false
                }
                Ok(length) => {
                    source.splitter.feed(&chunk[..length], |text| writer.write(stream, text));
                    true
                }
            }
        });
    }

    /// Writes what is left of unfinished lines, and says whether output was lost.
    pub fn finish(mut self) -> Option<String> {
        for source in &mut self.sources {
            source.splitter.finish(|text| self.writer.write(source.stream, text));
        }
        let failure = self.writer.failure();
        failure
            .map(|error| format!("some of the container's output could not be written to its log: {error}"))
    }
}

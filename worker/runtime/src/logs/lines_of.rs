//! Reads one log file line by line while it may still grow.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// A line holds one part of output, each byte of it written as at most six characters; what is longer
/// is damaged.
const LINE_MAX: usize = 256 << 10;
/// How much is read at a time.
const CHUNK: u64 = 64 << 10;

/// A log file, read up to some place.
pub(super) struct LinesOf {
    file: File,
    pending: Vec<u8>,
    /// Where in `pending` the next line begins.
    from: usize,
    /// Where in the file the next line begins.
    place: u64,
}

impl LinesOf {
    /// Reads from a place on at which a line begins.
    pub fn new(mut file: File, place: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(place))?;
        Ok(Self { file, pending: Vec::new(), from: 0, place })
    }

    /// Where in the file the next line begins.
    pub fn place(&self) -> u64 {
        self.place
    }

    /// The next complete line without its line feed; `None` if there is none at present.
    pub fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let unread = &self.pending[self.from..];
            if let Some(length) = unread.iter().position(|&byte| byte == b'\n') {
                let line = unread[..length].to_vec();
                self.skip(length + 1);
                return Ok(Some(line));
            }
            if unread.len() > LINE_MAX {
                self.skip(unread.len());
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.from += bytes;
        self.place += bytes as u64;
    }

    /// Reads on; false if there is nothing more at present.
    fn fill(&mut self) -> io::Result<bool> {
        self.pending.drain(..self.from);
        self.from = 0;
        let read = (&mut self.file).take(CHUNK).read_to_end(&mut self.pending)?;
        Ok(read > 0)
    }
}

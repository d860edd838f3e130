//! Reading tar archives as a stream, with bounds on everything that a hostile one could blow up.
//!
//! The `tar` crate decodes the fixed headers. Its own iterator is not used, because it holds extended
//! headers of any size in memory and loses binary extended attributes (see [`super::pax`]).

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::header::{self, Kind, Numbers};
use super::limits::{ArchiveError, Limits};
use super::pax::{self, Extended, Time};

const BLOCK: usize = 512;
/// The most that a long name or an extended header may hold; real ones have a few hundred bytes.
const MAX_METADATA: u64 = 1 << 20;

/// Describes one member of an archive; its content is read from the stream.
#[derive(Debug)]
pub(crate) struct Member {
    pub kind: Kind,
    pub path: Vec<u8>,
    /// Where a symbolic or hard link points.
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Time,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Major and minor number.
    pub device: (u32, u32),
}

/// Reads the members of an archive one after the other.
pub(crate) struct TarStream<R> {
    input: R,
    limits: Limits,
    /// Bytes of the current member's content that have not been read.
    content: u64,
    padding: u64,
    /// The current member, for errors.
    place: String,
    bytes: u64,
    entries: u64,
}

/// Collects the headers that come before a member and belong to it.
#[derive(Default)]
struct Preface {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    extended: Option<Extended>,
}

impl<R: Read> TarStream<R> {
    pub(crate) fn new(input: R, limits: Limits) -> Self {
        let place = "the beginning".to_owned();
        Self { input, limits, content: 0, padding: 0, place, bytes: 0, entries: 0 }
    }

    /// Returns the next member, or `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        self.skip_rest()?;
        let mut preface: Option<Preface> = None;
        while let Some(block) = self.header_block()? {
            let header = Header::from_byte_slice(&block);
            if !header::has_right_sum(header) {
                let is_first = self.bytes <= BLOCK as u64;
                return Err(if is_first && !header::has_magic(header) {
                    ArchiveError::NotTar
                } else {
                    self.corrupt("the checksum of a header is wrong")
                });
            }
            let numbers = Numbers::read(header).map_err(|reason| self.corrupt(reason))?;
            let size = numbers.size;
            match header.entry_type() {
                EntryType::GNULongName => preface.get_or_insert_default().name = Some(self.text(size)?),
                EntryType::GNULongLink => preface.get_or_insert_default().link = Some(self.text(size)?),
                EntryType::XHeader => {
                    let extended = pax::parse(&self.metadata(size)?);
                    let extended = extended.map_err(|reason| self.corrupt(reason))?;
                    preface.get_or_insert_default().extended = Some(extended);
                }
                // Applies to the whole archive; only comments are ever found there.
                EntryType::XGlobalHeader => drop(self.metadata(size)?),
                _ => return self.member(header, numbers, preface.unwrap_or_default()).map(Some),
            }
        }
        match preface {
            Some(_) => Err(self.corrupt("the last header announces an entry that does not follow")),
            None => Ok(None),
        }
    }

    /// Reads a piece of the current member's content; 0 is its end.
    pub(crate) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let wanted = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.read_some(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(ArchiveError::read(&self.place, io::ErrorKind::UnexpectedEof.into()));
        }
        self.content -= count as u64;
        Ok(count)
    }

    /// Reads what follows the end of the archive, which belongs to its digest all the same.
    pub(crate) fn drain(mut self) -> Result<(), ArchiveError> {
        self.place = "the padding at its end".to_owned();
        let mut buffer = vec![0; 1 << 16];
        while self.read_some(&mut buffer)? > 0 {}
        Ok(())
    }

    fn member(
        &mut self,
        header: &Header,
        numbers: Numbers,
        preface: Preface,
    ) -> Result<Member, ArchiveError> {
        let extended = preface.extended.unwrap_or_default();
        let path = preface.name.or(extended.path).unwrap_or_else(|| header.path_bytes().into_owned());
        self.place = format!("entry `{}`", String::from_utf8_lossy(&path));
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(self.too_large("entries", self.limits.entries));
        }
        if path.len() > self.limits.path {
            return Err(self.too_large("bytes in a path", self.limits.path as u64));
        }
        let kind = header::kind(header, &path, extended.is_sparse)
            .map_err(|kind| ArchiveError::Unsupported { place: self.place.clone(), kind })?;
        // Only files have content. Links may state the size of what they point to.
        self.expect_content(if kind == Kind::File { extended.size.unwrap_or(numbers.size) } else { 0 });
        let header_link = || header.link_name_bytes().map(|link| link.into_owned());
        Ok(Member {
            kind,
            path,
            link: preface.link.or(extended.link).or_else(header_link).unwrap_or_default(),
            mode: numbers.mode,
            uid: self.owner(extended.uid.unwrap_or(numbers.uid))?,
            gid: self.owner(extended.gid.unwrap_or(numbers.gid))?,
            mtime: extended.mtime.unwrap_or(Time { seconds: numbers.mtime, nanoseconds: 0 }),
            xattrs: extended.xattrs,
            device: numbers.device,
        })
    }

    /// Reads one header, or `None` at the marker that ends an archive or where the input simply ends.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>, ArchiveError> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.read_some(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(ArchiveError::read(&self.place, io::ErrorKind::UnexpectedEof.into())),
                count => filled += count,
            }
        }
        Ok(block.iter().any(|byte| *byte != 0).then_some(block))
    }

    fn owner(&self, id: u64) -> Result<u32, ArchiveError> {
        // The largest number means "leave it as it is" to chown.
        u32::try_from(id)
            .ok()
            .filter(|id| *id != u32::MAX)
            .ok_or_else(|| self.corrupt("its owner is out of range"))
    }

    /// Reads a long name, which ends at its first zero byte.
    fn text(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = self.metadata(size)?;
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
        }
        Ok(bytes)
    }

    fn metadata(&mut self, size: u64) -> Result<Vec<u8>, ArchiveError> {
        if size > MAX_METADATA {
            return Err(self.too_large("bytes in an extended header", MAX_METADATA));
        }
        self.expect_content(size);
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += self.read_content(&mut bytes[filled..])?;
        }
        self.skip_rest()?;
        Ok(bytes)
    }

    fn expect_content(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
    }

    fn skip_rest(&mut self) -> Result<(), ArchiveError> {
        let mut buffer = [0; 8192];
        while self.read_content(&mut buffer)? > 0 {}
        self.content = std::mem::take(&mut self.padding);
        while self.read_content(&mut buffer)? > 0 {}
        Ok(())
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.bytes += count as u64;
                    if self.bytes > self.limits.bytes {
                        return Err(self.too_large("bytes", self.limits.bytes));
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::read(&self.place, error)),
            }
        }
    }

    pub(crate) fn corrupt(&self, reason: &'static str) -> ArchiveError {
        ArchiveError::Corrupt { place: self.place.clone(), reason }
    }

    fn too_large(&self, what: &'static str, limit: u64) -> ArchiveError {
        ArchiveError::TooLarge { place: self.place.clone(), what, limit }
    }
}

//! Unpacks the archive of a layer into a folder that overlayfs can use as it is.

pub(crate) mod decompress;
mod header;
pub mod limits;
mod paths;
mod pax;
pub(crate) mod tar_stream;
mod tree;
mod whiteout;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::SFlag;
use tracing::warn;

pub(crate) use header::Kind;
use limits::{ArchiveError, Limits};
use paths::{plain_name, relative};
use pax::Time;
use tar_stream::{Member, TarStream};
use tree::{Found, Spot, Tree};
use whiteout::Whiteout;

use crate::disk::fs::{FsError, is_full};

/// Says why a layer's archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive itself is unusable.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// An entry would end up outside of the layer.
    #[error("entry `{entry}` is refused because {reason}: the image is malformed or hostile")]
    Escape {
        /// The entry's name.
        entry: String,
        /// How it would leave the layer.
        reason: &'static str,
    },
    /// An entry cannot be made.
    #[error("cannot make entry `{entry}`")]
    Entry {
        /// The entry's name.
        entry: String,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The disk is full, or the target folder cannot be used.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Unpacks the plain tar archive `input` into the empty folder `root` and reads it to its very end.
pub(crate) fn unpack(input: impl Read, root: &Path, limits: &Limits) -> Result<(), UnpackError> {
    let mut unpacker = Unpacker {
        root,
        tree: Tree::open(root).map_err(FsError::at("open", root))?,
        folder_times: BTreeMap::new(),
        buffer: vec![0; 1 << 16],
    };
    let mut stream = TarStream::new(input, *limits);
    while let Some(member) = stream.next()? {
        unpacker.take(&member, &mut stream)?;
    }
    stream.drain()?;
    unpacker.set_folder_times()
}

struct Unpacker<'a> {
    root: &'a Path,
    tree: Tree,
    /// Set at the end, because everything made in a folder changes its time.
    folder_times: BTreeMap<PathBuf, Time>,
    buffer: Vec<u8>,
}

impl Unpacker<'_> {
    fn take<R: Read>(&mut self, member: &Member, stream: &mut TarStream<R>) -> Result<(), UnpackError> {
        let entry = String::from_utf8_lossy(&member.path).into_owned();
        let escape = |reason| UnpackError::Escape { entry: entry.clone(), reason };
        let path = relative(&member.path).map_err(escape)?;
        let Some(name) = path.file_name() else {
            return self.take_root(member, &entry, stream);
        };
        match whiteout::parse(name.as_bytes()) {
            Some(Whiteout::Opaque) => self.make_opaque(&path).map_err(|error| self.explain(error, &entry)),
            Some(Whiteout::Hides(hidden)) => {
                let hidden = plain_name(hidden).map_err(escape)?;
                self.hide(&path.with_file_name(hidden)).map_err(|error| self.explain(error, &entry))
            }
            Some(Whiteout::Reserved) => Ok(()),
            None => self.place(member, &path, &entry, stream),
        }
    }

    /// The layer's own folder is there already and only gets its attributes.
    fn take_root<R: Read>(
        &mut self,
        member: &Member,
        entry: &str,
        stream: &TarStream<R>,
    ) -> Result<(), UnpackError> {
        if member.kind != Kind::Folder {
            return Err(stream.corrupt("the root of a layer must be a folder").into());
        }
        let spot = self.tree.root_spot().map_err(|errno| self.explain(errno.into(), entry))?;
        self.dress(&spot, member, Path::new("")).map_err(|error| self.explain(error, entry))
    }

    /// Makes what an entry describes; of several entries with one name the last wins.
    fn place<R: Read>(
        &mut self,
        member: &Member,
        path: &Path,
        entry: &str,
        stream: &mut TarStream<R>,
    ) -> Result<(), UnpackError> {
        if member.kind == Kind::HardLink {
            return self.place_link(member, path, entry);
        }
        let spot = self.make_room(member.kind, path).map_err(|error| self.explain(error, entry))?;
        if member.kind == Kind::File {
            let file = spot.make_file().map_err(|errno| self.explain(errno.into(), entry))?;
            self.fill(file, entry, stream)?;
        } else {
            make_node(&spot, member).map_err(|errno| self.explain(errno.into(), entry))?;
        }
        self.dress(&spot, member, path).map_err(|error| self.explain(error, entry))
    }

    /// Removes what is in the way; a folder stays if it is to be a folder again.
    fn make_room(&mut self, kind: Kind, path: &Path) -> io::Result<Spot> {
        let spot = self.tree.spot_making_folders(path)?;
        match (spot.found()?, kind) {
            (Found::Nothing | Found::Folder, Kind::Folder) => {}
            (Found::Whiteout, Kind::Folder) => spot.replace_whiteout_by_folder()?,
            _ => self.clear(&spot, path)?,
        }
        Ok(spot)
    }

    fn clear(&mut self, spot: &Spot, path: &Path) -> io::Result<()> {
        if spot.found()? == Found::Folder {
            self.folder_times.retain(|folder, _| !folder.starts_with(path));
        }
        spot.clear()
    }

    fn fill<R: Read>(
        &mut self,
        mut file: std::fs::File,
        entry: &str,
        stream: &mut TarStream<R>,
    ) -> Result<(), UnpackError> {
        loop {
            let count = stream.read_content(&mut self.buffer)?;
            if count == 0 {
                return Ok(());
            }
            file.write_all(&self.buffer[..count]).map_err(|error| self.explain(error, entry))?;
        }
    }

    /// Adds a name to a file of this layer; owner, mode and the rest came with the file's own entry.
    fn place_link(&mut self, member: &Member, path: &Path, entry: &str) -> Result<(), UnpackError> {
        let target = relative(&member.link)
            .map_err(|reason| UnpackError::Escape { entry: entry.to_owned(), reason })?;
        let mut link = || -> io::Result<()> {
            let from = self.tree.spot(&target)?;
            if target == path || from.found()? == Found::Nothing {
                return Err(Errno::ENOENT.into());
            }
            let spot = self.tree.spot_making_folders(path)?;
            self.clear(&spot, path)?;
            Ok(spot.make_hard_link(&from)?)
        };
        link().map_err(|error| self.explain(error, entry))
    }

    fn make_opaque(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new(""));
        // Reaching the marker's own spot makes the folder that it marks.
        self.tree.spot_making_folders(path)?;
        Ok(self.tree.spot(folder)?.make_opaque()?)
    }

    /// Hides a name of lower layers. What this layer itself has under that name stays.
    fn hide(&self, path: &Path) -> io::Result<()> {
        let spot = self.tree.spot_making_folders(path)?;
        match spot.found()? {
            Found::Nothing => Ok(spot.make_whiteout()?),
            Found::Folder => Ok(spot.make_opaque()?),
            Found::Whiteout | Found::Symlink | Found::Other => Ok(()),
        }
    }

    /// Gives a new entry its attributes, in the order in which one does not undo another.
    fn dress(&mut self, spot: &Spot, member: &Member, path: &Path) -> io::Result<()> {
        // A change of owner takes away setuid bits and capabilities.
        spot.set_owner(member.uid, member.gid)?;
        if member.kind != Kind::Symlink {
            spot.set_mode(member.mode)?;
        }
        for (name, value) in &member.xattrs {
            set_xattr(spot, OsStr::from_bytes(name), value, path)?;
        }
        if member.kind == Kind::Folder {
            self.folder_times.insert(path.to_owned(), member.mtime);
            return Ok(());
        }
        Ok(spot.set_time(member.mtime)?)
    }

    fn set_folder_times(self) -> Result<(), UnpackError> {
        for (path, time) in &self.folder_times {
            let set = || self.tree.spot(path)?.set_time(*time);
            set().map_err(|errno| self.explain(errno.into(), &path.to_string_lossy()))?;
        }
        Ok(())
    }

    /// Tells apart what the image did wrong, what the disk lacks, and the rest.
    fn explain(&self, error: io::Error, entry: &str) -> UnpackError {
        let entry = entry.to_owned();
        if is_full(&error) {
            return FsError::new("unpack into", self.root, error).into();
        }
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EXDEV) => UnpackError::Escape {
                entry,
                reason: "it passes through a symbolic link that leads out of the layer",
            },
            Some(Errno::ELOOP) => UnpackError::Escape {
                entry,
                reason: "it passes through symbolic links that lead in a circle",
            },
            _ => UnpackError::Entry { entry, source: error },
        }
    }
}

fn make_node(spot: &Spot, member: &Member) -> nix::Result<()> {
    match member.kind {
        Kind::Folder if spot.found()? == Found::Folder => Ok(()),
        Kind::Folder => spot.make_folder(),
        Kind::Symlink => spot.make_symlink(OsStr::from_bytes(&member.link)),
        Kind::CharDevice => spot.make_node(SFlag::S_IFCHR, member.device),
        Kind::BlockDevice => spot.make_node(SFlag::S_IFBLK, member.device),
        Kind::Fifo => spot.make_node(SFlag::S_IFIFO, (0, 0)),
        Kind::File | Kind::HardLink => unreachable!("files and hard links are placed by their own functions"),
    }
}

fn set_xattr(spot: &Spot, name: &OsStr, value: &[u8], path: &Path) -> io::Result<()> {
    // These steer overlayfs itself. From an image they could join it to files it has no right to.
    if name.as_bytes().starts_with(b"trusted.") {
        warn!(path = %path.display(), name = %name.display(), "image sets a trusted attribute, left out");
        return Ok(());
    }
    match spot.set_xattr(name, value) {
        Err(error) if error.raw_os_error() == Some(Errno::ENOTSUP as i32) => {
            warn!(path = %path.display(), name = %name.display(), "file system has no such attributes, left out");
            Ok(())
        }
        done => done,
    }
}

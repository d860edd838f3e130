//! Where loaded content comes from: a tar archive, spooled to disk file by file, or a folder.
//!
//! Names in an archive are only keys here. No path on disk is ever made of one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use super::LoadError;
use crate::disk::blobs::{Received, Receiver};
use crate::disk::fs::FsError;
use crate::disk::scratch::Scratch;
use crate::rules::digest::Digest;
use crate::rules::document;
use crate::unpack::Kind;
use crate::unpack::decompress;
use crate::unpack::limits::Limits;
use crate::unpack::tar_stream::{Member, TarStream};

/// How many links in a row are followed within an archive.
const MAX_LINKS: usize = 8;

/// Gives access to the files of an archive or folder by their paths in it.
pub(crate) enum Source {
    Archive(BTreeMap<String, Spooled>),
    Folder(PathBuf),
}

/// Is one member of an archive.
pub(crate) enum Spooled {
    File(Arc<Received>),
    /// Older archives store a layer that repeats as a link to its first occurrence.
    Link(String),
}

impl Source {
    /// Reads a whole archive, since the list of what it holds may come last.
    pub(crate) fn spool(scratch: &Scratch, archive: impl Read, limits: Limits) -> Result<Self, LoadError> {
        let mut stream = TarStream::new(decompress::reader(archive)?, limits);
        let mut files = BTreeMap::new();
        while let Some(member) = stream.next()? {
            let path = normal("", &String::from_utf8_lossy(&member.path));
            match member.kind {
                Kind::File => files.insert(path, Spooled::File(receive(scratch, &mut stream)?)),
                Kind::Symlink | Kind::HardLink => {
                    let target = link_target(&member, &path);
                    files.insert(path, Spooled::Link(target))
                }
                _ => None,
            };
        }
        stream.drain()?;
        Ok(Self::Archive(files))
    }

    /// Returns a file with its digest, or `None` if there is none.
    pub(crate) fn fetch(&self, scratch: &Scratch, path: &str) -> Result<Option<Arc<Received>>, LoadError> {
        match self {
            Self::Archive(files) => Ok(follow(files, normal("", path))),
            Self::Folder(folder) => {
                let path = folder.join(normal("", path));
                match File::open(&path) {
                    Ok(file) => Ok(Some(copy(scratch, file, &path)?)),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(FsError::new("open", &path, error).into()),
                }
            }
        }
    }

    /// Returns the content of a file that must be small.
    pub(crate) fn document(&self, scratch: &Scratch, path: &str) -> Result<Option<Vec<u8>>, LoadError> {
        let Some(file) = self.fetch(scratch, path)? else { return Ok(None) };
        let too_large = |source| LoadError::Document { image: format!("`{path}`"), source };
        document::check_size("the document", file.size).map_err(too_large)?;
        Ok(Some(file.read()?))
    }
}

fn receive<R: Read>(scratch: &Scratch, stream: &mut TarStream<R>) -> Result<Arc<Received>, LoadError> {
    let mut receiver = Receiver::new(scratch)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = stream.read_content(&mut buffer)?;
        if count == 0 {
            return Ok(Arc::new(receiver.finish()));
        }
        receiver.write(&buffer[..count])?;
    }
}

fn copy(scratch: &Scratch, mut file: File, path: &std::path::Path) -> Result<Arc<Received>, LoadError> {
    let mut receiver = Receiver::new(scratch)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Arc::new(receiver.finish())),
            Ok(count) => receiver.write(&buffer[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(FsError::new("read", path, error).into()),
        }
    }
}

fn link_target(member: &Member, path: &str) -> String {
    let link = String::from_utf8_lossy(&member.link);
    // A symbolic link counts from its own folder, a hard link from the archive's root.
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    normal(if member.kind == Kind::Symlink { folder } else { "" }, &link)
}

fn follow(files: &BTreeMap<String, Spooled>, mut path: String) -> Option<Arc<Received>> {
    for _ in 0..MAX_LINKS {
        match files.get(&path)? {
            Spooled::File(file) => return Some(file.clone()),
            Spooled::Link(target) => path.clone_from(target),
        }
    }
    None
}

/// Brings a path to its plain form, seen from `folder`; it cannot lead above the root.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the digest that a config's path in a docker-archive states, in any of the forms tools use.
pub(crate) fn claimed_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    let stem = name.strip_suffix(".json").unwrap_or(name);
    Digest::from_hex(stem.strip_prefix("sha256:").unwrap_or(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_to_one_form_and_never_lead_above_the_root() {
        assert_eq!(normal("", "./a//b/."), "a/b");
        assert_eq!(normal("a/b", "../c/layer.tar"), "a/c/layer.tar");
        assert_eq!(normal("a", "../../../etc/passwd"), "etc/passwd");
    }

    #[test]
    fn a_config_path_states_its_digest_in_three_forms() {
        let digest = Digest::of(b"config");
        let hex = digest.hex();
        for path in [format!("{hex}.json"), format!("blobs/sha256/{hex}"), format!("sha256:{hex}")] {
            assert_eq!(claimed_digest(&path), Some(digest));
        }
        assert_eq!(claimed_digest("config.json"), None);
    }
}

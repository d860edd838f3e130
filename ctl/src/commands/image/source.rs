//! Where the bytes of an archive come from: a file, a folder packed on the way, or standard input.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};
use tokio::sync::mpsc;

/// Says why an archive can't be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Nothing was given.
    #[error("nothing to load: name an archive with --input FILE, or pipe one in")]
    Terminal,
    /// A folder that is no image.
    #[error("{} is not an OCI layout: it has no file oci-layout; give the folder that has one, or an archive", path.display())]
    NotALayout {
        /// The folder.
        path: PathBuf,
    },
    /// The file or folder can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Bytes of an archive, in pieces of at most [`PIECE_BYTES`].
pub type Pieces = mpsc::Receiver<Result<Vec<u8>, SourceError>>;

/// Large enough to keep calls few, small enough for the default bound of a message (4 MiB).
pub const PIECE_BYTES: usize = 256 * 1024;
/// Pieces read ahead.
const AHEAD: usize = 4;

/// Opens the source and reads it on a thread of its own. It stops when nobody takes its pieces.
pub fn open(input: Option<&Path>) -> Result<Pieces, SourceError> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    let path = input.map_or_else(|| PathBuf::from("standard input"), Path::to_owned);
    let failed = {
        let path = path.clone();
        move |source| SourceError::Read { path: path.clone(), source }
    };
    match input {
        None if io::stdin().is_terminal() => return Err(SourceError::Terminal),
        None => read_on_a_thread(sender, failed, |pieces| copy(io::stdin().lock(), pieces)),
        Some(path) if path.is_dir() => {
            if !path.join("oci-layout").is_file() {
                return Err(SourceError::NotALayout { path: path.to_owned() });
            }
            let folder = path.to_owned();
            read_on_a_thread(sender, failed, move |pieces| pack(&folder, pieces));
        }
        Some(path) => {
            let file = File::open(path).map_err(&failed)?;
            read_on_a_thread(sender, failed, move |pieces| copy(file, pieces));
        }
    }
    Ok(pieces)
}

type Sender = mpsc::Sender<Result<Vec<u8>, SourceError>>;

fn read_on_a_thread(
    sender: Sender,
    failed: impl FnOnce(io::Error) -> SourceError + Send + 'static,
    read: impl FnOnce(&mut Cutter) -> io::Result<()> + Send + 'static,
) {
    tokio::task::spawn_blocking(move || {
        let mut cutter = Cutter { sender, piece: Vec::with_capacity(PIECE_BYTES) };
        let outcome = read(&mut cutter).and_then(|()| cutter.flush());
        // If nobody takes pieces any more, the call has ended and tells why.
        if let Err(error) = outcome
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            let _ = cutter.sender.blocking_send(Err(failed(error)));
        }
    });
}

fn copy(mut from: impl Read, to: &mut Cutter) -> io::Result<()> {
    io::copy(&mut from, to).map(drop)
}

/// Packs a folder as an archive.
fn pack(folder: &Path, to: &mut Cutter) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    archive.append_dir_all("", folder)?;
    archive.finish()
}

/// Cuts what is written into pieces and sends them.
struct Cutter {
    sender: Sender,
    piece: Vec<u8>,
}

impl Write for Cutter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    async fn read_all(mut pieces: Pieces) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE_BYTES);
            all.extend(piece);
        }
        all
    }

    #[tokio::test]
    async fn a_file_is_cut_into_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        let bytes: Vec<u8> = (0..PIECE_BYTES * 2 + 7).map(|nth| nth as u8).collect();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(read_all(open(Some(&path)).unwrap()).await, bytes);
    }

    #[tokio::test]
    async fn a_folder_with_a_layout_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(open(Some(folder.path())), Err(SourceError::NotALayout { .. })));
        fs::write(folder.path().join("oci-layout"), "{}").unwrap();
        fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        fs::write(folder.path().join("blobs/sha256/abc"), "blob").unwrap();
        let archive = read_all(open(Some(folder.path())).unwrap()).await;
        let mut archive = tar::Archive::new(archive.as_slice());
        let entries = archive.entries().unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        names.retain(|name| !name.ends_with('/') && !name.is_empty());
        names.sort();
        assert!(
            names.contains(&"oci-layout".to_owned()) && names.contains(&"blobs/sha256/abc".to_owned()),
            "{names:?}"
        );
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let error = open(Some(Path::new("/nowhere/image.tar"))).unwrap_err().to_string();
        assert_eq!(error, "cannot read /nowhere/image.tar");
    }
}

//! One command at a time: a lock on the cluster's run folder, which goes away with the process.

use crate::Roots;
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Says why a cluster can't be worked on.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The folder can't be made or looked at.
    #[error("can't make the folder `{folder}`")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another command holds the lock.
    #[error("another `shoal up` or `shoal down` is at work in `{folder}`: wait until it has ended")]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The lock can't be taken.
    #[error("can't lock the folder `{folder}`")]
    Lock {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// Holds the lock until it is dropped.
pub(crate) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Makes both folders if need be and locks them; returns their paths without symbolic links.
    pub fn take(roots: &Roots) -> Result<(Self, Roots), LockError> {
        for folder in [roots.run(), roots.data()] {
            fs::create_dir_all(folder)
                .map_err(|source| LockError::Folder { folder: folder.to_owned(), source })?;
        }
        let held = lock(roots.run())?;
        let roots = roots
            .resolved()
            .map_err(|source| LockError::Folder { folder: roots.run().to_owned(), source })?;
        Ok((Self { _held: held }, roots))
    }
}

fn lock(folder: &Path) -> Result<Flock<File>, LockError> {
    let failed = |source| LockError::Folder { folder: folder.to_owned(), source };
    loop {
        let file = File::open(folder).map_err(failed)?;
        let held = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => held,
            Err((_, Errno::EWOULDBLOCK)) => return Err(LockError::Busy { folder: folder.to_owned() }),
            Err((_, source)) => return Err(LockError::Lock { folder: folder.to_owned(), source }),
        };
        // `down` may have removed the folder between the two calls: then this is not it any more.
        let locked = held.metadata().map_err(failed)?;
        if fs::metadata(folder).is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino())) {
            return Ok(held);
        }
        fs::create_dir_all(folder).map_err(failed)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commands_do_not_work_on_one_cluster_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::new(folder.path().join("run"), folder.path().join("data"));
        let first = Lock::take(&roots).unwrap();
        assert!(matches!(Lock::take(&roots), Err(LockError::Busy { .. })));
        drop(first);
        assert!(Lock::take(&roots).is_ok());
    }
}

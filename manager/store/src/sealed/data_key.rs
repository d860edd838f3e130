//! The data key, and the file that keeps it.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::SealError;

/// The length of a data key, in bytes.
pub const DATA_KEY_BYTES: usize = 32;

/// The key under which a disk is sealed; wiped from memory when dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}

impl DataKey {
    /// Makes a random key.
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
        getrandom::fill(&mut *key).map_err(|source| SealError::Random { source })?;
        Ok(Self(key))
    }

    /// Takes the bytes of a key.
    pub fn from_bytes(bytes: [u8; DATA_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Shows the bytes of the key, for a cipher or to wrap them.
    pub fn expose(&self) -> &[u8; DATA_KEY_BYTES] {
        &self.0
    }

    /// Reads the key from `path`, or creates it there first, with mode 0600 and synced.
    ///
    /// The file appears whole or not at all, and never replaces another.
    ///
    /// # Errors
    ///
    /// [`SealError::ReadKey`], [`SealError::CreateKey`], [`SealError::KeyLength`],
    /// [`SealError::KeyExposed`] or [`SealError::Random`].
    pub fn load_or_create(path: &Path) -> Result<Self, SealError> {
        match Self::load(path) {
            Err(SealError::ReadKey { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::create(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    fn load(path: &Path) -> Result<Self, SealError> {
        let failed = |source| SealError::ReadKey { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(SealError::KeyExposed { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
        }
        if metadata.len() != DATA_KEY_BYTES as u64 {
            return Err(SealError::KeyLength { path: path.to_owned(), bytes: metadata.len() });
        }
        let mut key = Zeroizing::new([0; DATA_KEY_BYTES]);
        file.read_exact(&mut *key).map_err(failed)?;
        Ok(Self(key))
    }

    /// Writes a new key beside its place and links it there; a file already there is kept.
    fn create(path: &Path) -> Result<(), SealError> {
        let key = Self::generate()?;
        let mut suffix = [0; 8];
        getrandom::fill(&mut suffix).map_err(|source| SealError::Random { source })?;
        let failed = |source| SealError::CreateKey { path: path.to_owned(), source };
        let draft = Draft(path.with_extension(format!("{:016x}.new", u64::from_be_bytes(suffix))));
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.0).map_err(failed)?;
        file.write_all(key.expose()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        match fs::hard_link(&draft.0, path) {
            // Somebody else was faster: theirs is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => linked.map_err(failed)?,
        }
        drop(draft);
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }
}

/// A file that is removed again, whatever happens.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the draft of the data key");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_created_key_is_private_and_the_same_when_loaded_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.key");
        let created = DataKey::load_or_create(&path).unwrap();
        assert_eq!(DataKey::load_or_create(&path).unwrap(), created);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.key");
        DataKey::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = DataKey::load_or_create(&path);
        assert!(matches!(refused, Err(SealError::KeyExposed { mode: 0o640, .. })), "{refused:?}");
    }

    #[test]
    fn a_key_file_cut_short_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data.key");
        DataKey::load_or_create(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(7).unwrap();
        let refused = DataKey::load_or_create(&path);
        assert!(matches!(refused, Err(SealError::KeyLength { bytes: 7, .. })), "{refused:?}");
        assert_eq!(fs::metadata(&path).unwrap().len(), 7);
    }

    #[test]
    fn a_key_shows_no_bytes_in_logs() {
        assert_eq!(format!("{:?}", DataKey::from_bytes([7; DATA_KEY_BYTES])), "DataKey(..)");
    }
}

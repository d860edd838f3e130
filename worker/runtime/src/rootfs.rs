//! Files in a container's root, reached so that no link in the image leads out of it.

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{Mode, mkdirat},
};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

/// A root whose links, even absolute ones, stay within it.
pub(crate) struct Rootfs {
    root: OwnedFd,
}

impl Rootfs {
    pub fn open(path: &Path) -> nix::Result<Self> {
        let root = open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Self { root })
    }

    /// Reads a file of at most `max` bytes as text; what is not UTF-8 is replaced. A missing file is
    /// empty; anything but a regular file is refused.
    pub fn read_text(&self, path: &str, max: u64) -> io::Result<String> {
        // Opening a pipe would wait for a writer.
        let opened = self.open_in(Path::new(path), OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY);
        let file = match opened {
            Ok(file) => File::from(file),
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(String::new()),
            Err(errno) => return Err(errno.into()),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut bytes = Vec::new();
        let read = file.take(max + 1).read_to_end(&mut bytes)?;
        if read as u64 > max {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("larger than {max} bytes")));
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Makes a folder and those above it where they are missing, as root's, with mode 755.
    pub fn make_folders(&self, path: &Path) -> nix::Result<()> {
        let folder = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let mut so_far = PathBuf::from("/");
        for part in
            path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        {
            let parent = self.open_in(&so_far, folder)?;
            so_far.push(part);
            match self.open_in(&so_far, folder) {
                Err(Errno::ENOENT) => mkdirat(&parent, part.as_os_str(), Mode::from_bits_truncate(0o755))?,
                opened => drop(opened?),
            }
        }
        Ok(())
    }

    fn open_in(&self, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        openat2(&self.root, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn a_link_in_the_image_does_not_lead_out_of_it() {
        let host = tempfile::tempdir().unwrap();
        fs::write(host.path().join("secret"), "host").unwrap();
        let root = host.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        symlink(host.path().join("secret"), root.join("etc/absolute")).unwrap();
        symlink("../../secret", root.join("etc/climbing")).unwrap();
        symlink("/etc/real", root.join("etc/inner")).unwrap();
        fs::write(root.join("etc/real"), "image").unwrap();
        let rootfs = Rootfs::open(&root).unwrap();
        assert_eq!(rootfs.read_text("etc/absolute", 99).unwrap(), "");
        assert_eq!(rootfs.read_text("etc/climbing", 99).unwrap(), "");
        assert_eq!(rootfs.read_text("etc/inner", 99).unwrap(), "image");
    }

    #[test]
    fn a_pipe_or_a_file_that_is_too_large_is_refused() {
        let root = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), Mode::S_IRWXU).unwrap();
        fs::write(root.path().join("large"), "12345").unwrap();
        let rootfs = Rootfs::open(root.path()).unwrap();
        assert!(rootfs.read_text("pipe", 99).is_err());
        assert!(rootfs.read_text("large", 4).is_err());
        assert_eq!(rootfs.read_text("large", 5).unwrap(), "12345");
    }

    #[test]
    fn folders_are_made_within_the_root_only() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path().join("root");
        fs::create_dir_all(root.join("real")).unwrap();
        symlink("/real", root.join("link")).unwrap();
        fs::write(root.join("file"), "").unwrap();
        let rootfs = Rootfs::open(&root).unwrap();
        rootfs.make_folders(Path::new("/link/a/../b")).unwrap();
        rootfs.make_folders(Path::new("/../c")).unwrap();
        assert!(root.join("real/b").is_dir() && root.join("c").is_dir() && !host.path().join("c").exists());
        assert_eq!(rootfs.make_folders(Path::new("/file/x")), Err(Errno::ENOTDIR));
    }
}

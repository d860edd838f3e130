//! A folder that nothing can be made outside of, whatever paths are given and whatever lies in it.
//!
//! Every path is resolved by the kernel in one step with `RESOLVE_BENEATH`, down to the folder that holds
//! its last component; what is done there names that single component and never follows it. A symbolic
//! link within the path is followed as long as it stays inside, as other engines do; one that leads out,
//! or is absolute, makes the kernel refuse. There is no moment between a check and its use.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{
    FchmodatFlags, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, makedev, mkdirat, mknodat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat};

use super::pax::Time;

/// What marks a folder that hides everything beneath it in lower layers.
const OPAQUE: &str = "trusted.overlay.opaque";
/// How often a resolution is tried again that a rename elsewhere on the host disturbed.
const ATTEMPTS: u32 = 1000;

/// Is an open folder under which everything happens.
pub(crate) struct Tree {
    root: OwnedFd,
}

/// Is a single name in an open folder: it may be there or not.
pub(crate) struct Spot {
    folder: OwnedFd,
    name: OsString,
}

/// Is what lies at a spot; a symbolic link counts as itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    Folder,
    /// A character device 0:0, by which overlayfs hides a name of lower layers.
    Whiteout,
    Symlink,
    Other,
}

impl Tree {
    pub(crate) fn open(root: &Path) -> nix::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { root: nix::fcntl::open(root, flags, Mode::empty())? })
    }

    /// Opens a folder; the empty path is the root.
    pub(crate) fn folder(&self, path: &Path) -> nix::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        for _ in 1..ATTEMPTS {
            match openat2(&self.root, path, how) {
                // The kernel could not rule out that a rename meanwhile moved a `..` outside.
                Err(Errno::EAGAIN) => {}
                done => return done,
            }
        }
        openat2(&self.root, path, how)
    }

    /// Returns the spot of a path whose folder exists.
    pub(crate) fn spot(&self, path: &Path) -> nix::Result<Spot> {
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name)) => Ok(Spot { folder: self.folder(parent)?, name: name.to_owned() }),
            _ => self.root_spot(),
        }
    }

    /// Returns the spot of a path, making the folders above it that are missing.
    pub(crate) fn spot_making_folders(&self, path: &Path) -> nix::Result<Spot> {
        match self.spot(path) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            done => return done,
        }
        let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
        // The last ancestor is the root itself.
        above.pop();
        for folder in above.into_iter().rev() {
            let spot = self.spot(folder)?;
            match spot.found()? {
                Found::Nothing => spot.make_folder()?,
                Found::Whiteout => spot.replace_whiteout_by_folder()?,
                // A link is resolved with the next component, or refused then.
                Found::Folder | Found::Symlink => {}
                Found::Other => return Err(Errno::ENOTDIR),
            }
        }
        self.spot(path)
    }

    /// Returns the spot of the root itself, whose attributes a layer may set.
    pub(crate) fn root_spot(&self) -> nix::Result<Spot> {
        Ok(Spot { folder: self.folder(Path::new(""))?, name: OsString::from(".") })
    }
}

impl Spot {
    pub(crate) fn found(&self) -> nix::Result<Found> {
        let stat = match fstatat(&self.folder, self.name(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::ENOENT) => return Ok(Found::Nothing),
            Err(errno) => return Err(errno),
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        Ok(match kind {
            SFlag::S_IFDIR => Found::Folder,
            SFlag::S_IFLNK => Found::Symlink,
            SFlag::S_IFCHR if stat.st_rdev == 0 => Found::Whiteout,
            _ => Found::Other,
        })
    }

    /// Removes whatever lies here, a folder with all it holds.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match self.found()? {
            Found::Nothing => Ok(()),
            // Does not follow links, neither here nor further down.
            Found::Folder => fs::remove_dir_all(self.through_proc()),
            _ => Ok(unlinkat(&self.folder, self.name(), UnlinkatFlags::NoRemoveDir)?),
        }
    }

    /// Makes a folder as plain as those that archives leave out.
    pub(crate) fn make_folder(&self) -> nix::Result<()> {
        mkdirat(&self.folder, self.name(), Mode::from_bits_truncate(0o700))?;
        // The daemon's umask does not count.
        self.set_mode(0o755)
    }

    /// Turns "hide this name" into "hide what this folder has in lower layers".
    pub(crate) fn replace_whiteout_by_folder(&self) -> nix::Result<()> {
        unlinkat(&self.folder, self.name(), UnlinkatFlags::NoRemoveDir)?;
        self.make_folder()?;
        self.make_opaque()
    }

    pub(crate) fn make_opaque(&self) -> nix::Result<()> {
        self.set_xattr(OsStr::new(OPAQUE), b"y").map_err(|error| errno_of(&error))
    }

    pub(crate) fn make_file(&self) -> nix::Result<File> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.folder, self.name(), flags, Mode::from_bits_truncate(0o600)).map(File::from)
    }

    pub(crate) fn make_symlink(&self, target: &OsStr) -> nix::Result<()> {
        symlinkat(target, &self.folder, self.name())
    }

    pub(crate) fn make_node(&self, kind: SFlag, device: (u32, u32)) -> nix::Result<()> {
        let device = makedev(device.0.into(), device.1.into());
        mknodat(&self.folder, self.name(), kind, Mode::from_bits_truncate(0o600), device)
    }

    pub(crate) fn make_whiteout(&self) -> nix::Result<()> {
        self.make_node(SFlag::S_IFCHR, (0, 0))
    }

    /// Makes this a further name of `target`, which is not followed if it is a symbolic link.
    pub(crate) fn make_hard_link(&self, target: &Spot) -> nix::Result<()> {
        linkat(&target.folder, target.name(), &self.folder, self.name(), AtFlags::empty())
    }

    pub(crate) fn set_owner(&self, uid: u32, gid: u32) -> nix::Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        fchownat(&self.folder, self.name(), uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Sets the mode of what has just been made here; symbolic links have none.
    pub(crate) fn set_mode(&self, mode: u32) -> nix::Result<()> {
        fchmodat(&self.folder, self.name(), Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
    }

    pub(crate) fn set_time(&self, time: Time) -> nix::Result<()> {
        let time = TimeSpec::new(time.seconds, time.nanoseconds.into());
        utimensat(&self.folder, self.name(), &time, &time, UtimensatFlags::NoFollowSymlink)
    }

    /// Sets an extended attribute, of a symbolic link itself too.
    pub(crate) fn set_xattr(&self, name: &OsStr, value: &[u8]) -> io::Result<()> {
        xattr::set(self.through_proc(), name, value)
    }

    fn name(&self) -> &OsStr {
        &self.name
    }

    /// Names this spot for calls that take no folder: the number stands for the open folder itself.
    fn through_proc(&self) -> PathBuf {
        let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        // The root's own name, `.`, stays at the end: without it the path would name the descriptor's link.
        Path::new(&folder).join(&self.name)
    }
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

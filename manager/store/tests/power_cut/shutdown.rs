//! The ioctl that makes ext4 behave as if the power had gone.
#![allow(unsafe_code)]

use std::{fs::File, os::fd::AsRawFd};

/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: not even the journal is flushed.
const WITHOUT_FLUSH: u32 = 2;

// EXT4_IOC_SHUTDOWN is _IOR('X', 125, __u32), although it reads from us.
nix::ioctl_read!(ext4_shutdown, b'X', 125, u32);

/// Shuts down the ext4 file system that `file` is on.
pub fn shut_down(file: &File) -> nix::Result<()> {
    let mut flags = WITHOUT_FLUSH;
    // SAFETY: the descriptor is open, and the kernel only reads the u32 behind the pointer, which
    // lives until the call returns.
    unsafe { ext4_shutdown(file.as_raw_fd(), &mut flags) }?;
    Ok(())
}

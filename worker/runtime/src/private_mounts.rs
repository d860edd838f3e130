//! Mounts that nobody else sees: work done in a mount namespace of its own.

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use std::{panic, thread};

/// Says why a mount namespace could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PrivateMountsError {
    /// The namespace.
    #[error("can't make a mount namespace; the daemon must run as root")]
    Unshare(#[source] nix::Error),
    /// Its separation from the host's.
    #[error("can't keep a new mount namespace's mounts from reaching the host")]
    Propagation(#[source] nix::Error),
}

/// Puts the calling thread, which must be the process's only one or end soon, in a mount namespace of
/// its own. What the host mounts or unmounts later is seen in it; nothing goes the other way.
pub(crate) fn enter() -> Result<(), PrivateMountsError> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(PrivateMountsError::Unshare)?;
    let slave = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&str>, "/", None::<&str>, slave, None::<&str>).map_err(PrivateMountsError::Propagation)
}

/// Does something on a thread with mounts of its own, which are gone when it is done.
pub(crate) fn within<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, PrivateMountsError> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| enter().map(|()| work()));
        thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

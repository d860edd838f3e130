//! Puts the device filter on a version 2 cgroup, where there is no device controller.
//!
//! libcontainer does this only with a C library of its own. Without the filter a container with
//! `MKNOD`, which all have by default, could make a node of the host's disk and read it.
#![allow(unsafe_code)]

use nix::{
    errno::Errno,
    libc::{self, c_long},
};
use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    path::{Path, PathBuf},
};
use worker_core::oci_spec::devices;

const BPF_PROG_LOAD: c_long = 5;
const BPF_PROG_ATTACH: c_long = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
/// Filters of other cgroups above or below apply too: the strictest decides.
const BPF_F_ALLOW_MULTI: u32 = 2;

/// Says why a cgroup has no device filter.
#[derive(Debug, thiserror::Error)]
pub enum DeviceFilterError {
    /// The kernel does not take it.
    #[error(
        "the kernel refuses the device filter; it needs CONFIG_CGROUP_BPF, and the daemon must run as root"
    )]
    Load(#[source] Errno),
    /// The cgroup is not there.
    #[error("can't open cgroup `{path}` for its device filter")]
    Open {
        /// Its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The cgroup does not take it.
    #[error("can't put the device filter on cgroup `{path}`")]
    Attach {
        /// Its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// The part of the kernel's `bpf_attr` that loading a program needs (bpf(2)).
#[repr(C)]
struct Load {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

/// The part of the kernel's `bpf_attr` that attaching a program needs.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Lets the processes of a cgroup use the usual devices only. The filter goes with the cgroup.
pub fn attach(cgroup: &Path) -> Result<(), DeviceFilterError> {
    let program = load().map_err(DeviceFilterError::Load)?;
    let folder =
        File::open(cgroup).map_err(|source| DeviceFilterError::Open { path: cgroup.into(), source })?;
    let attach = Attach {
        target: folder.as_raw_fd().unsigned_abs(),
        program: program.as_raw_fd().unsigned_abs(),
        kind: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    let attached = bpf(BPF_PROG_ATTACH, &attach);
    attached.map(drop).map_err(|source| DeviceFilterError::Attach { path: cgroup.into(), source })
}

fn load() -> Result<OwnedFd, Errno> {
    let instructions = devices::filter();
    let license = c"Apache-2.0";
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
    };
    let program = bpf(BPF_PROG_LOAD, &load)?;
    // SAFETY: the call has just made this descriptor, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(program) })
}

fn bpf<T>(command: c_long, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes at the address, and what they point to; all of
    // it lives until the call returns. It writes nothing.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(result).map(|value| value as i32)
}

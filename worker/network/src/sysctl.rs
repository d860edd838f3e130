//! Kernel settings below `/proc/sys/net`, which shows each thread the namespace it is in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};

const ROOT: &str = "/proc/sys/net";

/// Why a kernel setting could not be made.
#[derive(Debug, Error)]
pub enum SysctlError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The setting cannot be read.
    #[error("cannot read {path} in the namespace {namespace}")]
    Read {
        /// The setting's file.
        path: PathBuf,
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The setting cannot be written.
    #[error(
        "cannot write {value} to {path} in the namespace {namespace}: set it by hand if /proc/sys is read-only here"
    )]
    Write {
        /// The setting's file.
        path: PathBuf,
        /// The value it should have.
        value: &'static str,
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// One setting: a path below `/proc/sys/net` and its value.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    key: String,
    value: &'static str,
}

impl Setting {
    pub(crate) fn new(key: impl Into<String>, value: &'static str) -> Self {
        Self { key: key.into(), value }
    }
}

/// Tells whether the kernel was booted with IPv6.
pub(crate) fn kernel_has_ipv6() -> bool {
    Path::new(ROOT).join("ipv6").is_dir()
}

/// Makes settings in a namespace, in order; writes only those that differ, so that a read-only `/proc/sys` that is right
/// already is no error.
pub(crate) async fn apply(namespace: &Namespace, settings: Vec<Setting>) -> Result<(), SysctlError> {
    let name = namespace.path().to_owned();
    namespace.run(move || settings.iter().try_for_each(|setting| set(setting, &name))).await?
}

/// Says which settings of a namespace are other than these; one that is not there has gone with its link, which is told of
/// links.
pub(crate) async fn differences(
    namespace: &Namespace,
    settings: Vec<Setting>,
) -> Result<Vec<String>, SysctlError> {
    let name = namespace.path().to_owned();
    let look = move || {
        let mut told = Vec::new();
        for Setting { key, value } in &settings {
            match get(&Path::new(ROOT).join(key), &name) {
                Ok(found) if found == *value => {}
                Ok(found) => told.push(format!("the setting net/{key} is {found} instead of {value}")),
                Err(SysctlError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(told)
    };
    namespace.run(look).await?
}

/// Reads one setting in a namespace, without the line's end.
pub(crate) async fn read(namespace: &Namespace, key: &'static str) -> Result<String, SysctlError> {
    let name = namespace.path().to_owned();
    namespace.run(move || get(&Path::new(ROOT).join(key), &name)).await?
}

/// Tells whether the kernel has a setting in a namespace.
pub(crate) async fn exists(namespace: &Namespace, setting: &Setting) -> Result<bool, SysctlError> {
    let path = Path::new(ROOT).join(&setting.key);
    Ok(namespace.run(move || path.exists()).await?)
}

/// Lets every link of a namespace that takes IPv6 router advertisements go on doing so once it forwards.
pub(crate) async fn keep_router_advertisements(namespace: &Namespace) -> Result<(), SysctlError> {
    let name = namespace.path().to_owned();
    namespace
        .run(move || {
            let conf = Path::new(ROOT).join("ipv6/conf");
            let read = |source| SysctlError::Read { path: conf.clone(), namespace: name.clone(), source };
            for link in fs::read_dir(&conf).map_err(read)? {
                let link = link.map_err(read)?;
                // What later links begin with is not the links' that are there.
                if ["all", "default"].iter().any(|name| link.file_name() == *name) {
                    continue;
                }
                let path = link.path().join("accept_ra");
                // A link that went away meanwhile needs nothing.
                if fs::read_to_string(&path).is_ok_and(|value| value.trim() == "1") {
                    write(&path, "2", &name)?;
                }
            }
            Ok(())
        })
        .await?
}

fn set(setting: &Setting, namespace: &Path) -> Result<(), SysctlError> {
    let path = Path::new(ROOT).join(&setting.key);
    if get(&path, namespace)? == setting.value {
        return Ok(());
    }
    write(&path, setting.value, namespace)
}

fn get(path: &Path, namespace: &Path) -> Result<String, SysctlError> {
    fs::read_to_string(path).map(|value| value.trim().to_owned()).map_err(|source| SysctlError::Read {
        path: path.to_owned(),
        namespace: namespace.to_owned(),
        source,
    })
}

fn write(path: &Path, value: &'static str, namespace: &Path) -> Result<(), SysctlError> {
    fs::write(path, value).map_err(|source| SysctlError::Write {
        path: path.to_owned(),
        value,
        namespace: namespace.to_owned(),
        source,
    })
}

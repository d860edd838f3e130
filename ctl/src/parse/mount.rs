//! `--mount type=bind,source=/a,target=/b,readonly`.

use super::{bytes, csv};
use proto::{
    model::{self, mount::MountError},
    wire::{self, mount::Kind},
};

/// Says why a mount can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountTextError {
    /// A quote is out of place.
    #[error("`{0}` has a quote that is never closed or out of place")]
    Quotes(String),
    /// No such option.
    #[error("there is no mount option `{0}`: use type, source, target, readonly, tmpfs-size or tmpfs-mode")]
    Unknown(String),
    /// An option that needs a value.
    #[error("mount option `{0}` needs a value: write {0}=VALUE")]
    NoValue(String),
    /// Not true or false.
    #[error("mount option `{key}` is `{value}`: use true or false")]
    Flag {
        /// The option.
        key: String,
        /// Its value.
        value: String,
    },
    /// A size that is none.
    #[error("tmpfs-size: {0}")]
    Size(bytes::SizeError),
    /// A mode that is none.
    #[error("tmpfs-mode `{0}` is not an octal number such as 1777")]
    Mode(String),
    /// Nothing says where it goes.
    #[error("`{0}` has no target: add target=/PATH")]
    NoTarget(String),
    /// A bind mount of nothing.
    #[error("`{0}` has no source: add source=/PATH of the node")]
    NoSource(String),
    /// Parts that don't go together.
    #[error(transparent)]
    Parts(#[from] MountError),
}

/// Reads the value of `--mount`; the type is `volume` if not given.
pub fn parse(text: &str) -> Result<wire::Mount, MountTextError> {
    let shown = || text.chars().take(100).collect::<String>();
    let mut mount = wire::Mount { kind: Kind::Volume.into(), ..Default::default() };
    for field in csv::split(text).ok_or_else(|| MountTextError::Quotes(shown()))? {
        option(&field, &mut mount)?;
    }
    if mount.target.is_empty() {
        return Err(MountTextError::NoTarget(shown()));
    }
    check(&mount, shown)?;
    Ok(mount)
}

fn option(field: &str, mount: &mut wire::Mount) -> Result<(), MountTextError> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (field, None),
    };
    let needed = || value.ok_or_else(|| MountTextError::NoValue(key.to_owned()));
    match key.to_ascii_lowercase().as_str() {
        "type" => mount.kind = kind(needed()?)?.into(),
        "source" | "src" => mount.source = needed()?.to_owned(),
        "target" | "dst" | "destination" => mount.target = needed()?.to_owned(),
        "readonly" | "ro" => {
            mount.read_only = match value {
                None | Some("true" | "1") => true,
                Some("false" | "0") => false,
                Some(other) => {
                    return Err(MountTextError::Flag { key: key.to_owned(), value: other.to_owned() });
                }
            }
        }
        "tmpfs-size" => mount.tmpfs_size_bytes = Some(bytes::parse(needed()?).map_err(MountTextError::Size)?),
        "tmpfs-mode" => {
            let text = needed()?;
            let mode = u32::from_str_radix(text, 8).map_err(|_| MountTextError::Mode(text.to_owned()))?;
            mount.tmpfs_mode = Some(mode);
        }
        _ => return Err(MountTextError::Unknown(key.to_owned())),
    }
    Ok(())
}

fn kind(word: &str) -> Result<Kind, MountTextError> {
    match word {
        "bind" => Ok(Kind::Bind),
        "volume" => Ok(Kind::Volume),
        "tmpfs" => Ok(Kind::Tmpfs),
        _ => Err(MountError::Kind(word.to_owned()).into()),
    }
}

/// Checks the parts against each other by the rules that the managers apply.
fn check(mount: &wire::Mount, shown: impl Fn() -> String) -> Result<(), MountTextError> {
    let source = mount.source.clone();
    let kind = match mount.kind() {
        Kind::Bind if source.is_empty() => return Err(MountTextError::NoSource(shown())),
        Kind::Bind => model::MountKind::Bind { source },
        Kind::Tmpfs if !source.is_empty() => {
            return Err(MountError::Option { option: "source", kind: "tmpfs" }.into());
        }
        Kind::Tmpfs => model::MountKind::Tmpfs { size_bytes: mount.tmpfs_size_bytes, mode: mount.tmpfs_mode },
        Kind::Volume | Kind::Unspecified => {
            model::MountKind::Volume { name: Some(source).filter(|name| !name.is_empty()) }
        }
    };
    let word = if mount.kind() == Kind::Bind { "bind" } else { "volume" };
    if mount.kind() != Kind::Tmpfs {
        let option = mount.tmpfs_size_bytes.map(|_| "tmpfs-size").or(mount.tmpfs_mode.map(|_| "tmpfs-mode"));
        if let Some(option) = option {
            return Err(MountError::Option { option, kind: word }.into());
        }
    }
    model::Mount { target: mount.target.clone(), read_only: mount.read_only, kind }.check()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_all_their_spellings() {
        let bind = parse("type=bind,src=/a,dst=/b,ro").unwrap();
        assert_eq!(
            (bind.kind(), bind.source.as_str(), bind.target.as_str(), bind.read_only),
            (Kind::Bind, "/a", "/b", true)
        );
        let volume = parse("source=data,target=/d,readonly=false").unwrap();
        assert_eq!((volume.kind(), volume.read_only), (Kind::Volume, false));
        let tmpfs = parse("type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=0700").unwrap();
        assert_eq!((tmpfs.tmpfs_size_bytes, tmpfs.tmpfs_mode), (Some(64 << 20), Some(0o700)));
    }

    #[test]
    fn a_malformed_mount_says_what_would_be_right() {
        for (bad, says) in [
            ("src=data", "add target=/PATH"),
            ("type=bind,dst=/b", "add source=/PATH"),
            ("type=bind,src=a,dst=/b", "must be an absolute path"),
            ("type=npipe,dst=/b", "use bind, volume or tmpfs"),
            ("type=tmpfs,src=x,dst=/b", "`source` does not go with a tmpfs mount"),
            ("src=v,dst=/b,tmpfs-size=1m", "`tmpfs-size` does not go with a volume mount"),
            ("src=v,dst=/b,volume-driver=nfs", "no mount option `volume-driver`"),
            ("src=v,dst", "needs a value"),
            ("src=v,dst=/b,ro=maybe", "use true or false"),
            ("dst=/a/../b", "without `..`"),
            ("type=tmpfs,dst=/b,tmpfs-mode=9", "octal"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}

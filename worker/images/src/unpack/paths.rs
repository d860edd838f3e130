//! Paths as archives give them, turned into paths below the root of a layer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The longest file name that Linux takes, in bytes.
const MAX_NAME: usize = 255;

/// Turns a path of an archive into one below the layer's root; the error says how it would leave it.
///
/// Absolute paths count from the layer's root, as everywhere; real builders write them.
pub(crate) fn relative(path: &[u8]) -> Result<PathBuf, &'static str> {
    let mut relative = PathBuf::new();
    for component in path.split(|byte| *byte == b'/') {
        if !matches!(component, b"" | b".") {
            relative.push(plain_name(component)?);
        }
    }
    Ok(relative)
}

/// Checks a single name.
pub(crate) fn plain_name(name: &[u8]) -> Result<OsString, &'static str> {
    match name {
        b"" | b"." => Err("a name in it is empty"),
        b".." => Err("`..` in it leads out of its folder"),
        _ if name.contains(&b'/') || name.contains(&0) => Err("a name in it holds a slash or a zero byte"),
        _ if name.len() > MAX_NAME => Err("a name in it is longer than 255 bytes"),
        _ => Ok(OsString::from_vec(name.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_counts_from_the_layers_root_however_it_begins() {
        for path in ["a/b", "./a/b", "/a/b", "//a/./b/"] {
            assert_eq!(relative(path.as_bytes()), Ok(PathBuf::from("a/b")), "{path}");
        }
        for root in ["", "/", "./", "."] {
            assert_eq!(relative(root.as_bytes()), Ok(PathBuf::new()), "{root:?}");
        }
    }

    #[test]
    fn a_path_that_climbs_is_refused_even_if_it_comes_back() {
        for path in ["..", "../a", "a/../b", "/../a"] {
            assert!(relative(path.as_bytes()).is_err(), "{path}");
        }
    }
}

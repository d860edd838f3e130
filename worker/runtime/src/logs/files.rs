//! The numbered files of a log.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Names the file with a number.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    // Padded so that listings are in order.
    folder.join(format!("{number:08}.json"))
}

/// Lists the numbers of the files there are, in order.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".json")).and_then(|stem| stem.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

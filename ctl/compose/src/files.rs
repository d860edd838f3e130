//! The files that a Compose file names, and paths relative to them.

use std::io;

/// Reads files, so that tests need no disk.
pub trait Files {
    /// The bytes of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// A path relative to a folder, without `.` and `..` where that can be told from the text alone.
pub fn join(dir: &str, path: &str) -> String {
    if path.starts_with('/') {
        return clean(path);
    }
    clean(&format!("{}/{path}", if dir.is_empty() { "." } else { dir }))
}

/// The folder that a file is in.
pub fn parent(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) => "/".into(),
        Some((dir, _)) => clean(dir),
        None => ".".into(),
    }
}

fn clean(path: &str) -> String {
    let is_absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    match (is_absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_a_folder() {
        for (dir, path, expected) in [
            ("/srv/app", "./data", "/srv/app/data"),
            ("/srv/app", "../x/./y", "/srv/x/y"),
            ("/srv", "/etc/x", "/etc/x"),
            ("/", "../..", "/"),
            (".", "a.yml", "a.yml"),
            ("a", "../../b", "../b"),
            ("", ".", "."),
        ] {
            assert_eq!(join(dir, path), expected, "{dir} {path}");
        }
        assert_eq!((parent("/a"), parent("/a/b"), parent("b")), ("/".into(), "/a".into(), ".".into()));
    }
}

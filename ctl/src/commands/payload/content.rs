//! Where the content of a secret or config comes from: a file, or standard input.

use proto::model::PayloadKind;
use std::{
    fs::File,
    io::{self, Read},
};

/// Reads a content; no more than is needed to see that it is too large.
pub fn read(kind: PayloadKind, path: &str) -> Result<Vec<u8>, String> {
    let most = kind.content_bytes_end() as u64;
    let opened: Result<Box<dyn Read>, io::Error> = match path {
        "-" => Ok(Box::new(io::stdin().lock())),
        path => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut bytes = Vec::new();
    let read = opened.and_then(|source| source.take(most).read_to_end(&mut bytes));
    let from = if path == "-" { "standard input" } else { path };
    match read {
        Ok(_) if bytes.len() as u64 == most => Err(format!(
            "{from} has {most} bytes or more, and a {kind} has less: put what is larger into an image or a volume"
        )),
        Ok(_) => Ok(bytes),
        Err(why) => {
            Err(format!("cannot read {from}: {why}; give a file with the content, or - for standard input"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_or_has_no_end_is_named() {
        let refused = read(PayloadKind::Secret, "/no/such/file").unwrap_err();
        assert!(refused.starts_with("cannot read /no/such/file: "), "{refused}");
        let refused = read(PayloadKind::Secret, "/dev/zero").unwrap_err();
        assert!(refused.starts_with("/dev/zero has 512000 bytes or more"), "{refused}");
        assert_eq!(read(PayloadKind::Config, "/dev/null"), Ok(Vec::new()));
    }
}

//! PAX extended headers: the part of a tar member that its fixed header has no room for.
//!
//! Records are read by their stated length. The `tar` crate splits them at line ends instead, which breaks
//! binary values such as `security.capability` whenever they hold the byte 10.

/// Is the beginning of the keys that hold extended attributes.
const XATTR: &[u8] = b"SCHILY.xattr.";

/// Holds what an extended header overrides; an empty value overrides nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub mtime: Option<Time>,
    /// Names and values, in the order they came.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The member is stored as a map of its holes.
    pub is_sparse: bool,
}

/// Is a time since the epoch; the nanoseconds always count forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Time {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Reads the records of an extended header; the error says what is wrong.
pub(crate) fn parse(mut bytes: &[u8]) -> Result<Extended, &'static str> {
    let mut extended = Extended::default();
    while !bytes.is_empty() {
        let (key, value, rest) = record(bytes).ok_or("malformed extended header")?;
        extended.take(key, value)?;
        bytes = rest;
    }
    Ok(extended)
}

/// Splits off one record, `<length> <key>=<value>\n`, whose length includes all of itself.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
    let (whole, rest) = bytes.split_at_checked(length)?;
    let (body, end) = whole.get(space + 1..)?.split_at_checked(length.checked_sub(space + 2)?)?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    (end == b"\n").then(|| (&body[..equals], &body[equals + 1..], rest))
}

impl Extended {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if let Some(name) = key.strip_prefix(XATTR) {
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        if key.starts_with(b"GNU.sparse.") {
            self.is_sparse = true;
        }
        if value.is_empty() {
            return Ok(());
        }
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number(value)?),
            b"uid" => self.uid = Some(number(value)?),
            b"gid" => self.gid = Some(number(value)?),
            b"mtime" => self.mtime = Some(time(value).ok_or("malformed time in extended header")?),
            // Names of users and groups mean nothing outside of the image; comments and the like mean nothing.
            _ => {}
        }
        Ok(())
    }
}

fn number(value: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(value).ok();
    text.and_then(|text| text.parse().ok()).ok_or("malformed number in extended header")
}

/// Reads `[-]seconds[.fraction]`.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    // -1.25 s is two whole seconds back and then 0.75 s forward.
    if text.starts_with('-') && nanoseconds > 0 {
        return Some(Time { seconds: seconds.checked_sub(1)?, nanoseconds: 1_000_000_000 - nanoseconds });
    }
    Some(Time { seconds, nanoseconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(key: &str, value: &[u8]) -> Vec<u8> {
        let rest = key.len() + value.len() + 3;
        let length =
            (1..).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length);
        let mut record = format!("{} {key}=", length.unwrap()).into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        record
    }

    #[test]
    fn times_before_the_epoch_count_forward_from_the_second_before() {
        let time = |seconds, nanoseconds| Some(Time { seconds, nanoseconds });
        assert_eq!(super::time(b"12"), time(12, 0));
        assert_eq!(super::time(b"12.5"), time(12, 500_000_000));
        assert_eq!(super::time(b"12.0000000019"), time(12, 1));
        assert_eq!(super::time(b"-1.25"), time(-2, 750_000_000));
        assert_eq!(super::time(b"1.x"), None);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for wrong in ["5 a=b", "999 a=b\n", "2 a=b\n", "x a=b\n", "6 ab c\n", "0 \n", "3 \n"] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn binary_values_survive(value in proptest::collection::vec(any::<u8>(), 1..200)) {
            let mut bytes = written("SCHILY.xattr.user.x", &value);
            bytes.extend(written("path", &value));
            let extended = parse(&bytes).unwrap();
            prop_assert_eq!(extended.path, Some(value.clone()));
            prop_assert_eq!(extended.xattrs, vec![(b"user.x".to_vec(), value)]);
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
        }
    }
}

//! `--secret` and `--config` of a service: `key`, or `source=key,target=tls.key,uid=101,gid=101,mode=0400`.

use super::csv;
use proto::wire::PayloadUse;

/// Says why a text names no secret or config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadUseError {
    /// A quote is out of place.
    #[error("`{0}` has a quote that is never closed or out of place")]
    Quotes(String),
    /// No such option.
    #[error(
        "there is no option `{0}`: use source, target, uid, gid and mode, such as source=key,target=tls.key,mode=0400"
    )]
    Unknown(String),
    /// An option that needs a value.
    #[error("option `{0}` needs a value: write {0}=VALUE")]
    NoValue(String),
    /// Nothing says which.
    #[error("`{0}` names none: add source=NAME")]
    NoSource(String),
    /// Not the number of a user or group.
    #[error(
        "{key} `{value}` is not a number: names are not known outside of the image, so give the number that it has there"
    )]
    Number {
        /// The option.
        key: String,
        /// Its value.
        value: String,
    },
    /// Not permission bits.
    #[error("mode `{0}` is not an octal number such as 0400")]
    Mode(String),
}

/// Reads the value of `--secret` or `--config`. A mode is octal, with or without a zero before it.
pub fn parse(text: &str) -> Result<PayloadUse, PayloadUseError> {
    if !text.contains('=') && !text.contains(',') {
        return named(text.to_owned(), PayloadUse::default(), text);
    }
    let shown = || text.chars().take(100).collect::<String>();
    let (mut used, mut source) = (PayloadUse::default(), String::new());
    for field in csv::split(text).ok_or_else(|| PayloadUseError::Quotes(shown()))? {
        let (key, value) = field.split_once('=').unwrap_or((&field, ""));
        let number = || {
            let (key, value) = (key.to_owned(), value.to_owned());
            value.parse::<u32>().map_err(|_| PayloadUseError::Number { key, value })
        };
        let slot = match key.to_ascii_lowercase().as_str() {
            "source" | "src" => &mut source,
            "target" => &mut used.target,
            "uid" | "gid" | "mode" if value.is_empty() => {
                return Err(PayloadUseError::NoValue(key.to_owned()));
            }
            "uid" => {
                used.uid = number()?;
                continue;
            }
            "gid" => {
                used.gid = number()?;
                continue;
            }
            "mode" => {
                let digits = value.strip_prefix("0o").unwrap_or(value);
                let mode = u32::from_str_radix(digits, 8);
                used.mode = Some(mode.map_err(|_| PayloadUseError::Mode(value.to_owned()))?);
                continue;
            }
            _ => return Err(PayloadUseError::Unknown(key.to_owned())),
        };
        if value.is_empty() {
            return Err(PayloadUseError::NoValue(key.to_owned()));
        }
        *slot = value.to_owned();
    }
    named(source, used, text)
}

fn named(source: String, used: PayloadUse, text: &str) -> Result<PayloadUse, PayloadUseError> {
    match source.is_empty() {
        true => Err(PayloadUseError::NoSource(text.chars().take(100).collect())),
        false => Ok(PayloadUse { payload: source, ..used }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_or_with_options() {
        assert_eq!(parse("key"), Ok(PayloadUse { payload: "key".into(), ..Default::default() }));
        let long = parse("source=key,target=/etc/tls.key,uid=101,gid=102,mode=0400").unwrap();
        assert_eq!((long.payload.as_str(), long.target.as_str()), ("key", "/etc/tls.key"));
        assert_eq!((long.uid, long.gid, long.mode), (101, 102, Some(0o400)));
        for mode in ["src=key,mode=440", "src=key,mode=0440", "src=key,mode=0o440"] {
            assert_eq!(parse(mode).unwrap().mode, Some(0o440), "{mode}");
        }
        assert_eq!(parse("src=key").unwrap().mode, None);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (bad, says) in [
            ("", "add source=NAME"),
            ("target=x", "add source=NAME"),
            ("source=", "needs a value"),
            ("source=key,target", "needs a value"),
            ("source=key,mode=", "needs a value"),
            ("source=key,mode=9", "octal"),
            ("source=key,uid=www", "give the number"),
            ("source=key,readonly", "there is no option `readonly`"),
            ("source=\"key", "quote"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}

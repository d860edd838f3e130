//! Probes: `http=8080/ready,interval=2s,retries=5`.

use super::{csv, duration, number};
use proto::wire::{
    Probe,
    probe::{Grpc, Http, Kind, Tcp},
};

/// Says why a text describes no probe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// A quote is out of place.
    #[error("`{0}` has a quote that is never closed or out of place")]
    Quotes(String),
    /// No such part.
    #[error(
        "there is no part `{0}` of a probe: use one of http, https, tcp, grpc and cmd, and interval, timeout, retries, \
         start-period, start-interval, such as http=8080/ready,interval=2s"
    )]
    Unknown(String),
    /// Nothing says what is done.
    #[error("`{0}` does not say what is done: begin with one of http=, https=, tcp=, grpc= and cmd=")]
    NoKind(String),
    /// Two things are to be done.
    #[error("`{0}` says two things to do: a probe does one")]
    TwoKinds(String),
    /// Not a port.
    #[error("`{0}` is not a port: must be from 1 to 65535")]
    Port(String),
    /// A part has a value that it can't have.
    #[error("{part}: {reason}")]
    Value {
        /// The part.
        part: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads the value of `--readiness-probe` and the like.
pub fn parse(text: &str) -> Result<Probe, ProbeError> {
    let shown = || text.chars().take(60).collect::<String>();
    let mut probe = Probe::default();
    for field in csv::split(text).ok_or_else(|| ProbeError::Quotes(shown()))? {
        let (part, value) = field.split_once('=').unwrap_or((&field, ""));
        let span = || {
            let wrong = |error: duration::DurationError| ProbeError::Value {
                part: part.to_owned(),
                reason: error.to_string(),
            };
            duration::parse_ms(value).map(Some).map_err(wrong)
        };
        match part {
            "interval" => probe.interval_ms = span()?,
            "timeout" => probe.timeout_ms = span()?,
            "start-period" => probe.start_period_ms = span()?,
            "start-interval" => probe.start_interval_ms = span()?,
            "retries" => probe.retries = retries(part, value)?,
            _ => {
                let kind = kind(part, value)?.ok_or_else(|| ProbeError::Unknown(part.to_owned()))?;
                if probe.kind.replace(kind).is_some() {
                    return Err(ProbeError::TwoKinds(shown()));
                }
            }
        }
    }
    match probe.kind {
        Some(_) => Ok(probe),
        None => Err(ProbeError::NoKind(shown())),
    }
}

/// Reads how often a probe may fail: at least once.
pub fn retries(part: &str, value: &str) -> Result<u32, ProbeError> {
    let wrong = |reason: String| ProbeError::Value { part: part.to_owned(), reason };
    match number::count(value) {
        Ok(0) => Err(wrong("must be at least 1".to_owned())),
        Ok(count) => Ok(count),
        Err(error) => Err(wrong(error.to_string())),
    }
}

fn kind(part: &str, value: &str) -> Result<Option<Kind>, ProbeError> {
    let (number, rest) = value.split_at(value.find('/').unwrap_or(value.len()));
    let port = || {
        let read = number.parse::<u16>().ok().filter(|port| *port > 0);
        read.map(u32::from).ok_or_else(|| ProbeError::Port(number.chars().take(40).collect()))
    };
    Ok(Some(match part {
        "http" | "https" => {
            let path = if rest.is_empty() { "/" } else { rest }.to_owned();
            Kind::Http(Http { port: port()?, path, tls: part == "https" })
        }
        "tcp" if rest.is_empty() => Kind::Tcp(Tcp { port: port()? }),
        "tcp" => return Err(ProbeError::Port(value.chars().take(40).collect())),
        "grpc" => Kind::Grpc(Grpc { port: port()?, service: rest.trim_start_matches('/').to_owned() }),
        "cmd" => Kind::Shell(value.to_owned()),
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_says_one_thing_to_do_and_how_often() {
        let http = |port, path: &str, tls| Some(Kind::Http(Http { port, path: path.into(), tls }));
        for (text, kind) in [
            ("http=8080", http(8080, "/", false)),
            ("http=8080/ready?a=b", http(8080, "/ready?a=b", false)),
            ("https=443/x", http(443, "/x", true)),
            ("tcp=5432", Some(Kind::Tcp(Tcp { port: 5432 }))),
            ("grpc=50051", Some(Kind::Grpc(Grpc { port: 50051, service: String::new() }))),
            ("grpc=50051/shop.Cart", Some(Kind::Grpc(Grpc { port: 50051, service: "shop.Cart".into() }))),
            ("cmd=pg_isready -U me", Some(Kind::Shell("pg_isready -U me".into()))),
            ("\"cmd=echo a,b\"", Some(Kind::Shell("echo a,b".into()))),
        ] {
            assert_eq!(parse(text), Ok(Probe { kind, ..Probe::default() }), "{text}");
        }
        let all = "tcp=1,interval=2s,timeout=500ms,retries=4,start-period=1m,start-interval=100ms";
        let all = parse(all).unwrap();
        let times =
            (all.interval_ms, all.timeout_ms, all.start_period_ms, all.start_interval_ms, all.retries);
        assert_eq!(times, (Some(2_000), Some(500), Some(60_000), Some(100), 4));
    }

    #[test]
    fn what_is_none_is_refused_with_what_to_write() {
        for (text, says) in [
            ("", "no part ``"),
            ("interval=2s", "does not say what is done"),
            ("http", "`` is not a port"),
            ("http=0/x", "`0` is not a port"),
            ("tcp=80/x", "`80/x` is not a port"),
            ("tcp=80,http=80", "two things"),
            ("tcp=80,every=2s", "no part `every`"),
            ("tcp=80,interval=2", "interval: "),
            ("tcp=80,retries=0", "retries: must be at least 1"),
            ("\"cmd=x", "quote"),
        ] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}

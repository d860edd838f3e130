//! `--publish`: `8080:80/tcp`, ranges of ports, or `published=8080,target=80,mode=host`.

use super::csv;
use proto::wire::{
    PublishedPort,
    published_port::{Mode, Protocol},
};

/// Says why a text publishes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Not a port.
    #[error("`{0}` is not a port: use a number from 1 to 65535")]
    Port(String),
    /// Not a range.
    #[error("`{0}` is not a range of ports: write FIRST-LAST, such as 8080-8089")]
    Range(String),
    /// Two ranges that don't match.
    #[error("`{0}` has ranges of different lengths: as many ports must be published as targets named")]
    Lengths(String),
    /// A protocol that can't be published.
    #[error("protocol `{0}` can't be published: use tcp or udp")]
    Protocol(String),
    /// An address before the ports.
    #[error("`{0}` names an address: a service's ports can't be bound to one; write PUBLISHED:TARGET")]
    Address(String),
    /// No such key.
    #[error("there is no publish option `{0}`: use published, target, protocol or mode")]
    Unknown(String),
    /// No such mode.
    #[error("publish mode `{0}` is not known: use host or ingress")]
    Mode(String),
    /// Nothing to publish.
    #[error("`{0}` has no target: add target=PORT")]
    NoTarget(String),
}

/// Reads the value of `--publish`. A published port of zero leaves the choice to the cluster. The
/// mode is ingress, docker's default, where none is given.
pub fn parse(text: &str) -> Result<Vec<PublishedPort>, PublishError> {
    if text.contains('=') { long(text).map(|port| vec![port]) } else { short(text) }
}

/// `[PUBLISHED:]TARGET[/PROTOCOL]`, each of the two a port or a range.
fn short(text: &str) -> Result<Vec<PublishedPort>, PublishError> {
    let shown = || text.chars().take(60).collect::<String>();
    let (ports, protocol) = match text.rsplit_once('/') {
        Some((ports, word)) => (ports, protocol(word)?),
        None => (text, Protocol::Tcp),
    };
    let parts: Vec<&str> = ports.split(':').collect();
    let (published, target) = match parts.as_slice() {
        [target] => (None, range(target)?),
        ["", target] => (None, range(target)?),
        [published, target] => (Some(range(published)?), range(target)?),
        _ => return Err(PublishError::Address(shown())),
    };
    if published.as_ref().is_some_and(|published| published.len() != target.len()) {
        return Err(PublishError::Lengths(shown()));
    }
    let first = published.map(|published| *published.start());
    let pair = |(nth, target): (usize, u32)| PublishedPort {
        protocol: protocol.into(),
        published: first.map_or(0, |first| first + nth as u32),
        target,
        mode: Mode::Ingress.into(),
    };
    Ok(target.enumerate().map(pair).collect())
}

/// A range of ports that is known to be in order.
struct Ports(std::ops::RangeInclusive<u32>);

impl Ports {
    fn len(&self) -> u32 {
        self.0.end() - self.0.start()
    }
    fn start(&self) -> &u32 {
        self.0.start()
    }
    fn enumerate(self) -> impl Iterator<Item = (usize, u32)> {
        self.0.enumerate()
    }
}

fn range(text: &str) -> Result<Ports, PublishError> {
    match text.split_once('-') {
        None => port(text).map(|port| Ports(port..=port)),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if first > last { Err(PublishError::Range(text.to_owned())) } else { Ok(Ports(first..=last)) }
        }
    }
}

fn long(text: &str) -> Result<PublishedPort, PublishError> {
    let shown = || text.chars().take(60).collect::<String>();
    let mut found =
        PublishedPort { protocol: Protocol::Tcp.into(), mode: Mode::Ingress.into(), ..Default::default() };
    for field in csv::split(text).ok_or_else(|| PublishError::Unknown(shown()))? {
        match field.split_once('=').unwrap_or((&field, "")) {
            ("published", value) => found.published = port(value)?,
            ("target", value) => found.target = port(value)?,
            ("protocol", value) => found.protocol = protocol(value)?.into(),
            ("mode", "host") => found.mode = Mode::Host.into(),
            ("mode", "ingress") => found.mode = Mode::Ingress.into(),
            ("mode", other) => return Err(PublishError::Mode(other.to_owned())),
            (other, _) => return Err(PublishError::Unknown(other.to_owned())),
        }
    }
    if found.target == 0 {
        return Err(PublishError::NoTarget(shown()));
    }
    Ok(found)
}

fn protocol(word: &str) -> Result<Protocol, PublishError> {
    match word.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(PublishError::Protocol(word.to_owned())),
    }
}

fn port(text: &str) -> Result<u32, PublishError> {
    let digits = text.chars().all(|c| c.is_ascii_digit());
    let number = text.parse::<u16>().ok().filter(|&number| digits && number > 0);
    number.map(u32::from).ok_or_else(|| PublishError::Port(text.chars().take(40).collect()))
}

/// What `--publish-rm` names: a target port, with a protocol or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetPort {
    target: u32,
    protocol: Option<Protocol>,
}

impl TargetPort {
    /// Reads `TARGET[/PROTOCOL]`.
    pub fn parse(text: &str) -> Result<TargetPort, PublishError> {
        let (number, word) = match text.split_once('/') {
            Some((number, word)) => (number, Some(protocol(word)?)),
            None => (text, None),
        };
        Ok(TargetPort { target: port(number)?, protocol: word })
    }

    /// Whether it means this port.
    pub fn matches(&self, port: &PublishedPort) -> bool {
        port.target == self.target && self.protocol.is_none_or(|protocol| protocol == port.protocol())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ports: Vec<PublishedPort>) -> String {
        let one = |port: &PublishedPort| {
            format!("{}:{}/{:?}/{:?}", port.published, port.target, port.protocol(), port.mode())
        };
        ports.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ports_are_published_in_short_and_long_form() {
        for (given, ports) in [
            ("80", "0:80/Tcp/Ingress"),
            (":80", "0:80/Tcp/Ingress"),
            ("8080:80/udp", "8080:80/Udp/Ingress"),
            ("8080-8081:80-81", "8080:80/Tcp/Ingress 8081:81/Tcp/Ingress"),
            ("published=8080,target=80,mode=host", "8080:80/Tcp/Host"),
            ("target=53,protocol=udp", "0:53/Udp/Ingress"),
        ] {
            assert_eq!(text(parse(given).unwrap()), ports, "{given}");
        }
    }

    #[test]
    fn a_malformed_port_says_what_would_be_right() {
        for (bad, says) in [
            ("0", "from 1 to 65535"),
            ("65536", "from 1 to 65535"),
            ("+80", "from 1 to 65535"),
            ("127.0.0.1:80:80", "can't be bound"),
            ("80-70", "FIRST-LAST"),
            ("80-81:90-95", "different lengths"),
            ("80/sctp", "use tcp or udp"),
            ("target=80,mode=mesh", "use host or ingress"),
            ("published=80", "add target=PORT"),
            ("target=80,ip=1.2.3.4", "no publish option `ip`"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn a_removal_without_protocol_means_every_protocol() {
        let port = &parse("80:53/udp").unwrap()[0];
        assert!(TargetPort::parse("53").unwrap().matches(port));
        assert!(TargetPort::parse("53/udp").unwrap().matches(port));
        assert!(!TargetPort::parse("53/tcp").unwrap().matches(port));
    }
}

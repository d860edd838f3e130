//! `--publish`: `8080:80/tcp`, `10.0.0.5:8080:80`, ranges of ports, or `published=8080,target=80,mode=host`.

use super::csv;
use proto::{
    model::{HostIp, HostIpError},
    wire::{
        PublishedPort,
        published_port::{Mode, Protocol, Traffic},
    },
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
    #[error("protocol `{0}` can't be published: use tcp, udp or sctp")]
    Protocol(String),
    /// Nothing can be published at the address.
    #[error(transparent)]
    HostIp(#[from] HostIpError),
    /// An IPv6 address, or too many colons.
    #[error(
        "`{0}` is not [HOST-IP:][PUBLISHED:]TARGET: an IPv6 address takes brackets, as in [fd00::5]:8080:80"
    )]
    Form(String),
    /// No such key.
    #[error("there is no publish option `{0}`: use published, target, protocol, mode, host-ip or traffic")]
    Unknown(String),
    /// No such choice of tasks.
    #[error("traffic `{0}` is not known: use cluster, or local-first (a node's own tasks while it has any)")]
    Traffic(String),
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

/// `[HOST-IP:][PUBLISHED:]TARGET[/PROTOCOL]`, each of the two ports one or a range.
fn short(text: &str) -> Result<Vec<PublishedPort>, PublishError> {
    let shown = || text.chars().take(60).collect::<String>();
    let (host_ip, ports) = match text.strip_prefix('[').map(|rest| rest.split_once("]:")) {
        Some(Some((host_ip, ports))) => (Some(host_ip), ports),
        Some(None) => return Err(PublishError::Form(shown())),
        None => match text.splitn(3, ':').collect::<Vec<_>>()[..] {
            [_, _, target] if target.contains(':') => return Err(PublishError::Form(shown())),
            [host_ip, _, _] => (Some(host_ip), &text[host_ip.len() + 1..]),
            _ => (None, text),
        },
    };
    let host_ip = host_ip.map(str::parse::<HostIp>).transpose()?;
    // A subnet has a slash too.
    let (published, target) = ports.rsplit_once(':').unwrap_or(("", ports));
    if published.contains(':') {
        return Err(PublishError::Form(shown()));
    }
    let (target, protocol) = match target.rsplit_once('/') {
        Some((target, word)) => (target, protocol(word)?),
        None => (target, Protocol::Tcp),
    };
    let published = if published.is_empty() { None } else { Some(range(published)?) };
    let target = range(target)?;
    if published.as_ref().is_some_and(|published| published.len() != target.len()) {
        return Err(PublishError::Lengths(shown()));
    }
    let first = published.map(|published| *published.start());
    let pair = |(nth, target): (usize, u32)| PublishedPort {
        protocol: protocol.into(),
        published: first.map_or(0, |first| first + nth as u32),
        target,
        mode: Mode::Ingress.into(),
        host_ip: host_ip.map(|host_ip| host_ip.to_string()).unwrap_or_default(),
        traffic: Traffic::Cluster.into(),
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
    let mut found = PublishedPort {
        protocol: Protocol::Tcp.into(),
        mode: Mode::Ingress.into(),
        traffic: Traffic::Cluster.into(),
        ..Default::default()
    };
    for field in csv::split(text).ok_or_else(|| PublishError::Unknown(shown()))? {
        match field.split_once('=').unwrap_or((&field, "")) {
            ("published", value) => found.published = port(value)?,
            ("target", value) => found.target = port(value)?,
            ("protocol", value) => found.protocol = protocol(value)?.into(),
            ("mode", "host") => found.mode = Mode::Host.into(),
            ("mode", "ingress") => found.mode = Mode::Ingress.into(),
            ("mode", other) => return Err(PublishError::Mode(other.to_owned())),
            // With a hyphen as the other options have it, with a low line as Compose files have it.
            ("host-ip" | "host_ip", value) => found.host_ip = value.parse::<HostIp>()?.to_string(),
            ("traffic", "cluster") => found.traffic = Traffic::Cluster.into(),
            ("traffic", "local-first") => found.traffic = Traffic::LocalFirst.into(),
            ("traffic", other) => return Err(PublishError::Traffic(other.to_owned())),
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
        "sctp" => Ok(Protocol::Sctp),
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
            let traffic = if port.traffic() == Traffic::LocalFirst { "/LocalFirst" } else { "" };
            let at = if port.host_ip.is_empty() { String::new() } else { format!(" at {}", port.host_ip) };
            let (protocol, mode) = (port.protocol(), port.mode());
            format!("{}:{}/{protocol:?}/{mode:?}{traffic}{at}", port.published, port.target)
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
            ("80/sctp", "0:80/Sctp/Ingress"),
            ("10.0.0.5:8080:80/udp", "8080:80/Udp/Ingress at 10.0.0.5"),
            ("10.0.0.0/24:8080:80", "8080:80/Tcp/Ingress at 10.0.0.0/24"),
            ("10.0.0.5::80", "0:80/Tcp/Ingress at 10.0.0.5"),
            ("[fd00::5]:8080:80", "8080:80/Tcp/Ingress at fd00::5"),
            ("published=80,target=80,mode=host,host-ip=127.0.0.1", "80:80/Tcp/Host at 127.0.0.1"),
            ("published=80,target=80,host_ip=fd00::/64", "80:80/Tcp/Ingress at fd00::/64"),
            ("published=80,target=8080,traffic=local-first", "80:8080/Tcp/Ingress/LocalFirst"),
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
            ("eth0:80:80", "`eth0` is not an address of a node"),
            ("fd00::5:80:80", "takes brackets"),
            ("[fd00::5", "takes brackets"),
            ("[::1]:80:80", "use 127.0.0.1"),
            ("target=80,traffic=near", "use cluster, or local-first"),
            ("80-70", "FIRST-LAST"),
            ("80-81:90-95", "different lengths"),
            ("80/dccp", "use tcp, udp or sctp"),
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

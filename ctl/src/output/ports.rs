//! Published ports in one cell: `*:8080-8081->80-81/tcp, 10.0.0.5:53->53/udp`.

use super::states;
use proto::wire::PublishedPort;

/// The ports in order, neighbours joined to ranges.
pub fn in_words(ports: &[PublishedPort]) -> String {
    let mut sorted: Vec<_> = ports.iter().filter(|port| port.published > 0).collect();
    sorted.sort_by_key(|port| (port.protocol, &port.host_ip, port.published, port.target));
    let mut ranges: Vec<(&PublishedPort, u32)> = Vec::new();
    for port in sorted {
        match ranges.last_mut() {
            Some((first, length)) if continues(first, *length, port) => *length += 1,
            _ => ranges.push((port, 1)),
        }
    }
    let text = |(first, length): &(&PublishedPort, u32)| {
        let protocol = states::protocol(first.protocol());
        let (published, target) = (range(first.published, *length), range(first.target, *length));
        format!("{}:{published}->{target}/{protocol}", at(&first.host_ip))
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn continues(first: &PublishedPort, length: u32, port: &PublishedPort) -> bool {
    (first.protocol, &first.host_ip, first.published + length, first.target + length)
        == (port.protocol, &port.host_ip, port.published, port.target)
}

/// The addresses in front of a colon.
fn at(host_ip: &str) -> String {
    match host_ip {
        "" => "*".to_owned(),
        ipv6 if ipv6.contains(':') => format!("[{ipv6}]"),
        ipv4 => ipv4.to_owned(),
    }
}

fn range(first: u32, length: u32) -> String {
    if length == 1 { first.to_string() } else { format!("{first}-{}", first + length - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::publish;

    #[test]
    fn neighbouring_ports_are_joined() {
        let parse = |text| publish::parse(text).unwrap();
        let ports =
            [parse("90:80"), parse("8080-8082:80-82"), parse("53:53/udp"), parse("8083:90"), parse("443")]
                .concat();
        assert_eq!(in_words(&ports), "*:90->80/tcp, *:8080-8082->80-82/tcp, *:8083->90/tcp, *:53->53/udp");
    }

    #[test]
    fn ports_of_some_addresses_stand_by_themselves() {
        let ports = ["[fd00::5]:81:81", "10.0.0.5:81:81", "80:80"].map(|text| publish::parse(text).unwrap());
        assert_eq!(in_words(&ports.concat()), "*:80->80/tcp, 10.0.0.5:81->81/tcp, [fd00::5]:81->81/tcp");
    }
}

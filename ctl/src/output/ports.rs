//! Published ports in one cell: `*:8080-8081->80-81/tcp`.

use super::states;
use proto::wire::PublishedPort;

/// The ports in order, neighbours joined to ranges.
pub fn in_words(ports: &[PublishedPort]) -> String {
    let mut sorted: Vec<_> = ports.iter().filter(|port| port.published > 0).collect();
    sorted.sort_by_key(|port| (port.protocol, port.published, port.target));
    let mut ranges: Vec<(PublishedPort, u32)> = Vec::new();
    for port in sorted {
        match ranges.last_mut() {
            Some((first, length)) if continues(first, *length, port) => *length += 1,
            _ => ranges.push((*port, 1)),
        }
    }
    let text = |(first, length): &(PublishedPort, u32)| {
        let protocol = states::protocol(first.protocol());
        format!("*:{}->{}/{protocol}", range(first.published, *length), range(first.target, *length))
    };
    ranges.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn continues(first: &PublishedPort, length: u32, port: &PublishedPort) -> bool {
    (first.protocol, first.published + length, first.target + length)
        == (port.protocol, port.published, port.target)
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
}

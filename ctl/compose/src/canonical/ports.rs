//! `ports`: `[ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]`, each a port or a range of ports.

use crate::{
    node::{Key, Map, Node, Value},
    place::KeyPath,
    report::Report,
};

#[derive(Debug, thiserror::Error)]
enum PortsError {
    #[error("`{0}` is not a port: use a number from 1 to 65535, or a range of them such as 8080-8089")]
    Number(String),
    #[error(
        "`{0}` is not [ADDRESS:][PUBLISHED:]TARGET[/PROTOCOL]: an IPv6 address takes brackets, as in [fd00::5]:8080:80"
    )]
    Form(String),
    #[error("`{0}` has ranges of different lengths: as many ports must be published as targets named")]
    Lengths(String),
}

/// Writes every short port out, one map for each port.
pub fn expand(service: &mut Map, path: &KeyPath, report: &Report) {
    let Some(Value::List(list)) = service.get_mut("ports").map(|node| &mut node.value) else { return };
    let mut long = Vec::new();
    for (nth, node) in std::mem::take(list).into_iter().enumerate() {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => {
                long.push(node);
                continue;
            }
        };
        match report.take(&node.place, &path.nth(nth), short(&text)) {
            Some(ports) => long.extend(ports.iter().map(|port| port.written(&node))),
            // Nothing stays where the form is wrong, so that it is said once.
            None => long.push(Node::new(Value::Null, node.place)),
        }
    }
    *list = long;
}

struct Port<'a> {
    host_ip: Option<&'a str>,
    published: Option<String>,
    target: u16,
    protocol: &'a str,
}

impl Port<'_> {
    fn written(&self, at: &Node) -> Node {
        let key = |text: &str| Key { text: text.to_owned(), place: at.place.clone() };
        let node = |value| Node::new(value, at.place.clone());
        let text = |text: &str| node(Value::Text(text.to_owned()));
        let mut map = Map::default();
        map.set(key("mode"), text("ingress"));
        map.set(key("target"), node(Value::Int(self.target.into())));
        if let Some(published) = &self.published {
            map.set(key("published"), text(published));
        }
        map.set(key("protocol"), text(self.protocol));
        if let Some(host_ip) = self.host_ip {
            map.set(key("host_ip"), text(host_ip));
        }
        node(Value::Map(map))
    }
}

fn short(text: &str) -> Result<Vec<Port<'_>>, PortsError> {
    let form = || PortsError::Form(text.chars().take(60).collect());
    let (ports, target) =
        text.rsplit_once(':').map_or((None, text), |(before, target)| (Some(before), target));
    let (target, protocol) = target.rsplit_once('/').unwrap_or((target, "tcp"));
    let (host_ip, published) = match ports {
        None => (None, None),
        Some(ports) => match ports.strip_prefix('[') {
            Some(rest) => {
                let (address, published) = rest.split_once("]:").ok_or_else(form)?;
                (Some(address), Some(published))
            }
            None => match ports.rsplit_once(':') {
                Some((address, _)) if address.contains(':') => return Err(form()),
                Some((address, published)) => (Some(address), Some(published)),
                None => (None, Some(ports)),
            },
        },
    };
    let targets = range(target)?;
    let count = targets.len();
    let published: Vec<Option<String>> = match published.filter(|text| !text.is_empty()) {
        None => vec![None; count],
        Some(text) => {
            let range = range(text)?;
            match range.len() {
                same if same == count => range.iter().map(|port| Some(port.to_string())).collect(),
                // One target and a range to choose from.
                _ if count == 1 => vec![Some(text.to_owned())],
                _ => return Err(PortsError::Lengths(text.to_owned())),
            }
        }
    };
    let port = |(target, published)| Port { host_ip, published, target, protocol };
    Ok(targets.into_iter().zip(published).map(port).collect())
}

fn range(text: &str) -> Result<Vec<u16>, PortsError> {
    let wrong = || PortsError::Number(text.chars().take(40).collect());
    let port = |text: &str| {
        let digits = text.chars().all(|c| c.is_ascii_digit());
        text.parse::<u16>().ok().filter(|&port| digits && port > 0).ok_or_else(wrong)
    };
    match text.split_once('-') {
        None => Ok(vec![port(text)?]),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            if first > last { Err(wrong()) } else { Ok((first..=last).collect()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let one = |port: &Port| {
            let at = port.host_ip.map_or(String::new(), |ip| format!("@{ip}"));
            format!("{}:{}/{}{at}", port.published.as_deref().unwrap_or("-"), port.target, port.protocol)
        };
        let ports = short(text).map_err(|error| error.to_string())?;
        Ok(ports.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn short_ports_are_written_out() {
        for (text, expected) in [
            ("80", "-:80/tcp"),
            ("8080:80", "8080:80/tcp"),
            ("9000-9001:90-91/udp", "9000:90/udp 9001:91/udp"),
            ("127.0.0.1:8080:80", "8080:80/tcp@127.0.0.1"),
            ("127.0.0.1::80", "-:80/tcp@127.0.0.1"),
            ("[fd00::5]:8080:80/udp", "8080:80/udp@fd00::5"),
            ("10.0.0.0/24:8080:80", "8080:80/tcp@10.0.0.0/24"),
            ("8000-8010:80", "8000-8010:80/tcp"),
        ] {
            assert_eq!(shown(text), Ok(expected.into()), "{text}");
        }
        for bad in ["", "0", "80x", "1:2:3:4", "8080-8081:80-83", "70000", "90-80", "[::1:80"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}

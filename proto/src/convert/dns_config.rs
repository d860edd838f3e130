//! How a container looks names up.

use super::bounds::{self, shown};
use crate::{
    model::{
        DnsConfig, Problems,
        dns_config::{NAME_SERVER, NO_SEARCH},
    },
    wire,
};
use std::net::IpAddr;

/// The longest name in characters (RFC 1035, 2.3.4).
const DOMAIN_CHARS_MAX: usize = 253;

impl From<&DnsConfig> for wire::DnsConfig {
    fn from(dns: &DnsConfig) -> Self {
        wire::DnsConfig {
            servers: dns.servers.iter().map(IpAddr::to_string).collect(),
            searches: dns.searches.clone(),
            options: dns.options.clone(),
        }
    }
}

/// Reads it, noting every problem.
pub(super) fn dns_config(wire: wire::DnsConfig, problems: &mut Problems) -> DnsConfig {
    const SERVER: &str = "--dns";
    const SEARCH: &str = "--dns-search";
    const OPTION: &str = "--dns-option";
    for (option, texts) in [(SERVER, &wire.servers), (SEARCH, &wire.searches), (OPTION, &wire.options)] {
        bounds::count(option, texts.len(), problems);
    }
    let server = |text: &String| match text.parse() {
        Ok(IpAddr::V4(NAME_SERVER)) => {
            Err(format!("{NAME_SERVER} is a container's own name server, which would ask itself"))
        }
        Ok(address) => Ok(address),
        Err(_) => Err(format!("`{}` is not an address: write one such as 192.0.2.53", shown(text))),
    };
    for search in wire.searches.iter().filter(|search| !is_domain(search)) {
        problems.add(SEARCH, format!("`{}` is not a domain: write one such as example.org", shown(search)));
    }
    if wire.searches.len() > 1 && wire.searches.iter().any(|search| search == NO_SEARCH) {
        problems.add(SEARCH, format!("`{NO_SEARCH}` stands for no domain at all: leave the others out"));
    }
    for option in wire.options.iter().filter(|option| !is_word(option)) {
        problems.add(OPTION, format!("`{}` is not an option: write one such as ndots:2", shown(option)));
    }
    let servers = problems.take_all(SERVER, wire.servers.iter().map(server));
    DnsConfig { servers, searches: wire.searches, options: wire.options }
}

/// Whether a text can be a search domain, on a line of resolv.conf(5).
fn is_domain(text: &str) -> bool {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let is_good = |c: char| c.is_ascii_alphanumeric() || ['-', '_'].contains(&c);
    let is_label = |label: &str| !label.is_empty() && label.chars().all(is_good);
    text == NO_SEARCH || bare.len() <= DOMAIN_CHARS_MAX && bare.split('.').all(is_label)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= DOMAIN_CHARS_MAX && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_that_would_not_do_is_named() {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        let wire = wire::DnsConfig {
            servers: texts(&["192.0.2.53", "2001:db8::53", "ns1", "127.0.0.11"]),
            searches: texts(&["example.org", "lan.", ".", "a b"]),
            options: texts(&["ndots:2", "rotate\n"]),
        };
        let mut problems = Problems::default();
        let dns = dns_config(wire, &mut problems);
        assert_eq!(dns.servers.len(), 2);
        assert_eq!(
            problems.to_string(),
            "--dns-search: `a b` is not a domain: write one such as example.org\n\
             --dns-search: `.` stands for no domain at all: leave the others out\n\
             --dns-option: `rotate\\n` is not an option: write one such as ndots:2\n\
             --dns: `ns1` is not an address: write one such as 192.0.2.53\n\
             --dns: 127.0.0.11 is a container's own name server, which would ask itself"
        );
    }
}

//! Which registries are spoken to without TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Says whether `registry` is reached by plain http: on this host itself, or because it was listed.
///
/// A listed entry is a host, which covers all its ports, or a host with a port.
pub(crate) fn is_plain_http(registry: &str, insecure: &[String]) -> bool {
    let host = host_of(registry);
    is_loopback(host) || insecure.iter().any(|entry| entry == registry || entry == host)
}

/// Returns the host without port and brackets.
fn host_of(registry: &str) -> &str {
    if let Some((address, _)) = registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    registry.split_once(':').map_or(registry, |(host, _)| host)
}

fn is_loopback(host: &str) -> bool {
    match host.parse() {
        Ok(IpAddr::V4(address)) => Ipv4Addr::is_loopback(&address),
        Ok(IpAddr::V6(address)) => Ipv6Addr::is_loopback(&address),
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_listed_registries_are_spoken_to_in_the_clear() {
        let listed = ["registry.lan:5000".to_owned(), "old.example".to_owned()];
        for plain in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:5000",
            "registry.lan:5000",
            "old.example:80",
        ] {
            assert!(is_plain_http(plain, &listed), "{plain}");
        }
        for secure in
            ["docker.io", "registry.lan", "registry.lan:5001", "127.0.0.1.example", "localhost.example"]
        {
            assert!(!is_plain_http(secure, &listed), "{secure}");
        }
    }
}

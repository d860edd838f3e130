//! Names of ports, as IANA registers them (RFC 6335), of what services in containers commonly are.

/// Names and their ports, by name.
const PORTS: &[(&str, u16)] = &[
    ("amqp", 5672),
    ("amqps", 5671),
    ("domain", 53),
    ("epmd", 4369),
    ("ftp", 21),
    ("git", 9418),
    ("http", 80),
    ("http-alt", 8080),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("ldap", 389),
    ("ldaps", 636),
    ("memcache", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("nats", 4222),
    ("ntp", 123),
    ("pop3", 110),
    ("postgresql", 5432),
    ("redis", 6379),
    ("sip", 5060),
    ("smtp", 25),
    ("snmp", 161),
    ("ssh", 22),
    ("submission", 587),
    ("syslog", 514),
];

/// The port that has a name, given in lower case.
pub(super) fn port(name: &str) -> Option<u16> {
    let place = PORTS.binary_search_by_key(&name, |(name, _)| name).ok()?;
    Some(PORTS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found() {
        for &(name, number) in PORTS {
            assert_eq!(port(name), Some(number), "the names are not sorted at {name}");
        }
        assert_eq!(port("www"), None);
    }
}

//! The texts of the files below `/etc` that a container is given: `hosts` and `resolv.conf`.

pub use proto::model::dns_config::NAME_SERVER;
use proto::model::{DnsConfig, ExtraHost, HostTarget, dns_config::NO_SEARCH};
use std::net::IpAddr;

/// How an option of `resolv.conf` begins that says which names are looked for in search domains first.
const DOTS: &str = "ndots:";

/// Names that every container knows, as Docker writes them.
const FIXED_HOSTS: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// Writes the `hosts` file of a container that has its own addresses; it finds its own name there.
pub fn hosts(hostname: &str, addresses: &[IpAddr]) -> String {
    let own = addresses.iter().map(|address| format!("{address}\t{hostname}\n"));
    std::iter::once(FIXED_HOSTS.to_owned()).chain(own).collect()
}

/// Writes the lines that a service adds to the `hosts` file; `gateway` has the addresses at which the container reaches
/// its node.
pub fn extra_hosts(extra: &[ExtraHost], gateway: &[IpAddr]) -> String {
    let line = |address: IpAddr, name: &str| format!("{address}\t{name}\n");
    let lines = extra.iter().flat_map(|host| match host.target {
        HostTarget::Address(address) => vec![line(address, &host.name)],
        HostTarget::Gateway => gateway.iter().map(|address| line(*address, &host.name)).collect(),
    });
    lines.collect()
}

/// Writes the `resolv.conf` of a container that has its own network, from the host's and what its service says.
///
/// Name servers that answer at the host's loopback or at a link-local address can't be reached from
/// there, so they are left out. If that leaves none, those of `upstream` are taken: the file in which
/// systemd-resolved keeps the servers that it asks itself.
pub fn resolv_conf(host: &str, upstream: Option<&str>, dns: &DnsConfig) -> String {
    let has_server = |text: &str| text.lines().any(|line| server(line).is_some_and(is_reachable));
    let chosen = upstream.filter(|text| !has_server(host) && has_server(text)).unwrap_or(host);
    changed(chosen, dns, |line| server(line).is_none_or(is_reachable))
}

/// Writes the `resolv.conf` of a container in the host's own network: the host's, as far as its service says nothing.
pub fn resolv_conf_of_host(host: &str, dns: &DnsConfig) -> String {
    if *dns == DnsConfig::default() { host.to_owned() } else { changed(host, dns, |_| true) }
}

/// Writes the `resolv.conf` of a container that has a name server of its own, from the host's and what its service says:
/// search domains and options stay, but a name without a dot is asked for as it is first, unless an option says otherwise.
pub fn resolv_conf_with_name_server(host: &str, dns: &DnsConfig) -> String {
    let servers = vec![IpAddr::V4(NAME_SERVER)];
    let text = changed(host, &DnsConfig { servers, ..dns.clone() }, |_| true);
    let has_dots = dns.options.iter().any(|option| option.starts_with(DOTS));
    if has_dots { text } else { text + &format!("options {DOTS}0\n") }
}

/// A `resolv.conf` with what a service says in the place of what the file has, and of the file those lines that are to be
/// kept.
fn changed(text: &str, dns: &DnsConfig, is_kept: impl Fn(&str) -> bool) -> String {
    let is_replaced = |line: &str| match line.split_whitespace().next() {
        Some("nameserver") => !dns.servers.is_empty(),
        Some("search" | "domain") => !dns.searches.is_empty(),
        Some("options") => !dns.options.is_empty(),
        Some(_) | None => false,
    };
    let is_meant = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']) && is_kept(line);
    let kept = text.lines().map(str::trim).filter(is_meant).filter(|line| !is_replaced(line));
    let servers = dns.servers.iter().map(|server| format!("nameserver {server}"));
    let line =
        |word: &str, values: &[String]| (!values.is_empty()).then(|| format!("{word} {}", values.join(" ")));
    let searches: Vec<_> = dns.searches.iter().filter(|search| *search != NO_SEARCH).cloned().collect();
    let ours = servers.chain(line("search", &searches)).chain(line("options", &dns.options));
    ours.chain(kept.map(str::to_owned)).map(|line| line + "\n").collect()
}

/// Whether a container's `resolv.conf` names a server at all.
pub fn names_a_server(resolv_conf: &str) -> bool {
    servers(resolv_conf).next().is_some()
}

/// The servers that a `resolv.conf` names, as they are written.
pub fn servers(resolv_conf: &str) -> impl Iterator<Item = &str> {
    resolv_conf.lines().filter_map(server)
}

/// The server that a line names.
fn server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())
}

fn is_reachable(server: &str) -> bool {
    match server.parse() {
        Ok(IpAddr::V4(address)) => {
            !address.is_loopback() && !address.is_unspecified() && !address.is_link_local()
        }
        Ok(IpAddr::V6(address)) => {
            !address.is_loopback() && !address.is_unspecified() && !address.is_unicast_link_local()
        }
        // `fe80::1%eth0`: a link of the host.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_finds_its_own_name() {
        let text = hosts("web-1", &["10.1.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]);
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"), "{text}");
        assert!(text.ends_with("\n10.1.0.2\tweb-1\nfd00::2\tweb-1\n"), "{text}");
    }

    #[test]
    fn the_word_for_the_node_stands_for_all_its_addresses() {
        let extra = ["db:192.0.2.7", "host.docker.internal:host-gateway"].map(|text| text.parse().unwrap());
        let gateway = ["169.254.8.1".parse().unwrap(), "fd73::1".parse().unwrap()];
        assert_eq!(
            extra_hosts(&extra, &gateway),
            "192.0.2.7\tdb\n169.254.8.1\thost.docker.internal\nfd73::1\thost.docker.internal\n"
        );
    }

    #[test]
    fn servers_on_the_hosts_loopback_or_link_are_left_out() {
        let host = "# made by hand\nnameserver 127.0.0.1\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
            nameserver 169.254.1.1\nnameserver 2001:db8::1\nsearch example.org\noptions ndots:2\n";
        let kept = "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch example.org\noptions ndots:2\n";
        assert_eq!(resolv_conf(host, Some("nameserver 198.51.100.1\n"), &DnsConfig::default()), kept);
    }

    #[test]
    fn the_servers_behind_a_local_resolver_take_its_place() {
        let upstream = "nameserver 198.51.100.1\nsearch lan\n";
        assert_eq!(
            resolv_conf("nameserver 127.0.0.53\noptions edns0\n", Some(upstream), &DnsConfig::default()),
            upstream
        );
    }

    #[test]
    fn a_name_server_of_its_own_takes_the_place_of_the_hosts() {
        let host = "nameserver 192.0.2.1\nsearch example.org\n# by hand\noptions edns0 ndots:5\n";
        // Of two lines that say the same, resolvers follow the last.
        assert_eq!(
            resolv_conf_with_name_server(host, &DnsConfig::default()),
            "nameserver 127.0.0.11\nsearch example.org\noptions edns0 ndots:5\noptions ndots:0\n"
        );
    }

    #[test]
    fn without_a_reachable_server_the_rest_is_kept() {
        let text = resolv_conf(
            "nameserver 127.0.0.53\nsearch lan\n",
            Some("nameserver ::1\n"),
            &DnsConfig::default(),
        );
        assert_eq!(text, "search lan\n");
        assert!(!names_a_server(&text));
        assert!(names_a_server("nameserver 192.0.2.1\n"));
    }

    #[test]
    fn what_a_service_says_takes_the_place_of_what_the_host_has() {
        let host = "nameserver 192.0.2.1\nsearch lan\noptions rotate\nsortlist 10.0.0.0\n";
        let texts = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let dns = DnsConfig {
            servers: vec!["198.51.100.53".parse().unwrap(), "2001:db8::53".parse().unwrap()],
            searches: texts(&["example.org", "example.com"]),
            options: texts(&["ndots:2", "edns0"]),
        };
        let ours = "search example.org example.com\noptions ndots:2 edns0\nsortlist 10.0.0.0\n";
        let servers = "nameserver 198.51.100.53\nnameserver 2001:db8::53\n";
        assert_eq!(resolv_conf(host, None, &dns), format!("{servers}{ours}"));
        assert_eq!(resolv_conf_of_host(host, &dns), format!("{servers}{ours}"));
        let own = resolv_conf_with_name_server(host, &dns);
        assert_eq!(own, format!("nameserver 127.0.0.11\n{ours}"), "its own server asks those that are named");
        let no_search = DnsConfig { searches: texts(&["."]), ..DnsConfig::default() };
        assert_eq!(resolv_conf_of_host("domain lan\nsearch lan\n", &no_search), "");
        assert_eq!(resolv_conf_of_host(host, &DnsConfig::default()), host);
    }
}

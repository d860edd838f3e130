//! What `network create` reads: options of drivers, subnets and addresses.

use super::number::{self, NumberError};
use ipnet::IpNet;
use proto::wire::NetworkSpec;
use std::net::IpAddr;

/// Says why a network can't reach as far as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Less far than all networks of the driver.
    #[error(
        "`{0}` networks span all nodes: leave --scope out, or make a bridge, which each node has for itself"
    )]
    Spans(String),
    /// Further than any network of the driver.
    #[error(
        "`{0}` networks are of each node for itself: leave --scope out, or make an overlay, which spans all nodes"
    )]
    Local(String),
    /// No such scope.
    #[error("there is no scope `{0}`: use swarm, or local with --driver bridge")]
    Unknown(String),
}

/// Says why an option of the driver can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// Encryption, which must not be thought to be there.
    #[error(
        "traffic between nodes can't be encrypted yet, it goes over the wire in plain: \
         leave `encrypted` out if the wire can be trusted"
    )]
    Encrypted,
    /// A size that is none.
    #[error("mtu: {0}")]
    Mtu(NumberError),
    /// No such option.
    #[error(
        "there is no driver option `{0}`: use mtu=BYTES, and for macvlan parent=LINK and macvlan_mode=MODE"
    )]
    Unknown(String),
}

/// Says why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a range.
    #[error("`{0}` is not a subnet: write ADDRESS/PREFIX, such as 10.0.9.0/24")]
    Subnet(String),
    /// Not a single one.
    #[error("`{0}` is not an address: write one such as 10.0.9.1 or fd00:9::1")]
    Address(String),
}

/// Checks the value of `--scope` for networks of a driver.
pub fn check_scope(text: &str, driver: &str) -> Result<(), ScopeError> {
    match (text, driver) {
        ("local", "bridge") => Ok(()),
        ("local", _) => Err(ScopeError::Spans(shown(driver))),
        // Docker takes both for the whole cluster.
        ("swarm" | "global", "bridge") => Err(ScopeError::Local(driver.to_owned())),
        ("swarm" | "global", _) => Ok(()),
        _ => Err(ScopeError::Unknown(shown(text))),
    }
}

/// Carries one `--opt` over to the spec.
pub fn apply_option(text: &str, spec: &mut NetworkSpec) -> Result<(), OptionError> {
    match text.split_once('=').unwrap_or((text, "")) {
        ("mtu" | "com.docker.network.driver.mtu", bytes) => {
            spec.mtu = Some(number::count(bytes).map_err(OptionError::Mtu)?);
            Ok(())
        }
        (key @ ("parent" | "macvlan_mode"), value) => {
            spec.options.insert(key.to_owned(), value.to_owned());
            Ok(())
        }
        ("encrypted", "false") => Ok(()),
        ("encrypted", _) => Err(OptionError::Encrypted),
        (key, _) => Err(OptionError::Unknown(shown(key))),
    }
}

/// Reads `ADDRESS/PREFIX`.
pub fn subnet(text: &str) -> Result<IpNet, AddressError> {
    text.trim().parse().map_err(|_| AddressError::Subnet(shown(text)))
}

/// Reads an address.
pub fn address(text: &str) -> Result<IpAddr, AddressError> {
    text.trim().parse().map_err(|_| AddressError::Address(shown(text)))
}

fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_that_of_the_driver() {
        for (scope, driver) in [("swarm", "overlay"), ("global", "macvlan"), ("local", "bridge")] {
            assert_eq!(check_scope(scope, driver), Ok(()), "{scope} {driver}");
        }
        for (scope, driver, says) in [
            ("local", "overlay", "make a bridge"),
            ("local", "macvlan", "`macvlan` networks span all nodes"),
            ("swarm", "bridge", "make an overlay"),
            ("galaxy", "overlay", "use swarm"),
        ] {
            let error = check_scope(scope, driver).unwrap_err().to_string();
            assert!(error.contains(says), "{scope} {driver}: {error}");
        }
    }

    #[test]
    fn the_mtu_has_two_names_and_nothing_is_silently_ignored() {
        let applied = |text: &str| {
            let mut spec = NetworkSpec::default();
            apply_option(text, &mut spec).map(|()| spec.mtu)
        };
        assert_eq!(applied("mtu=1400"), Ok(Some(1400)));
        assert_eq!(applied("com.docker.network.driver.mtu=9000"), Ok(Some(9000)));
        assert_eq!(applied("encrypted=false"), Ok(None));
        for (bad, says) in [
            ("mtu", "mtu: `` is not a count"),
            ("encrypted", "in plain"),
            ("encrypted=true", "in plain"),
            ("com.docker.network.driver.overlay.vxlanid_list=5000", "use mtu=BYTES"),
        ] {
            let error = applied(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn subnets_and_addresses_are_told_apart() {
        assert!(subnet("fd00:9::/64").is_ok() && address("10.0.9.1").is_ok());
        assert!(subnet("10.0.9.1").unwrap_err().to_string().contains("ADDRESS/PREFIX"));
        assert!(address("10.0.9.0/24").unwrap_err().to_string().contains("such as 10.0.9.1"));
    }
}

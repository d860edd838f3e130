//! What `network create` reads: drivers, their options, subnets and addresses.

use super::number::{self, NumberError};
use ipnet::IpNet;
use proto::wire::NetworkSpec;
use std::net::IpAddr;

/// Says why a network can't be of a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// What every node makes by itself.
    #[error("every node has its `bridge` by itself: leave --network out to use it, or create an overlay")]
    Bridge,
    /// What needs no network.
    #[error("`{0}` is on every node by itself: use it with 'service create --network {0}'")]
    Own(String),
    /// What docker has and we do not.
    #[error("`{0}` networks can't be made yet: use overlay")]
    NotYet(String),
    /// No such driver.
    #[error("there is no driver `{0}`: use overlay")]
    Unknown(String),
}

/// Says why a network can't reach as far as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Only on one node.
    #[error("`{0}` networks are of one node only, an overlay spans all of them: leave --scope out")]
    Local(String),
    /// No such scope.
    #[error("there is no scope `{0}`: use swarm")]
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
    #[error("there is no driver option `{0}`: use mtu=BYTES, such as mtu=1400")]
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

/// Checks the value of `--driver`.
pub fn check_driver(text: &str) -> Result<(), DriverError> {
    match text {
        "overlay" => Ok(()),
        "bridge" => Err(DriverError::Bridge),
        "host" | "none" => Err(DriverError::Own(text.to_owned())),
        "macvlan" | "ipvlan" => Err(DriverError::NotYet(text.to_owned())),
        _ => Err(DriverError::Unknown(shown(text))),
    }
}

/// Checks the value of `--scope`.
pub fn check_scope(text: &str) -> Result<(), ScopeError> {
    match text {
        // Docker takes both for the whole cluster.
        "swarm" | "global" => Ok(()),
        "local" => Err(ScopeError::Local(text.to_owned())),
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
    fn drivers_but_overlay_are_refused_with_what_to_use() {
        assert_eq!(check_driver("overlay"), Ok(()));
        for (driver, says) in [
            ("bridge", "leave --network out"),
            ("host", "service create --network host"),
            ("none", "service create --network none"),
            ("macvlan", "can't be made yet"),
            ("weave", "no driver `weave`"),
        ] {
            let error = check_driver(driver).unwrap_err().to_string();
            assert!(error.contains(says), "{driver}: {error}");
        }
    }

    #[test]
    fn an_overlay_reaches_all_nodes() {
        assert_eq!(check_scope("swarm"), Ok(()));
        assert!(check_scope("local").unwrap_err().to_string().contains("leave --scope out"));
        assert!(check_scope("galaxy").unwrap_err().to_string().contains("use swarm"));
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

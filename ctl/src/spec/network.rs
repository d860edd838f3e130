//! The spec of a new network, from the options of `network create`.

use super::{add_refused, each, lists};
use crate::{args::network::CreateArgs, parse::network};
use ipnet::IpNet;
use proto::{
    model::{Name, NetworkSpec, Problems},
    wire::{self, IpamPool},
};

const SUBNET: &str = "--subnet";

/// Makes the spec, or says everything that is wrong.
pub fn create_network(args: &CreateArgs) -> Result<wire::NetworkSpec, Problems> {
    let mut problems = Problems::default();
    problems.take("NETWORK", args.name.parse::<Name>());
    if let Some(scope) = &args.scope {
        problems.take("--scope", network::check_scope(scope, &args.driver));
    }
    if !args.ipv4 {
        let message = "every network has IPv4: leave it on, and add --ipv6 for IPv6 beside it";
        problems.add("--ipv4", message);
    }
    let mut spec = wire::NetworkSpec {
        name: args.name.clone(),
        ipv6: args.ipv6,
        internal: args.internal,
        attachable: args.attachable,
        ingress: args.ingress,
        pools: pools(args, &mut problems),
        driver: if args.driver == "overlay" { String::new() } else { args.driver.clone() },
        ..Default::default()
    };
    for option in &args.options {
        problems.take("--opt", network::apply_option(option, &mut spec));
    }
    lists::put_labels(&mut spec.labels, "--label", &args.labels, &mut problems);
    add_refused(&mut problems, || NetworkSpec::try_from(spec.clone()));
    problems.finish(spec)
}

/// The subnets, each with the gateway and the range that lie in it.
fn pools(args: &CreateArgs, problems: &mut Problems) -> Vec<IpamPool> {
    let subnets = each(problems, SUBNET, &args.subnets, network::subnet);
    let all_read = subnets.len() == args.subnets.len();
    let pool = |subnet: IpNet| (subnet, IpamPool { subnet: subnet.to_string(), ..Default::default() });
    let mut pools = Pools { pools: subnets.into_iter().map(pool).collect(), all_read };
    for gateway in each(problems, "--gateway", &args.gateways, network::address) {
        let place = pools.place(gateway.into(), |pool| &mut pool.gateway, gateway.to_string());
        problems.take("--gateway", place);
    }
    for range in each(problems, "--ip-range", &args.ip_ranges, network::subnet) {
        let place = pools.place(range, |pool| &mut pool.range, range.to_string());
        problems.take("--ip-range", place);
    }
    pools.pools.into_iter().map(|(_, pool)| pool).collect()
}

/// Says why an address or a range belongs to no subnet.
#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error("{0} needs the subnet it lies in: add --subnet")]
    NoSubnet(String),
    #[error("{text} lies in none of the subnets: give one that lies in {subnets}")]
    Outside { text: String, subnets: String },
    #[error("{text} is the second one in {subnet}, after {first}: give one")]
    Second { text: String, subnet: IpNet, first: String },
}

struct Pools {
    pools: Vec<(IpNet, IpamPool)>,
    /// Whether there is no further subnet that could not be read, and might be the one meant.
    all_read: bool,
}

impl Pools {
    /// Writes `text` into a field of the pool that contains `what`.
    fn place(
        &mut self,
        what: IpNet,
        field: impl Fn(&mut IpamPool) -> &mut String,
        text: String,
    ) -> Result<(), PlaceError> {
        let found = self.pools.iter_mut().find(|(subnet, _)| subnet.contains(&what));
        let Some((subnet, pool)) = found else {
            let subnets: Vec<String> = self.pools.iter().map(|(subnet, _)| subnet.to_string()).collect();
            return match subnets.as_slice() {
                _ if !self.all_read => Ok(()),
                [] => Err(PlaceError::NoSubnet(text)),
                _ => Err(PlaceError::Outside { text, subnets: subnets.join(" or ") }),
            };
        };
        let field = field(pool);
        if !field.is_empty() {
            return Err(PlaceError::Second { text, subnet: *subnet, first: field.clone() });
        }
        *field = text;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, network::NetworkCommand};
    use clap::Parser;

    fn created(line: &str) -> Result<wire::NetworkSpec, Problems> {
        let words = crate::parse::words::split(line).unwrap();
        let full = ["shoal", "network", "create"].map(String::from).into_iter().chain(words);
        let Command::Network(NetworkCommand::Create(args)) = Cli::try_parse_from(full).unwrap().command
        else {
            panic!("not a network create");
        };
        create_network(&args)
    }

    fn pool(subnet: &str, gateway: &str, range: &str) -> IpamPool {
        IpamPool { subnet: subnet.into(), gateway: gateway.into(), range: range.into() }
    }

    #[test]
    fn gateways_and_ranges_find_the_subnet_they_lie_in() {
        let spec = created(
            "--subnet 10.5.0.0/16 --subnet fd00:5::/64 --gateway fd00:5::fe --gateway 10.5.0.254 \
             --ip-range 10.5.128.0/17 --ipv6 --internal --attachable=false --label team=a -o mtu=1400 front",
        )
        .unwrap();
        let expected = wire::NetworkSpec {
            name: "front".into(),
            labels: [("team".to_owned(), "a".to_owned())].into(),
            ipv6: true,
            internal: true,
            pools: vec![
                pool("10.5.0.0/16", "10.5.0.254", "10.5.128.0/17"),
                pool("fd00:5::/64", "fd00:5::fe", ""),
            ],
            mtu: Some(1400),
            ..Default::default()
        };
        assert_eq!(spec, expected);
        assert!(NetworkSpec::try_from(spec).is_ok());
    }

    #[test]
    fn what_is_not_given_is_left_to_the_managers() {
        let spec = created("-d overlay front").unwrap();
        assert_eq!(spec, wire::NetworkSpec { name: "front".into(), ..Default::default() });
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let problems = created(
            "--subnet 10.5.0.0/24,10.6.0.1/24 --gateway 10.7.0.1 --gateway first --ip-range 10.5.0.0/16 \
             -d macvlan --scope local --ipv4=false -o encrypted -o mtu=big -o mtu=60 --label =x front_",
        )
        .unwrap_err();
        let expected = "\
NETWORK: `front_` is not a valid name: use letters, digits, `-` and `_`, beginning and ending with a letter or digit, at most 63 characters
--scope: `macvlan` networks span all nodes: leave --scope out, or make a bridge, which each node has for itself
--ipv4: every network has IPv4: leave it on, and add --ipv6 for IPv6 beside it
--gateway: `first` is not an address: write one such as 10.0.9.1 or fd00:9::1
--gateway: 10.7.0.1 lies in none of the subnets: give one that lies in 10.5.0.0/24 or 10.6.0.1/24
--ip-range: 10.5.0.0/16 lies in none of the subnets: give one that lies in 10.5.0.0/24 or 10.6.0.1/24
--opt: traffic between nodes can't be encrypted yet, it goes over the wire in plain: leave `encrypted` out if the wire can be trusted
--opt: mtu: `big` is not a count: write a whole number from 0 to 4294967295
--label: `=x` has no key: write KEY=VALUE, or KEY alone for an empty value
--subnet: 10.6.0.1/24 has bits set beyond its prefix: use 10.6.0.0/24
--opt mtu: 60 is out of range: use 68 to 65465, or 1280 at least with IPv6
--opt parent: a macvlan network is on a link of the nodes: name it, such as parent=eth1";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn an_address_without_its_subnet_is_refused() {
        let said = |line: &str| created(line).unwrap_err().to_string();
        assert_eq!(
            said("--gateway 10.5.0.1 front"),
            "--gateway: 10.5.0.1 needs the subnet it lies in: add --subnet"
        );
        assert_eq!(
            said("--subnet 10.5.0.0/24 --gateway 10.5.0.1 --gateway 10.5.0.2 front"),
            "--gateway: 10.5.0.2 is the second one in 10.5.0.0/24, after 10.5.0.1: give one"
        );
    }

    #[test]
    fn a_subnet_that_can_not_be_read_is_the_only_problem_it_makes() {
        let problems = created("--subnet 10.5.0.0 --gateway 10.5.0.1 front").unwrap_err();
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, [SUBNET]);
    }
}

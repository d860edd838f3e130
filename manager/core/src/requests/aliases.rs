//! Whether a name that is asked for in a network leads to somebody else already.
//!
//! Two services may share an alias, as in docker: that is how people switch versions. A service's own name is its alone.

use super::network::connected;
use crate::{networks, state::State};
use proto::model::{Name, Network, NetworkAttachment, NetworkId, Service};
use std::{collections::BTreeSet, sync::Arc};

/// Says which name is another's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AliasError {
    /// A service of that name would share its lookups.
    #[error(
        "alias `{alias}` is the name of a service in network `{network}`, which alone is to be found by it: choose another \
         alias, or let both services have one alias besides their names"
    )]
    NameOfService {
        /// The alias.
        alias: Name,
        /// The network.
        network: Name,
    },
    /// A service that comes would share its lookups with who has the alias.
    #[error(
        "name `{name}` is an alias of {holder} in network `{network}`, and a service alone is to be found by its name: \
         choose another name, or take that alias away first"
    )]
    NameIsAlias {
        /// The service's name.
        name: Name,
        /// Who has the alias.
        holder: String,
        /// The network.
        network: Name,
    },
}

/// Refuses a service whose names in its networks are others', or whose name others have as an alias.
pub(super) fn check(state: &State, name: &Name, attachments: &[NetworkAttachment]) -> Result<(), AliasError> {
    for attachment in attachments {
        let Some(network) = state.network(attachment.network) else { continue };
        check_aliases(state, network, name, &attachment.aliases)?;
        let has_alias = |service: &&Arc<Service>| aliases_in(service, network.id).any(|alias| alias == name);
        let by_service = services(state, network).filter(|other| other.spec.name != *name).find(has_alias);
        let by_task = || {
            let mut tasks = connected(state, network.id);
            tasks.find(|task| task.connection(network.id).is_some_and(|it| it.aliases.contains(name)))
        };
        let holder = by_service
            .map(|service| format!("service `{}`", service.spec.name))
            .or_else(|| Some(format!("task `{}`", by_task()?.name())));
        if let Some(holder) = holder {
            return Err(AliasError::NameIsAlias {
                name: name.clone(),
                holder,
                network: network.spec.name.clone(),
            });
        }
    }
    Ok(())
}

/// Refuses aliases in a network that are names of services there other than their own one's.
pub(super) fn check_aliases(
    state: &State,
    network: &Network,
    own: &Name,
    aliases: &BTreeSet<Name>,
) -> Result<(), AliasError> {
    let taken = |service: &Arc<Service>| service.spec.name != *own && aliases.contains(&service.spec.name);
    match services(state, network).find(|service| taken(service)) {
        Some(service) => Err(AliasError::NameOfService {
            alias: service.spec.name.clone(),
            network: network.spec.name.clone(),
        }),
        None => Ok(()),
    }
}

/// The services that are in a network now and to stay.
fn services<'a>(state: &'a State, network: &'a Network) -> impl Iterator<Item = &'a Arc<Service>> {
    let is_in = |service: &&Arc<Service>| !service.removing && networks::uses(network, &service.spec);
    state.services_in(network.id).filter(is_in)
}

fn aliases_in(service: &Service, network: NetworkId) -> impl Iterator<Item = &Name> {
    let attachments = service.spec.task.attachments.iter().filter(move |it| it.network == network);
    attachments.flat_map(|it| &it.aliases)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};

    fn attachment(network: NetworkId, alias: &str) -> NetworkAttachment {
        NetworkAttachment { network, aliases: [alias.parse().unwrap()].into() }
    }

    fn said(bench: &Bench, name: &str, attachment: NetworkAttachment) -> String {
        check(&bench.state, &name.parse().unwrap(), &[attachment])
            .err()
            .map_or_else(String::new, |it| it.to_string())
    }

    #[test]
    fn a_services_name_is_nobody_elses_alias_in_its_networks() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let [front, back] = ["front", "back"].map(|name| bench.add_network(network_spec(name)));
        let web = bench.create(service("web").network(front));
        bench.update(web, |spec| spec.task.attachments = vec![attachment(front, "www")]);
        bench.settle();
        let refused = said(&bench, "other", attachment(front, "web"));
        assert!(refused.starts_with("alias `web` is the name of a service in network `front`"), "{refused}");
        let refused = said(&bench, "www", attachment(front, "x"));
        assert!(
            refused.starts_with("name `www` is an alias of service `web` in network `front`"),
            "{refused}"
        );
        for (name, attachment) in [
            ("other", attachment(back, "web")),
            ("other", attachment(front, "www")),
            ("www", attachment(back, "x")),
            ("web", attachment(front, "web")),
        ] {
            assert_eq!(said(&bench, name, attachment), "", "{name}");
        }
        bench.remove(web);
        assert_eq!(said(&bench, "other", attachment(front, "web")), "");
    }
}

//! What a service is connected to, from `--network`, `--network-add` and `--network-rm`.

use super::{each, lists};
use crate::{
    args::service::UpdateArgs,
    parse::attachment::{self, Connection},
};
use proto::{
    model::Problems,
    wire::{NetworkAttachment, TaskNetwork, TaskSpec},
};
use std::collections::{BTreeMap, BTreeSet};

const ADD: &str = "--network-add";
const REMOVE: &str = "--network-rm";

/// The ids of networks by what a person called them: stored specs have ids.
pub type NetworkIds = BTreeMap<String, String>;

/// Connects a new service.
pub fn connect(texts: &[String], task: &mut TaskSpec, problems: &mut Problems) {
    let (own, cluster) = divided("--network", texts, problems);
    if let Some(own) = own.first() {
        task.network = (*own).into();
    }
    if own.len() > 1 || !own.is_empty() && !cluster.is_empty() {
        let message = "bridge, host and none stand alone: give one of them, or networks of the cluster";
        problems.add("--network", message);
    }
    for attachment in cluster {
        if task.attachments.iter().any(|known| known.network == attachment.network) {
            let name = attachment.network;
            let message = format!("network `{name}` is given twice: give its aliases together");
            problems.add("--network", message);
        } else {
            task.attachments.push(attachment);
        }
    }
}

/// Changes what a service is connected to. Removals come first, as everywhere.
pub fn edit(args: &UpdateArgs, ids: &NetworkIds, task: &mut TaskSpec, problems: &mut Problems) {
    let id = |name: String| ids.get(&name).cloned().unwrap_or(name);
    for connection in each(problems, REMOVE, &args.network_rm, attachment::parse_name) {
        match connection {
            Connection::Own(TaskNetwork::Node) => problems.add(
                REMOVE,
                "containers have bridge unless they have host or none: give one of these to --network-add",
            ),
            Connection::Own(own) if task.network() == own => task.network = TaskNetwork::Node.into(),
            Connection::Own(_) => {}
            Connection::Cluster(NetworkAttachment { network, .. }) => {
                let gone = id(network);
                task.attachments.retain(|kept| kept.network != gone);
            }
        }
    }
    let (own, cluster) = divided(ADD, &args.network_add, problems);
    for NetworkAttachment { network, aliases } in cluster {
        let attachment = NetworkAttachment { network: id(network), aliases };
        lists::put(&mut task.attachments, attachment, |old, new| old.network == new.network);
    }
    if let Some(own) = own.first() {
        task.network = (*own).into();
    }
    let alone = !own.is_empty() || task.network() != TaskNetwork::Node;
    if own.len() > 1 || alone && !task.attachments.is_empty() {
        let message =
            "bridge, host and none stand alone: take the service out of its other networks with --network-rm";
        problems.add(ADD, message);
    }
}

/// The networks of the cluster that an update names.
pub fn named(args: &UpdateArgs) -> BTreeSet<String> {
    let removed = args.network_rm.iter().map(|text| attachment::parse_name(text));
    let added = args.network_add.iter().map(|text| attachment::parse(text));
    let name = |connection| match connection {
        Ok(Connection::Cluster(attachment)) => Some(attachment.network),
        // What can't be read is told by the edit.
        Ok(Connection::Own(_)) | Err(_) => None,
    };
    removed.chain(added).filter_map(name).collect()
}

/// What every node has by itself, and the networks of the cluster.
fn divided(
    option: &str,
    texts: &[String],
    problems: &mut Problems,
) -> (Vec<TaskNetwork>, Vec<NetworkAttachment>) {
    let (mut own, mut cluster) = (Vec::new(), Vec::new());
    for connection in each(problems, option, texts, attachment::parse) {
        match connection {
            Connection::Own(network) => own.push(network),
            Connection::Cluster(attachment) => cluster.push(attachment),
        }
    }
    (own, cluster)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, service::ServiceCommand};
    use clap::Parser;

    fn args(line: &str) -> UpdateArgs {
        let words = ["shoal", "service", "update", "web"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::Service(ServiceCommand::Update(args)) => *args,
            other => panic!("not a service update: {other:?}"),
        }
    }

    /// Networks in words: the node's own, then `ID:ALIAS,ALIAS` of each in the cluster.
    fn in_words(task: &TaskSpec) -> String {
        let one = |known: &NetworkAttachment| format!(" {}:{}", known.network, known.aliases.join(","));
        let cluster: String = task.attachments.iter().map(one).collect();
        format!("{:?}{cluster}", task.network())
    }

    fn connected(texts: &[&str]) -> (String, Problems) {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let (mut task, mut problems) = (TaskSpec::default(), Problems::default());
        connect(&texts, &mut task, &mut problems);
        (in_words(&task), problems)
    }

    fn edited(line: &str, mut task: TaskSpec) -> Result<String, String> {
        let ids = ["front", "back"].map(|name| (name.to_owned(), format!("id-{name}")));
        let mut problems = Problems::default();
        edit(&args(line), &ids.into(), &mut task, &mut problems);
        problems.finish(in_words(&task)).map_err(|problems| problems.to_string())
    }

    fn in_front() -> TaskSpec {
        let front = NetworkAttachment { network: "id-front".into(), aliases: vec!["www".into()] };
        TaskSpec { attachments: vec![front], ..Default::default() }
    }

    #[test]
    fn a_service_is_in_several_networks_or_in_one_of_the_nodes() {
        let good = |texts: &[&str]| {
            let (words, problems) = connected(texts);
            assert_eq!(problems, Problems::default());
            words
        };
        assert_eq!(good(&[]), "Node");
        assert_eq!(good(&["host"]), "Host");
        assert_eq!(good(&["front", "name=back,alias=db"]), "Node front: back:db");
        for bad in [["host", "front"], ["none", "host"], ["bridge", "front"], ["front", "name=front"]] {
            assert_eq!(connected(&bad).1.0.len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn networks_are_added_replaced_and_removed_by_name() {
        assert_eq!(edited("--network-add back", in_front()).unwrap(), "Node id-front:www id-back:");
        assert_eq!(edited("--network-add name=front,alias=shop", in_front()).unwrap(), "Node id-front:shop");
        assert_eq!(edited("--network-rm front", in_front()).unwrap(), "Node");
        assert_eq!(edited("--network-rm id-front --network-add host", in_front()).unwrap(), "Host");
        let host = TaskSpec { network: TaskNetwork::Host.into(), ..Default::default() };
        assert_eq!(edited("--network-rm host --network-add front", host).unwrap(), "Node id-front:");
        assert_eq!(edited("", in_front()).unwrap(), "Node id-front:www");
    }

    #[test]
    fn the_nodes_own_networks_take_no_others_beside_them() {
        let host = TaskSpec { network: TaskNetwork::Host.into(), ..Default::default() };
        for (line, task) in [
            ("--network-add front", host),
            ("--network-add host", in_front()),
            ("--network-add bridge", in_front()),
            ("--network-add host --network-add none", TaskSpec::default()),
        ] {
            let said = edited(line, task).unwrap_err();
            assert!(said.starts_with("--network-add: bridge, host and none stand alone"), "{line}: {said}");
        }
        let said = edited("--network-rm bridge", TaskSpec::default()).unwrap_err();
        assert!(said.starts_with("--network-rm: containers have bridge"), "{said}");
    }

    #[test]
    fn only_networks_of_the_cluster_are_looked_up() {
        let names = named(&args("--network-rm front --network-rm host --network-add name=back,alias=x"));
        assert_eq!(names, ["back", "front"].map(str::to_owned).into());
    }
}

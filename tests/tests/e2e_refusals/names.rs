//! Names that lead nowhere, to several objects, or to one that has changed or is taken.

use super::{made, refused};
use anyhow::{Context, Result, ensure};
use proto::wire::{GetServiceRequest, UpdateServiceRequest};
use std::collections::BTreeMap;
use tests::cluster::TestCluster;

#[test]
fn what_is_not_there_is_named() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let before = made(&cluster)?;
    let services: [&[&str]; 7] = [
        &["service", "inspect", "nope"],
        &["service", "ps", "nope"],
        &["service", "rm", "nope"],
        &["service", "scale", "nope=2"],
        &["service", "update", "--replicas", "2", "nope"],
        &["service", "rollback", "nope"],
        &["service", "logs", "nope"],
    ];
    for args in services {
        refused(&cluster, args, &["service", "nope"])?;
    }
    let nodes: [&[&str]; 6] = [
        &["node", "inspect", "nope"],
        &["node", "ps", "nope"],
        &["node", "update", "--availability", "drain", "nope"],
        &["node", "promote", "nope"],
        &["node", "demote", "nope"],
        &["node", "rm", "--force", "nope"],
    ];
    for args in nodes {
        refused(&cluster, args, &["node `nope` was not found"])?;
    }
    // A task of that id has never been.
    refused(&cluster, &["service", "logs", "0123456789abcdefghijklmno"], &["no such service or task"])?;
    ensure!(made(&cluster)? == before, "something was changed");
    cluster.finish()
}

#[test]
fn the_beginning_of_several_ids_is_refused_with_the_candidates() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let mut by_prefix = BTreeMap::<String, Vec<String>>::new();
    // There are fewer characters to begin with than this.
    for number in 0..40 {
        let name = format!("s{number}");
        let id = cluster.shoal(&["service", "create", "-d", "--replicas", "0", "--name", &name, "test:1"])?;
        let id = id.trim().to_owned();
        let first = id.get(..1).context("an id")?.to_owned();
        let same = by_prefix.entry(first).or_default();
        same.push(id);
        if same.len() > 1 {
            break;
        }
    }
    let (prefix, ids) =
        by_prefix.iter().find(|(_, ids)| ids.len() > 1).context("two ids that begin alike")?;
    let before = made(&cluster)?;
    for command in ["inspect", "rm", "rollback"] {
        refused(
            &cluster,
            &["service", command, prefix],
            &["is ambiguous", &ids[0], &ids[1], "give a full id"],
        )?;
    }
    ensure!(made(&cluster)? == before, "one of them was changed");
    // More of it is enough.
    let longer = (2..=ids[0].len()).map(|chars| &ids[0][..chars]).find(|longer| !ids[1].starts_with(longer));
    cluster.shoal(&["service", "inspect", longer.context("the ids are the same")?])?;
    cluster.finish()
}

#[test]
fn a_name_is_given_once_and_an_update_of_an_old_version_is_refused() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let create = ["service", "create", "-d", "--replicas", "0", "--name", "app", "test:1"];
    cluster.shoal(&create)?;
    let before = made(&cluster)?;
    refused(&cluster, &create, &["name `app` is already in use", "choose another one"])?;
    ensure!(made(&cluster)? == before, "a second one was made");

    let client = cluster.on(cluster.node("m1").client())?;
    let service = "app".to_owned();
    let get = GetServiceRequest { service: service.clone() };
    let seen = cluster.call(async { Ok(client.control().get_service(get).await?.into_inner()) })?;
    cluster.shoal(&["service", "update", "-d", "--label-add", "first=yes", "app"])?;
    let mut spec = seen.spec.context("a service has a spec")?;
    spec.labels.insert("second".into(), "yes".into());
    let update = UpdateServiceRequest { service, version: seen.version, spec: Some(spec) };
    let stale = cluster.call(async { Ok(client.control().update_service(update).await) })?;
    let said = stale.err().context("an update of an old version was taken")?;
    super::says(said.message(), &["update out of sequence", "`app` has changed", "look at it again"])?;
    let labels = cluster.shoal(&["service", "inspect", "--format", "{{json .Spec.Labels}}", "app"])?;
    ensure!(labels.trim() == r#"{"first":"yes"}"#, "the first update was undone: {labels}");

    // The same goes for nodes.
    let node = cluster.shoal(&["node", "inspect", "--format", "{{.ID}}", "m1"])?.trim().to_owned();
    let mut request = proto::wire::UpdateNodeRequest { node: node.clone(), version: 0, spec: None };
    let get = proto::wire::GetNodeRequest { node };
    let seen = cluster.call(async { Ok(client.control().get_node(get).await?.into_inner()) })?;
    cluster.shoal(&["node", "update", "--label-add", "zone=a", "m1"])?;
    (request.version, request.spec) = (seen.version, seen.spec);
    let stale = cluster.call(async { Ok(client.control().update_node(request).await) })?;
    super::says(stale.err().context("an old version was taken")?.message(), &["update out of sequence"])?;
    cluster.finish()
}

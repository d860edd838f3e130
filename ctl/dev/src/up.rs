//! Bringing a development cluster up: what is missing is made, what is there is left alone.

use crate::{
    Cluster, Error, Node, Roots, UpOptions,
    fabric::Fabric,
    folders,
    formation::{self, Patience},
    host_link::HostLink,
    lock::Lock,
    record::Record,
};

/// What [`up`] has done.
#[derive(Debug)]
pub struct Up {
    /// The cluster, all of whose nodes are ready.
    pub cluster: Cluster,
    /// Whether anything was missing; if not, it was up already.
    pub changed: bool,
    /// What the person should know, a sentence each.
    pub notes: Vec<String>,
}

/// Brings a cluster up and waits until every node is ready. Each step that takes time or changes
/// something is told to `progress` in a line. After an error what was made so far stays, to be looked
/// at: running it again continues, [`crate::down`] removes it.
pub async fn up(options: UpOptions, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Up, Error> {
    options.check()?;
    let patience = Patience::new(options.patience);
    let (_lock, roots) = Lock::take(&options.roots)?;
    let mut record = record(&options, &roots).await?;
    record.save(&roots)?;
    folders::make(&roots.images())?;

    let mut changed = network(&record, &roots, progress).await?;
    let nodes = Node::all(&roots, &record);
    for node in &nodes {
        changed |= node.plug_in().await?;
        if node.launch().await? {
            progress(&format!("started {} at {}", node.name(), node.addr()));
            changed = true;
        }
    }
    let formed = formation::form(&nodes, patience, progress).await?;
    record.ids = formed.ids;
    record.save(&roots)?;
    progress(&format!("all {} nodes are ready", nodes.len()));

    let notes = notes(&record, &roots).await?;
    Ok(Up { cluster: Cluster::of(&roots, &record), changed: changed || formed.changed, notes })
}

async fn record(options: &UpOptions, roots: &Roots) -> Result<Record, Error> {
    if let Some(record) = Record::load(roots)? {
        return Ok(record.changed(options)?);
    }
    let subnet = if options.host_link {
        HostLink::new(roots, &options.name).choose(options.subnet).await?
    } else {
        // Nobody but the nodes sees it.
        options.subnet.unwrap_or_default()
    };
    Ok(Record::new(options, subnet)?)
}

async fn network(
    record: &Record,
    roots: &Roots,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<bool, Error> {
    let fabric = Fabric::new(roots.clone(), record.subnet);
    let mut changed = fabric.ensure(record.host_link).await?;
    if record.host_link {
        changed |= HostLink::new(roots, &record.name).ensure(&fabric, record.subnet).await?;
    }
    if changed {
        progress(&format!("made the network {}", record.subnet));
    }
    Ok(changed)
}

async fn notes(record: &Record, roots: &Roots) -> Result<Vec<String>, Error> {
    if !record.host_link || HostLink::new(roots, &record.name).forwards().await? {
        return Ok(Vec::new());
    }
    Ok(vec![
        "the nodes reach each other and this machine, but nothing beyond it, until you switch forwarding on: \
         sysctl -w net.ipv4.ip_forward=1"
            .to_owned(),
    ])
}

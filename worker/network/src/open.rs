//! Opening a network: makes what is missing, takes over what is there, removes what nobody holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use proto::model::{NetworkId, TaskId};
use tracing::{info, warn};
use worker_core::network::names::SANDBOX_FILE;
use worker_core::network::{Forward, Ledger, Ruleset, Subnets, TaskShort};
use worker_core::overlay::Container;
use worker_core::overlay::names::network_of_file;

use crate::alarms::{Alarms, Place, Watch};
use crate::config::NetworkConfig;
use crate::container;
use crate::error::NetworkError;
use crate::forwarding;
use crate::held::HeldNamespaces;
use crate::links::Links;
use crate::macvlan::Macvlans;
use crate::namespace::Namespace;
use crate::network::{Adopted, Network, NodeTables, Opened};
use crate::nft::{Nft, NftError};
use crate::nft_loaded::Loaded;
use crate::overlay::{HostSide, Overlays};
use crate::preflight;
use crate::sandbox;
use crate::sysctl::kernel_has_ipv6;
use crate::uplink::UplinkPlace;

impl Network {
    /// Opens a node's network; containers that ran before the daemon restarted keep their connections.
    pub async fn open(config: NetworkConfig, adopted: Vec<Adopted>) -> Result<Opened, NetworkError> {
        let node = config.node()?;
        let ipv6 = kernel_has_ipv6();
        let subnets = Subnets { ipv4: config.ipv4, ipv6: ipv6.then_some(config.ipv6) };
        let (ledger, kept, lost) = take_over(subnets, adopted)?;
        let alarms = Alarms::default();
        let nft = Nft::new(&config.nft);

        let host = Namespace::open(config.host())?;
        let host_links = Links::of(&host).await?;
        let sandbox = Namespace::create(&config.sandbox()).await?;
        let sandbox_links = Links::of(&sandbox).await?;
        let watches = [
            Watch::begin(&host, Place::Host, &alarms).await,
            Watch::begin(&sandbox, Place::Sandbox, &alarms).await,
        ];
        sandbox::prepare(&sandbox, &sandbox_links, &subnets).await?;

        let guard = forwarding::guard(&config, &host, &host_links.list().await?, ipv6).await?;
        let place = UplinkPlace {
            config: &config,
            name: &node.uplink(),
            host: &host,
            host_links: &host_links,
            sandbox: &sandbox,
            sandbox_links: &sandbox_links,
            guard,
            ipv6,
            mtu: None,
        };
        let uplink = place.ensure().await?;

        let rules = Ruleset { node, uplink: uplink.addresses, subnets, guard };
        let node = rules.node.clone();
        let forwards: Vec<_> = ledger.forwards().into_iter().cloned().collect();
        let tables = load_tables(&nft, rules, uplink.mtu, &forwards, (&sandbox, &host)).await?;
        forwarding::switch_on(&host, ipv6).await?;

        for held in kept.iter().filter(|held| !held.attachment.addresses.is_empty()) {
            let short = TaskShort::of(&held.attachment.task)?;
            container::rejoin(&held.attachment, &short, &sandbox_links, uplink.mtu).await?;
        }
        remove_orphans(&config, &ledger, &sandbox_links).await?;
        let held = ledger.attachments().map(|held| held.task.clone()).collect();
        let macvlans = Macvlans::open(&config, host_links.clone(), nft.clone(), ipv6).await?;
        let containers = namespaces_of(&kept)?;
        let host_side = HostSide {
            namespace: host.clone(),
            links: host_links.clone(),
            alarms: alarms.clone(),
            containers: containers.clone(),
            guard,
            subnets,
            ipv6,
        };
        let overlays = Overlays::open(&config, host_side, nft.clone(), &held, joined_by(&kept)).await?;
        info!(%node, adopted = kept.len(), lost = lost.len(), "network open");
        let network = Self {
            config,
            host,
            sandbox,
            host_links,
            sandbox_links,
            nft,
            overlays,
            macvlans,
            containers,
            ledger: Mutex::new(ledger),
            tables: tokio::sync::Mutex::new(tables),
            links_change: tokio::sync::RwLock::default(),
            alarms,
            journal: Mutex::default(),
            watches: tokio::sync::Mutex::new(watches),
        };
        Ok(Opened { network, lost })
    }
}

/// Returns the containers of each network that spans nodes.
fn joined_by(kept: &[Adopted]) -> BTreeMap<NetworkId, BTreeMap<TaskId, Container>> {
    let mut joined: BTreeMap<NetworkId, BTreeMap<TaskId, Container>> = BTreeMap::new();
    for held in kept {
        // A task whose id no cluster gave is in no network.
        let Ok(task) = held.attachment.task.parse() else { continue };
        for (network, container) in &held.joined {
            joined.entry(*network).or_default().insert(task, *container);
        }
    }
    joined
}

fn namespaces_of(kept: &[Adopted]) -> Result<HeldNamespaces, NetworkError> {
    let open = |held: &Adopted| -> Result<_, NetworkError> {
        Ok((held.attachment.task.clone(), Namespace::open(&held.attachment.netns)?))
    };
    kept.iter().map(open).collect()
}

/// Tells those whose namespace is there from those that lost it, and enters the former into a ledger.
fn take_over(
    subnets: Subnets,
    adopted: Vec<Adopted>,
) -> Result<(Ledger, Vec<Adopted>, Vec<String>), NetworkError> {
    let mut ledger = Ledger::new(subnets);
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for held in adopted {
        if !Namespace::is_bound(&held.attachment.netns)? && !is_bound_again(&held) {
            warn!(task = %held.attachment.task, "namespace is gone");
            lost.push(held.attachment.task);
            continue;
        }
        ledger.adopt(&held.attachment, &held.ports)?;
        kept.push(held);
    }
    Ok((ledger, kept, lost))
}

/// Binds a container's namespace to its file again; tells whether that could be done.
fn is_bound_again(held: &Adopted) -> bool {
    let Some(pid) = held.pid else { return false };
    let bound = Namespace::bind_of_process(pid, &held.attachment.netns);
    if bound.is_ok() {
        warn!(task = %held.attachment.task, "container's namespace was bound to its file again");
    }
    bound.is_ok()
}

/// Replaces both tables; when the kernel refuses, says what it lacks.
pub(crate) async fn load_tables(
    nft: &Nft,
    rules: Ruleset,
    mtu: u32,
    forwards: &[Forward],
    (sandbox, host): (&Namespace, &Namespace),
) -> Result<NodeTables, NetworkError> {
    let table = rules.node.table();
    let forwards: Vec<&Forward> = forwards.iter().collect();
    let sandbox = load_table(nft, sandbox, &table, || rules.sandbox_table(&forwards)).await?;
    let host = load_table(nft, host, &table, || rules.host_table(&forwards)).await?;
    Ok(NodeTables { rules, mtu, sandbox, host })
}

async fn load_table(
    nft: &Nft,
    namespace: &Namespace,
    table: &str,
    whole: impl Fn() -> String,
) -> Result<Loaded, NetworkError> {
    match Loaded::load(nft, namespace, table, None, whole(), &whole).await {
        Ok(loading) => Ok(loading.loaded),
        Err(source @ NftError::Refused { .. }) => Err(explained(nft, source).await),
        Err(error) => Err(error.into()),
    }
}

async fn explained(nft: &Nft, source: NftError) -> NetworkError {
    match preflight::first_missing_rule(nft).await {
        Some(check) => NetworkError::KernelLacks {
            missing: check.name.to_owned(),
            remedy: check.remedy.to_owned(),
            source,
        },
        None => source.into(),
    }
}

/// Removes namespaces and links of tasks nobody adopted, such as those whose attachment a crash interrupted.
async fn remove_orphans(
    config: &NetworkConfig,
    ledger: &Ledger,
    sandbox_links: &Links,
) -> Result<(), NetworkError> {
    let mut held = Vec::new();
    for attachment in ledger.attachments() {
        held.push(TaskShort::of(&attachment.task)?);
    }
    for link in sandbox_links.list().await? {
        let orphan =
            TaskShort::is_container_link(&link.name) && held.iter().all(|task| task.link() != link.name);
        if orphan {
            warn!(link = %link.name, "link of no known task removed");
            sandbox_links.delete(&link.name).await?;
        }
    }
    for name in names_in(&config.netns_dir())? {
        // Sandboxes of networks are known by their networks' ids, and looked after by `Overlays`.
        let sandbox = name == SANDBOX_FILE || network_of_file(&name).is_some();
        if !sandbox && held.iter().all(|task| task.as_str() != name) {
            warn!(namespace = %name, "namespace of no known task removed");
            Namespace::remove(&config.netns_dir().join(&name))?;
        }
    }
    Ok(())
}

/// Lists a folder of namespaces; one that is not there is empty.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, NetworkError> {
    let failed = |source| NetworkError::Folder { verb: "list", path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()).map_err(failed))
        .collect()
}

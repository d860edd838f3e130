//! Opening a network: makes what is missing, takes over what is there, removes what nobody holds.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing::{info, warn};
use worker_core::network::names::SANDBOX_FILE;
use worker_core::network::{Ledger, Ruleset, Subnets, TaskShort};
use worker_core::overlay::names::network_of_file;

use crate::config::NetworkConfig;
use crate::container;
use crate::error::NetworkError;
use crate::forwarding;
use crate::links::Links;
use crate::namespace::Namespace;
use crate::network::{Adopted, Network, Opened};
use crate::nft::{Nft, NftError};
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
        let nft = Nft::new(&config.nft);

        let host = Namespace::open(config.host())?;
        let host_links = Links::of(&host).await?;
        let sandbox = Namespace::create(&config.sandbox()).await?;
        let sandbox_links = Links::of(&sandbox).await?;
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
        };
        let uplink = place.ensure().await?;

        let rules = Ruleset { node, uplink: uplink.addresses, subnets, guard };
        load_tables(&nft, &rules, &ledger, &sandbox, &host).await?;
        forwarding::switch_on(&host, ipv6).await?;

        for held in kept.iter().filter(|held| !held.attachment.addresses.is_empty()) {
            let short = TaskShort::of(&held.attachment.task)?;
            container::rejoin(&held.attachment, &short, &sandbox_links, uplink.mtu).await?;
        }
        remove_orphans(&config, &ledger, &sandbox_links).await?;
        let held = ledger.attachments().map(|held| held.task.clone()).collect();
        let host_side = HostSide { namespace: host.clone(), links: host_links, guard, subnets, ipv6 };
        let overlays = Overlays::open(&config, host_side, nft.clone(), &held).await?;
        info!(node = %rules.node, adopted = kept.len(), lost = lost.len(), "network open");
        let network = Self {
            config,
            host,
            sandbox,
            sandbox_links,
            rules,
            mtu: uplink.mtu,
            nft,
            overlays,
            ledger: Mutex::new(ledger),
            publishing: tokio::sync::Mutex::new(()),
        };
        Ok(Opened { network, lost })
    }
}

/// Tells those whose namespace is there from those that lost it, and enters the former into a ledger.
fn take_over(
    subnets: Subnets,
    adopted: Vec<Adopted>,
) -> Result<(Ledger, Vec<Adopted>, Vec<String>), NetworkError> {
    let mut ledger = Ledger::new(subnets);
    let (mut kept, mut lost) = (Vec::new(), Vec::new());
    for held in adopted {
        if !Namespace::is_bound(&held.attachment.netns)? {
            warn!(task = %held.attachment.task, "namespace is gone");
            lost.push(held.attachment.task);
            continue;
        }
        ledger.adopt(&held.attachment, &held.ports)?;
        kept.push(held);
    }
    Ok((ledger, kept, lost))
}

/// Replaces both tables; when the kernel refuses, says what it lacks.
async fn load_tables(
    nft: &Nft,
    rules: &Ruleset,
    ledger: &Ledger,
    sandbox: &Namespace,
    host: &Namespace,
) -> Result<(), NetworkError> {
    let table = rules.node.table();
    let forwards = ledger.forwards();
    for (namespace, script) in
        [(sandbox, rules.sandbox_table(&forwards)), (host, rules.host_table(&forwards))]
    {
        match nft.load(namespace, &table, script).await {
            Ok(()) => {}
            Err(source @ NftError::Refused { .. }) => return Err(explained(nft, source).await),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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

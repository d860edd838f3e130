//! Keeps the networks as they were made: what something else takes away or changes is put back.
//!
//! Changes are looked into as they are noticed, once those that belong together are made; an audit now and then finds what
//! was not noticed. Files of namespaces are looked at every now and then, since nobody tells of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;
use worker_core::network::{Ruleset, TaskShort, Wiring};

use crate::alarms::Place;
use crate::container;
use crate::error::NetworkError;
use crate::forwarding;
use crate::network::{Network, NodeTables};
use crate::open::load_tables;
use crate::overlay::lost_namespace;
use crate::repairs::{Inspection, Repairs};
use crate::sandbox;
use crate::sysctl::kernel_has_ipv6;
use crate::uplink::UplinkPlace;

/// How long a change is left to be followed by others, which also bounds how often is looked.
const PAUSE: Duration = Duration::from_millis(500);

/// How often everything is looked at.
const AUDIT: Duration = Duration::from_secs(30);

/// How often the files of namespaces are looked at.
const FILES: Duration = Duration::from_secs(2);

/// What the node's own network is called in the log.
const OWN_NETWORK: &str = "of the node itself";

/// Why places could not be looked after.
type Faults = BTreeMap<Place, String>;

/// What is other than it should be of the node's own network.
#[derive(Debug, Default)]
struct Findings {
    wiring: Vec<String>,
    rules: Vec<String>,
}

impl Findings {
    fn is_empty(&self) -> bool {
        self.wiring.is_empty() && self.rules.is_empty()
    }
}

impl Network {
    /// Puts back what something else takes from this node's networks, until it is stopped. It stops between two networks.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let (mut audit, mut files) = (interval(AUDIT), interval(FILES));
        let mut faults = Faults::new();
        audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        files.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = self.alarms.wait() => {}
                _ = audit.tick() => self.alarm_all(),
                _ = files.tick() => {
                    self.put_namespaces_back().await;
                    let known = std::mem::take(&mut faults);
                    self.look_after(known.keys().copied().collect(), &known, &mut faults).await;
                    continue;
                }
            }
            tokio::select! {
                () = &mut stop => return,
                () = sleep(PAUSE) => {}
            }
            let mut places = self.alarms.take();
            // What fails is tried again with the files: it raises alarms itself by trying.
            places.retain(|place| !faults.contains_key(place));
            self.look_after(places, &Faults::new(), &mut faults).await;
        }
    }

    /// Looks what of the node's own network is not as it should be, and changes nothing.
    pub async fn inspect(&self) -> Result<Inspection, NetworkError> {
        let _unchanged = self.links_change.write().await;
        let Findings { mut wiring, rules } = self.findings(&mut *self.tables.lock().await).await?;
        wiring.extend(rules);
        Ok(Inspection { differences: wiring, repairs: *self.repairs() })
    }

    fn alarm_all(&self) {
        self.alarms.raise(Place::Sandbox);
        self.overlays.list().into_iter().for_each(|network| self.alarms.raise(Place::Network(network)));
    }

    /// Looks after some places, and notes what fails there; a fault that is known is not said again.
    async fn look_after(&self, mut places: BTreeSet<Place>, known: &Faults, faults: &mut Faults) {
        if places.remove(&Place::Host) {
            places.insert(Place::Sandbox);
            places.extend(self.overlays.on_host().await.into_iter().map(Place::Network));
        }
        for place in places {
            let repaired = match place {
                Place::Host | Place::Sandbox => self.repair().await,
                Place::Network(network) => self.overlays.repair(network).await.map_err(NetworkError::from),
            };
            if let Err(error) = repaired {
                let error = chain(&error);
                if known.get(&place) != Some(&error) {
                    warn!(?place, error, "network could not be looked after");
                }
                faults.insert(place, error);
            }
        }
    }

    /// Puts back what is not as it was made of the node's own network.
    async fn repair(&self) -> Result<(), NetworkError> {
        // Looks first without keeping anybody waiting.
        if self.findings(&mut *self.tables.lock().await).await?.is_empty() {
            return Ok(());
        }
        let _unchanged = self.links_change.write().await;
        let mut tables = self.tables.lock().await;
        let findings = self.findings(&mut tables).await?;
        if findings.is_empty() {
            return Ok(());
        }
        self.make_again(&mut tables, !findings.rules.is_empty()).await?;
        let told = [findings.wiring, findings.rules].concat();
        self.repairs().note(&OWN_NETWORK, &told);
        Ok(())
    }

    /// Does again what opening did; what is right is not touched by it.
    async fn make_again(&self, tables: &mut NodeTables, is_table_lost: bool) -> Result<(), NetworkError> {
        let ipv6 = kernel_has_ipv6();
        sandbox::prepare(&self.sandbox, &self.sandbox_links, &tables.rules.subnets).await?;
        let place = UplinkPlace {
            config: &self.config,
            name: &tables.rules.node.uplink(),
            host: &self.host,
            host_links: &self.host_links,
            sandbox: &self.sandbox,
            sandbox_links: &self.sandbox_links,
            guard: tables.rules.guard,
            ipv6,
        };
        let uplink = place.ensure().await?;
        tables.mtu = uplink.mtu;
        if is_table_lost || uplink.addresses != tables.rules.uplink {
            let rules = Ruleset { uplink: uplink.addresses, ..tables.rules.clone() };
            let forwards = self.ledger().forwards().into_iter().cloned().collect::<Vec<_>>();
            let namespaces = (&self.sandbox, &self.host);
            *tables = load_tables(&self.nft, rules, uplink.mtu, &forwards, namespaces).await?;
        }
        forwarding::switch_on(&self.host, ipv6).await?;
        for attachment in self.attachments().iter().filter(|held| !held.addresses.is_empty()) {
            let short = TaskShort::of(&attachment.task)?;
            if let Err(error) = container::rejoin(attachment, &short, &self.sandbox_links, tables.mtu).await {
                // One container must not keep the others from their links.
                warn!(
                    task = attachment.task,
                    error = chain(&error),
                    "container's link could not be made again"
                );
            }
        }
        Ok(())
    }

    /// Says what of the node's own network is not as it was made.
    async fn findings(&self, tables: &mut NodeTables) -> Result<Findings, NetworkError> {
        let (rules, ipv6) = (&tables.rules, kernel_has_ipv6());
        let uplink = rules.node.uplink();
        let mut findings = Findings::default();
        if !self.sandbox.is_in_place()? {
            findings.wiring.push(lost_namespace());
        }
        let on_host = Wiring::of_host(&uplink, &rules.uplink, ipv6);
        findings.wiring.extend(on_host.missing_in(&self.host_links.wiring().await?));
        let attachments = self.attachments();
        let inside = Wiring::of_sandbox(&rules.subnets, attachments.iter());
        let inside = inside.with(Wiring::of_uplink(&rules.uplink, ipv6));
        findings.wiring.extend(inside.missing_in(&self.sandbox_links.wiring().await?));
        findings.rules = tables.sandbox.differences(&self.sandbox).await?;
        findings.rules.extend(tables.host.differences(&self.host).await?);
        Ok(findings)
    }

    /// Binds namespaces that somebody unbound to their files again.
    async fn put_namespaces_back(&self) {
        let mut put = self.containers.put_in_place();
        match self.sandbox.ensure_in_place() {
            Ok(false) => {}
            done => put.push((self.sandbox.path().to_owned(), done.map(drop))),
        }
        for (file, done) in put {
            let file = file.display();
            match done {
                Ok(()) => self
                    .repairs()
                    .note(&OWN_NETWORK, &[format!("the namespace {file} is not bound to its file")]),
                Err(error) => warn!(%file, error = chain(&error), "namespace could not be put back"),
            }
        }
        if let Err(error) = self.overlays.put_in_place().await {
            warn!(error = chain(&error), "sandbox could not be put back");
        }
    }

    fn repairs(&self) -> MutexGuard<'_, Repairs> {
        // A number and a time: always whole.
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with all its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

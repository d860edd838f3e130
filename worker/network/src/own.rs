//! The node's own network: what of it is not as it should be, and putting that back.

use std::sync::{MutexGuard, PoisonError};

use tracing::warn;
use worker_core::network::{PairEnd, Ruleset, TaskShort, Wiring};

use crate::container;
use crate::error::NetworkError;
use crate::forwarding;
use crate::keep::chain;
use crate::network::{Network, NodeTables};
use crate::open::load_tables;
use crate::overlay::lost_namespace;
use crate::repairs::{Inspection, Journal};
use crate::sandbox;
use crate::sysctl::kernel_has_ipv6;
use crate::uplink::{self, UplinkPlace};

/// What the node's own network is called in the log.
const OWN_NETWORK: &str = "of the node itself";

/// What is other than it should be.
#[derive(Debug, Default)]
struct Findings {
    wiring: Vec<String>,
    rules: Vec<String>,
}

impl Findings {
    fn is_empty(&self) -> bool {
        self.wiring.is_empty() && self.rules.is_empty()
    }

    fn all(self) -> Vec<String> {
        [self.wiring, self.rules].concat()
    }
}

impl Network {
    /// Looks what of the node's own network is not as it should be, and changes nothing.
    pub async fn inspect(&self) -> Result<Inspection, NetworkError> {
        let mut findings = self.glance().await?;
        if !findings.is_empty() {
            // It may have been changed by us at that very moment.
            let _unchanged = self.links_change.write().await;
            findings = self.findings(&mut *self.tables.lock().await).await?;
        }
        Ok(Inspection { differences: findings.all(), repairs: self.journal().repairs() })
    }

    /// Puts back what is not as it should be.
    pub(crate) async fn repair(&self) -> Result<(), NetworkError> {
        if self.glance().await?.is_empty() {
            self.journal().put_back(&OWN_NETWORK);
            return Ok(());
        }
        let _unchanged = self.links_change.write().await;
        let mut tables = self.tables.lock().await;
        let findings = self.findings(&mut tables).await?;
        if findings.is_empty() {
            self.journal().put_back(&OWN_NETWORK);
            return Ok(());
        }
        let is_table_lost = !findings.rules.is_empty();
        self.journal().find(findings.all());
        self.make_again(&mut tables, is_table_lost).await?;
        let left = self.findings(&mut tables).await?;
        if !left.is_empty() {
            return Err(NetworkError::Stays { differences: left.all().join("; ") });
        }
        self.journal().put_back(&OWN_NETWORK);
        Ok(())
    }

    /// Looks without keeping anybody waiting: what changes meanwhile may be taken for a difference.
    async fn glance(&self) -> Result<Findings, NetworkError> {
        let before = self.tables.lock().await.clone();
        let mut seen = before.clone();
        let findings = self.findings(&mut seen).await?;
        let mut tables = self.tables.lock().await;
        tables.sandbox.catch_up(&before.sandbox, seen.sandbox);
        tables.host.catch_up(&before.host, seen.host);
        Ok(findings)
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
            mtu: Some(tables.mtu),
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
        let wanted = self.inside(tables);
        self.sandbox_links.remove_foreign(&wanted).await?;
        Ok(sandbox::settle_settings(&self.sandbox, ipv6, routed(&wanted)).await?)
    }

    /// Says what is not as it should be.
    async fn findings(&self, tables: &mut NodeTables) -> Result<Findings, NetworkError> {
        let (rules, ipv6) = (&tables.rules, kernel_has_ipv6());
        let uplink = rules.node.uplink();
        let mut findings = Findings::default();
        let told = &mut findings.wiring;
        if !self.sandbox.is_in_place()? {
            told.push(lost_namespace());
        }
        let end = PairEnd { mtu: tables.mtu, group: rules.guard.link_group() };
        let on_host = Wiring::of_host(&uplink, end, &rules.uplink, ipv6);
        told.extend(on_host.missing_in(&self.host_links.wiring_by(&uplink).await?));
        told.extend(forwarding::differences(&self.host, ipv6).await?);
        told.extend(uplink::setting_differences(&self.host, &uplink, ipv6).await?);
        let (wanted, found) = (self.inside(tables), self.sandbox_links.wiring().await?);
        told.extend(wanted.missing_in(&found));
        told.extend(wanted.foreign_in(&found));
        told.extend(sandbox::policy_differences(&self.sandbox_links, ipv6, None).await?);
        told.extend(sandbox::setting_differences(&self.sandbox, ipv6, routed(&wanted)).await?);
        findings.rules = tables.sandbox.differences(&self.sandbox).await?;
        findings.rules.extend(tables.host.differences(&self.host).await?);
        Ok(findings)
    }

    /// Returns what the sandbox is to hold.
    fn inside(&self, tables: &NodeTables) -> Wiring {
        let (rules, mtu) = (&tables.rules, tables.mtu);
        let inside = Wiring::of_sandbox(mtu, &rules.subnets, self.attachments().iter());
        inside.with(Wiring::of_uplink(mtu, &rules.uplink, kernel_has_ipv6()))
    }

    /// Notes that something was put back at once.
    pub(crate) fn note_repairs(&self, differences: &[String]) {
        self.journal().note(&OWN_NETWORK, differences);
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // Every change of it is complete before anything can panic.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the names of the links that packets of others come by.
fn routed(wiring: &Wiring) -> impl Iterator<Item = &str> {
    wiring.links.iter().filter(|(_, shape)| shape.end.is_some()).map(|(name, _)| name.as_str())
}

//! Looks whether a network is as it should be, and puts back what is not.

use proto::model::TaskId;
use worker_core::overlay::names::container_link;
use worker_core::overlay::{Container, Desired, View, plan};

use crate::overlay::answers::Publisher;
use crate::overlay::error::{OverlayError, OverlayFault};
use crate::overlay::mesh;
use crate::overlay::settle::{Ground, Overlay};
use crate::overlay::underlay::Underlay;
use crate::repairs::Inspection;

/// What is other than it should be, by where it is.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kernel: Vec<String>,
    rules: Vec<String>,
    gate: Vec<String>,
}

impl Findings {
    fn is_empty(&self) -> bool {
        self.kernel.is_empty() && self.rules.is_empty() && self.gate.is_empty()
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<String> {
        [self.kernel, self.rules, self.gate].concat()
    }
}

impl Overlay {
    /// Says what is not as the managers' table asks for; nothing while nothing is known of it, which is told otherwise.
    pub(crate) async fn audit(&mut self, ground: Ground<'_>) -> Result<Findings, OverlayError> {
        let desired = self.desired(ground).await?;
        let network = self.network;
        self.look(ground, desired.as_ref()).await.map_err(OverlayError::failed("examine", network))
    }

    /// Puts back what is not as it should be, and what could not be made before; tells what it was.
    pub(crate) async fn repair(&mut self, ground: Ground<'_>) -> Result<(), OverlayError> {
        let network = self.network;
        if self.table.is_none() {
            return Ok(());
        }
        self.put_in_place()?;
        self.let_go_of_lost(ground);
        let findings = self.audit(ground).await?;
        let is_right = findings.is_empty() && self.applied.is_whole();
        if is_right {
            self.journal.put_back(&network);
            return Ok(());
        }
        if !findings.kernel.is_empty() {
            self.applied.forget_kernel();
        }
        if !findings.rules.is_empty() {
            self.applied.rules = None;
        }
        if !findings.gate.is_empty() {
            self.gate = None;
        }
        self.journal.find(findings.all());
        self.settle(ground).await?;
        let left = self.audit(ground).await?;
        if !left.is_empty() {
            return Err(OverlayError::Stays { network, differences: left.all().join("; ") });
        }
        self.journal.put_back(&network);
        Ok(())
    }

    /// Puts back what containers of the ingress network have lost of the way of answers. Nobody tells of changes there.
    pub(crate) async fn repair_inside(&mut self, ground: Ground<'_>) -> Result<(), OverlayError> {
        let mut undone = Vec::new();
        for publisher in self.publishers() {
            let failed = OverlayError::failed("look after a container of", self.network);
            let told = match publisher.differences(ground).await {
                Ok(told) if !told.is_empty() => publisher.put_back(ground).await.map(|()| told),
                told => told,
            };
            undone.extend(told.map_err(failed)?);
        }
        self.journal.note(&self.network, &undone);
        Ok(())
    }

    fn publishers(&self) -> Vec<Publisher<'_>> {
        let (Some(table), Some(applied)) = (&self.table, self.applied.kernel()) else { return Vec::new() };
        let containers = self.containers.iter().filter(|_| table.info.ingress);
        let publisher = |(task, container): (&TaskId, &Container)| {
            let mtu = applied.links.get(&container_link(*task))?.mtu;
            Some(Publisher { info: &table.info, task: *task, container: *container, mtu })
        };
        containers.filter_map(publisher).collect()
    }

    /// Says what is not as it should be, and what was put back before.
    pub(crate) async fn inspect(&mut self, ground: Ground<'_>) -> Result<Inspection, OverlayError> {
        let mut differences = self.audit(ground).await?.all();
        for publisher in self.publishers() {
            let failed = OverlayError::failed("examine a container of", self.network);
            differences.extend(publisher.differences(ground).await.map_err(failed)?);
        }
        if self.table.is_some() && self.applied.kernel().is_none() {
            differences.push("it is not set up as the managers say".to_owned());
        }
        Ok(Inspection { differences, repairs: self.journal.repairs() })
    }

    /// Binds the sandbox to its file again if somebody unbound it.
    pub(crate) fn put_in_place(&mut self) -> Result<(), OverlayError> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        let put = sandbox.namespace.ensure_in_place();
        if put.map_err(OverlayError::failed("put back the namespace of", self.network))? {
            self.journal.note(&self.network, &[lost_namespace()]);
        }
        Ok(())
    }

    /// Tells whether something of it is on the host, or is other since the host's links changed; without an underlay,
    /// which could not be read, it may be.
    pub(crate) fn is_concerned_by_host(&self, ground: Ground<'_>, underlay: Option<&Underlay>) -> bool {
        let Some(table) = self.table.as_ref().filter(|table| !table.info.kind.is_local()) else {
            return false;
        };
        let me = ground.node().ok().and_then(|node| table.peers.get(&node));
        let is_as_made = |underlay: &Underlay| me.is_none_or(|me| underlay.mtu(me.data_path) == self.below);
        self.gate.is_some() || !underlay.is_some_and(is_as_made)
    }

    /// Decides what the sandbox should hold as things are now; `None` while nothing is known of the network, or the link to
    /// the host it is to have was not made yet.
    async fn desired(&self, ground: Ground<'_>) -> Result<Option<Desired>, OverlayError> {
        let Some(table) = &self.table else { return Ok(None) };
        let uplink = self.uplink.map(|uplink| uplink.addresses);
        if table.info.ingress && uplink.is_none() {
            return Ok(None);
        }
        let (node, underlay_mtu) = (ground.node()?, self.underlay_mtu(ground, table).await?);
        Ok(Some(plan(&View { node, table, containers: &self.containers, underlay_mtu, uplink })?))
    }

    async fn look(
        &mut self,
        ground: Ground<'_>,
        desired: Option<&Desired>,
    ) -> Result<Findings, OverlayFault> {
        let mut findings = Findings::default();
        let Some(sandbox) = &self.sandbox else { return Ok(findings) };
        if !sandbox.namespace.is_in_place()? {
            findings.kernel.push(lost_namespace());
        }
        if let (Some(desired), Some(table)) = (desired, &self.table) {
            findings.kernel.extend(sandbox.differences(ground, &table.info, &desired.kernel).await?);
            if let Some(uplink) = self.uplink {
                findings.kernel.extend(mesh::differences(ground, sandbox, uplink).await?);
            }
        }
        let is_other = desired.is_some_and(|desired| self.applied.has_other_rules_than(&desired.rules));
        if let Some(rules) = &mut self.applied.rules {
            findings.rules = rules.differences(&sandbox.namespace).await?;
            if is_other {
                findings.rules.push("its rules are not those that the managers ask for".to_owned());
            }
        }
        if let Some(gate) = &mut self.gate {
            findings.gate = gate.loaded.differences(&ground.host.namespace).await?;
        }
        Ok(findings)
    }
}

/// Says that a namespace has lost its file.
pub(crate) fn lost_namespace() -> String {
    "the sandbox's namespace is not bound to its file".to_owned()
}

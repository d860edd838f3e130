//! Looks whether a network is still as it was made, and puts back what is not.

use worker_core::overlay::differences;

use crate::overlay::error::{OverlayError, OverlayFault};
use crate::overlay::mesh;
use crate::overlay::observe::observe;
use crate::overlay::settle::{Ground, Overlay};
use crate::repairs::Inspection;

/// What is other than it was made, by where it is.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kernel: Vec<String>,
    rules: Vec<String>,
    gate: Vec<String>,
}

impl Findings {
    /// All of them.
    pub(crate) fn all(self) -> Vec<String> {
        [self.kernel, self.rules, self.gate].concat()
    }
}

impl Overlay {
    /// Says what is not as it was made; nothing while it is not made, which is told otherwise.
    pub(crate) async fn audit(&mut self, ground: Ground<'_>) -> Result<Findings, OverlayError> {
        let network = self.network;
        self.look(ground).await.map_err(OverlayError::failed("examine", network))
    }

    /// Puts back what is not as it was made, and what could not be made before; tells what it was.
    pub(crate) async fn repair(&mut self, ground: Ground<'_>) -> Result<(), OverlayError> {
        if self.table.is_none() {
            return Ok(());
        }
        self.put_in_place()?;
        self.let_go_of_lost(ground);
        let findings = self.audit(ground).await?;
        if !findings.kernel.is_empty() {
            self.applied.forget_kernel();
        }
        if !findings.rules.is_empty() {
            self.applied.rules = None;
        }
        if !findings.gate.is_empty() {
            self.gate = None;
        }
        if self.applied.is_whole() && findings.gate.is_empty() {
            return Ok(());
        }
        self.settle(ground).await?;
        let told = findings.all();
        if !told.is_empty() {
            self.repairs.note(&self.network, &told);
        }
        Ok(())
    }

    /// Says what is not as it should be, and what was put back before.
    pub(crate) async fn inspect(&mut self, ground: Ground<'_>) -> Result<Inspection, OverlayError> {
        let mut differences = self.audit(ground).await?.all();
        if self.table.is_some() && self.applied.kernel().is_none() {
            differences.push("it is not set up as the managers say".to_owned());
        }
        Ok(Inspection { differences, repairs: self.repairs })
    }

    /// Binds the sandbox to its file again if somebody unbound it.
    pub(crate) fn put_in_place(&mut self) -> Result<(), OverlayError> {
        let Some(sandbox) = &self.sandbox else { return Ok(()) };
        let put = sandbox.namespace.ensure_in_place();
        if put.map_err(OverlayError::failed("put back the namespace of", self.network))? {
            self.repairs.note(&self.network, &[lost_namespace()]);
        }
        Ok(())
    }

    async fn look(&mut self, ground: Ground<'_>) -> Result<Findings, OverlayFault> {
        let mut findings = Findings::default();
        let Some(sandbox) = &self.sandbox else { return Ok(findings) };
        if !sandbox.namespace.is_in_place()? {
            findings.kernel.push(lost_namespace());
        }
        if let Some(applied) = self.applied.kernel() {
            let observed = observe(&sandbox.links).await?;
            let told = differences(&observed.kernel, applied);
            findings.kernel.extend(told.iter().map(ToString::to_string));
            let strangers = observed.strangers.iter();
            findings.kernel.extend(strangers.map(|name| format!("the link {name} should not be there")));
        }
        if let Some(uplink) = self.applied.uplink() {
            findings.kernel.extend(mesh::differences(ground, sandbox, &uplink).await?);
        }
        if let Some(rules) = &mut self.applied.rules {
            findings.rules = rules.differences(&sandbox.namespace).await?;
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

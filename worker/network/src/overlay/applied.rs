//! What a sandbox was made to hold last, and what it takes to make it hold something else.

use std::collections::BTreeSet;
use std::sync::Arc;

use proto::model::NodeId;
use worker_core::overlay::{Kernel, Plan, PlanError, Rules, Step, View, diff};

use crate::nft_loaded::Loaded;

/// What a sandbox was made to hold. Whoever changes the sandbox takes this, and puts the next one in its place when all is
/// done: what is left half-way, by an error or because the caller went away, is then read back from the kernel.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    plan: Option<Arc<Plan>>,
    /// Whether links, addresses, neighbours and routes are as the plan has them.
    is_in_kernel: bool,
    /// The rules, if they are as the plan has them.
    pub(crate) rules: Option<Loaded>,
}

/// What is to be done to a sandbox.
pub(crate) struct Work {
    /// What it should hold then.
    pub(crate) plan: Arc<Plan>,
    pub(crate) steps: Vec<Step>,
    /// The rules it has until then.
    pub(crate) rules: Option<Loaded>,
}

impl Applied {
    /// Notes that all of a plan is done.
    pub(crate) fn all_of(plan: Arc<Plan>, rules: Option<Loaded>) -> Self {
        Self { plan: Some(plan), is_in_kernel: true, rules }
    }

    /// What the kernel was made to have; `None` when it is not known: at the start, and after a failure.
    pub(crate) fn kernel(&self) -> Option<&Kernel> {
        let plan = self.plan.as_ref().filter(|_| self.is_in_kernel)?;
        Some(&plan.desired().kernel)
    }

    /// Tells whether the rules, as far as they are known, were made as others than these.
    pub(crate) fn has_other_rules_than(&self, wanted: &Rules) -> bool {
        let plan = self.plan.as_ref().filter(|_| self.rules.is_some());
        plan.is_some_and(|plan| plan.desired().rules != *wanted)
    }

    /// The nodes that were out of reach; `None` when nothing is known.
    pub(crate) fn out_of_reach(&self) -> Option<&BTreeSet<NodeId>> {
        self.plan.as_ref().map(|plan| &plan.desired().out_of_reach)
    }

    /// Notes that links, addresses, neighbours or routes are other than they were made.
    pub(crate) fn forget_kernel(&mut self) {
        self.is_in_kernel = false;
    }

    /// Whether all of it is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_in_kernel && self.rules.is_some()
    }

    /// Decides what makes the sandbox hold what a view asks for: at the cost of what is other than before, or of the whole
    /// network if `found` has to say what the kernel has.
    pub(crate) fn work(self, view: &View<'_>, found: Option<Kernel>) -> Result<Work, PlanError> {
        let is_whole = self.is_whole();
        let Self { plan, rules, .. } = self;
        match (plan, found) {
            (Some(mut plan), None) if is_whole => {
                let steps = Arc::make_mut(&mut plan).follow(view)?;
                Ok(Work { plan, steps, rules })
            }
            (before, found) => {
                let plan = Plan::of(view)?;
                let before = before.as_ref().map(|before| before.desired());
                let kernel = found.or_else(|| before.map(|before| before.kernel.clone())).unwrap_or_default();
                let known = before.filter(|_| rules.is_some()).map(|before| &before.rules);
                let steps = diff(&kernel, known, plan.desired());
                Ok(Work { plan: Arc::new(plan), steps, rules })
            }
        }
    }
}

//! Applying changes of services: their specs, their rollouts and their restarts.

use super::{Refusal, deleted, put};
use crate::{
    ports,
    state::{Event, Holder, ObjectId, State},
};
use proto::model::{
    JobRun, NetworkId, RestartHistory, Rollout, RolloutCounts, RolloutState, Service, ServiceId, SlotKey,
    SlotProgress, Timestamp,
};
use std::{collections::BTreeMap, sync::Arc};

impl State {
    pub(super) fn put_service(&mut self, service: &Service) -> Result<Event, Refusal> {
        let name = &service.spec.name;
        if !service.removing && self.service_names.get(name).is_some_and(|&holder| holder != service.id) {
            return Err(Refusal::NameTaken(name.to_string()));
        }
        let attachments = &service.spec.task.attachments;
        if let Some(gone) = attachments.iter().find(|it| self.network(it.network).is_none()) {
            return Err(Refusal::NotFound(ObjectId::Network(gone.network)));
        }
        self.check_payloads(service)?;
        if let Some(ports::Clash { port, holder }) =
            ports::clash(self, self.service(service.id).map(AsRef::as_ref), service)
        {
            return Err(Refusal::PortTaken { port, holder });
        }
        self.release_name(service.id);
        self.touch_networks_of_service(service.id);
        let version = self.version;
        // Whoever made the change may not have seen the addresses that a loop has given out meanwhile.
        let vips = self.service(service.id).map_or_else(BTreeMap::new, |known| known.vips.clone());
        let service = Arc::new(Service { version, spec_version: version, vips, ..service.clone() });
        let event = put(ObjectId::Service(service.id));
        self.index_service(&service);
        let id = service.id;
        self.services.insert_mut(id, service);
        self.touch_networks_of_service(id);
        Ok(event)
    }

    pub(super) fn delete_service(&mut self, id: ServiceId) -> Result<Event, Refusal> {
        if self.tasks_of(id).next().is_some() {
            return Err(Refusal::InUse(ObjectId::Service(id)));
        }
        self.touch_networks_of_service(id);
        self.release_name(id);
        self.release_vips(id);
        self.services.remove_mut(&id);
        Ok(deleted(ObjectId::Service(id)))
    }

    pub(super) fn put_rollout(&mut self, id: ServiceId, rollout: &Rollout) -> Option<Event> {
        self.change_service(id, |service| {
            if service.rollout.as_ref() == Some(rollout) {
                return false;
            }
            service.rollout = Some(rollout.clone());
            true
        })
    }

    pub(super) fn set_rollout_status(
        &mut self,
        id: ServiceId,
        state: RolloutState,
        message: &str,
        ended_at: Option<Timestamp>,
        counts: RolloutCounts,
    ) -> Option<Event> {
        self.change_service(id, |service| {
            let Some(rollout) = &mut service.rollout else { return false };
            let before = rollout.clone();
            rollout.state = state;
            rollout.message = message.to_owned();
            rollout.ended_at = ended_at;
            rollout.counts = counts;
            *rollout != before
        })
    }

    pub(super) fn set_rollout_slot(
        &mut self,
        id: ServiceId,
        slot: SlotKey,
        progress: Option<SlotProgress>,
    ) -> Option<Event> {
        self.change_service(id, |service| {
            let Some(rollout) = &mut service.rollout else { return false };
            let before = match progress {
                Some(progress) => rollout.slots.insert(slot, progress),
                None => rollout.slots.remove(&slot),
            };
            before != progress
        })
    }

    pub(super) fn set_job_run(&mut self, id: ServiceId, run: &JobRun) -> Option<Event> {
        self.change_service(id, |service| {
            let is_present = |known: &JobRun| known.iteration == run.iteration && known != run;
            let Some(known) = service.job.as_mut().filter(|known| is_present(known)) else { return false };
            *known = run.clone();
            true
        })
    }

    pub(super) fn set_restarts(
        &mut self,
        id: ServiceId,
        slot: SlotKey,
        history: Option<&RestartHistory>,
    ) -> Option<Event> {
        self.change_service(id, |service| {
            if service.restarts.get(&slot) == history {
                return false;
            }
            match history {
                Some(history) => service.restarts.insert(slot, history.clone()),
                None => service.restarts.remove(&slot),
            };
            true
        })
    }

    pub(super) fn set_vips(
        &mut self,
        id: ServiceId,
        vips: &BTreeMap<NetworkId, u32>,
    ) -> Result<Option<Event>, Refusal> {
        for (&network, &number) in vips {
            self.check_number(network, number, Holder::Service(id))?;
        }
        self.touch_networks_of_service(id);
        self.release_vips(id);
        let event = self.change_service(id, |service| {
            let changed = service.vips != *vips;
            service.vips.clone_from(vips);
            changed
        });
        if let Some(service) = self.service(id).cloned() {
            self.index_vips(&service);
            self.touch_networks_of_service(id);
        }
        Ok(event)
    }

    fn release_vips(&mut self, id: ServiceId) {
        let held = self.service(id).map_or_else(BTreeMap::new, |service| service.vips.clone());
        for (network, number) in held {
            self.give_up(network, number, Holder::Service(id));
        }
    }

    pub(in crate::state) fn index_vips(&mut self, service: &Service) {
        for (&network, &number) in &service.vips {
            self.hold(network, number, Holder::Service(service.id));
        }
    }

    /// Enters the service's name, which it keeps until a person removes it: its tasks may take long
    /// to end, and until then another service may have the name.
    pub(in crate::state) fn index_service(&mut self, service: &Service) {
        if !service.removing {
            self.service_names.insert_mut(service.spec.name.clone(), service.id);
        }
    }

    fn release_name(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get(&id)
            && self.service_names.get(&service.spec.name) == Some(&id)
        {
            self.service_names.remove_mut(&service.spec.name);
        }
    }

    /// Changes what the managers keep beside a service's spec. A service that is gone, or that the
    /// change leaves as it was, gives no event.
    ///
    /// The service is copied at most once in a transaction, however many of its slots are changed.
    fn change_service(&mut self, id: ServiceId, change: impl FnOnce(&mut Service) -> bool) -> Option<Event> {
        let service = Arc::make_mut(self.services.get_mut(&id)?);
        if !change(service) {
            return None;
        }
        service.version = self.version;
        Some(put(ObjectId::Service(id)))
    }
}

//! Applying changes of secrets and configs.

use super::{Refusal, deleted, put};
use crate::{
    payloads,
    state::{Event, ObjectId, State},
};
use proto::model::{Content, Edition, Payload, PayloadId, Roll, Service, Timestamp};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl State {
    pub(super) fn put_payload(&mut self, payload: &Payload) -> Result<Event, Refusal> {
        let Payload { id, ref spec, .. } = *payload;
        if self.payload_named(spec.kind, &spec.name).is_some_and(|other| other.id != id) {
            return Err(Refusal::NameTaken(spec.name.to_string()));
        }
        let payload = Arc::new(Payload { version: self.version, ..payload.clone() });
        self.index_payload(&payload);
        self.payloads.insert_mut(id, payload);
        Ok(put(ObjectId::Payload(id)))
    }

    pub(super) fn add_edition(
        &mut self,
        id: PayloadId,
        number: u64,
        content: &Content,
        roll: Roll,
        at: Timestamp,
    ) -> Result<Event, Refusal> {
        self.change_payload(id, |payload| {
            if roll.is_in_place() {
                payload.editions.clear();
                payload.base = number;
            }
            payload.editions.insert(number, Edition { content: content.clone(), roll });
            payload.updated_at = at;
        })
    }

    pub(super) fn set_payload_labels(
        &mut self,
        id: PayloadId,
        labels: &BTreeMap<String, String>,
        at: Timestamp,
    ) -> Result<Event, Refusal> {
        self.change_payload(id, |payload| {
            payload.spec.labels.clone_from(labels);
            payload.updated_at = at;
        })
    }

    pub(super) fn drop_editions(&mut self, id: PayloadId, editions: &BTreeSet<u64>) -> Option<Event> {
        // A service may have come to need one since this was decided.
        let needed = payloads::needed(self);
        let dropped = self.change_payload(id, |payload| {
            let newest = payload.newest();
            let is_kept = |number: u64| {
                number == newest || needed.contains(&(id, number)) || !editions.contains(&number)
            };
            payload.editions.retain(|&number, _| is_kept(number));
        });
        // It may be gone by now.
        dropped.ok()
    }

    pub(super) fn delete_payload(&mut self, id: PayloadId) -> Result<Event, Refusal> {
        if payloads::users(self, id).next().is_some() {
            return Err(Refusal::InUse(ObjectId::Payload(id)));
        }
        if let Some(payload) = self.payloads.get(&id).cloned() {
            self.payload_names.remove_mut(&(payload.spec.kind, payload.spec.name.clone()));
            self.payloads.remove_mut(&id);
        }
        Ok(deleted(ObjectId::Payload(id)))
    }

    /// Refuses a service whose tasks would wait for ever for something that is gone.
    pub(super) fn check_payloads(&self, service: &Service) -> Result<(), Refusal> {
        match payloads::gone(self, &service.spec).filter(|_| !service.removing) {
            Some((_, gone)) => Err(Refusal::NotFound(ObjectId::Payload(gone.payload))),
            None => Ok(()),
        }
    }

    /// Enters the name of a secret or config.
    pub(in crate::state) fn index_payload(&mut self, payload: &Payload) {
        self.payload_names.insert_mut((payload.spec.kind, payload.spec.name.clone()), payload.id);
    }

    fn change_payload(&mut self, id: PayloadId, change: impl FnOnce(&mut Payload)) -> Result<Event, Refusal> {
        let object = ObjectId::Payload(id);
        let payload = Arc::make_mut(self.payloads.get_mut(&id).ok_or(Refusal::NotFound(object))?);
        change(payload);
        payload.version = self.version;
        Ok(put(object))
    }
}

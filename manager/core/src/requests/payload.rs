//! Making secrets and configs, giving them new contents, and removing them.

use crate::{
    payloads,
    state::{Change, Expect, ObjectId, State, Transaction},
    updater,
};
use proto::model::{
    Content, Payload, PayloadId, PayloadKind, PayloadSpec, Roll, Service, ServiceSpec, Timestamp,
    cluster::PAYLOADS_LEVEL,
};
use std::sync::Arc;

/// How many users are named.
const USERS_MAX: usize = 10;

/// Says why a secret or config can't be made, changed or removed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Another one has the name.
    #[error(
        "{kind} `{name}` exists already: choose another name, or give it a new content with `shoal {kind} update {name} FILE`"
    )]
    NameTaken {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
    },
    /// Services use it.
    #[error(
        "{kind} `{name}` is in use by {}: update or remove {} first{}",
        list(services), if services.len() == 1 { "it" } else { "them" },
        if *may_go_back { format!(" (a service counts as long as it can be rolled back to the {kind})") } else { String::new() }
    )]
    InUse {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
        /// The services' names.
        services: Vec<String>,
        /// Whether one of them only had it before its last update.
        may_go_back: bool,
    },
    /// The version given is not the present one.
    #[error(
        "update out of sequence: {kind} `{name}` has changed since version {given}; look at it again and repeat"
    )]
    OutOfSequence {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
        /// The version given.
        given: u64,
    },
    /// Its name and kind are what services know it by, and whether it is a template is what its contents are.
    #[error(
        "only the content and the labels of {kind} `{name}` can be changed: create a new one and remove this one"
    )]
    Fixed {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
    },
    /// Some managers would not understand it.
    #[error(
        "a manager runs a version of shoal that knows no secrets and configs: upgrade all managers first"
    )]
    TooOld,
}

/// The first few services by name.
fn list(services: &[String]) -> String {
    let named: Vec<String> =
        services.iter().take(USERS_MAX).map(|service| format!("service `{service}`")).collect();
    match services.len().saturating_sub(USERS_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} other services", named.join(", ")),
    }
}

/// Creates a secret or config.
pub fn create(
    state: &State,
    id: PayloadId,
    spec: PayloadSpec,
    content: Content,
    now: Timestamp,
) -> Result<Transaction, PayloadError> {
    if state.cluster().is_none_or(|cluster| cluster.feature_level < PAYLOADS_LEVEL) {
        return Err(PayloadError::TooOld);
    }
    if state.payload_named(spec.kind, &spec.name).is_some() {
        return Err(PayloadError::NameTaken { kind: spec.kind, name: spec.name.to_string() });
    }
    let payload = Payload::new(id, spec, content, now);
    let expect = vec![Expect { object: ObjectId::Payload(id), version: 0 }];
    Ok(Transaction { expect, changes: vec![Change::PutPayload(Box::new(payload))] })
}

/// What is to be different in a secret or config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// A new content, and how it gets to services.
    pub content: Option<(Content, Roll)>,
    /// Its spec, in which only labels may differ.
    pub spec: Option<PayloadSpec>,
    /// Its version as the user last saw it; zero if that does not matter.
    pub version: u64,
}

/// Changes a secret or config. Those of its services whose tasks are to be replaced are updated along with it, as if a
/// person had asked for that. Also says to which services the new content gets.
pub fn update(
    state: &State,
    payload: &Payload,
    edit: Edit,
    now: Timestamp,
) -> Result<(Transaction, Vec<String>), PayloadError> {
    let Payload { id, ref spec, .. } = *payload;
    let (kind, name) = (spec.kind, spec.name.to_string());
    if edit.version != 0 && edit.version != payload.version {
        return Err(PayloadError::OutOfSequence { kind, name, given: edit.version });
    }
    let mut transaction = Transaction {
        expect: vec![Expect { object: ObjectId::Payload(id), version: payload.version }],
        changes: Vec::new(),
    };
    if let Some(wanted) = edit.spec {
        let labels = wanted.labels.clone();
        if *spec != (PayloadSpec { labels: spec.labels.clone(), ..wanted }) {
            return Err(PayloadError::Fixed { kind, name });
        }
        transaction.changes.push(Change::SetPayloadLabels { payload: id, labels, at: now });
    }
    let Some((content, roll)) = edit.content else { return Ok((transaction, Vec::new())) };
    let edition = payload.newest() + 1;
    transaction.changes.push(Change::AddEdition { payload: id, edition, content, roll, at: now });
    let is_user = |service: &&Arc<Service>| !service.removing && payloads::uses(&service.spec, id);
    let users: Vec<&Service> = state.services().filter(is_user).map(AsRef::as_ref).collect();
    if !roll.is_in_place() {
        for service in &users {
            transaction
                .expect
                .push(Expect { object: ObjectId::Service(service.id), version: service.version });
            let spec = with_edition(&service.spec, id, edition);
            let updated = match spec.mode.is_job() {
                // It is no wish for another run. Tasks that are made from now on find the new content.
                true => Service { spec: Arc::new(spec), updated_at: now, ..Service::clone(service) },
                false => updater::begin_update(service, spec, now),
            };
            transaction.changes.push(Change::PutService(Box::new(updated)));
        }
    }
    Ok((transaction, users.iter().map(|service| service.spec.name.to_string()).collect()))
}

/// A spec whose tasks find another content of a payload.
fn with_edition(spec: &ServiceSpec, payload: PayloadId, edition: u64) -> ServiceSpec {
    let mut spec = spec.clone();
    let uses = spec.task.container.payloads_mut().filter(|used| used.payload == payload);
    uses.for_each(|used| used.edition = edition);
    spec
}

/// Removes a secret or config that nothing uses.
pub fn remove(state: &State, payload: &Payload) -> Result<Transaction, PayloadError> {
    let users: Vec<_> = payloads::users(state, payload.id).collect();
    if users.is_empty() {
        return Ok(Transaction::of(vec![Change::DeletePayload(payload.id)]));
    }
    let may_go_back = users.iter().any(|service| !payloads::uses(&service.spec, payload.id));
    let services = users.iter().map(|service| service.spec.name.to_string()).collect();
    let (kind, name) = (payload.spec.kind, payload.spec.name.to_string());
    Err(PayloadError::InUse { kind, name, services, may_go_back })
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

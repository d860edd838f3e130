//! Applying changes of stacks.

use super::{Refusal, deleted, put};
use crate::state::{Event, ObjectId, State};
use proto::model::{Stack, StackId};
use std::sync::Arc;

impl State {
    pub(super) fn put_stack(&mut self, stack: &Stack) -> Result<Event, Refusal> {
        if self.stack_named(&stack.spec.name).is_some_and(|other| other.id != stack.id) {
            return Err(Refusal::NameTaken(stack.spec.name.to_string()));
        }
        self.stacks.insert_mut(stack.id, Arc::new(Stack { version: self.version, ..stack.clone() }));
        Ok(put(ObjectId::Stack(stack.id)))
    }

    pub(super) fn delete_stack(&mut self, id: StackId) -> Option<Event> {
        self.stacks.remove_mut(&id).then(|| deleted(ObjectId::Stack(id)))
    }
}

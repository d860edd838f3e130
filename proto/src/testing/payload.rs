//! Secrets and configs, and how services use them.

use super::{id, text};
use crate::model::{Content, PayloadDelivery, PayloadKind, PayloadName, PayloadSpec, PayloadUse, Signal};
use proptest::{collection, option, prelude::*, sample::select};

fn name() -> impl Strategy<Value = PayloadName> {
    "[a-z0-9]([a-z0-9_.-]{0,20}[a-z0-9])?".prop_map(|text| text.parse().expect("the pattern makes names"))
}

/// What people say of a payload.
pub fn payload_spec() -> impl Strategy<Value = PayloadSpec> {
    let kind = select(vec![PayloadKind::Secret, PayloadKind::Config]);
    (kind, name(), text::labels(), any::<bool>()).prop_map(|(kind, name, labels, templated)| PayloadSpec {
        kind,
        name,
        labels,
        templated,
    })
}

/// What a task finds on its node.
pub fn payload_delivery() -> impl Strategy<Value = PayloadDelivery> {
    let signal =
        option::of((1..=64).prop_map(|number| Signal::try_from(number).expect("1 to 64 are signals")));
    let content = collection::vec(any::<u8>(), 1..100).prop_map(Content::checked);
    ((id(), any::<u64>()), any::<u64>(), content, any::<bool>(), signal).prop_map(
        |(key, edition, content, templated, signal)| PayloadDelivery {
            key,
            edition,
            content,
            templated,
            signal,
        },
    )
}

/// A few files that a container finds, whose paths differ from each other's and from mounts'.
pub(super) fn payload_uses(folder: &'static str) -> impl Strategy<Value = Vec<PayloadUse>> {
    let owner = (any::<u32>(), any::<u32>(), 0..=0o7777u32);
    let used = (id(), name(), any::<u64>(), owner);
    collection::btree_map("[a-z0-9]{1,8}", used, 0..3).prop_map(move |uses| {
        let used = |(target, (payload, name, edition, (uid, gid, mode)))| {
            // A dot is in no mount's path here.
            let target = format!("{folder}{target}.x");
            PayloadUse { payload, name, edition, target, uid, gid, mode }
        };
        uses.into_iter().map(used).collect()
    })
}

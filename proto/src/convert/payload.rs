//! Secrets and configs, how services use them, and what nodes are told of them.

use super::{
    bounds::{self, shown},
    error::{WireError, present, well_formed},
    mount::parts,
};
use crate::{
    model::{
        ContainerSpec, Content, Payload, PayloadDelivery, PayloadId, PayloadKind, PayloadName, PayloadSpec,
        PayloadUse, Problems, Roll, Template,
        payload::{ContentTemplate, PAYLOAD_MODE},
    },
    wire,
};
use std::collections::BTreeSet;

/// What is written for contents with expressions, as in docker: the only kind of templates there is.
const GOLANG: &str = "golang";

impl From<PayloadKind> for wire::PayloadKind {
    fn from(kind: PayloadKind) -> Self {
        match kind {
            PayloadKind::Secret => wire::PayloadKind::Secret,
            PayloadKind::Config => wire::PayloadKind::Config,
        }
    }
}

/// What a payload is.
pub fn payload_kind(number: i32) -> Result<PayloadKind, WireError> {
    match wire::PayloadKind::try_from(number) {
        Ok(wire::PayloadKind::Secret) => Ok(PayloadKind::Secret),
        Ok(wire::PayloadKind::Config) => Ok(PayloadKind::Config),
        Ok(wire::PayloadKind::Unspecified) | Err(_) => {
            Err(WireError::UnknownNumber { field: "kind", number })
        }
    }
}

/// How a new content gets to services; restart if nothing is asked for.
pub fn roll(number: i32, signal: &str) -> Result<Roll, Problems> {
    let mut problems = Problems::default();
    let roll = match wire::Roll::try_from(number) {
        Ok(wire::Roll::Unspecified | wire::Roll::Restart) => Some(Roll::Restart),
        Ok(wire::Roll::File) => Some(Roll::File),
        Ok(wire::Roll::Signal) => problems.take("--roll", signal.parse()).map(Roll::Signal),
        Err(_) => {
            problems.add("--roll", format!("{number} is not known: use restart, signal or file"));
            None
        }
    };
    roll.ok_or(problems)
}

impl From<&PayloadSpec> for wire::PayloadSpec {
    fn from(spec: &PayloadSpec) -> Self {
        wire::PayloadSpec {
            kind: wire::PayloadKind::from(spec.kind).into(),
            name: spec.name.to_string(),
            labels: spec.labels.clone().into_iter().collect(),
            template_driver: if spec.templated { GOLANG.to_owned() } else { String::new() },
        }
    }
}

impl From<&Payload> for wire::Payload {
    /// Without the content, which only the answering manager adds, and who uses it.
    fn from(payload: &Payload) -> Self {
        wire::Payload {
            id: payload.id.to_string(),
            version: payload.version,
            created_at: payload.created_at.0,
            updated_at: payload.updated_at.0,
            spec: Some((&payload.spec).into()),
            edition: payload.newest(),
            content: None,
            services: Vec::new(),
        }
    }
}

impl TryFrom<wire::PayloadSpec> for PayloadSpec {
    type Error = Problems;

    fn try_from(wire: wire::PayloadSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let kind = problems.take("kind", payload_kind(wire.kind));
        let name = problems.take("NAME", PayloadName::try_from(wire.name));
        let labels = bounds::labels("--label", wire.labels, &mut problems);
        let templated = match wire.template_driver.as_str() {
            "" => false,
            GOLANG => true,
            other => {
                let message = format!("`{}` is not known: use {GOLANG}, or leave it out", shown(other));
                problems.add("--template-driver", message);
                false
            }
        };
        match (kind, name) {
            (Some(kind), Some(name)) => problems.finish(PayloadSpec { kind, name, labels, templated }),
            _ => Err(problems),
        }
    }
}

impl PayloadSpec {
    /// Reads what a payload is to hold, and checks it by the kind's rules.
    pub fn content(&self, content: Option<wire::Content>) -> Result<Content, Problems> {
        let mut problems = Problems::default();
        let bytes = content.unwrap_or_default().data;
        let Some(content) = problems.take("FILE", Content::new(self.kind, bytes)) else {
            return Err(problems);
        };
        if self.templated {
            problems.take("FILE", ContentTemplate::read(content.bytes()));
        }
        problems.finish(content)
    }
}

impl From<&PayloadUse> for wire::PayloadUse {
    fn from(used: &PayloadUse) -> Self {
        wire::PayloadUse {
            payload: used.payload.to_string(),
            name: used.name.to_string(),
            edition: used.edition,
            target: used.target.clone(),
            uid: used.uid,
            gid: used.gid,
            mode: Some(used.mode),
        }
    }
}

/// The option by which services use a kind.
fn option(kind: PayloadKind) -> &'static str {
    match kind {
        PayloadKind::Secret => "--secret",
        PayloadKind::Config => "--config",
    }
}

/// Reads what a container uses, which the managers have found by name before.
pub(super) fn uses(
    kind: PayloadKind,
    wires: Vec<wire::PayloadUse>,
    problems: &mut Problems,
) -> Vec<PayloadUse> {
    let option = option(kind);
    bounds::count(option, wires.len(), problems);
    let mut uses = Vec::new();
    for wire in wires {
        let payload = problems.take(option, wire.payload.parse());
        let name = problems.take(option, PayloadName::try_from(wire.name));
        let (Some(payload), Some(name)) = (payload, name) else { continue };
        let target = if wire.target.is_empty() { name.to_string() } else { wire.target };
        let mode = wire.mode.unwrap_or(PAYLOAD_MODE);
        let (uid, gid, edition) = (wire.uid, wire.gid, wire.edition);
        let used = PayloadUse { payload, name, edition, target, uid, gid, mode };
        uses.extend(problems.take(option, used.check()));
    }
    uses
}

/// Notes files of a container that would have the same path, or lie where something else is mounted.
pub(super) fn check_targets(container: &ContainerSpec, problems: &mut Problems) {
    let mounts = container.mounts.iter().filter_map(|mount| Template::sample(&mount.target).ok());
    let mut taken: BTreeSet<Vec<String>> = mounts.map(|target| owned(&target)).collect();
    for (kind, used) in container.payloads() {
        let path = used.path(kind);
        if !taken.insert(owned(&path)) {
            problems.add(
                option(kind),
                format!(
                    "target `{}` of `{}` is given twice: give it another target",
                    shown(&path),
                    used.name
                ),
            );
        }
    }
}

fn owned(path: &str) -> Vec<String> {
    parts(path).into_iter().map(str::to_owned).collect()
}

impl From<&PayloadDelivery> for wire::PayloadDelivery {
    fn from(delivery: &PayloadDelivery) -> Self {
        wire::PayloadDelivery {
            key: Some(delivery.key.into()),
            edition: delivery.edition,
            content: Some(wire::Content { data: delivery.content.bytes().to_vec() }),
            templated: delivery.templated,
            signal: delivery.signal.map(|signal| signal.to_string()).unwrap_or_default(),
        }
    }
}

impl TryFrom<wire::PayloadDelivery> for PayloadDelivery {
    type Error = WireError;

    fn try_from(wire: wire::PayloadDelivery) -> Result<Self, WireError> {
        let signal = Some(wire.signal).filter(|signal| !signal.is_empty());
        Ok(PayloadDelivery {
            key: present("key", wire.key)?.try_into()?,
            edition: wire.edition,
            content: Content::checked(present("content", wire.content)?.data),
            templated: wire.templated,
            signal: signal.map(|text| well_formed("signal", text.parse())).transpose()?,
        })
    }
}

impl From<(PayloadId, u64)> for wire::PayloadKey {
    fn from((payload, edition): (PayloadId, u64)) -> Self {
        wire::PayloadKey { payload_id: payload.to_string(), edition }
    }
}

impl TryFrom<wire::PayloadKey> for (PayloadId, u64) {
    type Error = WireError;

    fn try_from(wire: wire::PayloadKey) -> Result<Self, WireError> {
        Ok((well_formed("payload_id", wire.payload_id.parse())?, wire.edition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spec_comes_back_from_the_wire_unchanged(spec in testing::payload_spec()) {
            prop_assert_eq!(PayloadSpec::try_from(wire::PayloadSpec::from(&spec)), Ok(spec));
        }

        #[test]
        fn a_delivery_comes_back_from_the_wire_unchanged(delivery in testing::payload_delivery()) {
            let read = PayloadDelivery::try_from(wire::PayloadDelivery::from(&delivery)).unwrap();
            prop_assert_eq!(read, delivery);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = wire::PayloadSpec {
            kind: wire::PayloadKind::Config.into(),
            name: "a/b".into(),
            labels: [(String::new(), "x".to_owned())].into(),
            template_driver: "mustache".into(),
        };
        let problems = PayloadSpec::try_from(wrong).unwrap_err();
        let fields: Vec<&str> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["NAME", "--label", "--template-driver"]);
    }

    #[test]
    fn a_content_that_is_a_template_is_read_before_it_is_kept() {
        let spec = |templated| PayloadSpec { templated, ..testing::sample(testing::payload_spec()) };
        let content = || Some(wire::Content { data: b"{{nope}}".to_vec() });
        assert!(spec(false).content(content()).is_ok());
        let refused = spec(true).content(content()).unwrap_err().to_string();
        assert!(refused.starts_with("FILE: line 1 has an expression that is not known"), "{refused}");
        assert!(spec(false).content(None).unwrap_err().to_string().contains("nothing in it"));
    }

    fn used(name: &str, target: &str) -> wire::PayloadUse {
        wire::PayloadUse {
            payload: PayloadId::from_bits(1).to_string(),
            name: name.into(),
            target: target.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_file_has_the_name_of_the_secret_and_may_be_read_by_all_if_nothing_else_is_said() {
        let mut problems = Problems::default();
        let uses = uses(PayloadKind::Secret, vec![used("key", "")], &mut problems);
        assert_eq!((uses[0].path(PayloadKind::Secret).as_str(), uses[0].mode), ("/run/secrets/key", 0o444));
        assert_eq!(problems, Problems::default());
    }

    #[test]
    fn two_files_at_one_path_are_a_problem() {
        let mut problems = Problems::default();
        let mount = crate::model::Mount {
            target: "/run/secrets/./c".into(),
            read_only: false,
            kind: crate::model::MountKind::Tmpfs { size_bytes: None, mode: None },
        };
        let container = ContainerSpec {
            mounts: vec![mount],
            secrets: uses(PayloadKind::Secret, vec![used("a", ""), used("c", "")], &mut problems),
            configs: uses(PayloadKind::Config, vec![used("b", "/run/secrets/a")], &mut problems),
            ..Default::default()
        };
        check_targets(&container, &mut problems);
        assert_eq!(
            problems.to_string(),
            "--secret: target `/run/secrets/c` of `c` is given twice: give it another target\n\
             --config: target `/run/secrets/a` of `b` is given twice: give it another target"
        );
    }

    #[test]
    fn a_content_rolls_by_restart_unless_something_else_is_asked_for() {
        assert_eq!(roll(0, ""), Ok(Roll::Restart));
        assert_eq!(roll(wire::Roll::File.into(), ""), Ok(Roll::File));
        assert_eq!(roll(wire::Roll::Signal.into(), "HUP"), Ok(Roll::Signal("SIGHUP".parse().unwrap())));
        assert!(roll(wire::Roll::Signal.into(), "NOPE").is_err() && roll(9, "").is_err());
    }
}

//! Secrets and configs as this node was told of them, and the files that a task's container finds.

use crate::templates;
use proto::model::{
    Content, NodeDescription, PayloadDelivery, PayloadId, PayloadKind, PayloadUse, Signal, Task,
    payload::{ContentField, ContentTemplate, ContentTemplateError},
};
use std::collections::BTreeMap;

/// What the managers say of secrets and configs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Whether what is not named is not this node's any more, unless it follows.
    pub full: bool,
    /// What is new.
    pub put: Vec<PayloadDelivery>,
    /// What none of the node's tasks needs any more.
    pub remove: Vec<(PayloadId, u64)>,
}

/// What is known of secrets and configs. It is nowhere but in memory, so a daemon that starts knows nothing.
#[derive(Debug, Clone, Default)]
pub struct Known {
    is_told: bool,
    deliveries: BTreeMap<(PayloadId, u64), PayloadDelivery>,
}

/// A file that a container finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadFile {
    /// Its absolute path in the container.
    pub path: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// What is in it.
    pub content: Content,
    /// What a running container gets when this has become another content.
    pub signal: Option<Signal>,
}

/// Says why a task's files can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The managers have not told it.
    #[error("the managers have not told this node what is in {kind} `{name}`")]
    Untold {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
    },
    /// It is no template after all.
    #[error("cannot fill in {kind} `{name}`: {source}")]
    Template {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
        /// Why.
        source: ContentTemplateError,
    },
    /// An expression asks for what the service does not have.
    #[error("cannot fill in {kind} `{name}`: {why}")]
    Value {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
        /// What is asked for, and what is to be done.
        why: String,
    },
}

impl Known {
    /// Takes in what the managers told.
    pub fn take(&mut self, told: Told) {
        if told.full {
            self.deliveries.clear();
        }
        self.is_told = true;
        for key in &told.remove {
            self.deliveries.remove(key);
        }
        self.deliveries.extend(told.put.into_iter().map(|delivery| (delivery.key, delivery)));
    }

    /// Whether the managers told anything since the daemon began.
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// The first of a task's secrets and configs that is not known.
    pub fn lacks<'a>(&self, task: &'a Task) -> Option<(PayloadKind, &'a PayloadUse)> {
        let mut uses = task.spec.task.container.payloads();
        uses.find(|(_, used)| !self.deliveries.contains_key(&(used.payload, used.edition)))
    }

    /// The files that a task's container finds, in the order of its spec, with expressions filled in.
    pub fn files(&self, task: &Task, node: &NodeDescription) -> Result<Vec<PayloadFile>, PayloadError> {
        let file = |(kind, used): (PayloadKind, &PayloadUse)| {
            let delivery = self.delivery(kind, used)?;
            let content = match delivery.templated {
                true => self.filled(kind, used, delivery, task, node)?,
                false => delivery.content.clone(),
            };
            let PayloadUse { uid, gid, mode, .. } = *used;
            Ok(PayloadFile { path: used.path(kind), uid, gid, mode, content, signal: delivery.signal })
        };
        task.spec.task.container.payloads().map(file).collect()
    }

    fn delivery(&self, kind: PayloadKind, used: &PayloadUse) -> Result<&PayloadDelivery, PayloadError> {
        let found = self.deliveries.get(&(used.payload, used.edition));
        found.ok_or_else(|| PayloadError::Untold { kind, name: used.name.to_string() })
    }

    fn filled(
        &self,
        kind: PayloadKind,
        used: &PayloadUse,
        delivery: &PayloadDelivery,
        task: &Task,
        node: &NodeDescription,
    ) -> Result<Content, PayloadError> {
        let name = || used.name.to_string();
        let read = ContentTemplate::read(delivery.content.bytes());
        let template = read.map_err(|source| PayloadError::Template { kind, name: name(), source })?;
        let text = template.fill(|field| {
            self.value(field, task, node).map_err(|why| PayloadError::Value { kind, name: name(), why })
        })?;
        Ok(Content::checked(text.into_bytes()))
    }

    /// What an expression stands for, or why it stands for nothing.
    fn value(&self, field: &ContentField, task: &Task, node: &NodeDescription) -> Result<String, String> {
        let container = &task.spec.task.container;
        match field {
            ContentField::Field(field) => Ok(templates::value_of(field, task, node)),
            ContentField::Secret(target) => self.text(PayloadKind::Secret, &container.secrets, target),
            ContentField::Config(target) => self.text(PayloadKind::Config, &container.configs, target),
            ContentField::Env(name) => {
                let value = |variable: &String| {
                    variable.strip_prefix(name.as_str())?.strip_prefix('=').map(str::to_owned)
                };
                let missing = || format!("the service sets no variable `{name}`: set it with --env");
                container.env.iter().find_map(value).ok_or_else(missing)
            }
        }
    }

    /// What is in one of a task's files, as it is.
    fn text(&self, kind: PayloadKind, uses: &[PayloadUse], target: &str) -> Result<String, String> {
        let by_target = uses.iter().find(|used| used.target == target || used.path(kind) == target);
        let by_name = || uses.iter().find(|used| used.name.as_str() == target);
        let used = by_target
            .or_else(by_name)
            .ok_or_else(|| format!("the service uses no {kind} `{target}`: give it with --{kind}"))?;
        let delivery = self.delivery(kind, used).map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(delivery.content.bytes());
        text.map(str::to_owned).map_err(|_| format!("{kind} `{}` is not text in UTF-8", used.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{
        model::{ServiceSpec, SlotKey, payload::PAYLOAD_MODE},
        testing,
    };
    use std::sync::Arc;

    fn used(number: u128, name: &str, target: &str) -> PayloadUse {
        PayloadUse {
            payload: PayloadId::from_bits(number),
            name: name.parse().unwrap(),
            edition: 1,
            target: target.into(),
            uid: 7,
            gid: 8,
            mode: PAYLOAD_MODE,
        }
    }

    fn delivery(number: u128, content: &str, templated: bool) -> PayloadDelivery {
        PayloadDelivery {
            key: (PayloadId::from_bits(number), 1),
            edition: 1,
            content: Content::checked(content.into()),
            templated,
            signal: None,
        }
    }

    /// A task with a secret `key` and a config `site`.
    fn task() -> Task {
        let mut task = testing::sample(testing::task());
        let mut spec = ServiceSpec::clone(&task.spec);
        spec.name = "web".parse().unwrap();
        let container = &mut spec.task.container;
        container.env = vec!["MODE=fast".into()];
        container.secrets = vec![used(1, "key", "tls.key")];
        container.configs = vec![used(2, "site", "/etc/site.conf")];
        (task.spec, task.slot) = (Arc::new(spec), SlotKey::Replica(3));
        task
    }

    fn known(deliveries: Vec<PayloadDelivery>) -> Known {
        let mut known = Known::default();
        known.take(Told { full: true, put: deliveries, remove: Vec::new() });
        known
    }

    fn site(template: &str) -> Result<String, String> {
        let known = known(vec![delivery(1, "hunter2", false), delivery(2, template, true)]);
        let files = known.files(&task(), &NodeDescription::default()).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(files[1].content.bytes().to_vec()).unwrap())
    }

    #[test]
    fn files_have_the_owner_and_the_place_that_were_asked_for() {
        let known = known(vec![delivery(1, "hunter2", false), delivery(2, "{{.Task.Slot}}", false)]);
        let files = known.files(&task(), &NodeDescription::default()).unwrap();
        let shown: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.content.bytes())).collect();
        let expected: [(&str, &[u8]); 2] =
            [("/run/secrets/tls.key", b"hunter2"), ("/etc/site.conf", b"{{.Task.Slot}}")];
        assert_eq!(shown, expected);
        assert_eq!((files[0].uid, files[0].gid, files[0].mode), (7, 8, 0o444));
    }

    #[test]
    fn expressions_are_filled_in_for_the_task() {
        for (template, expected) in [
            ("{{.Service.Name}}-{{.Task.Slot}}", "web-3"),
            ("password={{secret \"tls.key\"}}", "password=hunter2"),
            ("{{secret \"/run/secrets/tls.key\"}} {{secret \"key\"}}", "hunter2 hunter2"),
            ("{{config \"site\"}}", "{{config \"site\"}}"),
            ("{{env \"MODE\"}}", "fast"),
        ] {
            assert_eq!(site(template).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn what_the_service_does_not_have_is_named_and_no_content_is_shown() {
        for (template, says) in [
            ("{{secret \"other\"}} hunter3", "the service uses no secret `other`: give it with --secret"),
            ("{{config \"other\"}} hunter3", "the service uses no config `other`"),
            ("{{env \"MOD\"}} hunter3", "the service sets no variable `MOD`"),
            ("{{hunter3}}", "line 1 has an expression that is not known"),
        ] {
            let said = site(template).unwrap_err();
            assert!(said.starts_with("cannot fill in config `site`: ") && said.contains(says), "{said}");
            assert!(!said.contains("hunter3"), "{said}");
        }
    }

    #[test]
    fn what_was_not_told_or_taken_away_again_is_missed() {
        let task = task();
        let mut known = known(vec![delivery(1, "a", false), delivery(2, "b", false)]);
        assert_eq!(known.lacks(&task), None);
        known.take(Told { full: false, put: Vec::new(), remove: vec![(PayloadId::from_bits(1), 1)] });
        assert_eq!(known.lacks(&task).map(|(_, used)| used.name.as_str()), Some("key"));
        known.take(Told { full: true, put: vec![delivery(1, "a", false)], remove: Vec::new() });
        assert_eq!(known.lacks(&task).map(|(_, used)| used.name.as_str()), Some("site"));
        assert!(known.is_told() && !Known::default().is_told());
    }
}

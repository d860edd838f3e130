//! Texts of a service in which its tasks differ, filled in for one task on one node.

use proto::{
    model::{
        MountKind, NodeDescription, Problems, ServiceSpec, Task, Template, TemplateField,
        template::TemplateError,
    },
    wire,
};

/// Why a task's texts can't be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillError {
    /// It is no template after all.
    #[error("cannot fill in `{text}`")]
    Template {
        /// The text.
        text: String,
        /// Why.
        #[source]
        source: TemplateError,
    },
    /// What it became is not allowed there.
    #[error("with this task's and node's values filled in, the service's options are wrong: {0}")]
    Filled(Problems),
}

/// Fills in a task's variables, host name and mounts; `None` if there is nothing to fill in. What they become is checked as
/// if it had been written so.
pub fn fill(task: &Task, node: &NodeDescription) -> Result<Option<ServiceSpec>, FillError> {
    let mut spec = ServiceSpec::clone(&task.spec);
    let container = &mut spec.task.container;
    let paths = container.mounts.iter_mut().flat_map(|mount| {
        let source = match &mut mount.kind {
            MountKind::Bind { source } => Some(source),
            MountKind::Volume { name } => name.as_mut(),
            MountKind::Tmpfs { .. } => None,
        };
        source.into_iter().chain([&mut mount.target])
    });
    let mut is_changed = false;
    for text in container.env.iter_mut().chain(&mut container.hostname).chain(paths) {
        if Template::is_in(text) {
            let read = text.parse::<Template>();
            let template = read.map_err(|source| FillError::Template { text: text.clone(), source })?;
            *text = template.fill(|field| value_of(field, task, node));
            is_changed = true;
        }
    }
    if !is_changed {
        return Ok(None);
    }
    // By the way that everything of people's takes.
    ServiceSpec::try_from(wire::ServiceSpec::from(&spec)).map(Some).map_err(FillError::Filled)
}

pub(crate) fn value_of(field: &TemplateField, task: &Task, node: &NodeDescription) -> String {
    match field {
        TemplateField::ServiceId => task.service.to_string(),
        TemplateField::ServiceName => task.spec.name.to_string(),
        TemplateField::ServiceLabel(name) => task.spec.labels.get(name).cloned().unwrap_or_default(),
        TemplateField::NodeId => task.node.map(|node| node.to_string()).unwrap_or_default(),
        TemplateField::NodeHostname => node.hostname.clone(),
        TemplateField::NodeOs => node.os.clone(),
        TemplateField::NodeArch => node.arch.clone(),
        TemplateField::TaskId => task.id.to_string(),
        TemplateField::TaskName => task.name(),
        TemplateField::TaskSlot => task.slot.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{
        model::{Mount, NodeId, ServiceId, SlotKey, TaskId},
        testing::{sample, task},
    };
    use std::sync::Arc;

    fn node() -> NodeDescription {
        NodeDescription {
            hostname: "host-7".into(),
            os: "linux".into(),
            arch: "arm64".into(),
            ..Default::default()
        }
    }

    fn with(change: impl FnOnce(&mut ServiceSpec)) -> Task {
        let mut task = sample(task());
        let mut spec = ServiceSpec::clone(&task.spec);
        spec.name = "web".parse().unwrap();
        spec.labels = [("tier".to_owned(), "front".to_owned())].into();
        (spec.task.container.env, spec.task.container.hostname, spec.task.container.mounts) =
            Default::default();
        change(&mut spec);
        task.spec = Arc::new(spec);
        task.slot = SlotKey::Replica(3);
        (task.id, task.service) = (TaskId::from_bits(5), ServiceId::from_bits(6));
        task.node = Some(NodeId::from_bits(7));
        task
    }

    #[test]
    fn every_text_in_which_tasks_may_differ_is_filled_in() {
        let task = with(|spec| {
            let container = &mut spec.task.container;
            let all = "{{.Service.ID}} {{.Service.Name}} {{.Service.Labels.tier}} {{.Service.Labels.none}} {{.Node.ID}} \
                {{.Node.Hostname}} {{.Node.Platform.OS}} {{.Node.Platform.Architecture}} {{.Task.ID}} {{.Task.Name}}";
            container.env = vec!["PLAIN=1".into(), format!("ALL={all}")];
            container.hostname = Some("{{.Node.Hostname}}-{{.Task.Slot}}".into());
            let volume = MountKind::Volume { name: Some("data-{{.Task.Slot}}".into()) };
            container.mounts =
                vec![Mount { target: "/{{.Service.Name}}".into(), read_only: false, kind: volume }];
        });
        let filled = fill(&task, &node()).unwrap().unwrap().task.container;
        let (service, node, id) = (task.service, NodeId::from_bits(7), task.id);
        let all = format!("ALL={service} web front  {node} host-7 linux arm64 {id} web.3.{id}");
        assert_eq!(filled.env, ["PLAIN=1", &all]);
        assert_eq!(filled.hostname.as_deref(), Some("host-7-3"));
        assert_eq!(filled.mounts[0].target, "/web");
        assert_eq!(filled.mounts[0].kind, MountKind::Volume { name: Some("data-3".into()) });
    }

    #[test]
    fn a_service_without_templates_is_left_as_it_is() {
        let task = with(|spec| spec.task.container.env = vec!["A=}} b".into()]);
        assert_eq!(fill(&task, &node()), Ok(None));
    }

    #[test]
    fn what_a_value_makes_of_a_text_is_checked_again() {
        let task = with(|spec| {
            spec.labels = [("up".to_owned(), "../../etc".to_owned())].into();
            let source = "/data/{{.Service.Labels.up}}".to_owned();
            let kind = MountKind::Bind { source };
            spec.task.container.mounts = vec![Mount { target: "/data".into(), read_only: false, kind }];
        });
        let refused = fill(&task, &node()).unwrap_err().to_string();
        assert!(refused.contains("bind mount source `/data/../../etc`"), "{refused}");
    }
}

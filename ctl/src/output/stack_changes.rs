//! What a deployment changes: a line for each object that is changed, and for plans every field and task.

use super::{inspect, quote};
use proto::wire::{
    PlannedTask, ServiceSpec, StackChange,
    stack_change::{Action, Kind},
};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write};

/// What was done, a line for each object, as docker says it.
pub fn done(changes: &[StackChange]) -> Vec<String> {
    let line = |change: &StackChange| {
        let verb = match change.action() {
            Action::Create => "Creating",
            Action::Update => "Updating",
            Action::Remove => "Removing",
            Action::None | Action::Unspecified => return None,
        };
        Some(format!("{verb} {} {}", kind(change), change.name))
    };
    changes.iter().filter_map(line).collect()
}

/// Whether anything is changed.
pub fn differ(changes: &[StackChange]) -> bool {
    changes.iter().any(|change| !matches!(change.action(), Action::None | Action::Unspecified))
}

/// What would be done: objects, their fields, their tasks in order and where they would go.
pub fn planned(
    changes: &[StackChange],
    hostnames: &BTreeMap<String, String>,
) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for change in changes {
        let sign = match change.action() {
            Action::Create => '+',
            Action::Update => '~',
            Action::Remove => '-',
            Action::None | Action::Unspecified => continue,
        };
        let _ = writeln!(text, "{sign} {} {}", kind(change), change.name);
        // A new service has the fields that its file says.
        if change.action() == Action::Update {
            let fields = |spec: &Option<ServiceSpec>| -> Result<BTreeMap<String, String>, serde_json::Error> {
                let mut fields = BTreeMap::new();
                if let Some(spec) = spec {
                    flatten(&serde_json::to_value(inspect::spec(spec.clone()))?, String::new(), &mut fields);
                }
                Ok(fields)
            };
            for line in differences(&fields(&change.before)?, &fields(&change.after)?) {
                let _ = writeln!(text, "    {line}");
            }
        }
        for (nth, task) in change.tasks.iter().enumerate() {
            let _ = writeln!(text, "    {}", task_line(nth + 1, task, hostnames));
        }
    }
    if text.is_empty() {
        text.push_str("nothing would change\n");
    }
    Ok(text)
}

fn kind(change: &StackChange) -> &'static str {
    match change.kind() {
        Kind::Service | Kind::Unspecified => "service",
        Kind::Network => "network",
    }
}

fn task_line(nth: usize, task: &PlannedTask, hostnames: &BTreeMap<String, String>) -> String {
    let verb = if task.replaces.is_empty() { "start" } else { "replace" };
    let at = match (hostnames.get(&task.node_id), task.node_id.as_str()) {
        (Some(hostname), _) => format!("on {hostname}"),
        (None, "") => "nowhere yet".to_owned(),
        (None, id) => format!("on {}", quote::id(id, true)),
    };
    let why = if task.message.is_empty() {
        String::new()
    } else {
        format!(" ({})", quote::one_line(&task.message))
    };
    format!("{nth}. {verb} {} {at}{why}", task.name)
}

/// Every leaf of a value with the keys that lead to it.
fn flatten(value: &Value, path: String, fields: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(value, below(key), fields);
            }
        }
        Value::Array(list) if list.iter().any(|one| one.is_object() || one.is_array()) => {
            for (nth, value) in list.iter().enumerate() {
                flatten(value, format!("{path}[{nth}]"), fields);
            }
        }
        Value::Null => {}
        leaf => drop(fields.insert(path, leaf.to_string())),
    }
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let line = |key: &&String| match (before.get(*key), after.get(*key)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => Some(format!("~ {key}: {old} -> {new}")),
        (Some(old), None) => Some(format!("- {key}: {old}")),
        (None, Some(new)) => Some(format!("+ {key}: {new}")),
        (None, None) => None,
    };
    keys.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::wire::{ContainerSpec, TaskSpec};

    fn spec(image: &str, env: &[&str]) -> Option<ServiceSpec> {
        let env = env.iter().map(ToString::to_string).collect();
        let container = ContainerSpec { image: image.into(), env, ..Default::default() };
        let task = TaskSpec { container: Some(container), ..Default::default() };
        Some(ServiceSpec { name: "shop_web".into(), task: Some(task), ..Default::default() })
    }

    fn change(action: Action, kind: Kind, name: &str) -> StackChange {
        StackChange { kind: kind.into(), name: name.into(), action: action.into(), ..Default::default() }
    }

    #[test]
    fn a_plan_names_objects_fields_and_tasks_in_order() {
        let replaced = PlannedTask {
            name: "shop_web.1".into(),
            replaces: "t1".into(),
            node_id: "n1".into(),
            ..Default::default()
        };
        let stuck = PlannedTask {
            name: "shop_web.2".into(),
            message: "no suitable node".into(),
            ..Default::default()
        };
        let changes = [
            change(Action::Create, Kind::Network, "shop_front"),
            StackChange {
                before: spec("app:1", &["A=1", "B=2"]),
                after: spec("app:2", &["A=1"]),
                tasks: vec![replaced, stuck],
                ..change(Action::Update, Kind::Service, "shop_web")
            },
            change(Action::None, Kind::Service, "shop_same"),
            change(Action::Remove, Kind::Service, "shop_db"),
        ];
        let hostnames = [("n1".to_owned(), "node-1".to_owned())].into();
        let expected = "\
+ network shop_front
~ service shop_web
    ~ TaskTemplate.ContainerSpec.Env: [\"A=1\",\"B=2\"] -> [\"A=1\"]
    ~ TaskTemplate.ContainerSpec.Image: \"app:1\" -> \"app:2\"
    1. replace shop_web.1 on node-1
    2. start shop_web.2 nowhere yet (no suitable node)
- service shop_db
";
        assert_eq!(planned(&changes, &hostnames).unwrap(), expected);
        assert_eq!(
            done(&changes),
            ["Creating network shop_front", "Updating service shop_web", "Removing service shop_db"]
        );
        assert!(differ(&changes) && !differ(&changes[2..3]));
        assert_eq!(planned(&changes[2..3], &hostnames).unwrap(), "nothing would change\n");
    }
}

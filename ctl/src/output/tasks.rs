//! The list of tasks, with the history of each slot below what runs there now.

use super::{
    listing::{Listing, Row},
    ports, quote, services, states, times,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::{
    model::Problems,
    wire::{DesiredState, Node, Task, TaskState, TaskStatus, service_spec::Mode},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// What a list of tasks shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Image", "IMAGE"),
        ("Node", "NODE"),
        ("DesiredState", "DESIRED STATE"),
        ("CurrentState", "CURRENT STATE"),
        ("Error", "ERROR"),
        ("Ports", "PORTS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}",
    quiet: "{{.ID}}",
};

/// The keys a list of the tasks of services can be filtered by.
pub const SERVICE_FILTERS: &[&str] = &["desired-state", "id", "name", "node"];
/// The keys a list of the tasks on nodes can be filtered by.
pub const NODE_FILTERS: &[&str] = &["desired-state", "id", "label", "name"];

/// Characters of an error in a table.
const ERROR_CHARS: usize = 30;
const DESIRED_WORDS: [&str; 5] = ["ready", "running", "complete", "shutdown", "remove"];

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    for word in filters.values("desired-state") {
        if !DESIRED_WORDS.contains(&word.as_str()) {
            let choices = DESIRED_WORDS.join(", ");
            problems.add("--filter desired-state", format!("`{word}` is not a desired state: use {choices}"));
        }
    }
}

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether ids, images and errors are kept short.
    pub shorten: bool,
    /// Whether names of services and nodes are shown instead of their ids.
    pub resolve: bool,
    /// Whether a slot's earlier tasks are set off below the newest, as only a table shows it.
    pub tree: bool,
    /// The time ages are counted from, in milliseconds since 1970.
    pub now_ms: i64,
}

/// The rows of the tasks that match: by service and slot, the newest task of a slot first.
pub fn rows(mut tasks: Vec<Task>, nodes: &[Node], filters: &Filters, style: Style) -> Vec<Row> {
    let hostnames = hostnames(nodes);
    tasks.retain(|task| matches(task, &hostnames, filters));
    tasks.sort_by(|a, b| order(a).cmp(&order(b)));
    let mut previous = String::new();
    tasks
        .iter()
        .map(|task| {
            let name = name(task, style.resolve);
            let repeated = style.tree && name == previous;
            let shown = if repeated { format!(" \\_ {name}") } else { name.clone() };
            previous = name;
            row(task, shown, &hostnames, style)
        })
        .collect()
}

/// Host names of nodes by id.
pub fn hostnames(nodes: &[Node]) -> BTreeMap<&str, &str> {
    nodes
        .iter()
        .filter_map(|node| Some((node.id.as_str(), node.description.as_ref()?.hostname.as_str())))
        .collect()
}

/// The container's name, `SERVICE.SLOT.TASK`.
pub fn full_name(task: &Task) -> String {
    format!("{}.{}", name(task, true), task.id)
}

/// `SERVICE.SLOT`.
pub fn name(task: &Task, resolve: bool) -> String {
    let service = if resolve { service_name(task) } else { &task.service_id };
    format!("{service}.{}", task.slot)
}

fn service_name(task: &Task) -> &str {
    task.spec.as_ref().map_or("", |spec| &spec.name)
}

fn order(task: &Task) -> impl Ord {
    (service_name(task), slot_order(&task.slot), Reverse(task.created_at))
}

/// What is wanted of a task: one of a job is to complete.
fn desired(task: &Task) -> &'static str {
    let mode = task.spec.as_ref().and_then(|spec| spec.mode);
    let is_of_job = matches!(mode, Some(Mode::ReplicatedJob(_) | Mode::GlobalJob(_)));
    if is_of_job && task.desired() == DesiredState::Running {
        "complete"
    } else {
        states::desired(task.desired())
    }
}

/// Numbers by value and before node ids.
pub fn slot_order(slot: &str) -> (u64, &str) {
    (slot.parse().unwrap_or(u64::MAX), slot)
}

/// A task's status; one that has none was just created.
pub fn status(task: &Task) -> TaskStatus {
    task.status.clone().unwrap_or_default()
}

/// Why a task failed, why it still waits for a node, or why it gets no connections; empty if there is nothing to
/// say.
pub fn reason(task: &Task) -> String {
    let status = status(task);
    let waits = status.state() == TaskState::Pending && task.desired() <= DesiredState::Running;
    let started = (TaskState::Starting..=TaskState::Running).contains(&status.state());
    let unready = status.health.filter(|health| started && !health.ready).map(|health| health.message);
    match unready {
        Some(message) => message,
        None if status.error.is_empty() && waits => status.message,
        None => status.error,
    }
}

/// The tasks that are wanted and do not run, or get no connections, and why.
pub fn waiting(tasks: &[Task]) -> Vec<(String, String)> {
    let is_wanted = |task: &&Task| task.desired() <= DesiredState::Running;
    let waits = tasks.iter().filter(is_wanted).filter(|task| status(task).state() <= TaskState::Running);
    let told = waits.map(|task| (name(task, true), reason(task)));
    told.filter(|(_, reason)| !reason.is_empty()).collect()
}

fn matches(task: &Task, hostnames: &BTreeMap<&str, &str>, filters: &Filters) -> bool {
    let on_node = |wanted: &str| {
        task.node_id.starts_with(wanted) && !wanted.is_empty()
            || hostnames.get(task.node_id.as_str()).is_some_and(|name| *name == wanted)
    };
    let labels = task.spec.as_ref().map(|spec| &spec.labels);
    filters.any("id", |id| task.id.starts_with(id))
        && filters.any("name", |wanted| full_name(task).starts_with(wanted))
        && filters.any("desired-state", |wanted| desired(task) == wanted)
        && filters.any("node", on_node)
        && filters.labels("label", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

fn row(task: &Task, name: String, hostnames: &BTreeMap<&str, &str>, style: Style) -> Row {
    let spec = task.spec.clone().unwrap_or_default();
    let image = spec.task.and_then(|task| task.container).unwrap_or_default().image;
    let image = if style.shorten { services::image_word(&image).to_owned() } else { image };
    let node = match hostnames.get(task.node_id.as_str()) {
        Some(hostname) if style.resolve => hostname,
        _ => task.node_id.as_str(),
    };
    let status = status(task);
    let state = quote::capitalised(states::task(status.state()));
    let running = status.state() == TaskState::Running;
    let ports = if running { ports::in_words(&task.ports) } else { String::new() };
    Row::from([
        ("ID", Value::from(quote::id(&task.id, style.shorten))),
        ("Name", Value::from(name)),
        ("Image", Value::from(image)),
        ("Node", Value::from(node)),
        ("DesiredState", Value::from(quote::capitalised(desired(task)))),
        (
            "CurrentState",
            Value::from(format!("{state} {}", times::ago(status.at, style.now_ms).to_lowercase())),
        ),
        ("Error", Value::from(error_cell(&reason(task), style.shorten))),
        ("Ports", Value::from(ports)),
    ])
}

fn error_cell(error: &str, shorten: bool) -> String {
    if error.is_empty() {
        return String::new();
    }
    quote::go_quoted(&if shorten { quote::shorten(error, ERROR_CHARS) } else { error.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures,
        listing::{Format, render},
    };

    fn history() -> Vec<Task> {
        let mut failed = fixtures::task("taskold", "1", TaskState::Failed);
        failed.created_at -= 100_000;
        failed.status.as_mut().unwrap().error = "task: non-zero exit (137): the kernel killed it".into();
        let mut pending = fixtures::task("taskpending", "10", TaskState::Pending);
        pending.status.as_mut().unwrap().message = "0 of 2 nodes fit".into();
        vec![
            pending,
            failed,
            fixtures::task("tasknew", "1", TaskState::Running),
            fixtures::task("task2", "2", TaskState::Ready),
        ]
    }

    fn listed(filters: &[&str], style: Style, format: Option<&str>) -> String {
        let texts: Vec<String> = filters.iter().map(ToString::to_string).collect();
        let filters = Filters::new(Filters::parse(&texts, SERVICE_FILTERS).into_iter().map(Result::unwrap));
        let rows = rows(history(), &[fixtures::node(1)], &filters, style);
        render(&LISTING, &Format::choose(&LISTING, format, false), rows).unwrap()
    }

    const TABLE: Style = Style { shorten: true, resolve: true, tree: true, now_ms: fixtures::NOW_MS };

    #[test]
    fn a_slot_shows_its_history_below_what_runs_there() {
        let expected = "\
ID             NAME        IMAGE        NODE      DESIRED STATE   CURRENT STATE           ERROR                              PORTS
tasknew00000   web.1       nginx:1.27   host-1    Running         Running 3 minutes ago                                      *:8080->80/tcp
taskold00000    \\_ web.1   nginx:1.27   host-1    Shutdown        Failed 3 minutes ago    \"task: non-zero exit (137): th…\"   
task20000000   web.2       nginx:1.27   host-1    Running         Ready 3 minutes ago                                        
taskpending0   web.10      nginx:1.27             Running         Pending 3 minutes ago   \"0 of 2 nodes fit\"                 
";
        assert_eq!(listed(&[], TABLE, None), expected);
    }

    #[test]
    fn nothing_is_shortened_or_resolved_if_asked_for() {
        let style = Style { shorten: false, resolve: false, tree: false, ..TABLE };
        let format = Some("{{.ID}} {{.Name}} {{.Node}} {{.Error}}");
        let line = "taskold000000000000000000 serviceweb000000000000000.1 node100000000000000000000 \
                    \"task: non-zero exit (137): the kernel killed it\"";
        assert_eq!(listed(&["desired-state=shutdown"], style, format).trim_end(), line);
    }

    #[test]
    fn tasks_are_filtered_by_id_name_node_and_desired_state() {
        let names = |filters: &[&str]| {
            listed(filters, Style { tree: false, ..TABLE }, Some("{{.ID}}")).replace('\n', " ")
        };
        assert_eq!(names(&["name=web.10"]), "taskpending0 ");
        assert_eq!(names(&["node=host-1", "desired-state=running"]), "tasknew00000 task20000000 ");
        assert_eq!(names(&["id=taskn", "id=taskp"]), "tasknew00000 taskpending0 ");
        assert_eq!(names(&["node=host-2"]), "");
    }
}

//! The list of services.

use super::{
    listing::{Listing, Row},
    ports, quote,
};
use crate::parse::{choice, filters::Filters};
use gotmpl::Value;
use proto::{
    model::Problems,
    wire::{Service, ServiceSpec, service_spec::Mode},
};

/// What a list of services shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Mode", "MODE"),
        ("Replicas", "REPLICAS"),
        ("Image", "IMAGE"),
        ("Ports", "PORTS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Mode}}\t{{.Replicas}}\t{{.Image}}\t{{.Ports}}",
    quiet: "{{.ID}}",
};

/// The keys a list of services can be filtered by.
pub const FILTERS: &[&str] = &["id", "label", "mode", "name"];

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    problems.take_all("--filter mode", filters.values("mode").iter().map(|word| choice::mode(word)));
}

/// The rows of the services that match, by name.
pub fn rows(mut services: Vec<Service>, filters: &Filters) -> Vec<Row> {
    services.retain(|service| matches(service, filters));
    services.sort_by(|a, b| name(a).cmp(name(b)));
    services.iter().map(row).collect()
}

fn name(service: &Service) -> &str {
    service.spec.as_ref().map_or("", |spec| &spec.name)
}

fn matches(service: &Service, filters: &Filters) -> bool {
    let labels = service.spec.as_ref().map(|spec| &spec.labels);
    filters.any("id", |id| service.id.starts_with(id))
        && filters.any("name", |wanted| name(service).starts_with(wanted))
        && filters.any("mode", |wanted| service.spec.as_ref().map(mode_word) == Some(wanted))
        && filters.labels("label", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

/// The name of a service's mode.
pub fn mode_word(spec: &ServiceSpec) -> &'static str {
    match spec.mode {
        Some(Mode::Global(_)) => "global",
        Some(Mode::ReplicatedJob(_)) => "replicated job",
        Some(Mode::GlobalJob(_)) => "global job",
        Some(Mode::Replicated(_)) | None => "replicated",
    }
}

/// An image's name as lists show it: without the digest if it has a tag too.
pub fn image_word(image: &str) -> &str {
    match image.split_once('@') {
        Some((named, _)) if named.rsplit('/').next().is_some_and(|last| last.contains(':')) => named,
        _ => image,
    }
}

fn row(service: &Service) -> Row {
    let spec = service.spec.clone().unwrap_or_default();
    let task = spec.task.clone().unwrap_or_default();
    let mut replicas = format!("{}/{}", service.running_tasks, service.desired_tasks);
    if let Some(job) = &service.job {
        replicas.push_str(&format!(" ({}/{} completed)", job.completed_tasks, job.total_tasks));
    }
    if task.max_replicas_per_node > 0 {
        replicas.push_str(&format!(" (max {} per node)", task.max_replicas_per_node));
    }
    let image = task.container.unwrap_or_default().image;
    Row::from([
        ("ID", Value::from(quote::id(&service.id, true))),
        ("Name", Value::from(spec.name.as_str())),
        ("Mode", Value::from(mode_word(&spec))),
        ("Replicas", Value::from(replicas)),
        ("Image", Value::from(image_word(&image))),
        ("Ports", Value::from(ports::in_words(&service.ports))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures,
        listing::{Format, render},
    };

    fn listed(filters: &[&str], format: Option<&str>) -> String {
        let texts: Vec<String> = filters.iter().map(ToString::to_string).collect();
        let filters = Filters::new(Filters::parse(&texts, FILTERS).into_iter().map(Result::unwrap));
        let mut agent = fixtures::service("agent", Mode::Global(Default::default()));
        (agent.running_tasks, agent.desired_tasks) = (2, 5);
        let services = vec![fixtures::web(), agent];
        render(&LISTING, &Format::choose(&LISTING, format, false), rows(services, &filters)).unwrap()
    }

    #[test]
    fn services_are_listed_as_docker_lists_them() {
        let expected = "\
ID             NAME      MODE         REPLICAS               IMAGE        PORTS
serviceagent   agent     global       2/5                    nginx:1.27   \nserviceweb00   web       replicated   3/3 (max 2 per node)   nginx:1.27   *:8080->80/tcp\n";
        assert_eq!(listed(&[], None), expected);
        assert_eq!(
            listed(&["name=web"], Some("json")),
            "{\"ID\":\"serviceweb00\",\"Image\":\"nginx:1.27\",\"Mode\":\"replicated\",\"Name\":\"web\",\
             \"Ports\":\"*:8080-\\u003e80/tcp\",\"Replicas\":\"3/3 (max 2 per node)\"}\n"
        );
    }

    #[test]
    fn services_are_filtered_by_id_name_mode_and_label() {
        let names = |filters: &[&str]| listed(filters, Some("{{.Name}}")).replace('\n', " ");
        assert_eq!(names(&["mode=global"]), "agent ");
        assert_eq!(names(&["name=w", "name=a"]), "agent web ");
        assert_eq!(names(&["label=tier=front"]), "web ");
        assert_eq!(names(&["id=serviceweb", "mode=global"]), "");
    }

    #[test]
    fn a_mode_that_does_not_exist_is_refused() {
        let mut problems = Problems::default();
        check_filters(&Filters::new([("mode".into(), "globl".into())]), &mut problems);
        assert_eq!(problems.0[0].field, "--filter mode");
    }
}

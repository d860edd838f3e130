//! `node update`.

use super::{Session, own_name};
use crate::{
    args::node::UpdateArgs,
    commands::retry,
    error::CliError,
    parse::{choice, pairs},
};
use proto::{
    model::Problems,
    wire::{GetNodeRequest, NodeSpec, UpdateNodeRequest},
};

/// Changes what a node is to be.
pub async fn run(session: &Session, args: UpdateArgs) -> Result<(), CliError> {
    // What is wrong with the values shows on any node; a label that is not there only on its own.
    let without_removals = UpdateArgs { label_rm: Vec::new(), ..args.clone() };
    edit(&without_removals, &mut NodeSpec::default())?;
    let client = session.client().await?;
    let (control, name) = (client.control(), own_name::resolve(&client, &args.node).await?);
    retry::while_stale(async || {
        let mut control = control.clone();
        let request = GetNodeRequest { node: name.clone() };
        let node = control.get_node(request).await.map_err(CliError::cluster)?.into_inner();
        let mut spec = node.spec.unwrap_or_default();
        edit(&args, &mut spec)?;
        let request = UpdateNodeRequest { node: node.id, version: node.version, spec: Some(spec) };
        control.update_node(request).await.map_err(CliError::cluster)
    })
    .await?;
    Ok(session.printer.line(&args.node)?)
}

fn edit(args: &UpdateArgs, spec: &mut NodeSpec) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if let Some(text) = &args.availability
        && let Some(availability) = problems.take("--availability", choice::availability(text))
    {
        spec.availability = availability.into();
    }
    if let Some(text) = &args.role
        && let Some(role) = problems.take("--role", choice::role(text))
    {
        spec.role = role.into();
    }
    for key in &args.label_rm {
        if spec.labels.remove(key).is_none() {
            problems.add("--label-rm", format!("the node has no label `{key}`"));
        }
    }
    spec.labels
        .extend(problems.take_all("--label-add", args.label_add.iter().map(|text| pairs::label(text))));
    problems.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, states};

    fn args() -> UpdateArgs {
        UpdateArgs {
            availability: Some("drain".into()),
            label_add: vec!["rack=7".into()],
            label_rm: vec!["disk".into()],
            role: None,
            node: "host-1".into(),
        }
    }

    #[test]
    fn labels_and_availability_are_changed_and_the_role_stays() {
        let mut spec = fixtures::node(1).spec.unwrap();
        edit(&args(), &mut spec).unwrap();
        assert_eq!(spec.labels, fixtures::labels(&[("rack", "7")]));
        assert_eq!(
            (states::availability(spec.availability()), states::role(spec.role())),
            ("drain", "manager")
        );
    }

    #[test]
    fn every_wrong_value_is_told() {
        let wrong = UpdateArgs {
            availability: Some("drained".into()),
            label_add: vec!["=x".into()],
            role: Some("boss".into()),
            ..args()
        };
        let problems = edit(&wrong, &mut NodeSpec::default()).unwrap_err();
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--availability", "--role", "--label-rm", "--label-add"]);
    }
}

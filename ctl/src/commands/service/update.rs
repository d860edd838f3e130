//! `service update`.

use super::{Session, converge, edit::edit, networks, own_variable, rollback};
use crate::{
    args::service::{RollbackServiceArgs, UpdateArgs},
    error::CliError,
    output::progress::Goal,
    spec::{self, NetworkIds},
};
use proto::{model::Problems, wire::ServiceSpec};

/// Changes a service and waits for it.
pub async fn run(session: &Session, args: UpdateArgs) -> Result<(), CliError> {
    if args.rollback {
        only_rollback(&args)?;
        return rollback::run(
            session,
            RollbackServiceArgs { wait: args.wait, to: None, with_replicas: false, service: args.service },
        )
        .await;
    }
    spec::check(&args, &own_variable)?;
    let client = session.client().await?;
    let networks = networks::ids(&client, &args).await?;
    let change = |spec: &mut ServiceSpec| spec::edit(&args, &networks, spec, &own_variable);
    let service = edit(&client, &args.service, change).await?;
    session.printer.line(&args.service)?;
    converge::wait(session, client, &service, Goal::Spec, &args.wait).await
}

/// A rollback brings everything back, so nothing else can be changed along with it.
fn only_rollback(args: &UpdateArgs) -> Result<(), Problems> {
    let mut edited = ServiceSpec::default();
    let outcome = spec::edit(args, &NetworkIds::new(), &mut edited, &own_variable);
    let mut untouched = ServiceSpec::default();
    untouched.task.get_or_insert_default().container.get_or_insert_default();
    let removes = [
        &args.env_rm,
        &args.label_rm,
        &args.container_label_rm,
        &args.constraint_rm,
        &args.placement_pref_rm,
        &args.group_rm,
        &args.mount_rm,
        &args.secret_rm,
        &args.config_rm,
        // An addition that changes nothing here may change the service.
        &args.network_add,
        &args.network_rm,
        &args.publish_rm,
    ];
    let mut problems = Problems::default();
    if outcome.is_err() || edited != untouched || removes.iter().any(|list| !list.is_empty()) {
        problems.add("--rollback", "can't be combined with other changes: roll back first, then update");
    }
    problems.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, service::ServiceCommand};
    use clap::Parser;

    fn args(options: &[&str]) -> UpdateArgs {
        let words = ["shoal", "service", "update"].iter().chain(options).chain(&["web"]);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Service(ServiceCommand::Update(args)) => *args,
            other => panic!("not a service update: {other:?}"),
        }
    }

    #[test]
    fn a_rollback_takes_no_other_change() {
        assert!(only_rollback(&args(&["--rollback", "-d"])).is_ok());
        for options in [
            ["--rollback", "--force"].as_slice(),
            &["--rollback", "--env-rm", "A"],
            &["--rollback", "--replicas", "2"],
            &["--rollback", "--network-add", "bridge"],
            &["--rollback", "--network-rm", "front"],
            &["--rollback", "--endpoint-mode", "vip"],
        ] {
            assert!(only_rollback(&args(options)).is_err(), "{options:?}");
        }
    }
}

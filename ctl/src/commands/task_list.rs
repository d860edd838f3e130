//! What `service ps` and `node ps` share.

use super::{Session, node::own_name};
use crate::{
    args::list::TaskListArgs,
    error::CliError,
    output::{listing, tasks, times},
    parse::filters::Filters,
};
use proto::wire::{ListNodesRequest, ListTasksRequest};

/// Whose tasks are listed.
#[derive(Debug)]
pub enum Of {
    /// Those of services.
    Services(Vec<String>),
    /// Those on nodes.
    Nodes(Vec<String>),
    /// Those of the services of a stack, which may be none.
    Stack(Vec<String>),
}

/// Lists tasks.
pub async fn run(session: &Session, args: &TaskListArgs, of: Of) -> Result<(), CliError> {
    let known = match of {
        Of::Services(_) | Of::Stack(_) => tasks::SERVICE_FILTERS,
        Of::Nodes(_) => tasks::NODE_FILTERS,
    };
    let filters = Filters::checked(&args.list.filters, known, tasks::check_filters)?;
    let format = listing::Format::choose(&tasks::LISTING, args.list.format.as_deref(), args.list.quiet);
    let client = session.client().await?;
    let request = match of {
        // No services at all would stand for every one.
        Of::Stack(services) if services.is_empty() => {
            return Ok(session.printer.data(listing::render(&tasks::LISTING, &format, Vec::new())?)?);
        }
        Of::Services(services) | Of::Stack(services) => ListTasksRequest { services, nodes: Vec::new() },
        Of::Nodes(nodes) => {
            let nodes = own_name::resolve_all(&client, nodes).await?;
            ListTasksRequest { services: Vec::new(), nodes }
        }
    };
    let (mut for_tasks, mut for_nodes) = (client.control(), client.control());
    // Names of nodes are also what `--filter node=` compares with.
    let (found, nodes) =
        tokio::try_join!(for_tasks.list_tasks(request), for_nodes.list_nodes(ListNodesRequest {}))
            .map_err(CliError::cluster)?;
    let style = tasks::Style {
        shorten: !args.no_trunc,
        resolve: !args.no_resolve,
        tree: format.is_table(),
        now_ms: times::now_ms(),
    };
    let rows = tasks::rows(found.into_inner().tasks, &nodes.into_inner().nodes, &filters, style);
    Ok(session.printer.data(listing::render(&tasks::LISTING, &format, rows)?)?)
}

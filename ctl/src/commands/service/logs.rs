//! `service logs`.

use super::Session;
use crate::{
    args::service::LogsArgs,
    client::Client,
    error::CliError,
    output::{
        logs::{Composer, Style},
        quote, tasks, times,
    },
    parse::{number, since},
};
use proto::{
    model::Problems,
    wire::{GetTaskRequest, ListNodesRequest, LogChunk, LogOptions, LogsRequest, Node},
};
use std::time::Duration;
use tonic::{Code, Status};

/// Lines shown of the log of a task that failed, and how long we wait for them.
const LAST_LINES: u64 = 10;
const LAST_LINES_WAIT: Duration = Duration::from_secs(2);

/// Shows the output of a service or task.
pub async fn run(session: &Session, args: LogsArgs) -> Result<(), CliError> {
    let request =
        LogsRequest { target: args.target.clone(), options: Some(options(&args, times::now_ms())?) };
    let client = session.client().await?;
    let style = Style {
        raw: args.raw,
        timestamps: args.timestamps,
        resolve: !args.no_resolve,
        task_ids: !args.no_task_ids,
        shorten: !args.no_trunc,
    };
    let mut output = Output { session, client: &client, composer: Composer::new(style), nodes: Vec::new() };
    if !args.raw {
        let answer = client.control().list_nodes(ListNodesRequest {}).await.map_err(CliError::cluster)?;
        output.nodes = answer.into_inner().nodes;
    }
    let mut chunks = client.control().logs(request).await.map_err(CliError::cluster)?.into_inner();
    while let Some(chunk) = chunks.message().await.map_err(CliError::cluster)? {
        output.chunk(chunk).await?;
    }
    output.end()
}

fn options(args: &LogsArgs, now_ms: i64) -> Result<LogOptions, Problems> {
    let mut problems = Problems::default();
    let tail = match args.tail.as_str() {
        "all" => None,
        count => problems.take("--tail", number::large_count(count)),
    };
    let since =
        args.since.as_deref().and_then(|text| problems.take("--since", since::parse_ms(text, now_ms)));
    problems.finish(LogOptions { follow: args.follow, tail, since, until: None, stdout: true, stderr: true })
}

struct Output<'a> {
    session: &'a Session,
    client: &'a Client,
    composer: Composer,
    nodes: Vec<Node>,
}

impl Output<'_> {
    async fn chunk(&mut self, chunk: LogChunk) -> Result<(), CliError> {
        if !chunk.warning.is_empty() {
            let (task, warning) = (quote::id(&chunk.task_id, true), quote::one_line(&chunk.warning));
            self.session.printer.note(&format!("shoal: warning: task {task}: {warning}"));
        }
        if !chunk.lines.is_empty() && !self.composer.knows(&chunk.task_id) {
            self.learn(&chunk.task_id).await?;
        }
        for line in chunk.lines {
            let printed = self.composer.line(&chunk.task_id, line);
            self.print(printed)?;
        }
        Ok(())
    }

    /// A task that was forgotten meanwhile keeps its id as its name.
    async fn learn(&mut self, task_id: &str) -> Result<(), CliError> {
        let answer = self.client.control().get_task(GetTaskRequest { task: task_id.to_owned() }).await;
        match answer {
            Ok(task) => self.composer.learn(&task.into_inner(), &tasks::hostnames(&self.nodes)),
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(CliError::cluster(status)),
        }
        Ok(())
    }

    fn print(&self, printed: Option<(Vec<u8>, bool)>) -> Result<(), CliError> {
        match printed {
            Some((text, true)) => self.session.printer.aside(text),
            Some((text, false)) => self.session.printer.data(text)?,
            None => {}
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), CliError> {
        for (task, end) in self.composer.missing_ends() {
            let printed = self.composer.line(&task, end);
            self.print(printed)?;
        }
        Ok(())
    }
}

/// The end of one task's log, as far as it can be had soon; a failure to read it is not worth more
/// words than the failure it is to explain.
pub async fn last_lines(client: &Client, task: String) -> Vec<String> {
    let mut lines = Vec::new();
    let read = async {
        let options = LogOptions { tail: Some(LAST_LINES), stdout: true, stderr: true, ..Default::default() };
        let request = LogsRequest { target: task, options: Some(options) };
        let mut chunks = client.control().logs(request).await?.into_inner();
        while let Some(chunk) = chunks.message().await? {
            let text = chunk.lines.iter().map(|line| quote::one_line(&String::from_utf8_lossy(&line.data)));
            lines.extend(text.filter(|line| !line.is_empty()));
        }
        Ok::<(), Status>(())
    };
    // What came before the time was over or the stream broke is shown.
    let _ = tokio::time::timeout(LAST_LINES_WAIT, read).await;
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, service::ServiceCommand};
    use clap::Parser;

    fn options_of(line: &[&str]) -> Result<LogOptions, Problems> {
        let words = ["shoal", "service", "logs"].iter().chain(line);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Service(ServiceCommand::Logs(args)) => options(&args, 100_000),
            other => panic!("not service logs: {other:?}"),
        }
    }

    #[test]
    fn options_are_read_together() {
        let all = options_of(&["web"]).unwrap();
        assert_eq!((all.tail, all.since, all.follow), (None, None, false));
        let some = options_of(&["-f", "-n", "5", "--since", "10s", "web"]).unwrap();
        assert_eq!((some.tail, some.since, some.follow), (Some(5), Some(90_000), true));
        assert_eq!(options_of(&["-n", "x", "--since", "later", "web"]).unwrap_err().0.len(), 2);
    }
}

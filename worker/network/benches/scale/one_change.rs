//! What one task's change costs a node, by the size of the network.

use std::time::{Duration, Instant};

use proto::model::NetworkTable;
use worker_core::tables::Told;
use worker_network::Traffic;

use crate::host::{Fault, Host, Hosts};
use crate::model::{Model, NETWORK};
use crate::table::{line, middle_and_largest, millis, ratio};

const GOAL: Duration = Duration::from_millis(30);
const TASKS: u32 = 5;
const NODES: usize = 1000;
const CHANGES: usize = 40;

type Change = fn(&mut Model, usize) -> Told;

/// What happens to a service. After each other they leave it as it was.
const KINDS: [(&str, Change); 3] = [
    ("one task more", |model, at| model.add_task(at, at)),
    ("a task moves", |model, at| model.move_task(at, at + 7)),
    ("one task less", |model, at| model.remove_task(at)),
];

pub async fn run() -> Result<(), Fault> {
    println!(
        "\none change, {TASKS} tasks for each service on {NODES} nodes, {CHANGES} of each; goal {GOAL:?}, and no more bytes in a larger network:"
    );
    line("", ["median", "slowest", "of the goal", "messages", "bytes", "of those at first"]);
    let mut first: Vec<u64> = Vec::new();
    for services in [100, 2000, 30_000] {
        let mut model = Model::new(NODES, services, TASKS);
        let mut hosts = Hosts::new(&[model.nodes[0].id]).await?;
        let host = &mut hosts.hosts[0];
        host.take(model.whole()).await?;
        for (at, (name, change)) in KINDS.into_iter().enumerate() {
            let figures = measure(host, &mut model, change).await?;
            let bytes = *first.get(at).unwrap_or(&figures.sent.bytes);
            if first.len() == at {
                first.push(bytes);
            }
            line(
                &format!("{services} services, {name}"),
                [
                    &millis(figures.median),
                    &millis(figures.slowest),
                    &ratio(figures.median.as_secs_f64(), GOAL.as_secs_f64()),
                    &figures.sent.messages.to_string(),
                    &figures.sent.bytes.to_string(),
                    &ratio(figures.sent.bytes as f64, bytes as f64),
                ],
            );
        }
        check(host, &model)?;
    }
    Ok(())
}

struct Figures {
    median: Duration,
    slowest: Duration,
    /// By the change that took most.
    sent: Traffic,
}

async fn measure(host: &mut Host, model: &mut Model, change: Change) -> Result<Figures, Fault> {
    let mut times = Vec::new();
    let mut sent = Traffic::default();
    for at in 0..CHANGES {
        let told = change(model, at);
        let before = Traffic::so_far();
        let begin = Instant::now();
        host.take(told).await?;
        times.push(begin.elapsed());
        sent = if before.since().bytes > sent.bytes { before.since() } else { sent };
    }
    let (median, slowest) = middle_and_largest(times).ok_or("there were changes")?;
    Ok(Figures { median, slowest, sent })
}

/// Makes sure that the changes were told at all.
fn check(host: &Host, model: &Model) -> Result<(), Fault> {
    let table: &NetworkTable = host.tables.get(NETWORK).ok_or("the network was told")?;
    let is_same = model.services.iter().all(|service| table.services.get(&service.id) == Some(service));
    if is_same { Ok(()) } else { Err("the node knows other services than there are".into()) }
}

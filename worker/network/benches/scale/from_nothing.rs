//! How long a node takes to program a whole network it knew nothing of.

use std::time::{Duration, Instant};

use worker_network::Traffic;

use crate::host::{Fault, Hosts};
use crate::model::Model;
use crate::table::{line, middle_and_largest, millis, ratio};

const GOAL: Duration = Duration::from_secs(1);
const RUNS: usize = 5;
const TASKS: u32 = 5;

/// Services and nodes.
const SIZES: [(u32, usize); 4] = [(100, 10), (2000, 10), (2000, 100), (2000, 1000)];

pub async fn run() -> Result<(), Fault> {
    println!(
        "\na network from nothing, {TASKS} tasks for each service, median and slowest of {RUNS}; goal {GOAL:?}:"
    );
    line("services, nodes", ["median", "slowest", "of the goal", "messages", "KiB sent"]);
    for (services, nodes) in SIZES {
        let mut times = Vec::new();
        let mut sent = Traffic::default();
        for _ in 0..RUNS {
            let model = Model::new(nodes, services, TASKS);
            let mut hosts = Hosts::new(&[model.nodes[0].id]).await?;
            let (told, before) = (model.whole(), Traffic::so_far());
            let begin = Instant::now();
            hosts.hosts[0].take(told).await?;
            times.push(begin.elapsed());
            sent = before.since();
        }
        let (median, slowest) = middle_and_largest(times).ok_or("there were runs")?;
        line(
            &format!("{services} services, {nodes} nodes"),
            [
                &millis(median),
                &millis(slowest),
                &ratio(median.as_secs_f64(), GOAL.as_secs_f64()),
                &sent.messages.to_string(),
                &(sent.bytes >> 10).to_string(),
            ],
        );
    }
    Ok(())
}

//! What is stale in the kernel, or missing, a second after many tasks have moved.

use std::time::{Duration, Instant};

use crate::entries::{self, BALANCING, FORWARDING, NAMES, NEIGHBOURS, ROUTES, beyond};
use crate::host::{Fault, Hosts};
use crate::model::Model;
use crate::table::{line, millis};

const MOVES: usize = 10_000;
const SERVICES: u32 = 2000;
const TASKS: u32 = 5;
const NODES: usize = 100;
const LATER: Duration = Duration::from_secs(1);

pub async fn run() -> Result<(), Fault> {
    let mut model = Model::new(NODES, SERVICES, TASKS);
    let mut hosts = Hosts::new(&[model.nodes[0].id]).await?;
    let host = &mut hosts.hosts[0];
    host.take(model.whole()).await?;
    let begin = Instant::now();
    for round in 0..MOVES {
        host.note(model.anything())?;
        // Several are told while one is carried out.
        if round % 4 == 0 || round % 13 == 0 {
            host.carry_out().await?;
        }
    }
    host.carry_out().await?;
    let took = begin.elapsed();
    tokio::time::sleep(LATER).await;
    let (wanted, found) = (entries::wanted(&model), entries::found(host, &model).await?);
    println!(
        "\n{MOVES} moves of {} tasks on {NODES} nodes, {} each, and {LATER:?} later; goal: not one stale",
        SERVICES * TASKS,
        millis(took / MOVES as u32)
    );
    line("entries", ["wanted", "stale", "missing"]);
    for kind in [ROUTES, NEIGHBOURS, FORWARDING, BALANCING, NAMES] {
        let (stale, missing) = (beyond(&found, &wanted, kind), beyond(&wanted, &found, kind));
        line(kind, [&wanted[kind].len().to_string(), &stale.to_string(), &missing.to_string()]);
    }
    Ok(())
}

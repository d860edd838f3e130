//! Nothing is stale or missing in the kernel after tasks have moved: a short form of `cargo bench -p worker-network -- moves`.

// What a test asks for is made in few ways only; the benchmark uses the rest.
#![allow(dead_code)]

#[path = "../benches/scale/entries.rs"]
mod entries;
#[path = "../benches/scale/host.rs"]
mod host;
#[path = "../benches/scale/model.rs"]
mod model;

use entries::{found, wanted};
use host::{Fault, Hosts};
use model::{Model, NETWORK};
use worker_network::Traffic;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stale_or_missing_after_many_tasks_have_moved() -> Result<(), Fault> {
    let mut model = Model::new(12, 20, 5);
    let mut hosts = Hosts::new(&[model.nodes[0].id]).await?;
    let host = &mut hosts.hosts[0];
    host.take(model.whole()).await?;
    assert_eq!(found(host, &model).await?, wanted(&model));
    for round in 0..200 {
        host.note(model.anything())?;
        if round % 3 == 0 {
            host.carry_out().await?;
        }
    }
    host.carry_out().await?;
    assert_eq!(found(host, &model).await?, wanted(&model));
    let inspection = host.network.overlays().inspect(NETWORK).await.ok_or("it is here")??;
    assert_eq!(inspection.differences, [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_sends_the_kernel_as_much_in_a_large_network_as_in_a_small_one() -> Result<(), Fault> {
    let mut sent = Vec::new();
    for services in [10, 500] {
        let mut model = Model::new(20, services, 5);
        let mut hosts = Hosts::new(&[model.nodes[0].id]).await?;
        let host = &mut hosts.hosts[0];
        host.take(model.whole()).await?;
        for change in [Model::add_task, Model::move_task, |model: &mut Model, at, _| model.remove_task(at)] {
            let told = change(&mut model, 3, 7);
            let before = Traffic::so_far();
            host.take(told).await?;
            sent.push(before.since());
        }
    }
    let (small, large) = sent.split_at(3);
    assert_eq!(small, large);
    assert!(small.iter().all(|sent| (1..1000).contains(&sent.bytes)), "{small:?}");
    Ok(())
}

//! Random histories of whole clusters: whatever happens, the promises are kept, and once it is over
//! everything converges.
//!
//! ```text
//! cargo test -p tests --test sim_histories                                  the usual seeds, and a fresh one
//! SHOAL_SEEDS=5000 cargo test --release -p tests --test sim_histories       thousands of seeds
//! SHOAL_FIRST=100 SHOAL_SEEDS=50 cargo test -p tests --test sim_histories   seeds 100 to 149
//! SHOAL_SEED=42 cargo test -p tests --test sim_histories -- replay --nocapture
//! ```

use std::{
    collections::hash_map::RandomState,
    env,
    hash::{BuildHasher, Hasher},
    time::{Duration, Instant},
};
use tests::sim::{Settings, Summary, Tally, run};

/// Seeds that every run goes through: some tens of seconds in a debug build.
const SEEDS: u64 = 16;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, and has to be a number")))
}

fn history(seed: u64) -> Summary {
    run(Settings::of_seed(seed)).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"))
}

#[test]
fn whatever_happens_the_promises_are_kept_and_in_the_end_everything_converges() {
    let first = number("SHOAL_FIRST").unwrap_or(1);
    let seeds = number("SHOAL_SEEDS").unwrap_or(SEEDS);
    let begun = Instant::now();
    let summaries: Vec<Summary> = (first..first + seeds).map(history).collect();
    let took = begun.elapsed();
    let virtual_time: Duration = summaries.iter().map(|summary| summary.lasted).sum();
    let speed = virtual_time.as_secs_f64() / took.as_secs_f64().max(0.001);
    println!(
        "{seeds} histories, {virtual_time:.0?} of virtual time in {took:.1?}: {speed:.0} seconds a second"
    );
    let slowest = summaries.iter().map(|summary| summary.converged_after).max();
    println!("the slowest to converge took {slowest:?}");
    // A simulation in which nothing happens would find nothing.
    let containers: usize = summaries.iter().map(|summary| summary.containers).sum();
    assert!(containers as u64 > 20 * seeds, "only {containers} containers ran");
    let mut tally = Tally::default();
    summaries.iter().for_each(|summary| tally.add(&summary.tally));
    let (held, words, partly) = (tally.held.len(), tally.acknowledged, tally.partly);
    println!("{:?}; {held} stops held back; {words} words of nodes, {partly} of a part", tally.requests);
    assert_eq!(missing(&tally, seeds), [""; 0]);
}

/// What too little was done of in that many histories, so that they would find less than they could.
fn missing(tally: &Tally, seeds: u64) -> Vec<&'static str> {
    let requests =
        KINDS.iter().map(|&(kind, of_ten)| (kind, tally.requests.get(kind).copied().unwrap_or(0), of_ten));
    let others = [
        ("stops that were held back", tally.held.len(), 20),
        ("words of how far nodes are", tally.acknowledged, 500),
        ("words of nodes that lack a network", tally.partly, 20),
    ];
    let is_rare = |(_, count, of_ten): &(&str, usize, u64)| (*count as u64) * 10 < of_ten * seeds;
    requests.chain(others).filter(is_rare).map(|(what, ..)| what).collect()
}

/// How often at least people get what they ask for in ten histories.
const KINDS: [(&str, u64); 12] = [
    ("create a service", 50),
    ("update a service", 50),
    ("roll a service back", 4),
    ("control a rollout", 2),
    ("remove a service", 10),
    ("join a node", 5),
    ("change a node", 20),
    ("remove a node", 2),
    ("create a network", 5),
    ("remove a network", 2),
    ("connect a task", 10),
    ("disconnect a task", 3),
];

#[test]
fn a_seed_that_nobody_tried_before_is_good_as_well() {
    let seed = RandomState::new().build_hasher().finish();
    println!("seed {seed}");
    history(seed);
}

/// Does nothing unless a seed is given: it is there to see a failure again.
#[test]
fn replay() {
    if let Some(seed) = number("SHOAL_SEED") {
        history(seed);
    }
}

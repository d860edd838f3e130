//! A seed replays its history exactly, or a failure could not be looked into.

use tests::sim::{Settings, run};

#[test]
fn a_seed_leads_to_the_same_history_every_time() {
    for seed in [7, 8] {
        let first = run(Settings::of_seed(seed)).unwrap_or_else(|failure| panic!("{failure}"));
        let second = run(Settings::of_seed(seed)).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn two_seeds_lead_to_different_histories() {
    let hash = |seed| run(Settings::of_seed(seed)).unwrap_or_else(|failure| panic!("{failure}")).hash;
    assert_ne!(hash(7), hash(8));
}

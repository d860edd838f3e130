//! How networks scale on a node, in namespaces and the real kernel, beside the goals: `cargo bench -p worker-network`, as root;
//! `-- one-change` and so on for one of them.

mod entries;
mod from_nothing;
mod host;
mod model;
mod moves;
mod one_change;
mod peers;
mod table;

use std::env;

use host::Fault;

#[tokio::main]
async fn main() -> Result<(), Fault> {
    // Cargo adds `--bench`.
    let asked: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if is_asked("from-nothing") {
        from_nothing::run().await?;
    }
    if is_asked("one-change") {
        one_change::run().await?;
    }
    if is_asked("moves") {
        moves::run().await?;
    }
    if is_asked("peers") {
        peers::run().await?;
    }
    Ok(())
}

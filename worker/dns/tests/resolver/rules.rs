//! Rules that lead to a name server, taken away by something else.

use std::process::Command;
use std::time::{Duration, Instant};

use worker_dns::Upstream;

use crate::container::{Container, PATIENCE, addresses, query};

#[tokio::test]
async fn a_container_whose_rules_were_flushed_is_answered_again() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
    let flush = || Command::new("nft").args(["flush", "ruleset"]).status().unwrap();
    assert!(container.namespace.run(flush).await.unwrap().success());
    let end = Instant::now() + PATIENCE;
    while container.try_ask(query("web.", None)).await.is_err() {
        assert!(Instant::now() < end, "it is not answered any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

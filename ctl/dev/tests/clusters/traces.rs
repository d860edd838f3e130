//! What `down` leaves behind: nothing, whatever happened before.

use crate::home::{Home, runs};
use dev_cluster::{Cluster, Down, Error, status, up};
use nix::mount::{MsFlags, mount};
use std::{fs, process::Command};

#[tokio::test]
async fn a_cluster_goes_without_a_trace_and_the_second_time_there_is_nothing() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let daemons: Vec<u32> =
        cluster.nodes().iter().map(|node| node.daemon().unwrap().unwrap().pid as u32).collect();
    assert_eq!(daemons.len(), 2);
    assert_eq!(home.down().await, Down::Removed);
    assert_eq!(home.traces(), Vec::<String>::new());
    assert!(!daemons.into_iter().any(runs));
    assert_eq!(home.down().await, Down::Nothing);
    assert_eq!(home.traces(), Vec::<String>::new());
}

#[tokio::test]
async fn what_an_interrupted_start_left_is_removed() {
    let home = Home::new();
    let options = dev_cluster::UpOptions { program: "/nowhere/shoal".into(), ..home.options() };
    let error = up(options, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::Daemon(_)), "{error}");
    assert_ne!(home.traces(), Vec::<String>::new());
    assert_eq!(home.down().await, Down::Removed);
    assert_eq!(home.traces(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_record_and_a_missing_pid_file_keep_nothing_alive() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let daemon = cluster.node("m1").unwrap().daemon().unwrap().unwrap();
    fs::write(home.roots().data().join("cluster.json"), "{").unwrap();
    fs::remove_file(home.roots().run().join("m1/daemon.pid")).unwrap();
    assert!(Cluster::open(&home.roots()).is_err());
    assert_eq!(home.down().await, Down::Removed);
    assert!(!daemon.is_alive());
    assert_eq!(home.traces(), Vec::<String>::new());
}

#[tokio::test]
async fn mounts_and_strangers_in_a_nodes_namespace_go_with_it() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let node = cluster.node("w1").unwrap();
    let place = node.data_dir().join("containers/a b/rootfs");
    fs::create_dir_all(&place).unwrap();
    for _ in 0..2 {
        mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    }
    let mut stranger =
        node.exec_in_netns(|| Command::new("sleep").arg("1000").spawn()).await.unwrap().unwrap();
    assert_eq!(home.down().await, Down::Removed);
    assert!(!runs(stranger.id()));
    // It was killed, and is collected here.
    let _ = stranger.wait();
    assert_eq!(home.traces(), Vec::<String>::new());
}

#[tokio::test]
async fn the_data_is_kept_when_asked_for() {
    let home = Home::new();
    let cluster = home.half_up().await;
    fs::write(cluster.node("m1").unwrap().data_dir().join("ledger"), "1").unwrap();
    let options = dev_cluster::DownOptions { keep_data: true, ..home.down_options() };
    assert_eq!(dev_cluster::down(options.clone(), &|_| {}).await.unwrap(), Down::Removed);
    assert_eq!(fs::read_to_string(cluster.node("m1").unwrap().data_dir().join("ledger")).unwrap(), "1");
    assert_eq!(dev_cluster::down(options, &|_| {}).await.unwrap(), Down::Nothing);
    let status = status(&home.roots()).await.unwrap().unwrap();
    assert!(status.nodes.iter().all(|node| node.daemon.is_none() && !node.is_linked));
    assert_eq!(home.down().await, Down::Removed);
    assert_eq!(home.traces(), Vec::<String>::new());
}

#[tokio::test]
async fn two_clusters_do_not_disturb_each_other() {
    let (one, other) = (Home::new(), Home::new());
    let (cluster, kept) = tokio::join!(one.half_up(), other.half_up());
    assert_eq!(cluster.subnet(), kept.subnet());
    assert_eq!(one.down().await, Down::Removed);
    let status = status(&other.roots()).await.unwrap().unwrap();
    assert!(status.nodes.iter().all(|node| node.daemon.is_some() && node.is_linked), "{status:?}");
}

#[tokio::test]
async fn a_second_start_uses_what_is_there() {
    let home = Home::new();
    let before = home.half_up().await;
    let daemons = |cluster: &Cluster| -> Vec<_> {
        cluster.nodes().iter().map(|node| node.daemon().unwrap().unwrap()).collect()
    };
    let first = daemons(&before);
    before.node("w1").unwrap().kill().await.unwrap();
    let second = daemons(&home.half_up().await);
    assert_eq!(first[0], second[0]);
    assert_ne!(first[1], second[1]);
}

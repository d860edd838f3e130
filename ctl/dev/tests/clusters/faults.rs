//! What the faults do to a node, seen from its neighbour.

use crate::home::{Home, eventually, runs};
use dev_cluster::Node;
use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::MetadataExt,
    thread,
    time::Duration,
};

/// Serves one connection on a node and answers it with the address it came from.
async fn greet(node: &Node, addr: IpAddr) -> SocketAddr {
    let serve = move || {
        let listener = TcpListener::bind((addr, 0)).unwrap();
        let here = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(1) {
                let mut stream = stream.unwrap();
                let peer = stream.peer_addr().unwrap().ip().to_string();
                stream.write_all(peer.as_bytes()).unwrap();
            }
        });
        here
    };
    node.exec_in_netns(serve).await.unwrap()
}

/// Long enough for the kernel to look for a neighbour again that it has given up on.
const PATIENT: Duration = Duration::from_secs(10);
/// Short enough for a test to wait for nothing.
const BRIEF: Duration = Duration::from_millis(300);

async fn call(node: &Node, addr: SocketAddr, patience: Duration) -> Option<String> {
    let ask = move || {
        let mut stream = TcpStream::connect_timeout(&addr, patience).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    };
    node.exec_in_netns(ask).await.unwrap()
}

#[tokio::test]
async fn nodes_reach_each_other_by_both_kinds_of_addresses() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let (m1, w1) = (cluster.node("m1").unwrap(), cluster.node("w1").unwrap());
    let addr = greet(m1, m1.addr().into()).await;
    assert_eq!(call(w1, addr, PATIENT).await, Some("10.88.0.51".into()));
    let addr = greet(m1, m1.addr_v6().into()).await;
    assert_eq!(call(w1, addr, PATIENT).await, Some(w1.addr_v6().to_string()));
}

#[tokio::test]
async fn a_node_that_is_cut_off_is_back_when_healed() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let (m1, w1) = (cluster.node("m1").unwrap(), cluster.node("w1").unwrap());
    let addr = greet(m1, m1.addr().into()).await;
    w1.cut().await.unwrap();
    assert!(!w1.is_linked().await.unwrap() && m1.is_linked().await.unwrap());
    assert_eq!(call(w1, addr, BRIEF).await, None);
    w1.heal().await.unwrap();
    assert_eq!(call(w1, addr, PATIENT).await, Some("10.88.0.51".into()));
}

#[tokio::test]
async fn a_kill_ends_the_daemon_and_not_its_children() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let node = cluster.node("w1").unwrap();
    let daemon = node.daemon().unwrap().unwrap();
    let child = child_of(daemon.pid as u32);
    node.kill().await.unwrap();
    assert_eq!(node.daemon().unwrap(), None);
    assert!(!daemon.is_alive() && runs(child));
    node.kill().await.unwrap();
}

#[tokio::test]
async fn a_power_cut_ends_everything_of_the_node_and_nothing_of_others() {
    let home = Home::new();
    let cluster = home.half_up().await;
    let (m1, w1) = (cluster.node("m1").unwrap(), cluster.node("w1").unwrap());
    let child = child_of(w1.daemon().unwrap().unwrap().pid as u32);
    let before = fs::metadata(w1.namespace()).unwrap().ino();
    w1.power_off().await.unwrap();
    assert!(!runs(child) && w1.daemon().unwrap().is_none());
    assert!(!w1.is_linked().await.unwrap() && w1.log().exists() && w1.data_dir().exists());
    assert!(!w1.namespace().exists());
    assert!(m1.daemon().unwrap().is_some() && m1.is_linked().await.unwrap());
    // Bringing it up again gives it a namespace of the same addresses.
    home.half_up().await;
    assert_ne!(fs::metadata(w1.namespace()).unwrap().ino(), before);
    let addr = greet(m1, m1.addr().into()).await;
    assert_eq!(call(w1, addr, PATIENT).await, Some("10.88.0.51".into()));
}

fn child_of(pid: u32) -> u32 {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let first =
        || fs::read_to_string(&path).unwrap().split_whitespace().next().and_then(|child| child.parse().ok());
    eventually("the daemon's child", || first().is_some());
    first().unwrap()
}

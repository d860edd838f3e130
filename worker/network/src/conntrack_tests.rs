//! Connections of a real namespace: listed, narrowed down, forgotten.

use std::net::{TcpListener, TcpStream, UdpSocket};

use super::*;
use crate::links::Links;
use crate::nft::Nft;
use worker_core::network::{PortKey, Protocol};

const TABLE: &str = "inet tracking";

async fn with_loopback() -> Namespace {
    let namespace = Namespace::temporary().await.unwrap();
    let links = Links::of(&namespace).await.unwrap();
    links.set_up(&links.find("lo").await.unwrap().unwrap()).await.unwrap();
    namespace
}

#[tokio::test]
async fn a_connection_that_took_the_place_of_a_stale_one_is_kept() {
    let (namespace, nft) = (with_loopback().await, Nft::new(Path::new("nft")));
    let lead_to = async |backend: &str| {
        let chain = "type nat hook output priority -100; ip daddr 127.0.0.9 dnat ip to";
        let table = format!("table {TABLE} {{ chain lead {{ {chain} {backend}; }}; }}");
        nft.load(&namespace, TABLE, format!("table {TABLE} {{}}\ndelete table {TABLE}\n{table}"))
            .await
            .unwrap();
    };
    let client = namespace.run(|| UdpSocket::bind("127.0.0.1:0").unwrap()).await.unwrap();
    let server = namespace.run(|| UdpSocket::bind("0.0.0.0:0").unwrap()).await.unwrap();
    let speak = || client.send_to(b"?", ("127.0.0.9", server.local_addr().unwrap().port())).unwrap();
    let list = || async {
        let list = || Tracking::open(Path::new("test")).unwrap().list(&[Sought::Any].into()).unwrap();
        namespace.run(list).await.unwrap()
    };
    let forget = |connections: Vec<Connection>| async {
        let forget = || {
            let tracking = Tracking::open(Path::new("test")).unwrap();
            let forget = |connection| tracking.forget(connection).unwrap();
            connections.into_iter().for_each(forget);
        };
        namespace.run(forget).await.unwrap();
    };
    lead_to("127.0.0.1").await;
    speak();
    let (stale, gone) = (list().await, list().await);
    forget(gone).await;
    assert_eq!((stale.len(), list().await.len()), (1, 0));
    lead_to("127.0.0.2").await;
    speak();
    forget(stale).await;
    assert_eq!(list().await.len(), 1);
}

#[tokio::test]
async fn the_kernel_lists_what_is_sought_and_nothing_else() {
    let (namespace, nft) = (with_loopback().await, Nft::new(Path::new("nft")));
    // Rules that look at connections are what has the kernel track them.
    let table =
        format!("table {TABLE} {{ chain look {{ type filter hook output priority 0; ct state new; }}; }}");
    nft.load(&namespace, TABLE, format!("table {TABLE} {{}}\ndelete table {TABLE}\n{table}")).await.unwrap();
    let listed = |sought: Sought| {
        let list = move || Tracking::open(Path::new("test")).unwrap().list(&[sought].into()).unwrap();
        let to = |connection: &Connection| connection.tracked().unwrap().flow.destination.to_string();
        let listing = namespace.run(list);
        async move { listing.await.unwrap().iter().map(to).collect::<BTreeSet<_>>() }
    };
    let speak = || {
        for (from, to) in [
            ("127.0.0.1:0", "127.0.0.5:1001"),
            ("127.0.0.1:0", "127.0.0.6:1002"),
            ("[::1]:0", "[::1]:1002"),
            ("[::1]:0", "[::1]:1003"),
        ] {
            UdpSocket::bind(from).unwrap().send_to(b"?", to).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.7:1002").unwrap();
        (TcpStream::connect("127.0.0.7:1002").unwrap(), listener)
    };
    let _open = namespace.run(speak).await.unwrap();
    let at = |protocol, port: u16| PortKey { protocol, port: port.try_into().unwrap() };
    let answered = |address: &str| Sought::AnsweredBy(address.parse().unwrap());
    for (sought, expected) in [
        (Sought::To(at(Protocol::Udp, 1001)), &["127.0.0.5:1001"][..]),
        (Sought::To(at(Protocol::Udp, 1002)), &["127.0.0.6:1002", "[::1]:1002"]),
        (Sought::To(at(Protocol::Tcp, 1002)), &["127.0.0.7:1002"]),
        (Sought::Of(Protocol::Udp), &["127.0.0.5:1001", "127.0.0.6:1002", "[::1]:1002", "[::1]:1003"]),
        (answered("127.0.0.6"), &["127.0.0.6:1002"]),
        (answered("::1"), &["[::1]:1002", "[::1]:1003"]),
        (answered("127.0.0.9"), &[]),
        (Sought::Any, &["127.0.0.5:1001", "127.0.0.6:1002", "[::1]:1002", "[::1]:1003", "127.0.0.7:1002"]),
    ] {
        let expected = expected.iter().map(|to| (*to).to_owned()).collect();
        assert_eq!(listed(sought).await, expected, "{sought:?}");
    }
}

#[test]
fn what_would_take_many_lists_is_sought_in_one_of_everything() {
    let ports = |count: u16| {
        (1..=count).map(|port| PortKey { protocol: Protocol::Tcp, port: port.try_into().unwrap() })
    };
    let lists = |count| listings(&ports(count).map(Sought::To).collect()).len();
    assert_eq!([lists(0), lists(4), lists(5)], [0, 8, 1]);
    let v6 = ["::1", "::2"].map(|address| Sought::AnsweredBy(address.parse().unwrap()));
    assert_eq!(listings(&v6.into()).len(), 1, "the same list for both");
}

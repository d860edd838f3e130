//! A virtual address and its backends.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use worker_network::Namespace;

use crate::frames::{ACK, segments, send_segment, senders_until};
use crate::overlay::cluster::{Cluster, Member, VIP, put_service, sockets, table};
use crate::sockets::{
    DEADLINE, accept, assert_lost, assert_refused, connect, listen, receive, seen_over_tcp, seen_over_udp,
    talk,
};

/// Binds a datagram socket that speaks to one address only.
async fn speak(from: &Namespace, to: SocketAddr) -> UdpSocket {
    let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let socket = from.run(move || UdpSocket::bind(any)).await.unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(to).unwrap();
    socket
}

/// Answers every datagram with the address of the container it came to, on a thread that ends with the runtime's process.
async fn echo_number(member: &Member) {
    let (socket, number) = (receive(&member.namespace, 53).await, member.number);
    std::thread::spawn(move || {
        let mut word = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut word) {
            let _ = socket.send_to(&number.to_be_bytes(), from);
        }
    });
}

/// Sends a datagram and returns the number of the container that answered.
fn asked(socket: &UdpSocket) -> u32 {
    let mut answer = [0; 4];
    socket.send(b"who?").unwrap();
    socket.recv(&mut answer).unwrap();
    u32::from_be_bytes(answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_address_is_balanced_over_the_endpoints_on_all_hosts() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [a, b, c] = &cluster.members(&table).await;
    for member in [a, b, c] {
        echo_number(member).await;
    }
    cluster.serve(&mut table, &[a, b, c], &[a, b, c]).await;
    for client in [a, b, c] {
        for to in sockets(&table, VIP, 53) {
            let mut answers = BTreeMap::new();
            // All kept, since a port that is used again belongs to a connection that is known already.
            let mut sockets = Vec::new();
            for _ in 0..32 {
                let socket = speak(&client.namespace, to).await;
                *answers.entry(asked(&socket)).or_insert(0) += 1;
                sockets.push(socket);
            }
            // A slot for each of the 3 backends, nearly eleven times around.
            let mut shares: Vec<i32> = answers.into_values().collect();
            shares.sort_unstable();
            assert_eq!(shares, [10, 11, 11], "{to}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_endpoints_are_balanced_in_a_larger_tier() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let mut members = Vec::new();
    for number in [17, 18, 19, 33, 34, 35, 49, 50, 51] {
        members.push(cluster.member(&table, number as usize / 16 - 1, number).await);
    }
    for member in &members {
        echo_number(member).await;
    }
    let all: Vec<&Member> = members.iter().collect();
    for serving in [&all[..], &all[..2], &all[..]] {
        cluster.serve(&mut table, &all, serving).await;
        let mut answers = BTreeMap::new();
        for to in sockets(&table, VIP, 53) {
            for _ in 0..serving.len() * 2 {
                *answers.entry(asked(&speak(&all[0].namespace, to).await)).or_insert(0) += 1;
            }
        }
        assert_eq!(answers.len(), serving.len(), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_balanced_to_itself_sees_its_hosts_router() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let member = &cluster.member(&table, 1, 32).await;
    cluster.serve(&mut table, &[member], &[member]).await;
    let (tcp, udp) = (listen(&member.namespace, 80).await, receive(&member.namespace, 80).await);
    let routers: Vec<IpAddr> = table.info.addresses(3).collect();
    for (to, router) in sockets(&table, VIP, 80).into_iter().zip(routers) {
        assert_eq!(seen_over_tcp(&member.namespace, to, &tcp).await, router);
        assert_eq!(seen_over_udp(&member.namespace, to, &udp).await, router);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_address_without_a_serving_endpoint_refuses() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[server], &[]).await;
    for to in sockets(&table, VIP, 80) {
        assert_refused(&client.namespace, to).await;
        let socket = speak(&client.namespace, to).await;
        socket.send(b"who?").unwrap();
        assert_eq!(socket.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_stops_serving_gets_no_new_connection_and_loses_those_it_has() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, stays, goes] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[stays, goes], &[goes]).await;
    let (old, new) = (listen(&goes.namespace, 80).await, listen(&stays.namespace, 80).await);
    let mut held = Vec::new();
    for to in sockets(&table, VIP, 80) {
        let mut stream = connect(&client.namespace, to).await.unwrap();
        let mut served = accept(&old).0;
        talk(&mut stream, &mut served);
        held.push((stream, served));
    }
    let mut direct = connect(&client.namespace, goes.sockets(&table, 80)[0]).await.unwrap();
    let mut direct_served = accept(&old).0;
    cluster.serve(&mut table, &[stays, goes], &[stays, goes]).await;
    for (stream, served) in &mut held {
        talk(stream, served);
    }
    cluster.serve(&mut table, &[stays, goes], &[stays]).await;
    for (stream, _served) in &mut held {
        assert_lost(stream);
    }
    talk(&mut direct, &mut direct_served);
    for to in sockets(&table, VIP, 80) {
        for _ in 0..17 {
            seen_over_tcp(&client.namespace, to, &new).await;
        }
    }
    assert_eq!(old.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody else came");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_endpoint_that_stops_serving_loses_its_connections_too() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[server], &[server]).await;
    let tcp = listen(&server.namespace, 80).await;
    for to in sockets(&table, VIP, 80) {
        cluster.serve(&mut table, &[server], &[server]).await;
        let mut stream = connect(&client.namespace, to).await.unwrap();
        let mut served = accept(&tcp).0;
        talk(&mut stream, &mut served);
        cluster.serve(&mut table, &[server], &[]).await;
        assert_lost(&mut stream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_socket_moves_to_another_backend_when_its_own_is_gone() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, first, second] = &cluster.members(&table).await;
    for member in [first, second] {
        echo_number(member).await;
    }
    for to in sockets(&table, VIP, 53) {
        cluster.serve(&mut table, &[first, second], &[first]).await;
        let socket = speak(&client.namespace, to).await;
        assert_eq!(asked(&socket), first.number);
        put_service(&mut table, &[second], &[second]);
        cluster.apply(&table).await;
        assert_eq!(asked(&socket), second.number);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backends_segment_that_no_window_fits_does_not_reach_the_client_as_a_strangers() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    cluster.serve(&mut table, &[&server], &[&server]).await;
    let listener = listen(&server.namespace, 80).await;
    let mut connection = connect(&client.namespace, sockets(&table, VIP, 80)[0]).await.unwrap();
    let (mut accepted, _) = accept(&listener);
    let mut seen = segments(&client.namespace).await;
    let [IpAddr::V4(from), IpAddr::V4(to)] = [&server, &client].map(|it| it.sockets(&table, 0)[0].ip())
    else {
        panic!("IPv4 addresses come first")
    };
    let ports = [80, connection.local_addr().unwrap().port()];
    send_segment(&segments(&server.namespace).await, [from, to], ports, ACK);
    talk(&mut connection, &mut accepted);
    let last = listen(&client.namespace, 6000).await;
    seen_over_tcp(&server.namespace, client.sockets(&table, 6000)[0], &last).await;
    let senders = senders_until(&mut seen, 6000);
    assert!(!senders.contains(&from.into()), "{senders:?}");
}

//! Names that are answered on the node.

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use worker_dns::{Names, Upstream};

use crate::container::{Container, PATIENCE, SERVER, addresses, names, query};
use crate::server::{Server, answer};

#[tokio::test]
async fn a_container_is_answered_over_udp_and_tcp() {
    let container = Container::new(2).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    let answer = container.ask(query("tasks.WEB.front.", None)).await;
    assert_eq!(answer.metadata.id, 0x4711);
    assert_eq!(addresses(&answer), ["10.0.1.2", "10.0.1.3"]);
    let answers = container.ask_tcp(vec![query("1.web.", None), query("2.web.", None)]).await;
    assert_eq!(answers.iter().flat_map(addresses).collect::<Vec<_>>(), ["10.0.1.2", "10.0.1.3"]);
}

#[tokio::test]
async fn each_container_has_its_own_names_and_nobody_else_has_them() {
    let (one, two, bare) = (Container::new(1).await, Container::new(2).await, Container::new(0).await);
    let _resolvers = (one.serve(Upstream::nowhere()).await, two.serve(Upstream::nowhere()).await);
    assert_eq!(addresses(&one.ask(query("web.", None)).await), ["10.0.1.2"]);
    assert_eq!(addresses(&two.ask(query("web.", None)).await), ["10.0.1.2", "10.0.1.3"]);
    assert!(bare.try_ask(query("web.", None)).await.is_err());
}

#[tokio::test]
async fn names_change_while_it_serves() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    assert_eq!(addresses(&container.ask(query("web.", None)).await).len(), 1);
    container.names.send_replace(names(3));
    assert_eq!(addresses(&container.ask(query("web.", None)).await).len(), 3);
}

#[tokio::test]
async fn an_answer_too_long_for_udp_comes_whole_over_tcp() {
    let container = Container::new(200).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    let cut = container.ask(query("web.", None)).await;
    assert!(cut.metadata.truncation && cut.answers.len() < 200);
    let wide = container.ask(query("web.", Some(4096))).await;
    assert_eq!((wide.metadata.truncation, wide.answers.len()), (false, 200));
    let whole = container.ask_tcp(vec![query("web.", None)]).await;
    assert_eq!((whole[0].metadata.truncation, whole[0].answers.len()), (false, 200));
}

#[tokio::test]
async fn an_application_may_have_port_53_for_itself() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    let echo = container.namespace.run(|| {
        let (udp, tcp) = (UdpSocket::bind("0.0.0.0:53").unwrap(), TcpListener::bind("0.0.0.0:53").unwrap());
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"for the application", "127.0.0.1:53").unwrap();
        let mut inbox = [0; 64];
        let (length, _) = udp.recv_from(&mut inbox).unwrap();
        (inbox[..length].to_vec(), udp, tcp)
    });
    let (received, _udp, _tcp) = echo.await.unwrap();
    assert_eq!(received, b"for the application");
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
    assert_eq!(addresses(&container.ask_tcp(vec![query("web.", None)]).await[0]), ["10.0.1.2"]);
}

#[tokio::test]
async fn a_daemon_that_starts_again_serves_again() {
    let container = Container::new(1).await;
    let killed = container.serve(Upstream::nowhere()).await;
    let second = container.serve(Upstream::nowhere()).await;
    drop(killed);
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
    second.close().await;
    let _third = container.serve(Upstream::nowhere()).await;
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
    assert_eq!(addresses(&container.ask_tcp(vec![query("web.", None)]).await[0]), ["10.0.1.2"]);
}

#[tokio::test]
async fn what_is_asked_while_no_daemon_runs_is_answered_by_the_next_one() {
    let container = Container::new(1).await;
    let mut killed = container.serve(Upstream::nowhere()).await;
    let held = killed.take_sockets();
    assert_eq!((held.len(), killed.take_sockets().len()), (2, 0));
    drop(killed);
    let (asked, waiting) = tokio::sync::oneshot::channel();
    let ask = move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(SERVER).unwrap();
        socket.send(&query("web.", None).to_vec().unwrap()).unwrap();
        asked.send(()).unwrap();
        let mut inbox = [0; 512];
        let length = socket.recv(&mut inbox).unwrap();
        Message::from_vec(&inbox[..length]).unwrap()
    };
    // A thread of its own, in the namespace of the one that starts it: the resolver is opened meanwhile.
    let asking = container.namespace.run(move || std::thread::spawn(ask)).await.unwrap();
    waiting.await.unwrap();
    let mut resolver = container.serve_on(held, Upstream::nowhere()).await;
    let answer = tokio::task::spawn_blocking(move || asking.join()).await.unwrap();
    assert_eq!(addresses(&answer.unwrap()), ["10.0.1.2"]);
    assert_eq!(resolver.take_sockets().len(), 0, "who holds them holds them still");
    assert_eq!(addresses(&container.ask_tcp(vec![query("web.", None)]).await[0]), ["10.0.1.2"]);
}

#[tokio::test]
async fn sockets_that_are_no_name_servers_are_not_taken_over() {
    let container = Container::new(1).await;
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    let strangers = vec![other.try_clone().unwrap().into(), other.into()];
    let mut resolver = container.serve_on(strangers, Upstream::nowhere()).await;
    assert_eq!(resolver.take_sockets().len(), 2);
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
}

#[tokio::test]
async fn queries_leave_nothing_in_the_table_of_connections() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    container.track_connections().await;
    container.ask(query("web.", None)).await;
    container.ask_tcp(vec![query("web.", None)]).await;
    assert_eq!(container.connections().await, 0);
    let other = || UdpSocket::bind("127.0.0.1:0")?.send_to(b"tracked", "127.0.0.1:9");
    container.namespace.run(other).await.unwrap().unwrap();
    assert_eq!(container.connections().await, 1, "others are counted");
}

#[tokio::test]
async fn a_container_without_a_way_out_is_told_so_at_once() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    for name in ["example.com.", "printer."] {
        let udp = container.ask(query(name, Some(1232))).await;
        let tcp = container.ask_tcp(vec![query(name, None)]).await;
        assert_eq!(udp.metadata.response_code, ResponseCode::ServFail, "{name}");
        assert_eq!(tcp[0].metadata.response_code, ResponseCode::ServFail, "{name}");
    }
}

#[tokio::test]
async fn queries_sent_together_over_tcp_are_all_answered_and_a_slow_one_holds_up_no_other() {
    let container = Container::new(2).await;
    let silent = Server::start(|_, _| Vec::new()).await;
    let _resolver = container.serve(Upstream::to(vec![silent.address])).await;
    let with_id = |mut message: Message, id| {
        message.metadata.id = id;
        message
    };
    let queries = vec![
        with_id(query("example.com.", None), 1),
        with_id(query("1.web.", None), 2),
        with_id(query("2.web.", None), 3),
    ];
    let answers = container.ask_tcp_at_once(queries).await;
    let ids: Vec<u16> = answers.iter().map(|answer| answer.metadata.id).collect();
    assert_eq!(ids, [2, 3, 1]);
    assert_eq!(answers[2].metadata.response_code, ResponseCode::ServFail);
}

#[tokio::test]
async fn answers_hold_for_a_few_seconds_only() {
    let container = Container::new(2).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    // The second answer is one that was given before.
    for _ in 0..2 {
        let answer = container.ask(query("web.", None)).await;
        assert!(answer.answers.iter().all(|record| record.ttl <= 5), "{answer}");
    }
}

#[tokio::test]
async fn a_container_whose_networks_are_not_told_yet_asks_nobody_outside() {
    let container = Container::new(1).await;
    let server = Server::start(|query, _| vec![answer(query, 1)]).await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    container.names.send_replace(Arc::new(Names::partial(Vec::new())));
    let refused = container.ask(query("web.", None)).await;
    assert_eq!((refused.metadata.response_code, server.asked()), (ResponseCode::ServFail, 0));
    container.names.send_replace(names(1));
    assert_eq!(addresses(&container.ask(query("web.", None)).await), ["10.0.1.2"]);
    assert_eq!(addresses(&container.ask(query("example.com.", None)).await), ["192.0.2.1"]);
}

#[tokio::test]
async fn bursts_are_answered_to_the_last_query() {
    let container = Container::new(1).await;
    let _resolver = container.serve(Upstream::nowhere()).await;
    let asked = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(SERVER).unwrap();
        // More than are taken at once, and less than the smallest buffer holds.
        for id in 0..150u16 {
            let mut message = query(if id % 2 == 0 { "web." } else { "1.web." }, None);
            message.metadata.id = id;
            socket.send(&message.to_vec().unwrap()).unwrap();
        }
        let mut inbox = [0; 512];
        let answered = (0..150).map(|_| {
            let length = socket.recv(&mut inbox).unwrap();
            Message::from_vec(&inbox[..length]).unwrap()
        });
        answered.map(|answer| (answer.metadata.id, addresses(&answer).len())).collect::<BTreeMap<_, _>>()
    };
    let answered = container.namespace.run(asked).await.unwrap();
    assert_eq!((answered.len(), answered.values().all(|&count| count == 1)), (150, true));
}

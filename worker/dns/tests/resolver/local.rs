//! Names that are answered on the node.

use std::net::{TcpListener, UdpSocket};

use hickory_proto::op::ResponseCode;
use worker_dns::Upstream;

use crate::container::{Container, addresses, names, query};

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

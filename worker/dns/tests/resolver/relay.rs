//! Names that are asked for outside.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;
use worker_dns::Upstream;

use crate::container::{Container, addresses, query};
use crate::server::{Server, answer};

#[tokio::test]
async fn other_names_are_asked_for_outside_and_our_own_are_not() {
    let container = Container::new(1).await;
    let server = Server::start(|query, _| vec![answer(query, 2)]).await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    let udp = container.ask(query("Example.com.", Some(4096))).await;
    assert_eq!(udp.metadata.id, 0x4711);
    assert_eq!(udp.queries[0].name.to_string(), "Example.com.");
    assert_eq!(addresses(&udp), ["192.0.2.1", "192.0.2.2"]);
    let tcp = container.ask_tcp(vec![query("printer.", None)]).await;
    assert_eq!(addresses(&tcp[0]), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(server.asked(), 2);
    for name in ["web.", "7.web.", "other.front.", "9.1.0.10.in-addr.arpa."] {
        container.ask(query(name, None)).await;
    }
    assert_eq!(server.asked(), 2, "our own names stay here");
}

#[tokio::test]
async fn servers_of_a_container_are_asked_out_of_its_own_namespace() {
    let container = Container::new(1).await;
    let server = Server::start_in(&container.namespace, |query, _| vec![answer(query, 1)]).await;
    let outside = container.serve(Upstream::to(vec![server.address])).await;
    let refused = container.ask(query("example.com.", None)).await;
    assert_eq!(refused.metadata.response_code, ResponseCode::ServFail, "it is not there for the daemon");
    outside.close().await;
    let _resolver =
        container.serve(Upstream::within(container.another_handle().await, vec![server.address])).await;
    assert_eq!(addresses(&container.ask(query("example.com.", None)).await), ["192.0.2.1"]);
    assert_eq!(addresses(&container.ask_tcp(vec![query("example.org.", None)]).await[0]), ["192.0.2.1"]);
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn answers_that_do_not_belong_to_the_query_are_not_relayed() {
    let container = Container::new(1).await;
    let server = Server::start(|query, _| {
        let mut other_id = answer(query, 9);
        other_id.metadata.id = !query.metadata.id;
        let mut other_name = answer(query, 9);
        other_name.queries[0].set_name(Name::from_ascii("evil.com.").unwrap());
        vec![other_id, other_name, query.clone(), answer(query, 1)]
    });
    let server = server.await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    assert_eq!(addresses(&container.ask(query("example.com.", None)).await), ["192.0.2.1"]);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_silent_or_fails() {
    let container = Container::new(1).await;
    let silent = Server::start(|_, _| Vec::new()).await;
    let failing = Server::start(|query, _| {
        let mut answer = answer(query, 0);
        answer.metadata.response_code = ResponseCode::Refused;
        vec![answer]
    });
    let failing = failing.await;
    let good = Server::start(|query, _| vec![answer(query, 1)]).await;
    let servers = vec![silent.address, failing.address, good.address];
    let _resolver = container.serve(Upstream::to(servers)).await;
    assert_eq!(addresses(&container.ask(query("example.com.", None)).await), ["192.0.2.1"]);
    assert_eq!((silent.asked(), failing.asked(), good.asked()), (1, 1, 1));
    container.ask(query("example.org.", None)).await;
    assert_eq!((silent.asked(), failing.asked(), good.asked()), (1, 1, 2), "the good one is remembered");
}

#[tokio::test]
async fn the_servers_can_be_changed() {
    let container = Container::new(1).await;
    let server = Server::start(|query, _| vec![answer(query, 1)]).await;
    let upstream = Upstream::to(Vec::new());
    let _resolver = container.serve(upstream.clone()).await;
    let without = container.ask(query("example.com.", None)).await;
    assert_eq!(without.metadata.response_code, ResponseCode::ServFail);
    upstream.set_servers(vec![server.address]);
    assert_eq!(addresses(&container.ask(query("example.com.", None)).await), ["192.0.2.1"]);
}

#[tokio::test]
async fn an_answer_that_a_server_cut_is_fetched_over_tcp() {
    let container = Container::new(1).await;
    let server = Server::start(|query, over_tcp| {
        let mut message = answer(query, if over_tcp { 100 } else { 1 });
        message.metadata.truncation = !over_tcp;
        vec![message]
    });
    let server = server.await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    let wide = container.ask(query("example.com.", Some(4096))).await;
    assert_eq!((wide.metadata.truncation, wide.answers.len()), (false, 100));
    let narrow = container.ask(query("example.com.", None)).await;
    assert_eq!((narrow.metadata.truncation, narrow.answers.len()), (true, 1));
    let whole = container.ask_tcp(vec![query("example.com.", None)]).await;
    assert_eq!((whole[0].metadata.truncation, whole[0].answers.len()), (false, 100));
}

#[tokio::test]
async fn more_than_was_asked_for_is_cut() {
    let container = Container::new(1).await;
    let server = Server::start(|query, _| vec![answer(query, 100)]).await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    let answer = container.ask(query("example.com.", None)).await;
    assert!(answer.metadata.truncation && answer.answers.is_empty());
}

#[tokio::test]
async fn nobody_answers_and_the_container_is_told() {
    let container = Container::new(1).await;
    let server = Server::start(|_, _| Vec::new()).await;
    let _resolver = container.serve(Upstream::to(vec![server.address])).await;
    let answer = container.ask(query("example.com.", Some(1232))).await;
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
    assert_eq!(container.ask(query("1.web.", None)).await.answers.len(), 1, "it goes on serving");
}

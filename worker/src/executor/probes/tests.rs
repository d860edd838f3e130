//! What servers answer, asked over this process' own loopback.

use super::{http, peer::Peer, peer::grpc_check};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use std::{net::Ipv4Addr, num::NonZeroU16, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic_health::{ServingStatus, server::health_reporter};

async fn listener() -> (TcpListener, NonZeroU16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, NonZeroU16::new(port).unwrap())
}

/// Answers one request with a status, or with the path that was asked for if that is none.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = vec![0; 1000];
    let length = stream.read(&mut request).await.unwrap();
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    assert!(request.starts_with("GET /") && request.contains("\r\nhost: localhost:"), "{request}");
    let status = path.trim_start_matches('/');
    let answer = format!("HTTP/1.1 {status} Word\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn pages_and_redirections_are_good_and_errors_are_not() {
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let peer = Peer::on_loopback();
    for (path, is_good) in [("/200", true), ("/204", true), ("/302", true), ("/404", false), ("/503", false)]
    {
        let told = http::get(&peer, port, path, false).await;
        assert_eq!(told.is_ok(), is_good, "{path}: {told:?}");
    }
    assert_eq!(
        http::get(&peer, port, "/500", false).await.unwrap_err(),
        "it answers 500 Internal Server Error"
    );
    let tls = http::get(&peer, port, "/200", true).await;
    assert!(tls.is_err(), "it speaks no TLS: {tls:?}");
}

#[tokio::test]
async fn a_certificate_of_anybodys_will_do() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (listener, port) = listener().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer(TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap()).await;
    });
    assert_eq!(http::get(&Peer::on_loopback(), port, "/200", true).await, Ok("200 OK".to_owned()));
}

#[tokio::test]
async fn a_grpc_server_says_whether_it_serves() {
    let (reporter, service) = health_reporter();
    reporter.set_service_status("shop.Cart", ServingStatus::NotServing).await;
    let (listener, port) = listener().await;
    tokio::spawn(
        Server::builder().add_service(service).serve_with_incoming(TcpListenerStream::new(listener)),
    );
    let peer = Peer::on_loopback();
    assert_eq!(grpc_check(&peer, port, String::new()).await, Ok("SERVING".to_owned()));
    assert_eq!(grpc_check(&peer, port, "shop.Cart".into()).await, Err("NOT_SERVING".to_owned()));
    let unknown = grpc_check(&peer, port, "shop.Till".into()).await.unwrap_err();
    assert!(unknown.starts_with("NotFound"), "{unknown}");
    let nobody = grpc_check(&peer, NonZeroU16::MIN, String::new()).await.unwrap_err();
    assert!(nobody.contains("refused"), "{nobody}");
}

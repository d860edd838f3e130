//! Sockets made inside a namespace and used from outside: who reaches whom, and who is seen.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use worker_network::Namespace;

/// How long anything may take before the test fails.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How long a packet that should be dropped is waited for.
const SILENCE: Duration = Duration::from_millis(500);

/// Listens on every address, IPv4 and IPv6.
pub async fn listen(at: &Namespace, port: u16) -> TcpListener {
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    let listener = at.run(move || TcpListener::bind(any)).await.unwrap().unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

pub async fn connect(from: &Namespace, to: SocketAddr) -> io::Result<TcpStream> {
    connect_within(from, to, DEADLINE).await
}

/// Tells whether an attempt to connect gets no answer at all.
pub async fn is_silent(from: &Namespace, to: SocketAddr) -> bool {
    connect_within(from, to, SILENCE).await.is_err_and(|error| error.kind() == ErrorKind::TimedOut)
}

async fn connect_within(from: &Namespace, to: SocketAddr, deadline: Duration) -> io::Result<TcpStream> {
    let stream = from.run(move || TcpStream::connect_timeout(&to, deadline)).await.unwrap()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Accepts one connection.
pub fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    let end = Instant::now() + DEADLINE;
    loop {
        match listener.accept() {
            Ok((stream, client)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                return (stream, client.ip().to_canonical());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < end => {
                thread::yield_now()
            }
            Err(error) => panic!("nobody connected: {error}"),
        }
    }
}

/// Sends a word each way.
pub fn talk(client: &mut TcpStream, server: &mut TcpStream) {
    let mut word = [0; 4];
    client.write_all(b"ping").unwrap();
    server.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"ping");
    server.write_all(b"pong").unwrap();
    client.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"pong");
}

/// Connects over TCP, talks, and returns the client's address as the server saw it.
pub async fn seen_over_tcp(from: &Namespace, to: SocketAddr, listener: &TcpListener) -> IpAddr {
    let mut client =
        connect(from, to).await.unwrap_or_else(|error| panic!("{to} cannot be reached: {error}"));
    let (mut server, seen) = accept(listener);
    talk(&mut client, &mut server);
    seen
}

/// Receives on every address, IPv4 and IPv6.
pub async fn receive(at: &Namespace, port: u16) -> UdpSocket {
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    let socket = at.run(move || UdpSocket::bind(any)).await.unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Sends a datagram, awaits the answer, and returns the client's address as the server saw it.
pub async fn seen_over_udp(from: &Namespace, to: SocketAddr, server: &UdpSocket) -> IpAddr {
    let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let client = from.run(move || UdpSocket::bind(any)).await.unwrap().unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    // A connected socket takes answers from the address it spoke to only.
    client.connect(to).unwrap();
    client.send(b"ping").unwrap();
    let mut word = [0; 4];
    let (_, seen) =
        server.recv_from(&mut word).unwrap_or_else(|error| panic!("nothing came to {to}: {error}"));
    server.send_to(b"pong", seen).unwrap();
    client.recv(&mut word).unwrap_or_else(|error| panic!("no answer from {to}: {error}"));
    assert_eq!(&word, b"pong");
    seen.ip().to_canonical()
}

/// Asserts that a port answers with a refusal.
pub async fn assert_refused(from: &Namespace, to: SocketAddr) {
    match connect(from, to).await {
        Ok(_) => panic!("{to} was reached"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{to}: {error}"),
    }
}

/// Asserts that a connection, whose other end is still open, breaks with the next word.
pub fn assert_lost(client: &mut TcpStream) {
    // The kernel may tell of it with the write or with the read.
    let error = client.write_all(b"ping").and_then(|()| client.read_exact(&mut [0; 4])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

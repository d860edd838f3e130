//! A small name server for tests, on the loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use worker_network::Namespace;

/// What a server says to a query: any number of messages over UDP, the last of which goes over TCP.
type Script = fn(&Message, bool) -> Vec<Message>;

/// A name server that ends with the test.
pub struct Server {
    pub address: SocketAddr,
    asked: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server; the script is given the query and whether it came over TCP.
    pub async fn start(script: Script) -> Self {
        let (udp, tcp) = same_port().await;
        Self::serve(udp, tcp, script)
    }

    /// Starts a server in a namespace, where it is the only one.
    pub async fn start_in(namespace: &Namespace, script: Script) -> Self {
        let bind = || {
            let at = "127.0.0.53:5300";
            (std::net::UdpSocket::bind(at).unwrap(), std::net::TcpListener::bind(at).unwrap())
        };
        let (udp, tcp) = namespace.run(bind).await.unwrap();
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        Self::serve(UdpSocket::from_std(udp).unwrap(), TcpListener::from_std(tcp).unwrap(), script)
    }

    fn serve(udp: UdpSocket, tcp: TcpListener, script: Script) -> Self {
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(over_udp(udp, script, Arc::clone(&asked)));
        tasks.spawn(over_tcp(tcp, script, Arc::clone(&asked)));
        Self { address, asked, _tasks: tasks }
    }

    /// How many queries came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// The answer with so many addresses, 192.0.2.1 and on.
pub fn answer(query: &Message, addresses: u8) -> Message {
    let mut answer = query.clone().into_response();
    let name = &query.queries[0].name;
    let record =
        |last| Record::from_rdata(name.clone(), 60, RData::from(std::net::Ipv4Addr::new(192, 0, 2, last)));
    answer.add_answers((1..=addresses).map(record));
    answer
}

async fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // Somebody else may have the port for the other protocol.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

async fn over_udp(socket: UdpSocket, script: Script, asked: Arc<AtomicUsize>) {
    let mut inbox = [0; 4096];
    loop {
        let (length, client) = socket.recv_from(&mut inbox).await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        for answer in script(&Message::from_vec(&inbox[..length]).unwrap(), false) {
            socket.send_to(&answer.to_vec().unwrap(), client).await.unwrap();
        }
    }
}

async fn over_tcp(listener: TcpListener, script: Script, asked: Arc<AtomicUsize>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        asked.fetch_add(1, Ordering::SeqCst);
        let length = stream.read_u16().await.unwrap();
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        if let Some(answer) = script(&Message::from_vec(&query).unwrap(), true).pop() {
            let bytes = answer.to_vec().unwrap();
            stream.write_u16(bytes.len() as u16).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
    }
}

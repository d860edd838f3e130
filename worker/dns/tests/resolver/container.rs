//! A namespace that plays a container, and a resolver's client inside it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use proto::model::{
    EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkInfo, NetworkService, NetworkTable, SlotKey,
};
use tokio::sync::watch;
use worker_dns::{Names, Resolver, Upstream, Zone};
use worker_network::Namespace;

/// Longer than any answer takes; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11)), 53);

/// A namespace that goes away with the test.
pub struct Container {
    pub namespace: Namespace,
    pub names: watch::Sender<Arc<Names>>,
}

impl Container {
    /// A container that knows `web` with this many tasks.
    pub async fn new(tasks: u32) -> Self {
        let namespace = Namespace::temporary().await.unwrap();
        let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
        assert!(namespace.run(up).await.unwrap().success());
        Self { namespace, names: watch::Sender::new(names(tasks)) }
    }

    /// Another handle of the namespace: works of one and the same follow each other, and asking is one.
    pub async fn another_handle(&self) -> Namespace {
        let open = || File::open("/proc/thread-self/ns/net").unwrap();
        let file = self.namespace.run(open).await.unwrap();
        Namespace::open(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd()))).unwrap()
    }

    pub async fn serve(&self, upstream: Upstream) -> Resolver {
        self.serve_on(Vec::new(), upstream).await
    }

    /// Serves with the sockets of a daemon that ran before.
    pub async fn serve_on(&self, held: Vec<OwnedFd>, upstream: Upstream) -> Resolver {
        let (names, nft) = (self.names.subscribe(), Path::new("nft"));
        Resolver::open(&self.namespace, held, names, upstream, nft).await.unwrap()
    }

    /// Has the kernel keep a table of the namespace's connections, as it does once a rule asks for it.
    pub async fn track_connections(&self) {
        let rule =
            "table ip test { chain output { type filter hook output priority 0; ct state new accept; }; }";
        let load = move || Command::new("nft").arg(rule).status().unwrap();
        assert!(self.namespace.run(load).await.unwrap().success());
    }

    /// How many connections are in the table.
    pub async fn connections(&self) -> u32 {
        let read = || std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap();
        self.namespace.run(read).await.unwrap().trim().parse().unwrap()
    }

    /// Asks over UDP.
    pub async fn ask(&self, query: Message) -> Message {
        self.namespace.run(move || over_udp(&query)).await.unwrap().unwrap()
    }

    /// Asks over UDP; an error if nobody is there.
    pub async fn try_ask(&self, query: Message) -> io::Result<Message> {
        self.namespace.run(move || over_udp(&query)).await.unwrap()
    }

    /// Asks over TCP, several questions on one connection.
    pub async fn ask_tcp(&self, queries: Vec<Message>) -> Vec<Message> {
        self.namespace.run(move || over_tcp(&queries)).await.unwrap().unwrap()
    }

    /// Asks several questions on one connection without waiting, says that these are all, and returns the answers in the
    /// order they came.
    pub async fn ask_tcp_at_once(&self, queries: Vec<Message>) -> Vec<Message> {
        self.namespace.run(move || over_tcp_at_once(&queries)).await.unwrap().unwrap()
    }
}

/// The names of a network with `web` on so many addresses, from 10.0.1.2 on.
pub fn names(tasks: u32) -> Arc<Names> {
    let subnet = "10.0.1.0/24".parse().unwrap();
    let info = NetworkInfo {
        id: Id::from_bits(1),
        name: "front".parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.0.1.1".parse().unwrap(), range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    };
    let endpoint = |number| NetworkEndpoint {
        slot: SlotKey::Replica(number),
        number: number + 1,
        node: Id::from_bits(9),
        state: EndpointState::Serving,
    };
    let web = NetworkService {
        id: Id::from_bits(2),
        name: "web".parse().unwrap(),
        aliases: Default::default(),
        vip: None,
        ports: Vec::new(),
        endpoints: (1..=tasks).map(|number| (Id::from_bits(number.into()), endpoint(number))).collect(),
        by_hand: Default::default(),
    };
    let mut table = NetworkTable::new(info);
    table.services.insert_mut(web.id, web);
    Arc::new(Names::new(vec![Arc::new(Zone::new(&table))]))
}

/// A query for IPv4 addresses; with EDNS if the client takes that many bytes over UDP.
pub fn query(name: &str, takes: Option<u16>) -> Message {
    let mut message = Message::new(0x4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    if let Some(size) = takes {
        let mut edns = Edns::new();
        edns.set_max_payload(size);
        message.set_edns(edns);
    }
    message
}

/// The addresses in an answer, sorted.
pub fn addresses(answer: &Message) -> Vec<String> {
    let address = |data: &RData| match data {
        RData::A(address) => address.0.to_string(),
        other => panic!("not an IPv4 address: {other}"),
    };
    let mut found: Vec<_> = answer.answers.iter().map(|record| address(&record.data)).collect();
    found.sort();
    found
}

fn over_udp(query: &Message) -> io::Result<Message> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(SERVER)?;
    socket.send(&query.to_vec().unwrap())?;
    let mut inbox = [0; 65535];
    let length = socket.recv(&mut inbox)?;
    Ok(Message::from_vec(&inbox[..length]).unwrap())
}

fn over_tcp(queries: &[Message]) -> io::Result<Vec<Message>> {
    let mut stream = TcpStream::connect(SERVER)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let ask = |query: &Message| {
        stream.write_all(&framed(query))?;
        read(&mut stream)
    };
    queries.iter().map(ask).collect()
}

fn over_tcp_at_once(queries: &[Message]) -> io::Result<Vec<Message>> {
    let mut stream = TcpStream::connect(SERVER)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&queries.iter().flat_map(framed).collect::<Vec<u8>>())?;
    stream.shutdown(Shutdown::Write)?;
    queries.iter().map(|_| read(&mut stream)).collect()
}

fn framed(query: &Message) -> Vec<u8> {
    let bytes = query.to_vec().unwrap();
    [&(bytes.len() as u16).to_be_bytes(), bytes.as_slice()].concat()
}

fn read(stream: &mut TcpStream) -> io::Result<Message> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(Message::from_vec(&answer).unwrap())
}

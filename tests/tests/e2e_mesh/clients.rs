//! Whom a task sees: the client itself, over TCP and UDP, IPv4 and IPv6, through every node.

use super::start;
use anyhow::{Context, Result, ensure};
use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};
use tests::cluster::{Container, SOON, TestCluster};

/// How long a packet may be under way.
const DEADLINE: Duration = Duration::from_secs(10);

/// Published as 9090/tcp and 5353/udp.
const PORTS: [u16; 2] = [9090, 5353];

/// Sockets in a container at the ports 90/tcp and 53/udp.
struct Server {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Server {
    fn in_container(container: &Container) -> Result<Self> {
        let any = |port| SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        let (tcp, udp) = container.inside(move || (TcpListener::bind(any(90)), UdpSocket::bind(any(53))))?;
        let (tcp, udp) = (tcp?, udp?);
        udp.set_read_timeout(Some(DEADLINE))?;
        Ok(Self { tcp, udp })
    }

    /// Speaks to a node's ports from where `run` runs; returns whom the container saw over TCP and over UDP.
    fn seen(&self, node: IpAddr, run: impl Fn(Talk) -> Result<Talked>) -> Result<[IpAddr; 2]> {
        let [tcp, udp] = PORTS.map(|port| SocketAddr::new(node, port));
        let Talked::Tcp(mut client) = run(Talk::Tcp(tcp))? else { anyhow::bail!("it was TCP") };
        let (mut server, by_tcp) = self.tcp.accept()?;
        let mut word = [0; 4];
        server.write_all(b"ping")?;
        client.read_exact(&mut word)?;
        let Talked::Udp(client) = run(Talk::Udp(udp))? else { anyhow::bail!("it was UDP") };
        client.send(b"ping")?;
        let (_, by_udp) = self.udp.recv_from(&mut word)?;
        self.udp.send_to(b"pong", by_udp)?;
        client.recv(&mut word).with_context(|| format!("no answer from {udp}"))?;
        Ok([by_tcp.ip().to_canonical(), by_udp.ip().to_canonical()])
    }
}

/// A connection to be made.
enum Talk {
    Tcp(SocketAddr),
    Udp(SocketAddr),
}

/// One that was made.
enum Talked {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

impl Talk {
    fn begin(self) -> std::io::Result<Talked> {
        match self {
            Talk::Tcp(to) => {
                let stream = TcpStream::connect_timeout(&to, DEADLINE)?;
                stream.set_read_timeout(Some(DEADLINE))?;
                Ok(Talked::Tcp(stream))
            }
            Talk::Udp(to) => {
                let any: IpAddr =
                    if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, 0))?;
                socket.set_read_timeout(Some(DEADLINE))?;
                socket.connect(to)?;
                Ok(Talked::Udp(socket))
            }
        }
    }
}

fn addresses(cluster: &TestCluster, node: &str) -> [IpAddr; 2] {
    let node = cluster.node(node);
    [node.addr().into(), node.addr_v6().into()]
}

/// Makes a service on w1 that publishes both ports, and waits until a node leads to it.
fn publish(cluster: &TestCluster, mode: &str, via: &str) -> Result<(Container, Server)> {
    let [tcp, udp] = [("tcp", PORTS[0], 90), ("udp", PORTS[1], 53)].map(|(protocol, published, target)| {
        format!("published={published},target={target},protocol={protocol},mode={mode}")
    });
    let name = format!("seen-{mode}");
    let at_w1 = ["--constraint", "node.hostname==w1", "example:1"];
    let create = ["service", "create", "-q", "--name", &name, "--publish", &tcp, "--publish", &udp];
    cluster.shoal(&[&create[..], &at_w1].concat())?;
    let container = cluster.container(&name)?;
    let server = Server::in_container(&container)?;
    let [to, _] = addresses(cluster, via);
    cluster.wait_until("the node leads to the container", SOON, || {
        let from_m1 = cluster.node("m1").exec_in_netns(move || Talk::Tcp((to, PORTS[0]).into()).begin());
        cluster.on(from_m1)??;
        server.tcp.accept()?;
        Ok(true)
    })?;
    Ok((container, server))
}

#[test]
fn a_task_sees_the_client_itself_through_every_node() -> Result<()> {
    let cluster = start(2)?;
    let (container, server) = publish(&cluster, "ingress", "w2")?;
    for node in cluster.names() {
        for client in cluster.names() {
            let from_client =
                |talk: Talk| Ok(cluster.on(cluster.node(&client).exec_in_netns(move || talk.begin()))??);
            for (to, own) in addresses(&cluster, &node).into_iter().zip(addresses(&cluster, &client)) {
                let seen = server.seen(to, from_client).with_context(|| format!("{client} asks {to}"))?;
                ensure!(seen == [own; 2], "{client} asks {to}: {seen:?} were seen instead of {own}");
            }
        }
        let local = |talk: Talk| Ok(cluster.on(cluster.node(&node).exec_in_netns(move || talk.begin()))??);
        server.seen(Ipv4Addr::LOCALHOST.into(), local).with_context(|| format!("{node} asks 127.0.0.1"))?;
        // The task calls its own service.
        for to in addresses(&cluster, &node) {
            let inside = |talk: Talk| Ok(container.inside(move || talk.begin())??);
            server.seen(to, inside).with_context(|| format!("the container asks {node} at {to}"))?;
        }
    }
    cluster.finish()
}

#[test]
fn a_task_sees_the_client_itself_at_the_ports_of_its_own_node() -> Result<()> {
    let cluster = start(2)?;
    let (container, server) = publish(&cluster, "host", "w1")?;
    for client in ["m1", "w2", "w1"] {
        let from_client =
            |talk: Talk| Ok(cluster.on(cluster.node(client).exec_in_netns(move || talk.begin()))??);
        for (to, own) in addresses(&cluster, "w1").into_iter().zip(addresses(&cluster, client)) {
            let seen = server.seen(to, from_client).with_context(|| format!("{client} asks {to}"))?;
            ensure!(seen == [own; 2], "{client} asks {to}: {seen:?} were seen instead of {own}");
        }
    }
    for to in addresses(&cluster, "w1") {
        let inside = |talk: Talk| Ok(container.inside(move || talk.begin())??);
        server.seen(to, inside).with_context(|| format!("the container asks {to}"))?;
    }
    let [elsewhere, _] = addresses(&cluster, "w2");
    let refused = cluster.node("m1").exec_in_netns(move || Talk::Tcp((elsewhere, PORTS[0]).into()).begin());
    ensure!(cluster.on(refused)?.is_err(), "another node answers too");
    cluster.finish()
}

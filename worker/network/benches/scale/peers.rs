//! What other nodes cost: the way of a packet, and what a node holds, with one and with a thousand of them.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use proto::model::{Id, TaskId};
use worker_network::{Interface, Namespace};

use crate::entries::{self, BALANCING, FORWARDING, NEIGHBOURS, ROUTES};
use crate::host::{Fault, Host, Hosts};
use crate::model::{Model, NETWORK};
use crate::table::{line, middle_and_largest, ratio};

const SIZES: [usize; 2] = [2, 1001];
const SERVICES: u32 = 100;
const TASKS: u32 = 5;
const ROUNDS: usize = 7;
const QUESTIONS: u32 = 4000;
const CONNECTIONS: u32 = 500;
const LENGTH: Duration = Duration::from_millis(800);
const PORT: u16 = 7000;

/// Two hosts of a network that is told to have more, with a container each.
struct Pair {
    hosts: Hosts,
    model: Model,
    client: Namespace,
    server: SocketAddr,
    resident_kib: u64,
}

#[derive(Default)]
struct Figures {
    /// From a question to its answer, in microseconds.
    round_trip: Vec<f64>,
    /// Until a connection stands, in microseconds.
    connect: Vec<f64>,
    /// In Gbit/s.
    rate: Vec<f64>,
}

pub async fn run() -> Result<(), Fault> {
    let mut pairs = Vec::new();
    for nodes in SIZES {
        pairs.push((Pair::new(nodes).await?, Figures::default()));
    }
    // In turns, so that what else the machine does slows both.
    for _ in 0..ROUNDS {
        for (pair, figures) in &mut pairs {
            pair.measure(figures).await?;
        }
    }
    println!("\na container speaks to one on another node, medians of {ROUNDS} rounds in turns; goal: flat:");
    line("other nodes", ["1", "1000", "ratio"]);
    let compare = |name: &str, of: fn(&Figures) -> &Vec<f64>| -> Result<(), Fault> {
        let medians: Vec<f64> = pairs
            .iter()
            .filter_map(|(_, figures)| Some(middle_and_largest(of(figures).clone())?.0))
            .collect();
        let [few, many] = medians[..] else { return Err("both were measured".into()) };
        line(name, [&format!("{few:.2}"), &format!("{many:.2}"), &ratio(many, few)]);
        Ok(())
    };
    compare("round trip, us", |figures| &figures.round_trip)?;
    compare("connection, us", |figures| &figures.connect)?;
    compare("one stream, Gbit/s", |figures| &figures.rate)?;
    println!("\nwhat the node holds for this one network of {SERVICES} services, {TASKS} tasks each:");
    line("other nodes", ["1", "1000"]);
    let mut held = Vec::new();
    for (pair, _) in &pairs {
        held.push(entries::found(&pair.hosts.hosts[0], &pair.model).await?);
    }
    for kind in [ROUTES, NEIGHBOURS, FORWARDING, BALANCING] {
        let counts: Vec<String> = held.iter().map(|held| held[kind].len().to_string()).collect();
        line(kind, [&counts[0], &counts[1]]);
    }
    let resident: Vec<String> = pairs.iter().map(|(pair, _)| pair.resident_kib.to_string()).collect();
    line("memory of two nodes' daemons, KiB", [&resident[0], &resident[1]]);
    Ok(())
}

impl Pair {
    async fn new(nodes: usize) -> Result<Self, Fault> {
        let mut model = Model::new(nodes, SERVICES, TASKS);
        let mut hosts = Hosts::new(&[model.nodes[0].id, model.nodes[1].id]).await?;
        let before = resident_kib()?;
        for host in &mut hosts.hosts {
            host.take(model.whole()).await?;
        }
        let resident_kib = resident_kib()?.saturating_sub(before);
        let mut members = Vec::new();
        for (at, host) in hosts.hosts.iter().enumerate() {
            let task: TaskId = Id::from_bits((0xfeed + at as u128) << 100);
            let number = model.nodes[at].take_number().ok_or("a node has more numbers than tasks")?;
            members.push((container(host, task, number).await?, Model::info().ipv4_address(number)));
        }
        let [(client, _), (server, address)] = &members[..] else { return Err("there are two hosts".into()) };
        let listener = server.run(move || TcpListener::bind(("0.0.0.0", PORT))).await??;
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| drop(thread::spawn(|| serve(stream))))
        });
        let (client, server) = (client.clone(), SocketAddr::from((*address, PORT)));
        Ok(Self { hosts, model, client, server, resident_kib })
    }

    async fn measure(&self, figures: &mut Figures) -> Result<(), Fault> {
        let to = self.server;
        let measured =
            self.client.run(move || Ok::<_, std::io::Error>((round_trip(to)?, connect(to)?, rate(to)?)));
        let (round_trip, connect, rate) = measured.await??;
        figures.round_trip.push(round_trip);
        figures.connect.push(connect);
        figures.rate.push(rate);
        Ok(())
    }
}

async fn container(host: &Host, task: TaskId, number: u32) -> Result<Namespace, Fault> {
    let attachment = host.network.none(&task.to_string()).await?;
    host.network.overlays().join(task, NETWORK, number, Interface(0)).await?;
    Ok(Namespace::open(&attachment.netns)?)
}

/// Answers each byte `?` with one, and takes in everything else.
fn serve(mut stream: TcpStream) {
    let mut inbox = vec![0; 1 << 18];
    _ = stream.set_nodelay(true);
    while let Ok(read @ 1..) = stream.read(&mut inbox) {
        if inbox[..read] == *b"?" && stream.write_all(b"!").is_err() {
            return;
        }
    }
}

fn round_trip(to: SocketAddr) -> std::io::Result<f64> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let begin = Instant::now();
    for _ in 0..QUESTIONS {
        stream.write_all(b"?")?;
        stream.read_exact(&mut [0])?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(QUESTIONS))
}

fn connect(to: SocketAddr) -> std::io::Result<f64> {
    let begin = Instant::now();
    for _ in 0..CONNECTIONS {
        TcpStream::connect(to)?;
    }
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CONNECTIONS))
}

fn rate(to: SocketAddr) -> std::io::Result<f64> {
    let mut stream = TcpStream::connect(to)?;
    let (data, begin) = (vec![0; 1 << 18], Instant::now());
    let mut sent = 0;
    while begin.elapsed() < LENGTH {
        stream.write_all(&data)?;
        sent += data.len();
    }
    Ok(sent as f64 * 8.0 / 1e9 / begin.elapsed().as_secs_f64())
}

/// The memory of this process that is in use, in KiB.
fn resident_kib() -> Result<u64, Fault> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("a process has memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

//! How many queries a second a container's name server answers, and how long they take.
//!
//! `cargo bench -p worker-dns`, as root: it makes a namespace. With `dnsperf` installed that asks as well, as it asks
//! other name servers.

use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeVal,
};
use proto::model::{
    EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkInfo, NetworkService, NetworkTable, SlotKey,
};
use tokio::sync::watch;
use worker_dns::{Names, Resolver, Upstream, Zone};
use worker_network::Namespace;

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11)), 53);
const LENGTH: Duration = Duration::from_secs(4);
/// How long a query may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clients, and how many queries each has under way.
const LOADS: [(usize, usize); 3] = [(1, 1), (4, 12), (16, 12)];

/// What is asked: a virtual address, five tasks.
const NAMES: [&str; 2] = ["web", "tasks.web"];

type Fault = Box<dyn Error + Send + Sync>;

#[derive(Default)]
struct Figures {
    /// In nanoseconds.
    latencies: Vec<u32>,
    lost: usize,
}

fn names() -> Result<Names, Fault> {
    let subnet = "10.0.0.0/16".parse()?;
    let mut table = NetworkTable::new(NetworkInfo {
        id: Id::from_bits(1),
        name: "front".parse()?,
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.0.0.1".parse()?, range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    });
    let endpoint = |number| NetworkEndpoint {
        slot: SlotKey::Replica(number),
        number: 10 + number,
        node: Id::from_bits(1),
        state: EndpointState::Serving,
    };
    let web = NetworkService {
        id: Id::from_bits(1),
        name: "web".parse()?,
        aliases: Default::default(),
        vip: Some(9000),
        ports: Vec::new(),
        endpoints: (1..=5).map(|number| (Id::from_bits(number.into()), endpoint(number))).collect(),
        by_hand: Default::default(),
    };
    table.services.insert_mut(web.id, web);
    Ok(Names::new(vec![Arc::new(Zone::new(&table))]))
}

fn query(name: &str) -> Result<Vec<u8>, Fault> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{name}."))?, RecordType::A));
    Ok(message.to_vec()?)
}

/// Keeps so many queries under way until the time is over.
fn client(mut query: Vec<u8>, under_way: usize) -> io::Result<Figures> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(SERVER)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut sent = vec![Instant::now(); under_way];
    let mut figures = Figures::default();
    let mut ask = |place: usize, sent: &mut Vec<Instant>| {
        query[..2].copy_from_slice(&(place as u16).to_be_bytes());
        sent[place] = Instant::now();
        socket.send(&query).map(drop)
    };
    let begin = Instant::now();
    (0..under_way).try_for_each(|place| ask(place, &mut sent))?;
    let mut inbox = [0; 512];
    while begin.elapsed() < LENGTH {
        match socket.recv(&mut inbox) {
            Ok(_) => {
                let place = usize::from(u16::from_be_bytes([inbox[0], inbox[1]]));
                figures.latencies.push(sent[place].elapsed().as_nanos() as u32);
                ask(place, &mut sent)?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                figures.lost += under_way;
                (0..under_way).try_for_each(|place| ask(place, &mut sent))?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(figures)
}

async fn measure(namespace: &Namespace, name: &str, clients: usize, under_way: usize) -> Result<(), Fault> {
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..clients {
        let (namespace, query) = (namespace.clone(), query(name)?);
        running.spawn(async move { namespace.run(move || client(query, under_way)).await });
    }
    let mut all = Figures::default();
    while let Some(figures) = running.join_next().await {
        let figures = figures???;
        all.latencies.extend(figures.latencies);
        all.lost += figures.lost;
    }
    all.latencies.sort_unstable();
    let at = |part: f64| {
        let place = (all.latencies.len() as f64 * part) as usize;
        all.latencies.get(place).map_or(f64::NAN, |&nanos| f64::from(nanos) / 1000.0)
    };
    let rate = all.latencies.len() as f64 / LENGTH.as_secs_f64();
    let (p50, p99, lost) = (at(0.5), at(0.99), all.lost);
    println!(
        "{name:10} {clients:3} x {under_way:2}  {rate:9.0} queries/s  p50 {p50:7.0} us  p99 {p99:7.0} us  lost {lost}"
    );
    Ok(())
}

/// What `dnsperf` says, if it is installed: 4 clients with 50 queries under way.
async fn dnsperf(namespace: &Namespace, name: &str) -> Result<(), Fault> {
    let names = tempfile::NamedTempFile::new()?;
    fs::write(names.path(), format!("{name} A\n"))?;
    let mut command = Command::new("dnsperf");
    command.args(["-s", "127.0.0.11", "-c", "4", "-q", "50", "-l"]).arg(LENGTH.as_secs().to_string());
    command.arg("-d").arg(names.path());
    let begin = processor_time()?;
    let output = match namespace.run(move || command.output()).await? {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        output => output?,
    };
    let used = processor_time()? - begin;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "  Queries per second:   123456.7"
    let value = |of: &str| {
        let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(of));
        line.and_then(|rest| rest.split_whitespace().next()).unwrap_or("?").to_owned()
    };
    let completed: f64 = value("Queries completed:").parse()?;
    println!(
        "{name:10} dnsperf  {:>9} queries/s  mean {:>7} s  lost {}  {:.1} us of processor each for the server",
        value("Queries per second:"),
        value("Average Latency (s):"),
        value("Queries lost:"),
        used.as_secs_f64() * 1e6 / completed,
    );
    Ok(())
}

/// What this process has used of processors, children not included.
fn processor_time() -> Result<Duration, Fault> {
    let used = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64);
    Ok(micros(used.user_time()) + micros(used.system_time()))
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let namespace = Namespace::temporary().await?;
    namespace.run(|| Command::new("ip").args(["link", "set", "lo", "up"]).status()).await??;
    let names = watch::Sender::new(Arc::new(names()?));
    let (names, nowhere, nft) = (names.subscribe(), Upstream::nowhere(), Path::new("nft"));
    let resolver = Resolver::open(&namespace, Vec::new(), names, nowhere, nft).await?;
    for name in NAMES {
        for (clients, under_way) in LOADS {
            measure(&namespace, name, clients, under_way).await?;
        }
        dnsperf(&namespace, name).await?;
    }
    resolver.close().await;
    Ok(())
}

//! Load: requests one after the other from threads in one network namespace, each of which has to be
//! answered.

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Between two requests of a thread, so that the servers are not what is measured.
const PAUSE: Duration = Duration::from_millis(2);

/// How a thread asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A connection for each request.
    Fresh,
    /// One connection for all. If it is closed before an answer began, the request is sent again on a new
    /// one, as HTTP clients do (RFC 9112, 9.3.1).
    Kept,
}

/// Threads that ask until they are told to end.
pub struct Load {
    ended: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Result<Tally>>>,
}

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many were answered.
    pub answered: usize,
    /// What was said of those that were not, with the moment since the begin.
    pub failed: Vec<(Duration, String)>,
}

impl Load {
    /// Begins to ask every address in both manners, from the namespace that a file leads to.
    pub fn start(namespace: PathBuf, addrs: &[SocketAddr]) -> Self {
        let (ended, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let ways = addrs.iter().flat_map(|addr| [(*addr, Manner::Fresh), (*addr, Manner::Kept)]);
        let threads = ways
            .map(|(addr, manner)| {
                let (ended, answered, namespace) = (ended.clone(), answered.clone(), namespace.clone());
                std::thread::spawn(move || {
                    let file = File::open(&namespace).with_context(|| namespace.display().to_string())?;
                    setns(file, CloneFlags::CLONE_NEWNET)?;
                    Ok(ask(addr, manner, &ended, &answered))
                })
            })
            .collect();
        Self { ended, answered, threads }
    }

    /// How many requests were answered by now.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub fn end(self) -> Result<Tally> {
        self.ended.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for thread in self.threads {
            let one = thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
            all.answered += one.answered;
            all.failed.extend(one.failed);
        }
        Ok(all)
    }
}

fn ask(addr: SocketAddr, manner: Manner, ended: &AtomicBool, answered: &AtomicUsize) -> Tally {
    let (begin, mut tally) = (Instant::now(), Tally::default());
    let mut kept: Option<BufReader<TcpStream>> = None;
    while !ended.load(Ordering::Relaxed) {
        let is_first = kept.is_none();
        let asked = Instant::now();
        let answer = match kept.take() {
            Some(connection) => request(connection, manner),
            None => connect(addr).and_then(|connection| request(connection, manner)),
        };
        match answer {
            Ok(connection) => {
                tally.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
                kept = connection.filter(|_| manner == Manner::Kept);
            }
            Err(Failure::Closed) if !is_first => {}
            Err(failure) => {
                let moment = asked - begin;
                tally
                    .failed
                    .push((moment, format!("{manner:?} {addr} after {:?}: {failure}", asked.elapsed())));
            }
        }
        std::thread::sleep(PAUSE);
    }
    tally
}

/// Why a request was not answered.
#[derive(Debug)]
enum Failure {
    /// The connection was closed before an answer began.
    Closed,
    Other(anyhow::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed without an answer"),
            Self::Other(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn connect(addr: SocketAddr) -> Result<BufReader<TcpStream>, Failure> {
    let stream = TcpStream::connect_timeout(&addr, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Asks; gives the connection back if it may be used again.
fn request(
    mut connection: BufReader<TcpStream>,
    manner: Manner,
) -> Result<Option<BufReader<TcpStream>>, Failure> {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let wish = if manner == Manner::Kept { "keep-alive" } else { "close" };
    let asked = write!(connection.get_mut(), "GET / HTTP/1.1\r\nHost: web\r\nConnection: {wish}\r\n\r\n");
    let mut first = String::new();
    match asked.and_then(|()| connection.read_line(&mut first)) {
        Ok(0) => return Err(Failure::Closed),
        Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => return Err(Failure::Closed),
        read => drop(read.context("read the status")?),
    }
    answer(connection, &first).map_err(Failure::Other)
}

fn answer(mut connection: BufReader<TcpStream>, first: &str) -> Result<Option<BufReader<TcpStream>>> {
    ensure!(first.starts_with("HTTP/1.1 200"), "{}", first.trim());
    let (mut length, mut stays) = (None, true);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).context("read a header")?;
        let line = line.trim().to_ascii_lowercase();
        match line.split_once(':') {
            None if line.is_empty() => break,
            Some(("content-length", value)) => length = Some(value.trim().parse::<usize>()?),
            Some(("connection", value)) => stays = value.trim() != "close",
            Some(("transfer-encoding", value)) => ensure!(value.trim() == "chunked", "encoded as {value}"),
            Some(_) => {}
            None => bail!("a header without a value: {line}"),
        }
    }
    match length {
        Some(length) => drop(read_exactly(&mut connection, length)?),
        None => while read_chunk(&mut connection)? > 0 {},
    }
    Ok(stays.then_some(connection))
}

fn read_chunk(connection: &mut BufReader<TcpStream>) -> Result<usize> {
    let mut line = String::new();
    connection.read_line(&mut line).context("read a chunk's length")?;
    let length = usize::from_str_radix(line.trim(), 16)?;
    read_exactly(connection, length + 2)?;
    Ok(length)
}

fn read_exactly(connection: &mut BufReader<TcpStream>, length: usize) -> Result<Vec<u8>> {
    let mut body = vec![0; length];
    connection.read_exact(&mut body).context("read the body")?;
    Ok(body)
}

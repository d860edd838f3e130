//! The writer: a process that writes batches and tells which are acknowledged, until its power goes.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use manager_store::disk::{Disk, SledDisk};

use crate::workload;

const ROLE: &str = "SHOAL_POWER_CUT_WRITER";
const ACK: &str = "ack ";

/// The writer's life, if this process was started as one: `DIR SEED FIRST`.
#[test]
fn a_writer_acknowledges_what_it_has_written() {
    let Ok(role) = env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    let [dir, seed, first] = words[..] else { panic!("{ROLE} is `DIR SEED FIRST`") };
    let (seed, first) = (seed.parse().unwrap(), first.parse().unwrap());
    let disk = SledDisk::open(Path::new(dir)).unwrap();
    for number in first.. {
        disk.batch(workload::batch(seed, number)).unwrap();
        // One write call, so that no half line is ever read.
        std::io::stdout().write_all(format!("{ACK}{number}\n").as_bytes()).unwrap();
    }
}

/// A running writer; dropping it kills it.
pub struct Writer {
    child: Child,
    acks: mpsc::Receiver<u64>,
    reader: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts a writer whose first batch is number `first`.
    pub fn start(dir: &Path, seed: u64, first: u64) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "writer::a_writer_acknowledges_what_it_has_written", "--nocapture"])
            .env(ROLE, format!("{} {seed} {first}", dir.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, acks) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(number) = line.strip_prefix(ACK).and_then(|number| number.parse().ok()) {
                    let _ = sender.send(number);
                }
            }
        });
        Self { child, acks, reader: Some(reader) }
    }

    /// Waits for an acknowledgement; `None` when the writer has ended.
    pub fn next_ack(&self) -> Option<u64> {
        self.acks.recv().ok()
    }

    /// Kills the writer and returns the acknowledgements that nobody has waited for.
    pub fn kill(mut self) -> Vec<u64> {
        self.end();
        self.acks.try_iter().collect()
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end();
    }
}

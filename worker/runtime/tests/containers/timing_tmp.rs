use crate::support::*;
use std::time::Instant;
#[test]
fn timing() {
    let node = Node::new();
    let mut all = vec![]; let mut starts = vec![]; let mut rem=vec![];
    for _ in 0..40 {
        let r = Request::command(&["true"]);
        let t = Instant::now();
        let running = node.start(&r).unwrap();
        starts.push(t.elapsed().as_micros());
        wait(&running);
        let t2 = Instant::now();
        node.runtime.remove(r.task).unwrap();
        rem.push(t2.elapsed().as_micros());
        all.push(t.elapsed().as_micros());
    }
    for v in [&mut all, &mut starts, &mut rem] { v.sort(); eprintln!("p50 {} p95 {} min {}", v[20], v[38], v[0]); }
    let r = Request::command(&["sleep","1000"]);
    let running = node.start(&r).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let shim = std::fs::read_to_string(running.dir().pid_file()).unwrap();
    let pid = shim.split(' ').next().unwrap();
    eprintln!("{}", std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap());
    eprintln!("{}", std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap().lines().filter(|l| l.contains("Threads")||l.contains("VmRSS")||l.contains("RssAnon")).collect::<Vec<_>>().join(" "));
}

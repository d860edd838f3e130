//! What a container writes.

use crate::support::{Node, Request, text, wait};
use proto::model::service::LogConfig;
use std::fs;
use worker_runtime::logs::{self, LogOptions, Stream};

#[test]
fn both_outputs_are_kept_apart_and_in_order() {
    let node = Node::new();
    let request = Request::script("echo one; sleep 0.2; echo two >&2; sleep 0.2; printf three");
    node.run(&request);
    let entries = node.read(request.task, LogOptions::default());
    let lines: Vec<_> = entries.iter().map(|entry| (entry.stream, entry.text.as_str())).collect();
    assert_eq!(lines, [(Stream::Stdout, "one\n"), (Stream::Stderr, "two\n"), (Stream::Stdout, "three")]);
    assert!(entries.is_sorted_by_key(|entry| entry.time));
    let errors = node.read(request.task, LogOptions { stdout: false, ..LogOptions::default() });
    assert_eq!(text(&errors), "two");
}

#[test]
fn a_very_long_line_is_kept_in_parts() {
    let node = Node::new();
    let request = Request::script("head -c 40000 /dev/zero | tr '\\0' x; echo; echo next");
    node.run(&request);
    let entries = node.read(request.task, LogOptions::default());
    let lengths: Vec<usize> = entries.iter().map(|entry| entry.text.len()).collect();
    assert_eq!(lengths, [16384, 16384, 40001 - 2 * 16384, 5]);
    assert_eq!(entries.iter().filter(|entry| entry.text.ends_with('\n')).count(), 2);
}

#[test]
fn only_so_many_files_are_kept() {
    let node = Node::new();
    let mut request = Request::script("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done");
    request.log = LogConfig { max_size_bytes: 2000, max_files: 3 };
    node.run(&request);
    let folder = node.runtime.dir(request.task).logs();
    let sizes: Vec<u64> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 2000), "{sizes:?}");
    let last = node.read(request.task, LogOptions { tail: Some(1), ..LogOptions::default() });
    assert_eq!(text(&last), "line 499");
}

#[test]
fn following_ends_with_the_container_and_misses_nothing() {
    let node = Node::new();
    let mut request = Request::script(
        "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); [ $((i % 50)) = 0 ] && sleep 0.1; done; exit 4",
    );
    // Room for all of it, in many files.
    request.log = LogConfig { max_size_bytes: 1000, max_files: 1000 };
    let running = node.start(&request).unwrap();
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let followed = logs::read(running.dir(), options).unwrap();
    let numbers: Vec<u32> = followed.map(|entry| entry.unwrap().text.trim().parse().unwrap()).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    assert_eq!(wait(&running).status().map(|status| status.code), Some(4));
}

#[test]
fn a_container_that_writes_much_is_not_held_up_and_loses_nothing() {
    let node = Node::new();
    let mut request = Request::script("head -c 5000000 /dev/zero | tr '\\0' 'y' | fold -w 99");
    request.log = LogConfig { max_size_bytes: 100 << 20, max_files: 1 };
    node.run(&request);
    let bytes: usize =
        node.read(request.task, LogOptions::default()).iter().map(|entry| entry.text.trim_end().len()).sum();
    assert_eq!(bytes, 5_000_000);
}

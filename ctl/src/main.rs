//! `shoal`: one program for people, for the node's daemon and for the shims of its containers.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    // A shim must stay a process of one thread, so nothing else is begun before it.
    if args.next().is_some_and(|command| command == "shim") {
        return worker_runtime::shim::main(args);
    }
    ctl::run()
}

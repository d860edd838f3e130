//! Stands in for the daemon's program: it knows the hidden command `shim` and nothing else.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    match args.next() {
        Some(command) if command == "shim" => worker_runtime::shim::main(args),
        _ => ExitCode::from(2),
    }
}

//! Generates the wire messages and services from `schema/`, without protoc: protox is a compiler
//! for `.proto` files in Rust.

use prost_types::FileDescriptorSet;
use std::{fmt::Write, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=schema");
    let schemas = ["control", "dispatcher", "ca", "raft", "node"].map(|name| format!("{name}.proto"));
    let descriptors = protox::compile(schemas, ["schema"])?;
    write_methods(&descriptors)?;
    let mut config = tonic_prost_build::Config::new();
    // Secrets must not get into a log by way of the message they came in.
    config.skip_debug([".shoal.v1.Content"]);
    tonic_prost_build::configure().compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// Lists every RPC, so that tests can walk them all.
fn write_methods(descriptors: &FileDescriptorSet) -> Result<(), Box<dyn std::error::Error>> {
    let mut list = String::from("const METHODS: &[Method] = &[\n");
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service, name) = (file.package(), service.name(), method.name());
                let streams = method.client_streaming();
                writeln!(
                    list,
                    "    Method {{ service: \"{package}.{service}\", name: \"{name}\", caller_streams: {streams} }},"
                )?;
            }
        }
    }
    list.push_str("];\n");
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("methods.rs");
    Ok(std::fs::write(out, list)?)
}

//! `system version`.

use super::Session;
use crate::{
    args::system::VersionArgs,
    commands::inspection,
    error::CliError,
    output::info::{ClientVersion, ServerVersion, Versions, versions_text},
};
use proto::wire::InfoRequest;

/// Shows the versions of both ends; ours even if no daemon answers.
pub async fn run(session: &Session, args: VersionArgs) -> Result<(), CliError> {
    let server = server(session).await;
    let (server, refusal) = match server {
        Ok(server) => (Some(server), Ok(())),
        Err(error) => (None, Err(error)),
    };
    let client = ClientVersion {
        version: env!("CARGO_PKG_VERSION"),
        os: std::env::consts::OS,
        arch: image_arch(std::env::consts::ARCH),
    };
    let versions = Versions { client, server };
    match args.format.as_deref() {
        None => session.printer.data(versions_text(&versions))?,
        format => inspection::print(session, &[versions], format)?,
    }
    refusal
}

async fn server(session: &Session) -> Result<ServerVersion, CliError> {
    let mut node = session.client().await?.node();
    let info = node.info(InfoRequest {}).await.map_err(CliError::node)?.into_inner();
    let description = info.description.unwrap_or_default();
    Ok(ServerVersion {
        version: info.version,
        os: description.os,
        arch: description.arch,
        kernel_version: info.kernel_version,
    })
}

/// The name images have for an architecture.
fn image_arch(arch: &'static str) -> &'static str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

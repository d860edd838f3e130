//! Daemons that can't be asked.

use super::{USAGE, says};
use anyhow::{Result, ensure};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};
use tests::cluster::{TestCluster, program};

/// The user without rights.
const NOBODY: u32 = 65534;

/// Runs the program as it is or as somebody else.
fn run(program: &Path, user: Option<u32>, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(program);
    command.args(args).env_remove("SHOAL_HOST").env("NO_COLOR", "1");
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    Ok(command.output()?)
}

fn fails(output: Output, status: i32, words: &[&str]) -> Result<()> {
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(status), "{:?}: {said}", output.status);
    says(&said, words)
}

#[test]
fn a_daemon_that_is_not_there_is_told_with_its_socket() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("shoal.sock");
    let host = format!("unix://{}", socket.display());
    let ask = |host: &str| run(&program()?, None, &["--host", host, "node", "ls"]);
    let words = ["no daemon answers at", &socket.display().to_string(), "systemctl start shoal", "shoal up"];
    fails(ask(&host)?, 1, &words)?;
    // One that a daemon left behind is no better.
    drop(std::os::unix::net::UnixListener::bind(&socket)?);
    fails(ask(&host)?, 1, &words)?;
    fails(ask("tcp://10.0.0.1:2377")?, USAGE, &["tcp://10.0.0.1:2377", "write unix:///PATH"])?;

    let cluster = TestCluster::start(1, 0)?;
    cluster.on(cluster.node("m1").kill())?;
    says(
        &cluster.refused(&["node", "ls"])?,
        &["no daemon answers at", &cluster.node("m1").socket().display().to_string()],
    )?;
    cluster.finish()
}

#[test]
fn who_is_not_root_is_told_to_be() -> Result<()> {
    // Somewhere everyone may look, unlike the folder it was built in.
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let shared = folder.path().join("shoal");
    fs::copy(program()?, &shared)?;
    let cluster = TestCluster::start(1, 0)?;
    let host = format!("unix://{}", cluster.node("m1").socket().display());
    let words =
        ["you may not use the daemon's socket", &cluster.node("m1").socket().display().to_string(), "sudo"];
    fails(run(&shared, Some(NOBODY), &["--host", &host, "node", "ls"])?, 1, &words)?;
    let data = folder.path().join("data").display().to_string();
    fails(run(&shared, Some(NOBODY), &["daemon", "--data-dir", &data])?, 1, &["has to run as root", "sudo"])?;
    ensure!(!Path::new(&data).exists(), "a folder was made");
    fails(run(&shared, Some(NOBODY), &["up", "--name", "nobody"])?, 1, &["run this as root"])?;
    cluster.finish()
}

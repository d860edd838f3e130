//! Runs one more program in a container that runs, such as a probe.

use crate::{
    container_dir::ContainerDir,
    protocol::{ExecAnswer, ExecRequest},
    shim,
    spawn::SUBCOMMAND,
};
use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// The most of a program's output that is kept, in bytes; what follows is read and dropped.
pub const OUTPUT_MAX: usize = 4096;
/// How long the process in between may take beyond the program's own time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Says why a program could not be run in a container.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The process in between can't be run.
    #[error("can't run `{program} {SUBCOMMAND}` to enter the container")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It gave no answer.
    #[error("the process that entered the container gave no answer: {output}")]
    Silent {
        /// What it wrote.
        output: String,
    },
    /// The program could not be started.
    #[error("{reason}")]
    NotStarted {
        /// Why, in words for the user.
        reason: String,
    },
}

/// What came of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Its exit code, or 128 plus the number of the signal that ended it; `None` if its time was over.
    pub code: Option<i32>,
    /// What it wrote to standard output and error, the first [`OUTPUT_MAX`] bytes.
    pub output: Vec<u8>,
}

/// Runs a program with the rights and the environment of the container's own. It is ended when its time
/// is over.
pub(crate) async fn exec(
    program: &Path,
    container: &ContainerDir,
    args: Vec<String>,
    timeout: Duration,
) -> Result<Executed, ExecError> {
    let failed = |source| ExecError::Spawn { program: program.into(), source };
    let mut child = Command::new(program)
        .args([SUBCOMMAND, shim::EXEC])
        .arg(container.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let request = serde_json::to_vec(&ExecRequest { args, timeout }).expect("texts and a number");
    let exchanged = tokio::time::timeout(timeout.saturating_add(PATIENCE), exchange(&mut child, &request));
    let (answer, output) = match exchanged.await {
        Ok(done) => done.map_err(failed)?,
        Err(_) => return Err(ExecError::Silent { output: "it takes too long".into() }),
    };
    match serde_json::from_slice(&answer) {
        Ok(ExecAnswer::Ended { code }) => Ok(Executed { code: Some(code), output }),
        Ok(ExecAnswer::TimedOut { .. }) => Ok(Executed { code: None, output }),
        Ok(ExecAnswer::NotStarted { reason }) => Err(ExecError::NotStarted { reason }),
        Err(_) => Err(ExecError::Silent { output: String::from_utf8_lossy(&output).into_owned() }),
    }
}

/// Gives the request; the answer and what the program wrote. What it left behind in the container may
/// hold its output open, so that is not read to its end.
async fn exchange(child: &mut Child, request: &[u8]) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (mut stdin, stdout, mut stderr) = match (child.stdin.take(), child.stdout.take(), child.stderr.take())
    {
        (Some(stdin), Some(stdout), Some(stderr)) => (stdin, stdout, stderr),
        _ => unreachable!("all three were asked to be pipes"),
    };
    stdin.write_all(request).await?;
    drop(stdin);
    let mut answered = std::pin::pin!(async {
        let mut answer = Vec::new();
        stdout.take(OUTPUT_MAX as u64).read_to_end(&mut answer).await.map(|_| answer)
    });
    let (mut output, mut chunk) = (Vec::new(), [0; OUTPUT_MAX]);
    let mut is_open = true;
    let answer = loop {
        tokio::select! {
            biased;
            read = stderr.read(&mut chunk), if is_open => {
                let length = read?;
                is_open = length > 0;
                let room = OUTPUT_MAX - output.len();
                output.extend_from_slice(&chunk[..length.min(room)]);
            }
            answer = &mut answered => break answer?,
        }
    };
    child.wait().await?;
    Ok((answer, output))
}

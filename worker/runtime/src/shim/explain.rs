//! Why a container could not be started, in words.

use super::Assignment;
use nix::errno::Errno;
use std::{
    error::Error,
    fs::{self, File},
    io::Read,
    path::Path,
};

/// An error with its causes, each said once.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Some of libcontainer's errors repeat their cause.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

/// Why libcontainer failed. Its errors lose their causes on the way from the child; the log has them.
pub(super) fn creation(error: &dyn Error, assignment: &Assignment) -> String {
    let logged = fs::read_to_string(assignment.container.shim_log()).unwrap_or_default();
    if logged.contains("failed to chdir") {
        let cwd = assignment.spec.process().as_ref().map(|process| process.cwd().display().to_string());
        return format!(
            "working directory `{}` can't be entered: it is missing in what is mounted there, or not a directory",
            cwd.unwrap_or_default()
        );
    }
    let mut lines = logged.lines().map(|line| line.trim().trim_start_matches("ERROR").trim());
    // The first line says what was done, the first one with `err=` why it failed.
    let what = lines.clone().next().map(str::to_owned);
    let why = lines.find_map(|line| line.split_once("err=")).map(|(_, cause)| format!("cause: {cause}"));
    let details: Vec<String> = what.into_iter().chain(why).collect();
    if details.is_empty() { chain(error) } else { format!("{} ({})", chain(error), details.join("; ")) }
}

/// Why a program that is there and executable could not be run. Called in the container.
pub(super) fn exec(program: &Path, errno: Errno) -> String {
    let shown = program.display();
    let head = head(program);
    match (errno, &head) {
        (Errno::ENOEXEC, Head::Elf(machine)) if *machine != NATIVE => {
            format!("exec format error: {shown} is for {}, this node is {}", name(*machine), name(NATIVE))
        }
        (Errno::ENOEXEC, Head::Elf(_)) => format!("exec format error: {shown} is damaged"),
        (Errno::ENOEXEC, _) => {
            format!("exec format error: {shown} is neither a program nor a script that begins with #!")
        }
        (Errno::ENOENT, Head::Script(interpreter)) => {
            format!("the image has no {interpreter}, which the script {shown} asks for in its first line")
        }
        (Errno::ENOENT, Head::Elf(_)) => {
            format!(
                "{shown} needs a dynamic loader that the image does not have; was it built for another libc?"
            )
        }
        (Errno::EACCES, _) => format!("permission denied: {shown} can't be executed"),
        (Errno::E2BIG, _) => format!("the arguments and environment of {shown} are too long together"),
        _ => format!("can't execute {shown}: {}", errno.desc()),
    }
}

/// What a program's file begins with.
enum Head {
    Elf(u16),
    Script(String),
    Other,
}

fn head(program: &Path) -> Head {
    let mut bytes = Vec::new();
    let read = File::open(program).and_then(|file| file.take(256).read_to_end(&mut bytes));
    if read.is_err() {
        return Head::Other;
    }
    parse_head(&bytes)
}

fn parse_head(bytes: &[u8]) -> Head {
    match bytes {
        [b'#', b'!', rest @ ..] => {
            let line = String::from_utf8_lossy(rest.split(|&byte| byte == b'\n').next().unwrap_or_default());
            Head::Script(line.split_whitespace().next().unwrap_or("interpreter").to_owned())
        }
        // e_machine lies at 18, in the file's own byte order, which byte 5 tells.
        [0x7f, b'E', b'L', b'F', _, order, ..] if bytes.len() >= 20 => {
            let machine = [bytes[18], bytes[19]];
            Head::Elf(if *order == 2 { u16::from_be_bytes(machine) } else { u16::from_le_bytes(machine) })
        }
        _ => Head::Other,
    }
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const NATIVE: u16 = if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 };

/// Names a machine as images do.
fn name(machine: u16) -> String {
    match machine {
        3 => "386".into(),
        8 => "mips".into(),
        21 => "ppc64le".into(),
        22 => "s390x".into(),
        40 => "arm".into(),
        X86_64 => "amd64".into(),
        AARCH64 => "arm64".into(),
        243 => "riscv64".into(),
        258 => "loong64".into(),
        other => format!("machine {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_program_for_another_machine_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("app");
        let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        elf.resize(64, 0);
        elf[18] = 243;
        fs::write(&program, elf).unwrap();
        let said = exec(&program, Errno::ENOEXEC);
        assert!(said.contains("exec format error") && said.contains("is for riscv64"), "{said}");
    }

    #[test]
    fn a_missing_interpreter_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("run.sh");
        fs::write(&script, "#!/usr/bin/python3 -u\n").unwrap();
        assert!(exec(&script, Errno::ENOENT).starts_with("the image has no /usr/bin/python3"));
        fs::write(&script, "echo\n").unwrap();
        assert!(exec(&script, Errno::ENOEXEC).contains("neither a program nor a script"));
    }

    #[test]
    fn causes_are_said_once() {
        let inner = io::Error::other("inner");
        let outer = crate::cgroup::CgroupError::Mounts(inner);
        assert_eq!(chain(&outer), "can't read the list of mounts to find the cgroup hierarchies: inner");
    }
}

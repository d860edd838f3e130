//! What a user is told about a container that can't be started, and that nothing of it is left.

use crate::support::{Node, Request};
use worker_core::oci_spec::{ResolvedMount, ResolvedSource};

/// Starts something that can't be, and says why not.
fn refusal(request: Request) -> String {
    let node = Node::new();
    let reason = node.refusal(&request);
    node.wait_until_only(&[], request.task);
    reason
}

#[test]
fn a_program_that_is_not_there_is_named() {
    assert_eq!(refusal(Request::command(&["/bin/foo", "-x"])), "the image has no /bin/foo");
    let in_path = refusal(Request::command(&["foo"]));
    assert!(
        in_path.starts_with("the image has no program `foo` in its PATH, which is /usr/local/sbin:"),
        "{in_path}"
    );
}

#[test]
fn a_program_that_may_not_be_executed_is_named() {
    let plain = refusal(Request::command(&["/bin/plain"]));
    assert_eq!(plain, "permission denied: /bin/plain is not executable by user 0");
    assert_eq!(refusal(Request::command(&["/bin"])), "permission denied: /bin is a directory");
}

#[test]
fn a_program_for_another_machine_is_named() {
    let native = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let said = refusal(Request::command(&["riscv"]));
    assert_eq!(said, format!("exec format error: /bin/riscv is for riscv64, this node is {native}"));
}

#[test]
fn a_script_without_its_interpreter_is_explained() {
    let python = refusal(Request::command(&["python-script"]));
    assert!(
        python.starts_with("the image has no /usr/bin/python3, which the script /bin/python-script"),
        "{python}"
    );
    let plain = refusal(Request::command(&["no-hashbang"]));
    assert_eq!(
        plain,
        "exec format error: /bin/no-hashbang is neither a program nor a script that begins with #!"
    );
}

#[test]
fn a_working_directory_that_is_none_is_named_and_a_missing_one_is_made() {
    let mut request = Request::command(&["pwd"]);
    request.container.workdir = Some("/etc/passwd".into());
    assert_eq!(refusal(request), "working directory `/etc/passwd` is not a directory in the image");

    let mut request = Request::command(&["pwd"]);
    request.container.workdir = Some("/srv/made/here".into());
    assert_eq!(Node::new().run(&request), (0, "/srv/made/here".into()));
}

#[test]
fn a_working_directory_missing_in_a_mount_is_named() {
    let mut request = Request::command(&["pwd"]);
    request.container.workdir = Some("/data/sub".into());
    let source = ResolvedSource::Tmpfs { size_bytes: None, mode: None };
    request.mounts = vec![ResolvedMount { target: "/data".into(), read_only: false, source }];
    let said = refusal(request);
    assert!(said.starts_with("working directory `/data/sub` can't be entered"), "{said}");
}

#[test]
fn a_bind_mount_of_nothing_is_named() {
    let mut request = Request::command(&["true"]);
    let source = ResolvedSource::Path("/does/not/exist".into());
    request.mounts = vec![ResolvedMount { target: "/data".into(), read_only: false, source }];
    assert_eq!(refusal(request), "bind mount source `/does/not/exist` does not exist on this node");
}

#[test]
fn what_only_libcontainer_knows_is_told_with_its_cause() {
    let mut request = Request::command(&["true"]);
    let source = ResolvedSource::Path("/bin/busybox".into());
    // A file can't be mounted over a folder of the image.
    request.mounts = vec![ResolvedMount { target: "/bin".into(), read_only: false, source }];
    let said = refusal(request);
    assert!(
        said.contains("destination: \"/bin\"") && said.contains("cause: Mount(Syscall(Nix(EINVAL)))"),
        "{said}"
    );
}

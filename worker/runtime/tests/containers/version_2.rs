//! Version 2 cgroups, on whatever the machine has: tests are run again where only version 2 is mounted.
//!
//! Controllers that the machine uses with version 1 are missing then, so limits can't be tried this way;
//! everything else can, the device filter above all.

use std::{env, process::Command};

const TESTS: [&str; 6] = [
    "confinement::a_disk_can_not_be_read_through_a_node_of_its_own",
    "confinement::what_tells_about_the_host_is_hidden",
    "life::the_exit_code_is_the_main_processes",
    "life::what_the_main_process_leaves_running_is_ended",
    "recovery::a_container_without_its_shim_is_lost_and_cleaned_up",
    "start_errors::a_program_that_is_not_there_is_named",
];

#[test]
fn containers_run_with_version_2_cgroups() {
    let script = "mount -t cgroup2 none /sys/fs/cgroup && exec \"$0\" --exact \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .arg(env::current_exe().unwrap());
    let output = command.args(TESTS).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{} passed", TESTS.len())), "{text}");
}

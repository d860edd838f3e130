//! Jobs end to end: tasks that complete, some at a time, again with each update, and what bounds them.

use anyhow::{Result, ensure};
use tests::cluster::{SOON, TestCluster};

/// Creates a job and leaves it to itself.
fn create(cluster: &TestCluster, name: &str, options: &str, script: &str) -> Result<()> {
    let options: Vec<&str> = options.split_whitespace().collect();
    let head = ["service", "create", "-q", "-d", "--name", name];
    cluster.shoal(&[&head, &options[..], &["test:1", "sh", "-c", script]].concat())?;
    Ok(())
}

/// What `service inspect` has in a place.
fn field(cluster: &TestCluster, name: &str, template: &str) -> Result<String> {
    Ok(cluster.shoal(&["service", "inspect", "--format", template, name])?.trim().to_owned())
}

fn await_end(cluster: &TestCluster, name: &str) -> Result<()> {
    cluster.wait_until(&format!("job {name} ends"), SOON, || {
        Ok(cluster.shoal(&["service", "inspect", name])?.contains("\"EndedAt\""))
    })
}

fn states(cluster: &TestCluster, name: &str) -> Result<Vec<String>> {
    let format = "{{.Name}} {{.DesiredState}} {{.CurrentState}}";
    let listed = cluster.shoal(&["service", "ps", "--format", format, name])?;
    let words = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    let mut states: Vec<String> = listed.lines().map(words).collect();
    states.sort();
    Ok(states)
}

#[test]
fn a_job_completes_in_each_slot_and_runs_anew_with_each_update() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let count = "--mode replicated-job --replicas 5 --max-concurrent 2 --env SLOT={{.Task.Slot}}";
    create(&cluster, "count", count, "echo slot $SLOT; sleep 1")?;
    let under_way = || {
        Ok::<_, anyhow::Error>(
            states(&cluster, "count")?.iter().filter(|state| state.ends_with("Running")).count(),
        )
    };
    cluster.wait_until("two tasks run", SOON, || Ok(under_way()? == 2))?;
    let row = ["service", "ls", "--format", "{{.Mode}} {{.Replicas}}"];
    ensure!(cluster.shoal(&row)?.starts_with("replicated job 2/2 ("), "{}", cluster.shoal(&row)?);
    cluster.wait_until("it ends", SOON, || {
        let runs = under_way()?;
        ensure!(runs <= 2, "{runs} tasks run at the same time");
        Ok(cluster.shoal(&["service", "inspect", "count"])?.contains("\"EndedAt\""))
    })?;
    ensure!(under_way()? == 0, "it has ended, and tasks run");
    let expected: Vec<String> = (0..5).map(|slot| format!("count.{slot} Complete Complete")).collect();
    ensure!(states(&cluster, "count")? == expected, "{:?}", states(&cluster, "count")?);
    ensure!(cluster.shoal(&row)? == "replicated job 0/0 (5/5 completed)\n", "{}", cluster.shoal(&row)?);
    let mut said: Vec<String> =
        cluster.shoal(&["service", "logs", "--raw", "count"])?.lines().map(str::to_owned).collect();
    said.sort();
    ensure!(said == (0..5).map(|slot| format!("slot {slot}")).collect::<Vec<_>>(), "{said:?}");

    // An update waits for the run that it begins.
    cluster.shoal(&["service", "update", "-q", "--replicas", "2", "--max-concurrent", "0", "count"])?;
    let status = field(&cluster, "count", "{{.JobStatus.JobIteration.Index}} {{.JobStatus.CompletedTasks}}")?;
    ensure!(status == "2 2", "{status}");
    cluster.wait_until("the tasks of the run before are removed", SOON, || {
        Ok(states(&cluster, "count")? == expected[..2])
    })?;

    // One completes on each node, and on one that is there again later.
    cluster.shoal(&["node", "update", "--availability", "drain", "w1"])?;
    create(&cluster, "everywhere", "--mode global-job", "true")?;
    await_end(&cluster, "everywhere")?;
    ensure!(states(&cluster, "everywhere")?.len() == 1);
    cluster.shoal(&["node", "update", "--availability", "active", "w1"])?;
    cluster.wait_until("it completes there too", SOON, || {
        let states = states(&cluster, "everywhere")?;
        Ok(states.len() == 2 && states.iter().all(|state| state.ends_with("Complete Complete")))
    })?;
    cluster.finish()
}

#[test]
fn a_job_that_fails_too_often_or_takes_too_long_is_stopped_and_says_why() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let quick = "--restart-delay 100ms";
    create(&cluster, "often", &format!("--mode replicated-job --job-backoff-limit 1 {quick}"), "exit 3")?;
    await_end(&cluster, "often")?;
    let failure = field(&cluster, "often", "{{.JobStatus.Failures}}: {{.JobStatus.Failure}}")?;
    ensure!(failure == "2: 2 tasks failed, which is beyond the back-off limit", "{failure}");

    create(&cluster, "long", "--mode replicated-job --job-deadline 2s", "sleep 1000")?;
    await_end(&cluster, "long")?;
    let failure = field(&cluster, "long", "{{.JobStatus.Failure}}")?;
    ensure!(failure == "it did not complete within 2s", "{failure}");
    cluster.wait_until("it is stopped", SOON, || Ok(cluster.containers_running("m1")? == 0))?;
    let pretty = cluster.shoal(&["service", "inspect", "--pretty", "long"])?;
    ensure!(pretty.contains("Failed:\tit did not complete within 2s"), "{pretty}");

    // Who waits is told; what is over is removed by itself.
    let waited = ["service", "create", "-q", "--mode", "replicated-job", "--restart-condition", "none"];
    let refused = cluster.refused(&[&waited[..], &["test:1", "sh", "-c", "echo boom; exit 1"]].concat())?;
    ensure!(
        refused.contains("the restart policy lets no task go on") && refused.contains("boom"),
        "{refused}"
    );
    create(&cluster, "short", "--mode replicated-job --job-ttl 1s", "true")?;
    cluster.wait_until("it is gone", SOON, || {
        Ok(!cluster.shoal(&["service", "ls", "--format", "{{.Name}}"])?.lines().any(|name| name == "short"))
    })?;
    cluster.finish()
}

#[test]
fn a_command_is_run_to_its_end_with_its_output_and_its_code() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let run =
        |script: &str| cluster.run("m1", &["job", "run", "--wait", "--rm", "test:1", "sh", "-c", script]);
    let good = run("echo out; echo err >&2")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(good.status.success() && text(&good.stdout) == "out\n", "{good:?}");
    ensure!(text(&good.stderr).contains("err\n"), "{good:?}");
    let bad = run("echo before; exit 7")?;
    ensure!(bad.status.code() == Some(7) && text(&bad.stdout) == "before\n", "{bad:?}");
    ensure!(text(&bad.stderr).contains("the restart policy lets no task go on"), "{bad:?}");
    cluster
        .wait_until("both are removed", SOON, || Ok(cluster.shoal(&["service", "ls", "-q"])?.is_empty()))?;

    for (options, says) in [
        ("service create --max-concurrent 2 test:1", "--max-concurrent: is for jobs"),
        ("service create --job-ttl 1s test:1", "is for jobs: use replicated-job or global-job"),
        ("service create --mode replicated-job --update-parallelism 3 test:1", "an update runs a job anew"),
        ("service create --mode global-job --replicas 2 test:1", "has one task on each node"),
        ("job run --wait --job-ttl 1s test:1", "use --rm instead"),
        ("job run --rm test:1", "--wait"),
    ] {
        let refused = cluster.refused(&options.split_whitespace().collect::<Vec<_>>())?;
        ensure!(refused.contains(says), "{options}: {refused}");
    }
    ensure!(cluster.shoal(&["service", "ls", "-q"])?.is_empty(), "nothing was made");
    cluster.finish()
}

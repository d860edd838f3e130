//! What tasks are, from the options that `service create` and `service update` share.

use super::{given, health, lists::Capabilities, rollout};
use crate::{
    args::service::{RestartArgs, TaskArgs},
    parse::{bytes, choice, cpus, duration, log_options, number, words},
};
use proto::{
    model::{self, Problems, Signal, resources},
    wire::{self, service_spec::Mode},
};

/// Changes what was given.
pub fn apply(args: &TaskArgs, spec: &mut wire::ServiceSpec, problems: &mut Problems) {
    replicas(args, &mut spec.mode, problems);
    if let Some(mode) = given(problems, "--endpoint-mode", &args.endpoint_mode, choice::endpoint_mode) {
        spec.endpoint_mode = mode.into();
    }
    job(args, &mut spec.job, problems);
    rollout::apply_update(&args.update, &mut spec.update, problems);
    rollout::apply_rollback(&args.rollback, &mut spec.rollback, problems);
    let task = spec.task.get_or_insert_default();
    container(args, task.container.get_or_insert_default(), problems);
    health::apply(&args.health, task.container.get_or_insert_default(), problems);
    limits(args, &mut task.limits, problems);
    reservations(args, &mut task.reservations, problems);
    restart(&args.restart, &mut task.restart, problems);
    log(&args.log_opt, &mut task.log, problems);
    if let Some(most) = given(problems, "--replicas-max-per-node", &args.replicas_max_per_node, number::count)
    {
        task.max_replicas_per_node = most;
    }
}

fn replicas(args: &TaskArgs, mode: &mut Option<Mode>, problems: &mut Problems) {
    let wanted = given(problems, "--replicas", &args.replicas, number::count);
    let at_once = given(problems, "--max-concurrent", &args.max_concurrent, number::count);
    // Of an update's options before the service is known.
    let is_unknown = mode.is_none();
    match (&mut *mode, wanted) {
        (Some(Mode::Global(_) | Mode::GlobalJob(_)), Some(_)) => {
            problems.add("--replicas", "a global service has one task on each node: leave the number out");
        }
        (Some(Mode::ReplicatedJob(job)), Some(total)) => set_total(job, total),
        (mode, Some(replicas)) => *mode = Some(Mode::Replicated(wire::service_spec::Replicated { replicas })),
        (_, None) => {}
    }
    match (mode, at_once) {
        (Some(Mode::ReplicatedJob(job)), Some(at_once)) => job.max_concurrent = at_once,
        (_, Some(_)) if !is_unknown => {
            problems.add("--max-concurrent", "is for jobs: use --mode replicated-job, or leave it out");
        }
        (_, Some(_) | None) => {}
    }
}

/// Changes how many tasks of a job are to complete; where all of them ran at the same time they go on doing so.
pub fn set_total(job: &mut wire::service_spec::ReplicatedJob, total: u32) {
    if job.max_concurrent == job.total {
        job.max_concurrent = 0;
    }
    job.total = total;
}

fn job(args: &TaskArgs, job: &mut Option<wire::JobConfig>, problems: &mut Problems) {
    let deadline = given(problems, "--job-deadline", &args.job_deadline, duration::parse_ms);
    let limit = given(problems, "--job-backoff-limit", &args.job_backoff_limit, number::count);
    let ttl = given(problems, "--job-ttl", &args.job_ttl, duration::parse_ms);
    if deadline.is_none() && limit.is_none() && ttl.is_none() {
        return;
    }
    let job = job.get_or_insert_default();
    job.deadline_ms = deadline.or(job.deadline_ms);
    job.backoff_limit = limit.or(job.backoff_limit);
    job.ttl_ms = ttl.or(job.ttl_ms);
}

fn container(args: &TaskArgs, container: &mut wire::ContainerSpec, problems: &mut Problems) {
    if let Some(entrypoint) = given(problems, "--entrypoint", &args.entrypoint, words::split) {
        container.entrypoint = entrypoint;
    }
    if let Some(signal) = given(problems, "--stop-signal", &args.stop_signal, str::parse::<Signal>) {
        container.stop_signal = signal.to_string();
    }
    if let Some(ms) = given(problems, "--stop-grace-period", &args.stop_grace_period, duration::parse_ms) {
        container.stop_grace_period_ms = Some(ms);
    }
    if let Some(score) = given(problems, "--oom-score-adj", &args.oom_score_adj, number::score) {
        container.oom_score_adj = score;
    }
    if let Some(read_only) = args.read_only {
        container.read_only = read_only;
    }
    let texts = [
        (&args.hostname, &mut container.hostname),
        (&args.user, &mut container.user),
        (&args.workdir, &mut container.workdir),
    ];
    for (given, field) in texts {
        if let Some(text) = given {
            *field = text.clone();
        }
    }
    Capabilities { add: &mut container.cap_add, drop: &mut container.cap_drop }.apply(
        &args.cap_add,
        &args.cap_drop,
        problems,
    );
}

/// Reads a share of processors that is zero or large enough to be carried out.
fn nano_cpus(text: &str) -> Result<u64, String> {
    let nanos = cpus::parse_nanos(text).map_err(|error| error.to_string())?;
    resources::check_nano_cpus(nanos).map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

/// Reads a memory size that is zero or large enough to be carried out.
fn memory_bytes(text: &str) -> Result<u64, String> {
    let size = bytes::parse(text).map_err(|error| error.to_string())?;
    resources::check_memory_bytes(size).map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

fn limits(args: &TaskArgs, limits: &mut Option<wire::Resources>, problems: &mut Problems) {
    if let Some(nanos) = given(problems, "--limit-cpu", &args.limit_cpu, nano_cpus) {
        limits.get_or_insert_default().nano_cpus = nanos;
    }
    if let Some(size) = given(problems, "--limit-memory", &args.limit_memory, memory_bytes) {
        limits.get_or_insert_default().memory_bytes = size;
    }
    if let Some(pids) = given(problems, "--limit-pids", &args.limit_pids, number::large_count) {
        limits.get_or_insert_default().pids = pids;
    }
}

fn reservations(args: &TaskArgs, reservations: &mut Option<wire::Resources>, problems: &mut Problems) {
    if let Some(nanos) = given(problems, "--reserve-cpu", &args.reserve_cpu, nano_cpus) {
        reservations.get_or_insert_default().nano_cpus = nanos;
    }
    if let Some(size) = given(problems, "--reserve-memory", &args.reserve_memory, memory_bytes) {
        reservations.get_or_insert_default().memory_bytes = size;
    }
}

/// A policy is sent whole, since zero has a meaning in its fields.
fn restart(args: &RestartArgs, policy: &mut Option<wire::RestartPolicy>, problems: &mut Problems) {
    let condition =
        given(problems, "--restart-condition", &args.restart_condition, choice::restart_condition);
    let delay_ms = given(problems, "--restart-delay", &args.restart_delay, duration::parse_ms);
    let max_attempts = given(problems, "--restart-max-attempts", &args.restart_max_attempts, number::count);
    let window_ms = given(problems, "--restart-window", &args.restart_window, duration::parse_ms);
    if condition.is_none() && delay_ms.is_none() && max_attempts.is_none() && window_ms.is_none() {
        return;
    }
    let default = model::RestartPolicy::default();
    let old = policy.take().unwrap_or_else(|| wire::RestartPolicy {
        condition: wire::restart_policy::Condition::Any.into(),
        delay_ms: default.delay.as_millis() as u64,
        max_attempts: default.max_attempts,
        window_ms: default.window.as_millis() as u64,
    });
    *policy = Some(wire::RestartPolicy {
        condition: condition.map_or(old.condition, Into::into),
        delay_ms: delay_ms.unwrap_or(old.delay_ms),
        max_attempts: max_attempts.unwrap_or(old.max_attempts),
        window_ms: window_ms.unwrap_or(old.window_ms),
    });
}

fn log(options: &[String], log: &mut Option<wire::LogConfig>, problems: &mut Problems) {
    for option in options {
        let default = model::service::LogConfig::default();
        let log = log.get_or_insert(wire::LogConfig {
            max_size_bytes: default.max_size_bytes,
            max_files: default.max_files,
        });
        problems.take("--log-opt", log_options::apply(option, log));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(args: TaskArgs) -> (wire::ServiceSpec, Problems) {
        let (mut spec, mut problems) = (wire::ServiceSpec::default(), Problems::default());
        apply(&args, &mut spec, &mut problems);
        (spec, problems)
    }

    #[test]
    fn one_restart_option_keeps_the_other_defaults() {
        let restart = RestartArgs { restart_max_attempts: Some("3".into()), ..Default::default() };
        let (spec, problems) = applied(TaskArgs { restart, ..Default::default() });
        let policy = spec.task.unwrap().restart.unwrap();
        assert_eq!((policy.delay_ms, policy.max_attempts), (5_000, 3));
        assert_eq!(policy.condition(), wire::restart_policy::Condition::Any);
        assert_eq!(problems, Problems::default());
    }

    #[test]
    fn amounts_too_small_to_be_carried_out_are_refused() {
        let (_, problems) = applied(TaskArgs {
            limit_cpu: Some("0.0001".into()),
            reserve_memory: Some("1m".into()),
            limit_memory: Some("0".into()),
            ..Default::default()
        });
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--limit-cpu", "--reserve-memory"]);
    }

    #[test]
    fn a_log_option_keeps_the_other_default() {
        let (spec, _) = applied(TaskArgs { log_opt: vec!["max-file=9".into()], ..Default::default() });
        assert_eq!(spec.task.unwrap().log, Some(wire::LogConfig { max_size_bytes: 10 << 20, max_files: 9 }));
    }
}

//! The cluster's settings from the options of `swarm init` and `swarm update`.

use super::{add_refused, given};
use crate::{
    args::swarm::ClusterArgs,
    parse::{duration, number},
};
use proto::{
    model::{ClusterSpec, Problems},
    wire,
};

/// Sets what was given; in a new cluster the rest takes its defaults, in an old one it stays.
pub fn set_cluster(args: &ClusterArgs, spec: &mut wire::ClusterSpec, problems: &mut Problems) {
    if let Some(limit) = given(problems, "--task-history-limit", &args.task_history_limit, number::count) {
        spec.task_history_limit = Some(limit);
    }
    if let Some(ms) =
        given(problems, "--dispatcher-heartbeat", &args.dispatcher_heartbeat, duration::parse_ms)
    {
        spec.heartbeat_period_ms = Some(ms);
    }
    if let Some(ms) = given(problems, "--cert-expiry", &args.cert_expiry, duration::parse_ms) {
        spec.cert_expiry_ms = Some(ms);
    }
    if let Some(entries) =
        given(problems, "--snapshot-interval", &args.snapshot_interval, number::large_count)
    {
        spec.snapshot_interval = Some(entries);
    }
    if !args.default_addr_pools.is_empty() {
        spec.default_addr_pools.clone_from(&args.default_addr_pools);
    }
    let length = &args.default_addr_pool_mask_length;
    if let Some(length) = given(problems, "--default-addr-pool-mask-length", length, number::count) {
        spec.default_addr_pool_mask_length = Some(length);
    }
    add_refused(problems, || ClusterSpec::try_from(spec.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_set() {
        let mut problems = Problems::default();
        let mut spec = wire::ClusterSpec { cert_expiry_ms: Some(3_600_000), ..Default::default() };
        let args = ClusterArgs {
            task_history_limit: Some("9".into()),
            snapshot_interval: Some("many".into()),
            default_addr_pools: vec!["10.20.0.0/16".into(), "fd00:20::/48".into()],
            default_addr_pool_mask_length: Some("26".into()),
            ..Default::default()
        };
        set_cluster(&args, &mut spec, &mut problems);
        let expected = wire::ClusterSpec {
            task_history_limit: Some(9),
            cert_expiry_ms: Some(3_600_000),
            default_addr_pools: vec!["10.20.0.0/16".into(), "fd00:20::/48".into()],
            default_addr_pool_mask_length: Some(26),
            ..Default::default()
        };
        assert_eq!(spec, expected);
        assert_eq!(problems.0[0].field, "--snapshot-interval");
    }

    #[test]
    fn what_the_managers_would_refuse_is_said_with_the_rest() {
        let mut problems = Problems::default();
        let args = ClusterArgs {
            task_history_limit: Some("few".into()),
            cert_expiry: Some("5m".into()),
            ..Default::default()
        };
        set_cluster(&args, &mut wire::ClusterSpec::default(), &mut problems);
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--task-history-limit", "--cert-expiry"]);
    }
}

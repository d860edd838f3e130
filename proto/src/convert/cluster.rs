//! The cluster object and its settings.

use super::{address_pools, bounds, time::millis};
use crate::{
    model::{Cluster, ClusterSpec, Problems},
    wire,
};
use std::time::Duration;

/// The shortest heartbeat period: below it a busy machine looks dead.
pub const HEARTBEAT_PERIOD_MIN: Duration = Duration::from_millis(100);
/// The shortest validity of a certificate: a node must be able to miss a renewal or two.
pub const CERT_EXPIRY_MIN: Duration = Duration::from_secs(3600);

impl From<&ClusterSpec> for wire::ClusterSpec {
    fn from(spec: &ClusterSpec) -> Self {
        wire::ClusterSpec {
            task_history_limit: Some(spec.task_history_limit),
            heartbeat_period_ms: Some(millis(spec.heartbeat_period)),
            cert_expiry_ms: Some(millis(spec.cert_expiry)),
            snapshot_interval: Some(spec.snapshot_interval),
            default_addr_pools: address_pools::texts(&spec.address_pools),
            default_addr_pool_mask_length: Some(spec.address_pools.mask_length.into()),
        }
    }
}

impl From<&Cluster> for wire::Cluster {
    /// The certificate authority's key and the join tokens stay behind.
    fn from(cluster: &Cluster) -> Self {
        wire::Cluster {
            id: cluster.id.to_string(),
            version: cluster.version,
            created_at: cluster.created_at.0,
            updated_at: cluster.updated_at.0,
            spec: Some((&cluster.spec).into()),
            root_ca_pem: cluster.root_ca.cert_pem.clone(),
            feature_level: cluster.feature_level,
        }
    }
}

impl TryFrom<wire::ClusterSpec> for ClusterSpec {
    type Error = Problems;

    /// What is not given takes its default; everything that is wrong is reported.
    fn try_from(wire: wire::ClusterSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let defaults = ClusterSpec::default();
        let spec = ClusterSpec {
            task_history_limit: wire.task_history_limit.unwrap_or(defaults.task_history_limit),
            heartbeat_period: wire.heartbeat_period_ms.map_or(defaults.heartbeat_period, |millis| {
                span("--dispatcher-heartbeat", millis, HEARTBEAT_PERIOD_MIN, &mut problems)
            }),
            cert_expiry: wire.cert_expiry_ms.map_or(defaults.cert_expiry, |millis| {
                span("--cert-expiry", millis, CERT_EXPIRY_MIN, &mut problems)
            }),
            snapshot_interval: wire.snapshot_interval.unwrap_or(defaults.snapshot_interval),
            address_pools: address_pools::read(
                &wire.default_addr_pools,
                wire.default_addr_pool_mask_length,
                &mut problems,
            ),
        };
        if spec.snapshot_interval == 0 {
            problems.add("--snapshot-interval", "0 is not valid: must be at least 1");
        }
        problems.finish(spec)
    }
}

fn span(option: &str, millis: u64, shortest: Duration, problems: &mut Problems) -> Duration {
    let span = bounds::span(option, millis, problems);
    if span < shortest {
        problems.add(option, format!("{span:?} is too short: must be at least {shortest:?}"));
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ClusterId, JoinTokens, RootCa, Timestamp},
        testing,
    };
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_settings_come_back_from_the_wire_unchanged(spec in testing::cluster_spec()) {
            prop_assert_eq!(ClusterSpec::try_from(wire::ClusterSpec::from(&spec)), Ok(spec));
        }
    }

    #[test]
    fn settings_that_are_not_given_take_their_defaults_and_a_zero_is_kept() {
        let keep_none = wire::ClusterSpec { task_history_limit: Some(0), ..Default::default() };
        assert_eq!(
            ClusterSpec::try_from(keep_none),
            Ok(ClusterSpec { task_history_limit: 0, ..ClusterSpec::default() })
        );
    }

    #[test]
    fn settings_out_of_range_are_all_told() {
        let wire = wire::ClusterSpec {
            task_history_limit: None,
            heartbeat_period_ms: Some(99),
            cert_expiry_ms: Some(1000),
            snapshot_interval: Some(0),
            ..Default::default()
        };
        assert_eq!(
            ClusterSpec::try_from(wire).unwrap_err().to_string(),
            "--dispatcher-heartbeat: 99ms is too short: must be at least 100ms\n\
             --cert-expiry: 1s is too short: must be at least 3600s\n\
             --snapshot-interval: 0 is not valid: must be at least 1"
        );
    }

    #[test]
    fn secrets_of_the_cluster_do_not_reach_the_wire() {
        let cluster = Cluster {
            id: ClusterId::from_bits(1),
            version: 1,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            spec: ClusterSpec::default(),
            root_ca: RootCa { cert_pem: "certificate".into(), key_pem: "hidden-key".into() },
            join_tokens: JoinTokens { worker: "hidden-worker".into(), manager: "hidden-manager".into() },
            feature_level: 1,
            last_vni: 0,
        };
        let shown = format!("{:?}", wire::Cluster::from(&cluster));
        assert!(shown.contains("certificate") && !shown.contains("hidden"), "{shown}");
    }
}

//! What a container may use: processor time, memory, processes, devices.

use super::{built, devices};
use oci_spec::runtime::{
    LinuxCpuBuilder, LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder,
};
use proto::model::Limits;

/// The usual accounting period, in microseconds.
const PERIOD_US: u64 = 100_000;
/// The longest the kernel accepts, in microseconds.
const PERIOD_MAX_US: u64 = 1_000_000;
/// The shortest running time per period the kernel accepts, in microseconds.
const QUOTA_MIN_US: u64 = 1_000;
const NANOS_PER_CPU: u128 = 1_000_000_000;

pub(super) fn resources(limits: &Limits, limits_swap: bool) -> LinuxResources {
    let mut resources = LinuxResourcesBuilder::default().devices(devices::rules());
    if let Some(nano_cpus) = limits.nano_cpus {
        let (quota, period) = quota_and_period_us(nano_cpus);
        resources = resources.cpu(built(LinuxCpuBuilder::default().quota(quota).period(period).build()));
    }
    if let Some(bytes) = limits.memory_bytes {
        let bytes = at_most_i64(bytes);
        let mut memory = LinuxMemoryBuilder::default().limit(bytes);
        if limits_swap {
            // Memory and swap together: no swap beside the memory.
            memory = memory.swap(bytes);
        }
        resources = resources.memory(built(memory.build()));
    }
    if let Some(pids) = limits.pids {
        resources = resources.pids(built(LinuxPidsBuilder::default().limit(at_most_i64(pids)).build()));
    }
    built(resources.build())
}

/// Turns a share of processors into running time per period; small shares need the longest period.
fn quota_and_period_us(nano_cpus: u64) -> (i64, u64) {
    let quota_in = |period: u64| u128::from(nano_cpus) * u128::from(period) / NANOS_PER_CPU;
    let period = if quota_in(PERIOD_US) < u128::from(QUOTA_MIN_US) { PERIOD_MAX_US } else { PERIOD_US };
    let quota = quota_in(period).max(u128::from(QUOTA_MIN_US));
    (i64::try_from(quota).unwrap_or(i64::MAX), period)
}

fn at_most_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn swap_is_limited_where_that_is_possible() {
        let limits = Limits { memory_bytes: Some(4096), ..Limits::default() };
        let swap = |possible| resources(&limits, possible).memory().unwrap().swap();
        assert_eq!((swap(true), swap(false)), (Some(4096), None));
    }

    #[test]
    fn a_share_of_a_processor_is_running_time_per_period() {
        assert_eq!(quota_and_period_us(1_500_000_000), (150_000, 100_000));
        assert_eq!(quota_and_period_us(1_000_000), (1_000, 1_000_000));
    }

    proptest! {
        #[test]
        fn every_share_gives_a_quota_the_kernel_accepts(nano_cpus in 1_000_000u64..1_000_000_000_000) {
            let (quota, period) = quota_and_period_us(nano_cpus);
            prop_assert!(quota >= 1_000 && (1_000..=1_000_000).contains(&period));
            let share = quota as f64 / period as f64;
            let asked = nano_cpus as f64 / 1e9;
            prop_assert!((share - asked).abs() <= asked * 0.011, "{} for {}", share, asked);
        }
    }
}

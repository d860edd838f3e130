//! Sizes and durations as people read them.

use std::time::Duration;

pub const MIB: u64 = 1 << 20;
pub const GIB: u64 = 1 << 30;

/// Writes a size in GiB with one decimal, or in whole MiB if it is smaller than one.
pub fn bytes(bytes: u64) -> String {
    if bytes < GIB { format!("{} MiB", bytes / MIB) } else { format!("{:.1} GiB", bytes as f64 / GIB as f64) }
}

/// Writes a duration in milliseconds with one decimal.
pub fn duration(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_suits_them() {
        assert_eq!((bytes(GIB - 1).as_str(), bytes(GIB * 3 / 2).as_str()), ("1023 MiB", "1.5 GiB"));
        assert_eq!(duration(Duration::from_micros(1_250)), "1.2 ms");
    }
}

//! How much memory there is, from `/proc/meminfo`.

use crate::facts::Memory;

/// Reads the two lines that matter; `None` if one of them is missing.
pub fn memory(meminfo: &str) -> Option<Memory> {
    Some(Memory { total: bytes(meminfo, "MemTotal:")?, available: bytes(meminfo, "MemAvailable:")? })
}

fn bytes(meminfo: &str, key: &str) -> Option<u64> {
    let value = meminfo.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       24658720 kB\nMemFree:         1064952 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(memory(text), Some(Memory { total: 24_658_720 << 10, available: 20_000_000 << 10 }));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }
}

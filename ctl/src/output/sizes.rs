//! Sizes in docker's words: `7.654GiB` of memory, `142MB` of image.

/// A size in powers of 1024 with four digits, as docker shows memory.
pub fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 4)
}

/// A size in powers of 1000 with three digits, as docker shows images.
pub fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB"], 3)
}

fn scaled(bytes: u64, base: f64, units: &[&str], digits: usize) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    format!("{}{}", significant(size, digits), units[unit])
}

/// The number rounded to so many digits, without zeros at its end.
fn significant(number: f64, digits: usize) -> String {
    let before_point = format!("{:.0}", number.trunc()).len();
    let text = format!("{number:.*}", digits.saturating_sub(before_point));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Billionths of a processor as a decimal number: `0.5`.
pub fn cpus(nanos: u64) -> String {
    (nanos as f64 / 1e9).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_dockers_words() {
        for (bytes, binary_text, decimal_text) in [
            (0, "0B", "0B"),
            (1000, "1000B", "1kB"),
            (64 << 20, "64MiB", "67.1MB"),
            (8_219_000_000, "7.655GiB", "8.22GB"),
            (142_300_000, "135.7MiB", "142MB"),
        ] {
            assert_eq!(binary(bytes), binary_text);
            assert_eq!(decimal(bytes), decimal_text);
        }
        assert_eq!(cpus(500_000_000), "0.5");
        assert_eq!(cpus(4_000_000_000), "4");
    }
}

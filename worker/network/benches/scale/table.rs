//! Figures in columns.

use std::time::Duration;

/// Prints a line of a table: the first column wide, the others flushed right.
pub fn line<const N: usize>(first: &str, rest: [&str; N]) {
    let rest: String = rest.iter().map(|cell| format!("{cell:>17}")).collect();
    println!("  {first:<34}{rest}");
}

/// A duration in milliseconds.
pub fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// How many times as much as another one is.
pub fn ratio(one: f64, other: f64) -> String {
    format!("{:.2}", one / other)
}

/// The value in the middle, and the largest.
pub fn middle_and_largest<T: Copy + PartialOrd>(mut values: Vec<T>) -> Option<(T, T)> {
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    Some((*values.get(values.len() / 2)?, *values.last()?))
}

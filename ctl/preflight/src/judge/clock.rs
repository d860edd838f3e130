//! Whether the clock is right, as far as one machine alone can tell.

use crate::{check::Check, facts::Clock};
use jiff::Timestamp;

/// 2025-01-01: before this program was written.
const EARLIEST: i64 = 1_735_689_600;
/// 2100-01-01: more likely a wrong clock than an old program.
const LATEST: i64 = 4_102_444_800;

/// Judges the time and what keeps it.
pub fn all(clock: &Clock) -> [Check; 2] {
    [time(clock), synchronisation(clock)]
}

fn time(clock: &Clock) -> Check {
    let seconds = clock.unix_seconds;
    let date = Timestamp::from_second(seconds)
        .map_or_else(|_| format!("{seconds} s since 1970"), |at| at.to_string());
    if (EARLIEST..LATEST).contains(&seconds) {
        return Check::ok("clock", date);
    }
    Check::missing(
        "clock",
        format!("{date} can't be right"),
        "set the clock ('date -s' or a time service): certificates are valid from and to a date",
    )
}

fn synchronisation(clock: &Clock) -> Check {
    let remedy = "start a time service (systemd-timesyncd, chrony or ntpd): nodes whose clocks differ refuse each other's \
                  certificates, and their logs don't fit together";
    match &clock.discipline {
        Ok(discipline) if discipline.is_synchronised => {
            let error = discipline.error_max.as_millis();
            Check::ok("time service", format!("synchronised, at most {error} ms off"))
        }
        Ok(_) => Check::warning("time service", "the clock is not synchronised", remedy),
        Err(why) => Check::warning("time service", why, remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{check::State, facts::Discipline};
    use std::time::Duration;

    fn states(unix_seconds: i64, synchronised: Result<bool, &str>) -> [State; 2] {
        let error_max = Duration::from_millis(3);
        let discipline = synchronised
            .map(|is_synchronised| Discipline { is_synchronised, error_max })
            .map_err(str::to_owned);
        all(&Clock { unix_seconds, discipline }).map(|check| check.state)
    }

    #[test]
    fn a_clock_that_was_never_set_or_runs_wild_is_refused() {
        assert_eq!(states(EARLIEST, Ok(true)), [State::Ok, State::Ok]);
        assert_eq!(states(0, Ok(true))[0], State::Missing);
        assert_eq!(states(LATEST, Ok(true))[0], State::Missing);
        assert_eq!(states(i64::MAX, Ok(true))[0], State::Missing);
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning() {
        assert_eq!(states(EARLIEST, Ok(false))[1], State::Warning);
        assert_eq!(states(EARLIEST, Err("no permission"))[1], State::Warning);
    }
}

//! `healthcheck`: how it is found out whether a container does its work.

use crate::{fields::Fields, place::At};

/// How it is found out whether a container does its work.
#[derive(Debug, Clone, PartialEq)]
pub struct Healthcheck {
    /// Where it stands.
    pub at: At<()>,
    /// What is run, after `CMD`, `CMD-SHELL` or `NONE`.
    pub test: Vec<At<String>>,
    /// Wait between checks.
    pub interval: Option<At<String>>,
    /// How long one may take.
    pub timeout: Option<At<String>>,
    /// Failures in a row that count.
    pub retries: Option<At<u32>>,
    /// Time in which failures do not count.
    pub start_period: Option<At<String>>,
    /// Wait between checks in that time.
    pub start_interval: Option<At<String>>,
    /// Whether the image's is left out.
    pub disable: Option<At<bool>>,
}

impl Healthcheck {
    pub(super) fn read(fields: Fields) -> Healthcheck {
        let healthcheck = Healthcheck {
            at: At { value: (), place: fields.place.clone(), path: fields.path.clone() },
            test: fields.texts("test"),
            interval: fields.text("interval"),
            timeout: fields.text("timeout"),
            retries: fields.count("retries"),
            start_period: fields.text("start_period"),
            start_interval: fields.text("start_interval"),
            disable: fields.truth("disable"),
        };
        if let Some(first) = healthcheck.test.first()
            && !matches!(first.as_str(), "CMD" | "CMD-SHELL" | "NONE")
        {
            let message =
                format!("`{}` is not how a check begins: write CMD, CMD-SHELL or NONE first", first.value);
            fields.report.error(&first.place, &first.path, message);
        }
        fields.finish();
        healthcheck
    }
}

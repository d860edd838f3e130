//! `--filter KEY=VALUE`, given several times: values of one key are alternatives, keys must all match.

use proto::model::Problems;
use std::collections::BTreeMap;

/// Says why a filter can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No `=`.
    #[error("invalid filter `{0}`: write KEY=VALUE")]
    Form(String),
    /// A key this list does not know.
    #[error("invalid filter `{key}`: this list knows {}", .known.join(", "))]
    Key {
        /// What was given.
        key: String,
        /// What would be right.
        known: &'static [&'static str],
    },
}

/// The filters of one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads filters, each of which must have a key in `known`.
    pub fn parse(
        texts: &[String],
        known: &'static [&'static str],
    ) -> Vec<Result<(String, String), FilterError>> {
        let read = |text: &String| {
            let (key, value) =
                text.split_once('=').ok_or_else(|| FilterError::Form(text.chars().take(40).collect()))?;
            let key = key.trim().to_ascii_lowercase();
            if !known.contains(&key.as_str()) {
                return Err(FilterError::Key { key, known });
            }
            Ok((key, value.trim().to_owned()))
        };
        texts.iter().map(read).collect()
    }

    /// Reads filters and has their values checked by `check`, or says everything that is wrong.
    pub fn checked(
        texts: &[String],
        known: &'static [&'static str],
        check: impl FnOnce(&Filters, &mut Problems),
    ) -> Result<Filters, Problems> {
        let mut problems = Problems::default();
        let filters = Filters::new(problems.take_all("--filter", Filters::parse(texts, known)));
        check(&filters, &mut problems);
        problems.finish(filters)
    }

    /// Gathers what was read.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Filters {
        let mut filters = Filters::default();
        for (key, value) in pairs {
            filters.0.entry(key).or_default().push(value);
        }
        filters
    }

    /// Whether `key` is not filtered by, or one of its values satisfies `test`.
    pub fn any(&self, key: &str, test: impl Fn(&str) -> bool) -> bool {
        self.0.get(key).is_none_or(|values| values.iter().any(|value| test(value)))
    }

    /// Whether `labels` has every label asked for under `key`, each `NAME` or `NAME=VALUE`.
    pub fn labels<'a>(&self, key: &str, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels(name) == Some(value),
            None => labels(wanted).is_some(),
        };
        self.0.get(key).is_none_or(|wanted| wanted.iter().all(has))
    }

    /// Whether `labels` has none of the labels under `key`, each `NAME` or `NAME=VALUE`.
    pub fn no_labels<'a>(&self, key: &str, labels: impl Fn(&str) -> Option<&'a str>) -> bool {
        let has = |unwanted: &String| match unwanted.split_once('=') {
            Some((name, value)) => labels(name) == Some(value),
            None => labels(unwanted).is_some(),
        };
        !self.values(key).iter().any(has)
    }

    /// The values given for `key`.
    pub fn values(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["name", "label", "label!"];

    fn filters(texts: &[&str]) -> Filters {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Filters::new(Filters::parse(&texts, KNOWN).into_iter().map(Result::unwrap))
    }

    #[test]
    fn values_of_one_key_are_alternatives_and_labels_must_all_be_there() {
        let by_name = filters(&["name=web", "NAME=db"]);
        assert!(by_name.any("name", |name| "db".starts_with(name)));
        assert!(!by_name.any("name", |name| "cache".starts_with(name)));
        assert!(by_name.any("label", |_| false), "a key that is not given does not filter");
        let by_label = filters(&["label=tier=front", "label=team"]);
        let labels = |team: Option<&'static str>| {
            move |name: &str| if name == "tier" { Some("front") } else { team.filter(|_| name == "team") }
        };
        assert!(by_label.labels("label", labels(Some(""))));
        assert!(!by_label.labels("label", labels(None)));
        let unwanted = filters(&["label!=tier=back", "label!=team"]);
        assert!(unwanted.no_labels("label!", labels(None)));
        assert!(!unwanted.no_labels("label!", labels(Some(""))));
    }

    #[test]
    fn an_unknown_key_is_refused_with_those_that_are_known() {
        let read = Filters::parse(&["nmae=web".into(), "web".into()], KNOWN);
        assert_eq!(
            read[0].as_ref().unwrap_err().to_string(),
            "invalid filter `nmae`: this list knows name, label, label!"
        );
        assert_eq!(read[1].as_ref().unwrap_err().to_string(), "invalid filter `web`: write KEY=VALUE");
    }
}

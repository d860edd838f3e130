//! Secrets and configs by their names: what people write of a service, in place of which ids and editions are stored.

use manager_core::{requests::find, state::State};
use proto::{
    model::{PayloadKind, Problems},
    wire,
};

/// Puts ids and editions in the place of what the user called the secrets and configs of a spec.
pub(super) fn find(state: &State, spec: &mut wire::ServiceSpec, problems: &mut Problems) {
    let Some(container) = spec.task.as_mut().and_then(|task| task.container.as_mut()) else { return };
    find_all(state, PayloadKind::Secret, "--secret", &mut container.secrets, problems);
    find_all(state, PayloadKind::Config, "--config", &mut container.configs, problems);
}

fn find_all(
    state: &State,
    kind: PayloadKind,
    option: &str,
    uses: &mut Vec<wire::PayloadUse>,
    problems: &mut Problems,
) {
    uses.retain_mut(|used| {
        let found = problems.take(option, find::payload(state, kind, &used.payload));
        let Some(payload) = found else { return false };
        if used.edition == 0 {
            used.edition = payload.newest();
        } else if payload.current(used.edition).is_none() {
            let message = format!(
                "{kind} `{}` has no content of version {} any more: leave the version out for the newest",
                payload.spec.name, used.edition
            );
            problems.add(option, message);
            return false;
        }
        (used.payload, used.name) = (payload.id.to_string(), payload.spec.name.to_string());
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, service};
    use proto::model::Roll;

    fn found(bench: &Bench, uses: Vec<wire::PayloadUse>) -> Result<Vec<wire::PayloadUse>, String> {
        let mut spec = wire::ServiceSpec::from(&service("web").build());
        let container = spec.task.as_mut().unwrap().container.as_mut().unwrap();
        container.secrets = uses;
        let mut problems = Problems::default();
        find(&bench.state, &mut spec, &mut problems);
        let secrets = spec.task.unwrap().container.unwrap().secrets;
        problems.finish(secrets).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_secret_is_found_by_its_name_and_its_newest_content_is_used_unless_another_is_named() {
        let mut bench = Bench::new();
        let key = bench.add_secret("key", "one");
        let used = bench.payload(key);
        bench.create(service("web").secret(&used));
        bench.update_payload(key, "two", Roll::Restart);
        let named = |payload: &str, edition| wire::PayloadUse {
            payload: payload.into(),
            edition,
            ..Default::default()
        };
        for name in ["key".to_owned(), key.to_string(), key.to_string()[..10].to_owned()] {
            let used = &found(&bench, vec![named(&name, 0)]).unwrap()[0];
            assert_eq!((&used.payload, used.name.as_str(), used.edition), (&key.to_string(), "key", 2));
        }
        assert_eq!(found(&bench, vec![named("key", 1)]).unwrap()[0].edition, 1);
        let refused = found(&bench, vec![named("key", 7), named("nope", 0)]).unwrap_err();
        assert_eq!(
            refused,
            "--secret: secret `key` has no content of version 7 any more: leave the version out for the newest\n\
             --secret: secret `nope` was not found"
        );
    }
}

//! Secrets and configs: new ones, changes of them, and which of them a service uses.

use super::{each, lists};
use crate::{
    args::payload::{CreateArgs, UpdateArgs},
    parse::payload_use,
};
use proto::{
    model::{Content, PayloadKind, PayloadSpec, Problems, Signal, payload::PayloadUse as Checked},
    wire::{self, PayloadUse, Roll},
};

/// What a signal is if none is named.
const SIGNAL: &str = "SIGHUP";

/// Reads the bytes of a new content, or says why that can't be done.
pub type ReadContent<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Makes a new secret or config, or says everything that is wrong.
pub fn create_payload(
    kind: PayloadKind,
    args: &CreateArgs,
    read: ReadContent,
) -> Result<wire::CreatePayloadRequest, Problems> {
    let mut problems = Problems::default();
    let mut spec = wire::PayloadSpec {
        kind: wire::PayloadKind::from(kind).into(),
        name: args.name.clone(),
        template_driver: args.template_driver.clone().unwrap_or_default(),
        ..Default::default()
    };
    lists::put_labels(&mut spec.labels, "--label", &args.labels, &mut problems);
    let checked = PayloadSpec::try_from(spec.clone()).map_err(|others| problems.0.extend(others.0)).ok();
    let content = content(kind, &args.file, read, &mut problems);
    if let (Some(checked), Some(content)) = (checked, &content)
        && let Err(others) = checked.content(Some(content.clone()))
    {
        problems.0.extend(others.0);
    }
    problems.finish(wire::CreatePayloadRequest { spec: Some(spec), content })
}

/// How a new content gets to services.
#[derive(Debug, Clone, PartialEq)]
pub struct NewContent {
    /// The content, if there is to be a new one.
    pub content: Option<wire::Content>,
    /// By which way.
    pub roll: Roll,
    /// With which signal, if by that.
    pub signal: String,
}

/// Reads what an update says of the content, or says everything that is wrong with its options.
pub fn new_content(kind: PayloadKind, args: &UpdateArgs, read: ReadContent) -> Result<NewContent, Problems> {
    let mut problems = Problems::default();
    let (roll, signal) = roll(&args.roll, &mut problems);
    edit_labels(&mut wire::PayloadSpec::default(), args, &mut problems);
    if args.file.is_none() && args.label_add.is_empty() && args.label_rm.is_empty() {
        problems.add(
            "FILE",
            "there is nothing to change: give a file with a new content, or - for standard input",
        );
    }
    if args.file.is_none() && roll != Roll::Restart {
        problems.add("--roll", "is for a new content: give a file with it, or leave the option out");
    }
    let file = args.file.as_ref();
    let content = file.and_then(|file| content(kind, file, read, &mut problems));
    problems.finish(NewContent { content, roll, signal })
}

/// Changes labels as an update says. Removals come first, as everywhere.
pub fn edit_labels(spec: &mut wire::PayloadSpec, args: &UpdateArgs, problems: &mut Problems) {
    spec.labels.retain(|key, _| !args.label_rm.contains(key));
    lists::put_labels(&mut spec.labels, "--label-add", &args.label_add, problems);
}

fn content(
    kind: PayloadKind,
    file: &str,
    read: ReadContent,
    problems: &mut Problems,
) -> Option<wire::Content> {
    let bytes = problems.take("FILE", read(file))?;
    let content = problems.take("FILE", Content::new(kind, bytes))?;
    Some(wire::Content { data: content.bytes().to_vec() })
}

fn roll(text: &str, problems: &mut Problems) -> (Roll, String) {
    let (word, signal) = text.split_once('=').unwrap_or((text, SIGNAL));
    match word {
        "restart" if word == text => (Roll::Restart, String::new()),
        "file" if word == text => (Roll::File, String::new()),
        "signal" => {
            let signal = problems.take("--roll", signal.parse::<Signal>());
            (Roll::Signal, signal.map(|signal| signal.to_string()).unwrap_or_default())
        }
        _ => {
            let shown: String = text.chars().take(40).collect();
            let message = format!("`{shown}` is not one of the choices: use restart, signal[=SIGNAL], file");
            problems.add("--roll", message);
            (Roll::Restart, String::new())
        }
    }
}

/// Changes what a service uses: removals by name or id, then additions, each in the place of an earlier use of the same at
/// the same target. Additions are of the newest content.
pub fn edit_uses(
    kind: PayloadKind,
    uses: &mut Vec<PayloadUse>,
    removed: &[String],
    (option, added): (&str, &[String]),
    problems: &mut Problems,
) {
    uses.retain(|used| !removed.iter().any(|name| *name == used.name || *name == used.payload));
    let is_same = |old: &PayloadUse, new: &PayloadUse| {
        let names = |used: &PayloadUse| [used.name.clone(), used.payload.clone()];
        names(old).contains(&new.payload) && path(kind, old) == path(kind, new)
    };
    for used in each(problems, option, added, payload_use::parse) {
        lists::put(uses, used, is_same);
    }
}

/// The path at which a container finds it.
fn path(kind: PayloadKind, used: &PayloadUse) -> String {
    // What was just written has a name in the place of the id.
    let name = if used.name.is_empty() { &used.payload } else { &used.name };
    let target = if used.target.is_empty() { name } else { &used.target };
    Checked::path_of(kind, target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{
        Cli, Command,
        payload::{ConfigCommand, SecretCommand},
    };
    use clap::Parser;

    fn read(path: &str) -> Result<Vec<u8>, String> {
        match path {
            "key.pem" | "-" => Ok(b"hunter2".to_vec()),
            "site.conf" => Ok(b"a\n{{nope}}".to_vec()),
            "large" => Ok(vec![0; 512_000]),
            _ => Err(format!("cannot read {path}: entity not found")),
        }
    }

    fn command(line: &str) -> Command {
        Cli::try_parse_from(["shoal"].into_iter().chain(line.split_whitespace())).unwrap().command
    }

    fn created(line: &str) -> Result<wire::CreatePayloadRequest, String> {
        let created = match command(line) {
            Command::Secret(SecretCommand::Create(args)) => {
                create_payload(PayloadKind::Secret, &args.create, &read)
            }
            Command::Config(ConfigCommand::Create(args)) => create_payload(PayloadKind::Config, &args, &read),
            other => panic!("not a create: {other:?}"),
        };
        created.map_err(|problems| problems.to_string())
    }

    fn updated(line: &str) -> Result<NewContent, String> {
        let Command::Secret(SecretCommand::Update(args)) = command(line) else { panic!("not an update") };
        new_content(PayloadKind::Secret, &args, &read).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_secret_is_made_of_a_file_or_standard_input() {
        for file in ["key.pem", "-"] {
            let request = created(&format!("secret create -l team=a key {file}")).unwrap();
            assert_eq!(request.content.unwrap().data, b"hunter2");
            assert_eq!(request.spec.unwrap().labels["team"], "a");
        }
        assert!(created("config create site large").is_ok(), "configs may be larger");
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let refused = created("secret create --label =x --template-driver go a/b gone").unwrap_err();
        let options: Vec<&str> = refused.lines().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(options, ["--label", "NAME", "--template-driver", "FILE"]);
        let refused = created("secret create key large").unwrap_err();
        assert!(refused.contains("it has 512000 bytes, and a secret has less than 512000"), "{refused}");
        let refused = created("config create --template-driver golang site site.conf").unwrap_err();
        assert!(refused.starts_with("FILE: line 2 has an expression that is not known"), "{refused}");
    }

    #[test]
    fn an_update_rolls_by_restart_unless_something_else_is_asked_for() {
        let how = |options: &str| {
            let updated = updated(&format!("secret update {options} key key.pem")).unwrap();
            (updated.roll, updated.signal)
        };
        assert_eq!(how(""), (Roll::Restart, String::new()));
        assert_eq!(how("--roll file"), (Roll::File, String::new()));
        assert_eq!(how("--roll signal"), (Roll::Signal, "SIGHUP".into()));
        assert_eq!(how("--roll signal=usr1"), (Roll::Signal, "SIGUSR1".into()));
        for (bad, says) in [
            ("secret update --roll restart=1 key key.pem", "use restart, signal[=SIGNAL], file"),
            ("secret update --roll signal=NOPE key key.pem", "`NOPE` is not a signal"),
            ("secret update key", "there is nothing to change"),
            ("secret update --roll file --label-add a=b key", "is for a new content"),
        ] {
            let refused = updated(bad).unwrap_err();
            assert!(refused.contains(says), "{bad}: {refused}");
        }
        assert_eq!(updated("secret update --label-add a=b key").unwrap().content, None);
    }

    fn stored(name: &str, target: &str) -> PayloadUse {
        let payload = format!("id-{name}");
        PayloadUse { payload, name: name.into(), edition: 3, target: target.into(), ..Default::default() }
    }

    fn edited(removed: &[&str], added: &[&str]) -> Vec<String> {
        let mut uses = vec![stored("key", "key"), stored("cert", "/etc/cert")];
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut problems = Problems::default();
        let (removed, added) = (texts(removed), texts(added));
        edit_uses(PayloadKind::Secret, &mut uses, &removed, ("--secret-add", &added), &mut problems);
        assert_eq!(problems, Problems::default());
        uses.iter().map(|used| format!("{}@{}", used.payload, used.edition)).collect()
    }

    #[test]
    fn uses_are_removed_by_name_and_added_anew_at_the_same_place() {
        assert_eq!(edited(&["key"], &[]), ["id-cert@3"]);
        assert_eq!(edited(&["id-cert"], &[]), ["id-key@3"]);
        assert_eq!(edited(&[], &["key"]), ["key@0", "id-cert@3"], "with the newest content");
        assert_eq!(edited(&[], &["src=key,target=/run/secrets/key"]), ["key@0", "id-cert@3"]);
        assert_eq!(edited(&[], &["src=key,target=other"]), ["id-key@3", "id-cert@3", "key@0"]);
        assert_eq!(edited(&["key"], &["src=new,target=key"]), ["id-cert@3", "new@0"]);
    }
}

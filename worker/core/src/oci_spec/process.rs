//! The main process of a container: command, environment, working directory, user.

use super::{ImageConfig, SpecError, SpecInput, built, capabilities};
use oci_spec::runtime::{
    Capability, LinuxCapabilitiesBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process,
    ProcessBuilder, UserBuilder,
};
use proto::model::{ContainerSpec, Ulimit};
use std::path::PathBuf;

/// Where programs are looked for if the image does not say.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// New files are not writable by others, whatever the daemon's own mask is.
const UMASK: u32 = 0o022;
/// `RLIM_INFINITY` of the kernel.
const UNLIMITED: u64 = u64::MAX;

pub(super) fn process(input: &SpecInput, hostname: &str) -> Result<Process, SpecError> {
    let SpecInput { container, image, identity, .. } = input;
    let chosen = capabilities::choose(&container.cap_add, &container.cap_drop, input.available_capabilities)?;
    // Nothing is inheritable or ambient, so a process that is not root loses all of it at its first exec.
    let held = LinuxCapabilitiesBuilder::default()
        .bounding(chosen.iter().copied().collect::<oci_spec::runtime::Capabilities>())
        .effective(chosen.iter().copied().collect::<oci_spec::runtime::Capabilities>())
        .permitted(chosen.iter().copied().collect::<oci_spec::runtime::Capabilities>())
        .inheritable(oci_spec::runtime::Capabilities::new())
        .ambient(oci_spec::runtime::Capabilities::new());
    // The primary group is repeated among the additional ones: with an empty list the daemon's own would stay.
    let groups: Vec<u32> = std::iter::once(identity.gid).chain(identity.groups.iter().copied()).collect();
    let user =
        UserBuilder::default().uid(identity.uid).gid(identity.gid).umask(UMASK).additional_gids(groups);
    let process = ProcessBuilder::default()
        .terminal(false)
        .user(built(user.build()))
        .args(args(container, image)?)
        .env(env(container, image, hostname, &identity.home)?)
        .cwd(workdir(container, image)?)
        .capabilities(built(held.build()))
        .oom_score_adj(oom_score_adj(container, input.available_capabilities)?);
    let mut process = built(process.build());
    process.set_rlimits(
        (!container.ulimits.is_empty()).then(|| container.ulimits.iter().filter_map(rlimit).collect()),
    );
    // Absent, not false: to the runtime, a value of any kind means that the filter is loaded after the
    // capabilities are dropped, which then is not permitted.
    process.set_no_new_privileges(None);
    process.set_apparmor_profile(None);
    Ok(process)
}

fn oom_score_adj(container: &ContainerSpec, available: &[Capability]) -> Result<i32, SpecError> {
    let score = container.oom_score_adj;
    match score < 0 && !available.contains(&Capability::SysResource) {
        true => Err(SpecError::OomScore { score }),
        false => Ok(score),
    }
}

/// The kernel's word for a limit; every name that is checked has one.
fn rlimit(limit: &Ulimit) -> Option<PosixRlimit> {
    use PosixRlimitType::*;
    let typ = match limit.name() {
        "core" => RlimitCore,
        "cpu" => RlimitCpu,
        "data" => RlimitData,
        "fsize" => RlimitFsize,
        "locks" => RlimitLocks,
        "memlock" => RlimitMemlock,
        "msgqueue" => RlimitMsgqueue,
        "nice" => RlimitNice,
        "nofile" => RlimitNofile,
        "nproc" => RlimitNproc,
        "rss" => RlimitRss,
        "rtprio" => RlimitRtprio,
        "rttime" => RlimitRttime,
        "sigpending" => RlimitSigpending,
        "stack" => RlimitStack,
        _ => return None,
    };
    let number = |value: Option<u64>| value.unwrap_or(UNLIMITED);
    let limit = PosixRlimitBuilder::default().typ(typ).soft(number(limit.soft())).hard(number(limit.hard()));
    Some(built(limit.build()))
}

fn args(container: &ContainerSpec, image: &ImageConfig) -> Result<Vec<String>, SpecError> {
    // A new entrypoint makes the image's command, meant for the old one, void.
    let args = if !container.entrypoint.is_empty() {
        [&container.entrypoint[..], &container.args[..]].concat()
    } else if !container.args.is_empty() {
        [&image.entrypoint[..], &container.args[..]].concat()
    } else {
        [&image.entrypoint[..], &image.cmd[..]].concat()
    };
    match args.first() {
        None => Err(SpecError::NoCommand { image: container.image.clone() }),
        Some(program) if program.is_empty() => Err(SpecError::EmptyProgram),
        Some(_) => no_nul("argument", args),
    }
}

/// Later values replace earlier ones in place; a name without `=` in the spec takes the variable away.
fn env(
    container: &ContainerSpec,
    image: &ImageConfig,
    hostname: &str,
    home: &str,
) -> Result<Vec<String>, SpecError> {
    let mut merged = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    for variable in image.env.iter().chain(&container.env) {
        let (name, assigned) = match variable.split_once('=') {
            Some((name, _)) => (name, true),
            None => (variable.as_str(), false),
        };
        if name.is_empty() {
            return Err(SpecError::Variable { text: variable.clone() });
        }
        let same = |other: &String| other.split_once('=').is_some_and(|(known, _)| known == name);
        match (merged.iter().position(same), assigned) {
            (Some(place), true) => merged[place] = variable.clone(),
            (Some(place), false) => drop(merged.remove(place)),
            (None, true) => merged.push(variable.clone()),
            (None, false) => {}
        }
    }
    if !merged.iter().any(|variable| variable.starts_with("HOME=")) {
        merged.push(format!("HOME={home}"));
    }
    no_nul("environment variable", merged)
}

fn workdir(container: &ContainerSpec, image: &ImageConfig) -> Result<PathBuf, SpecError> {
    match (&container.workdir, &image.workdir) {
        (Some(path), _) if path.starts_with('/') => Ok(path.into()),
        (Some(path), _) => Err(SpecError::Workdir { path: path.clone() }),
        // Old images have it relative to the root.
        (None, Some(path)) => Ok(PathBuf::from("/").join(path)),
        (None, None) => Ok("/".into()),
    }
}

fn no_nul(what: &'static str, texts: Vec<String>) -> Result<Vec<String>, SpecError> {
    match texts.iter().find(|text| text.contains('\0')) {
        Some(text) => Err(SpecError::Nul { what, text: text.replace('\0', "\\0") }),
        None => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| text.to_string()).collect()
    }

    fn image() -> ImageConfig {
        ImageConfig {
            entrypoint: texts(&["/entry"]),
            cmd: texts(&["serve"]),
            env: texts(&["LANG=C", "MODE=image"]),
            ..Default::default()
        }
    }

    fn args_of(entrypoint: &[&str], given: &[&str]) -> Vec<String> {
        let container =
            ContainerSpec { entrypoint: texts(entrypoint), args: texts(given), ..Default::default() };
        args(&container, &image()).unwrap()
    }

    #[test]
    fn a_new_entrypoint_makes_the_images_command_void() {
        assert_eq!(args_of(&[], &[]), ["/entry", "serve"]);
        assert_eq!(args_of(&[], &["check"]), ["/entry", "check"]);
        assert_eq!(args_of(&["/mine"], &[]), ["/mine"]);
        assert_eq!(args_of(&["/mine"], &["check"]), ["/mine", "check"]);
    }

    #[test]
    fn a_container_without_a_command_is_refused() {
        let nothing =
            args(&ContainerSpec { image: "scratch".into(), ..Default::default() }, &ImageConfig::default());
        assert!(matches!(nothing, Err(SpecError::NoCommand { .. })));
    }

    #[test]
    fn only_a_daemon_that_may_keeps_processes_from_being_ended() {
        let with = |oom_score_adj| ContainerSpec { oom_score_adj, ..Default::default() };
        assert_eq!(oom_score_adj(&with(-5), &[]), Err(SpecError::OomScore { score: -5 }));
        assert_eq!(oom_score_adj(&with(-5), &[Capability::SysResource]), Ok(-5));
        assert_eq!(oom_score_adj(&with(5), &[]), Ok(5));
    }

    #[test]
    fn the_environment_is_merged_in_place() {
        let container = ContainerSpec { env: texts(&["MODE=mine", "LANG", "NEW=a=b"]), ..Default::default() };
        let merged = env(&container, &image(), "box", "/root").unwrap();
        assert_eq!(merged[1..], ["HOSTNAME=box", "MODE=mine", "NEW=a=b", "HOME=/root"]);
        assert!(merged[0].starts_with("PATH="));
    }

    #[test]
    fn a_variable_without_a_name_or_with_a_nul_is_refused() {
        let with = |variable: &str| ContainerSpec { env: texts(&[variable]), ..Default::default() };
        assert!(matches!(env(&with("=x"), &image(), "h", "/"), Err(SpecError::Variable { .. })));
        assert!(matches!(env(&with("A=\0"), &image(), "h", "/"), Err(SpecError::Nul { .. })));
    }
}

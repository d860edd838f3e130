//! What removing an image means: taking away a name, the image itself, or nothing, by Docker's rules.

use std::collections::BTreeSet;

use super::digest::ImageId;
use super::index::Index;
use super::lookup::Target;
use super::reference::Reference;

/// Says what uses an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageUse {
    /// Nothing does.
    Unused,
    /// A container that does not run, named here: it can be forced.
    Stopped(String),
    /// A running container, named here: its image is never deleted.
    Running(String),
}

/// Says why an image is not removed, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A running container needs the image.
    #[error("image {id} is used by running container {container}: stop the container first")]
    Running {
        /// The image.
        id: ImageId,
        /// The container.
        container: String,
    },
    /// A stopped container, or another daemon's, needs the image.
    #[error("image {id} is used by {container}: remove that first, or force the removal")]
    Used {
        /// The image.
        id: ImageId,
        /// What uses it.
        container: String,
    },
    /// An id that stands for several names.
    #[error("image {id} has several names: give the one to remove, or force the removal of all")]
    Shared {
        /// The image.
        id: ImageId,
    },
}

/// Is what a removal takes away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub untagged: Vec<Reference>,
    pub deleted: Option<ImageId>,
}

/// Decides what removing `target` takes away.
pub(crate) fn decide(index: &Index, target: &Target, usage: &ImageUse, force: bool) -> Result<Plan, Refusal> {
    match target {
        Target::Name(name, id) => by_name(index, name, *id, usage, force),
        Target::Id(id) => by_id(index, *id, usage, force),
    }
}

/// Takes away one name; the image goes with its last one.
fn by_name(
    index: &Index,
    name: &Reference,
    id: ImageId,
    usage: &ImageUse,
    force: bool,
) -> Result<Plan, Refusal> {
    let names = index.names_of(id);
    if !force && is_single(&names) {
        refuse_if_used(id, usage, false)?;
    }
    let mut untagged = vec![name.clone()];
    let mut rest: Vec<Reference> = names.into_iter().filter(|other| other != name).collect();
    // The digests of a repository are kept only for the sake of its tags.
    let is_sibling = |other: &Reference| other.name() == name.name();
    if name.tag().is_some() && !rest.iter().any(|other| is_sibling(other) && other.tag().is_some()) {
        untagged.extend(rest.extract_if(.., |other| is_sibling(other)));
    }
    // A forced removal under a running container takes away the names only, as in Docker.
    let keeps_image = !rest.is_empty() || matches!(usage, ImageUse::Running(_));
    Ok(Plan { untagged, deleted: (!keeps_image).then_some(id) })
}

/// Takes away the image with all its names.
fn by_id(index: &Index, id: ImageId, usage: &ImageUse, force: bool) -> Result<Plan, Refusal> {
    let untagged = index.names_of(id);
    refuse_if_used(id, usage, force)?;
    if !force && !is_single(&untagged) {
        return Err(Refusal::Shared { id });
    }
    Ok(Plan { untagged, deleted: Some(id) })
}

fn refuse_if_used(id: ImageId, usage: &ImageUse, force: bool) -> Result<(), Refusal> {
    match usage {
        ImageUse::Running(container) => Err(Refusal::Running { id, container: container.clone() }),
        ImageUse::Stopped(container) if !force => Err(Refusal::Used { id, container: container.clone() }),
        ImageUse::Stopped(_) | ImageUse::Unused => Ok(()),
    }
}

/// Says whether the names are one tag at most, with nothing but digests of one repository beside it.
fn is_single(names: &[Reference]) -> bool {
    let tags = names.iter().filter(|name| name.tag().is_some()).count();
    let repositories: BTreeSet<String> = names.iter().map(Reference::name).collect();
    names.len() <= 1 || (tags <= 1 && repositories.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::digest::Digest;
    use crate::rules::index::Record;

    fn id() -> ImageId {
        ImageId(Digest::of(b"config"))
    }

    fn index(names: &[&str]) -> Index {
        let mut index = Index::default();
        let names: Vec<Reference> = names.iter().map(|name| name.parse().unwrap()).collect();
        index.add(Digest::of(b"manifest"), Record { id: id(), layers: vec![] }, &names);
        index
    }

    fn by_name(names: &[&str], usage: ImageUse, force: bool) -> Result<(usize, bool), Refusal> {
        let name = names[0].parse().unwrap();
        let plan = decide(&index(names), &Target::Name(name, id()), &usage, force)?;
        Ok((plan.untagged.len(), plan.deleted.is_some()))
    }

    fn by_id(names: &[&str], usage: ImageUse, force: bool) -> Result<(usize, bool), Refusal> {
        let plan = decide(&index(names), &Target::Id(id()), &usage, force)?;
        Ok((plan.untagged.len(), plan.deleted.is_some()))
    }

    fn digest_of(repository: &str) -> String {
        format!("{repository}@{}", Digest::of(b"list"))
    }

    #[test]
    fn a_name_among_others_is_only_untagged_even_when_the_image_is_used() {
        let running = ImageUse::Running("c".to_owned());
        assert_eq!(by_name(&["a:1", "a:2"], running.clone(), false), Ok((1, false)));
        assert_eq!(by_name(&["a:1", "b:1"], running, false), Ok((1, false)));
    }

    #[test]
    fn the_last_tag_takes_its_repositorys_digests_and_the_image_along() {
        assert_eq!(by_name(&["a:1", &digest_of("a")], ImageUse::Unused, false), Ok((2, true)));
        assert_eq!(by_name(&["a:1", &digest_of("b")], ImageUse::Unused, false), Ok((1, false)));
        assert_eq!(by_name(&[&digest_of("a")], ImageUse::Unused, false), Ok((1, true)));
    }

    #[test]
    fn the_last_name_of_a_used_image_needs_force_and_a_running_one_keeps_its_image() {
        let stopped = || ImageUse::Stopped("c".to_owned());
        let running = || ImageUse::Running("c".to_owned());
        assert!(matches!(by_name(&["a:1"], stopped(), false), Err(Refusal::Used { .. })));
        assert!(matches!(by_name(&["a:1"], running(), false), Err(Refusal::Running { .. })));
        assert_eq!(by_name(&["a:1"], stopped(), true), Ok((1, true)));
        assert_eq!(by_name(&["a:1"], running(), true), Ok((1, false)));
    }

    #[test]
    fn an_id_removes_everything_unless_it_is_running_or_shared() {
        assert_eq!(by_id(&["a:1", &digest_of("a")], ImageUse::Unused, false), Ok((2, true)));
        assert_eq!(by_id(&["a:1", "a:2"], ImageUse::Unused, false), Err(Refusal::Shared { id: id() }));
        assert_eq!(by_id(&["a:1", "b:1"], ImageUse::Unused, true), Ok((2, true)));
        let running = ImageUse::Running("c".to_owned());
        assert!(matches!(by_id(&["a:1"], running, true), Err(Refusal::Running { .. })));
    }
}

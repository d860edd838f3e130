//! `volumes` and `tmpfs` of a service.

use crate::{fields::Fields, place::At};

/// What is seen at a path of the container.
#[derive(Debug, Clone, PartialEq)]
pub struct Mount {
    /// What kind of thing.
    pub kind: At<MountKind>,
    /// Where it comes from.
    pub source: Option<At<String>>,
    /// Where it is seen.
    pub target: At<String>,
    /// Whether it can't be written to.
    pub read_only: bool,
    /// The size of a tmpfs.
    pub tmpfs_size: Option<At<String>>,
    /// The mode of a tmpfs.
    pub tmpfs_mode: Option<At<u32>>,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A path of the node.
    Bind,
    /// A volume.
    Volume,
    /// Memory.
    Tmpfs,
}

/// The mounts of a service.
pub(super) fn read(service: &Fields) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = service.list("volumes").into_iter().filter_map(mount).collect();
    for text in service.texts("tmpfs") {
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        let mut mount = Mount {
            kind: text.with(MountKind::Tmpfs),
            source: None,
            target: text.with(target.to_owned()),
            read_only: false,
            tmpfs_size: None,
            tmpfs_mode: None,
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "size" => mount.tmpfs_size = Some(text.with(value.to_owned())),
                "mode" => match u32::from_str_radix(value, 8) {
                    Ok(mode) => mount.tmpfs_mode = Some(text.with(mode)),
                    Err(_) => service.report.error(
                        &text.place,
                        &text.path,
                        format!("`{value}` is not a mode: write octal digits, such as 1777"),
                    ),
                },
                "ro" => mount.read_only = true,
                "rw" => {}
                other => service.report.warn(
                    &text.place,
                    &text.path,
                    format!("not honoured: option {other} of a tmpfs"),
                ),
            }
        }
        mounts.push(mount);
    }
    mounts
}

fn mount(fields: Fields) -> Option<Mount> {
    let kind = fields.text("type");
    let kind = match kind {
        None => {
            fields.report.error(
                fields.place,
                &fields.path,
                "nothing says what is mounted: add type: bind, volume or tmpfs",
            );
            None
        }
        Some(kind) => match kind.as_str() {
            "bind" => Some(kind.with(MountKind::Bind)),
            "volume" => Some(kind.with(MountKind::Volume)),
            "tmpfs" => Some(kind.with(MountKind::Tmpfs)),
            other => {
                let what = if matches!(other, "image" | "npipe" | "cluster") {
                    "can't be mounted here"
                } else {
                    "is not a kind of mount"
                };
                fields.report.error(
                    &kind.place,
                    &kind.path,
                    format!("`{other}` {what}: use bind, volume or tmpfs"),
                );
                None
            }
        },
    };
    let (source, target) = (fields.text("source"), fields.text("target"));
    let read_only = fields.truth("read_only").is_some_and(|read_only| read_only.value);
    let (mut tmpfs_size, mut tmpfs_mode) = (None, None);
    if let Some(tmpfs) = fields.fields("tmpfs") {
        tmpfs_size = tmpfs.text_or_number("size");
        tmpfs_mode = tmpfs.count("mode");
        tmpfs.finish();
    }
    if let Some(bind) = fields.fields("bind") {
        // Folders are made by whoever prepares the node: a path that is missing is an error there.
        bind.accepted(&["create_host_path"]);
        bind.not_honoured(&[
            ("propagation", "what is mounted below it later is not seen"),
            ("selinux", "nothing is relabelled for SELinux"),
            ("recursive", "what is mounted below it is seen too"),
        ]);
        bind.finish();
    }
    if let Some(volume) = fields.fields("volume") {
        volume.not_honoured(&[
            ("nocopy", "a new volume has what the image has there"),
            ("subpath", "the whole volume is seen"),
            ("labels", "volumes have no labels"),
        ]);
        volume.finish();
    }
    fields.accepted(&["consistency"]);
    fields.not_honoured(&[("image", "images can't be mounted here")]);
    if target.is_none() {
        fields.report.error(fields.place, &fields.path, "nothing says where it is seen: add target: /PATH");
    }
    fields.finish();
    Some(Mount { kind: kind?, source, target: target?, read_only, tmpfs_size, tmpfs_mode })
}

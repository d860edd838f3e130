//! Which platform a node is, and which of those on offer it can run.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Reports that nothing on offer runs on this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{image} has no variant for {wanted}; there is {}: build it for this platform or place it on such a node",
    list(offered)
)]
pub struct PlatformError {
    /// The image, in words.
    pub image: String,
    /// This node's platform.
    pub wanted: Platform,
    /// What the image has.
    pub offered: Vec<Platform>,
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "none at all".to_owned();
    }
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}

/// Names an operating system and processor in Go's words, as images do; written `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The operating system, such as `linux`.
    #[serde(default)]
    pub os: String,
    /// The processor architecture, such as `amd64`.
    #[serde(default)]
    pub architecture: String,
    /// The version of the architecture, such as `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// Returns the platform that this program was built for.
    pub fn of_this_node() -> Self {
        Self::from_rust(std::env::consts::OS, std::env::consts::ARCH, cfg!(target_endian = "little"))
    }

    /// Translates Rust's names for a target into Go's.
    fn from_rust(os: &str, arch: &str, little_endian: bool) -> Self {
        let (architecture, variant) = match arch {
            "x86_64" => ("amd64", None),
            "x86" => ("386", None),
            "aarch64" => ("arm64", Some("v8")),
            "arm" => ("arm", Some("v7")),
            "powerpc64" if little_endian => ("ppc64le", None),
            "powerpc64" => ("ppc64", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// Says whether this is a platform at all; attestations in an index are marked `unknown/unknown`.
    pub(crate) fn is_known(&self) -> bool {
        self.os != "unknown" && self.architecture != "unknown"
    }

    /// Ranks how well a node of this platform runs `offered`: lower is better, `None` is not at all.
    fn rank(&self, offered: &Platform) -> Option<u8> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        match (self.architecture.as_str(), self.generation(), offered.generation()) {
            // An ARM processor also runs what was built for the generations before it.
            ("arm", Some(own), Some(other)) => own.checked_sub(other),
            (_, own, other) => (own == other).then_some(0),
        }
    }

    /// Returns the variant's number; a variant left out means the architecture's usual one.
    fn generation(&self) -> Option<u8> {
        match (self.architecture.as_str(), self.variant.as_deref()) {
            ("amd64", None | Some("")) => Some(1),
            ("arm64", None | Some("")) => Some(8),
            ("arm", None | Some("")) => Some(7),
            (_, variant) => variant?.strip_prefix('v')?.parse().ok(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            None | Some("") => Ok(()),
            Some(variant) => write!(f, "/{variant}"),
        }
    }
}

/// Picks what suits `node` best; of equals the first.
pub(crate) fn choose<T>(
    node: &Platform,
    image: impl fmt::Display,
    offers: impl IntoIterator<Item = (Platform, T)>,
) -> Result<T, PlatformError> {
    let mut best: Option<(u8, T)> = None;
    let mut offered = Vec::new();
    for (platform, offer) in offers {
        if let Some(rank) = node.rank(&platform)
            && best.as_ref().is_none_or(|(known, _)| rank < *known)
        {
            best = Some((rank, offer));
        }
        if platform.is_known() {
            offered.push(platform);
        }
    }
    match best {
        Some((_, offer)) => Ok(offer),
        None => Err(PlatformError { image: image.to_string(), wanted: node.clone(), offered }),
    }
}

/// Checks the platform that an image's own config states.
pub(crate) fn check(
    node: &Platform,
    image: impl fmt::Display,
    stated: &Platform,
) -> Result<(), PlatformError> {
    // Images built from scratch by simple tools state nothing; they have always been taken at their word.
    if stated.os.is_empty() && stated.architecture.is_empty() {
        return Ok(());
    }
    choose(node, image, [(stated.clone(), ())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let (os, architecture, variant) = (next(), next(), Some(next()).filter(|v| !v.is_empty()));
        Platform { os, architecture, variant }
    }

    fn chosen<'a>(node: &str, offered: &[&'a str]) -> Option<&'a str> {
        let offers = offered.iter().map(|text| (platform(text), *text));
        choose(&platform(node), "x", offers).ok()
    }

    #[test]
    fn the_nearest_variant_that_runs_is_chosen() {
        assert_eq!(chosen("linux/amd64", &["linux/arm64/v8", "linux/amd64"]), Some("linux/amd64"));
        assert_eq!(chosen("linux/arm64/v8", &["linux/arm64"]), Some("linux/arm64"));
        assert_eq!(chosen("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"]), Some("linux/arm/v6"));
        assert_eq!(chosen("linux/arm/v6", &["linux/arm/v7"]), None);
        assert_eq!(chosen("linux/amd64", &["linux/amd64/v3", "linux/amd64/v1"]), Some("linux/amd64/v1"));
        assert_eq!(chosen("linux/amd64", &["windows/amd64"]), None);
    }

    #[test]
    fn a_missing_platform_is_answered_with_what_there_is() {
        let offers = ["linux/arm64/v8", "unknown/unknown", "windows/amd64"].map(|text| (platform(text), ()));
        let error = choose(&platform("linux/amd64"), "app:1", offers).unwrap_err();
        assert_eq!(
            error.to_string(),
            "app:1 has no variant for linux/amd64; there is linux/arm64/v8, windows/amd64: \
             build it for this platform or place it on such a node"
        );
    }

    #[test]
    fn rusts_names_are_translated() {
        for (arch, expected) in [
            ("x86_64", "linux/amd64"),
            ("aarch64", "linux/arm64/v8"),
            ("arm", "linux/arm/v7"),
            ("riscv64", "linux/riscv64"),
            ("powerpc64", "linux/ppc64le"),
        ] {
            assert_eq!(Platform::from_rust("linux", arch, true).to_string(), expected);
        }
    }
}

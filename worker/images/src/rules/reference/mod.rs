//! Image references as people write them, brought to one form.

mod parse;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, DigestError};

/// The namespace of Docker Hub's own images, which names leave out.
const OFFICIAL: &str = "library/";
/// What registries accept, registry included; longer names fail there with a bare 404.
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// Says what is wrong with a reference, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was given.
    #[error("the image reference is empty: give a name such as `nginx:1.27`")]
    Empty,
    /// A URL was given.
    #[error("image reference `{text}` is a URL: leave out `{scheme}`")]
    Url {
        /// What was given.
        text: String,
        /// The part to leave out.
        scheme: String,
    },
    /// An image id was given where only a name can be fetched.
    #[error("`{text}` is an image id, not a name: give a name such as `nginx@sha256:{text}`")]
    Id {
        /// What was given.
        text: String,
    },
    /// Upper-case letters in the repository.
    #[error("repository names are lowercase: write `{suggestion}` instead of `{text}`")]
    Uppercase {
        /// What was given.
        text: String,
        /// The same in lower case.
        suggestion: String,
    },
    /// A part before the first slash that is no host name.
    #[error("`{registry}` in image reference `{text}` is not a host name with an optional port")]
    Registry {
        /// What was given.
        text: String,
        /// The part that is wrong.
        registry: String,
    },
    /// A path component with letters that are not allowed.
    #[error(
        "`{component}` in image reference `{text}` must be lowercase letters and digits, joined by `.`, `_`, `__` or `-`"
    )]
    Component {
        /// What was given.
        text: String,
        /// The part that is wrong.
        component: String,
    },
    /// A tag with letters that are not allowed.
    #[error(
        "tag `{tag}` in image reference `{text}` must be 1 to {MAX_TAG} letters, digits, `_`, `.` or `-`, and not start with `.` or `-`"
    )]
    Tag {
        /// What was given.
        text: String,
        /// The part that is wrong.
        tag: String,
    },
    /// A digest that cannot be read.
    #[error("image reference `{text}` ends in a bad digest")]
    Digest {
        /// What was given.
        text: String,
        /// What is wrong with the digest.
        #[source]
        source: DigestError,
    },
    /// A name that no registry takes.
    #[error("the image name is {length} characters long, at most {MAX_NAME} are allowed")]
    TooLong {
        /// Length of the name with its registry, in bytes.
        length: usize,
    },
}

/// Names an image in a registry: always with a registry, and with a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Returns the registry's host and optional port, `docker.io` if none was given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository's path within its registry, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag; there is always one if there is no digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest that pins the content.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the registry and repository without tag or digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the short form that people use: `nginx:latest` for `docker.io/library/nginx:latest`.
    pub fn familiar(&self) -> String {
        let whole = self.to_string();
        let Some(short) = whole.strip_prefix("docker.io/") else { return whole };
        let shortest = short.strip_prefix(OFFICIAL).unwrap_or(short);
        // `docker.io/library/localhost/x` must not turn into the registry `localhost`.
        let means_this = |text: &&str| text.parse().as_ref() == Ok(self);
        [shortest, short].into_iter().find(means_this).unwrap_or(&whole).to_owned()
    }

    /// Returns the same repository pinned to a digest, without a tag.
    pub fn at(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the form images are stored under: a digest makes the tag meaningless.
    pub(crate) fn stored(&self) -> Self {
        match self.digest {
            Some(digest) => self.at(digest),
            None => self.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

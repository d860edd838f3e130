//! Whether a text can name an image: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
//!
//! Only the form is checked here, so that a slip is told to the person who made it and not by every
//! node in turn. The grammar is the one of the OCI distribution specification and docker's
//! reference documentation.

use super::bounds::shown;

/// The longest name, in characters, host included and tag and digest not.
const NAME_CHARS_MAX: usize = 255;
const TAG_CHARS_MAX: usize = 128;

/// Says why a text can't name an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageReferenceError {
    /// Nothing given.
    #[error("an image is needed, such as nginx:1.27 or registry.example.com/team/app:2")]
    Empty,
    /// The name before tag and digest is too long.
    #[error("the image name has {chars} characters: must be at most {NAME_CHARS_MAX}")]
    TooLong {
        /// Its length.
        chars: usize,
    },
    /// A host that is not a DNS name or an address.
    #[error("`{0}` is not a registry: use HOST or HOST:PORT, such as registry.example.com:5000")]
    Host(String),
    /// A path with characters that names don't have.
    #[error(
        "image name `{0}` is not valid: use lower-case letters, digits and single `.`, `_`, `-` between them, with `/` between parts"
    )]
    Path(String),
    /// A tag with characters that tags don't have.
    #[error(
        "image tag `{0}` is not valid: use letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most {TAG_CHARS_MAX} characters"
    )]
    Tag(String),
    /// A digest that is not `sha256:` and hexadecimal digits, or the like.
    #[error("image digest `{0}` is not valid: write sha256: and 64 hexadecimal digits")]
    Digest(String),
}

/// Checks that a text has the form of an image's name.
pub fn check_image_reference(text: &str) -> Result<(), ImageReferenceError> {
    if text.is_empty() {
        return Err(ImageReferenceError::Empty);
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
        return Err(ImageReferenceError::Digest(shown(digest)));
    }
    // A colon before the last slash belongs to a port.
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
        return Err(ImageReferenceError::Tag(shown(tag)));
    }
    check_name(name)
}

fn check_name(name: &str) -> Result<(), ImageReferenceError> {
    let chars = name.chars().count();
    if chars > NAME_CHARS_MAX {
        return Err(ImageReferenceError::TooLong { chars });
    }
    let path = match name.split_once('/') {
        Some((host, path)) if looks_like_host(host) => {
            if !is_host(host) {
                return Err(ImageReferenceError::Host(shown(host)));
            }
            path
        }
        _ => name,
    };
    if path.split('/').all(is_path_part) { Ok(()) } else { Err(ImageReferenceError::Path(shown(path))) }
}

/// Tells `registry.example.com/app` from `team/app`, as docker does.
fn looks_like_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':', '[']) || part.chars().any(|c| c.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_dns_label),
    };
    good_port && good_host
}

fn is_dns_label(label: &str) -> bool {
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_part(part: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators_are_good = || {
        part.split(is_word)
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.chars().all(|c| c == '-'))
    };
    part.starts_with(is_word) && part.ends_with(is_word) && separators_are_good()
}

fn is_tag(tag: &str) -> bool {
    (1..=TAG_CHARS_MAX).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let digits = match algorithm {
        "sha256" => 64,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == digits && hex.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_as_people_write_them_pass() {
        let digest = format!("nginx@sha256:{}", "0a".repeat(32));
        let by_id = format!("sha256:{}", "0a".repeat(32));
        for good in [
            "nginx",
            "nginx:1.27-alpine",
            "team/app__x:V1",
            "localhost/app",
            "localhost:5000/a/b/c:latest",
            "registry.example.com:5000/team/app",
            "[fd00::1]:5000/app",
            "a--b/c.d_e",
            &digest,
            &by_id,
        ] {
            assert_eq!(check_image_reference(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_malformed_reference_says_which_part_is_wrong() {
        use ImageReferenceError::*;
        let long = "a/".repeat(150) + "a";
        for (bad, error) in [
            ("", Empty),
            ("Nginx", Path("Nginx".into())),
            ("my app", Path("my app".into())),
            ("team//app", Path("team//app".into())),
            ("https://example.com/app", Host("https:".into())),
            ("a._b", Path("a._b".into())),
            ("nginx:", Tag(String::new())),
            ("nginx:a b", Tag("a b".into())),
            ("nginx@sha256:12", Digest("sha256:12".into())),
            ("host:99999/app", Host("host:99999".into())),
            (&long, TooLong { chars: 301 }),
        ] {
            assert_eq!(check_image_reference(bad), Err(error), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_panic(text: String) {
            let _ = check_image_reference(&text);
        }
    }
}

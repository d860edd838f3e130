//! Join tokens: a secret that lets a node in, and the digest of the root certificate, by which the
//! node knows that it is let into the right cluster.

use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// What every token begins with: the kind of text, and its version.
const PREFIX: &str = "SHLTKN-1-";
const SECRET_CHARS: usize = 25;
const DIGEST_CHARS: usize = 64;

/// A join token: `SHLTKN-1-<SHA-256 of the root certificate>-<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    root_digest: String,
    secret: String,
}

/// Says why a text is not a join token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a join token: a token begins with {PREFIX} and is printed whole by `shoal swarm join-token` on a manager"
)]
pub struct TokenError;

impl JoinToken {
    /// The token for a root certificate and one of its cluster's secrets.
    pub fn new(root_pem: &str, secret: &str) -> Self {
        Self { root_digest: digest(root_pem), secret: secret.to_owned() }
    }

    /// The part only the cluster knows.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Whether a root certificate is the one this token was made for.
    pub fn is_for_root(&self, root_pem: &str) -> bool {
        self.root_digest == digest(root_pem)
    }
}

/// Compares secrets in a time that does not tell how much of them is alike.
pub fn same_secret(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0u8, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn digest(root_pem: &str) -> String {
    Sha256::digest(root_pem.trim().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FromStr for JoinToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let (root_digest, secret) =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')).ok_or(TokenError)?;
        let base36 = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        let good = root_digest.len() == DIGEST_CHARS
            && secret.len() == SECRET_CHARS
            && base36(root_digest)
            && base36(secret);
        if !good {
            return Err(TokenError);
        }
        Ok(Self { root_digest: root_digest.to_owned(), secret: secret.to_owned() })
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}", self.root_digest, self.secret)
    }
}

impl fmt::Debug for JoinToken {
    /// Leaves the secret out, so that it can't get into a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-***", self.root_digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "0123456789abcdefghijklmno";

    #[test]
    fn a_token_knows_its_root() {
        let token: JoinToken = JoinToken::new("root", SECRET).to_string().parse().unwrap();
        assert!(token.is_for_root("root\n"));
        assert!(!token.is_for_root("another root"));
        assert_eq!(token.secret(), SECRET);
        assert!(!format!("{token:?}").contains(SECRET));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<JoinToken>();
        }

        #[test]
        fn a_cut_token_is_refused(keep in 0usize..98) {
            let text = JoinToken::new("root", SECRET).to_string();
            prop_assert!(text[..keep].parse::<JoinToken>().is_err());
        }
    }
}

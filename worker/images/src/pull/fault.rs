//! What a registry's refusal means for the person who asked.

use oci_client::errors::{DigestError, OciDistributionError, OciEnvelope, OciErrorCode};

use crate::rules::digest::Digest;

/// Is the meaning of a failed request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such thing; says the registry's reason.
    NotFound(String),
    /// Others may have it; says the registry's reason.
    Denied(String),
    /// Too much was asked for; says the registry's reason.
    RateLimited(String),
    /// Something else came.
    Digest { expected: Digest, got: Digest },
    /// There was no answer, or it broke off.
    Transport,
    /// The registry is broken or speaks another language.
    Other,
}

impl Fault {
    pub(crate) fn of(error: &OciDistributionError) -> Self {
        match error {
            OciDistributionError::UnauthorizedError { .. } => Self::Denied("not authorized".to_owned()),
            OciDistributionError::AuthenticationFailure(reason) => Self::Denied(or_status(reason, 401)),
            OciDistributionError::ServerError { code, message, .. } => Self::of_status(*code, message),
            OciDistributionError::RegistryError { envelope, .. } => Self::of_envelope(envelope),
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                match (expected.parse(), actual.parse()) {
                    (Ok(expected), Ok(got)) => Self::Digest { expected, got },
                    _ => Self::Other,
                }
            }
            OciDistributionError::RequestError(_) | OciDistributionError::IoError(_) => Self::Transport,
            _ => Self::Other,
        }
    }

    fn of_status(code: u16, message: &str) -> Self {
        match code {
            401 | 403 => Self::Denied(or_status(message, code)),
            404 => Self::NotFound(or_status(message, code)),
            429 => Self::RateLimited(or_status(message, code)),
            _ => Self::Other,
        }
    }

    fn of_envelope(envelope: &OciEnvelope) -> Self {
        use OciErrorCode::{
            BlobUnknown, Denied, ManifestBlobUnknown, ManifestUnknown, NameUnknown, NotFound,
            Toomanyrequests, Unauthorized,
        };
        match envelope.errors.first().map(|error| &error.code) {
            Some(Denied | Unauthorized) => Self::Denied(words(envelope)),
            Some(Toomanyrequests) => Self::RateLimited(words(envelope)),
            Some(ManifestUnknown | NameUnknown | NotFound | BlobUnknown | ManifestBlobUnknown) => {
                Self::NotFound(words(envelope))
            }
            _ => Self::Other,
        }
    }
}

fn words(envelope: &OciEnvelope) -> String {
    let words: Vec<&str> = envelope.errors.iter().map(|error| error.message.trim()).collect();
    words.join("; ")
}

/// Returns the message, or the status code if the registry left it empty.
fn or_status(message: &str, code: u16) -> String {
    match message.trim() {
        "" => format!("status {code}"),
        message => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_error(code: u16, message: &str) -> OciDistributionError {
        OciDistributionError::ServerError { code, url: String::new(), message: message.to_owned() }
    }

    #[test]
    fn refusals_are_told_apart_by_status_and_by_code() {
        assert_eq!(Fault::of(&server_error(404, "")), Fault::NotFound("status 404".to_owned()));
        assert_eq!(Fault::of(&server_error(403, "no\n")), Fault::Denied("no".to_owned()));
        assert_eq!(Fault::of(&server_error(429, "slow")), Fault::RateLimited("slow".to_owned()));
        assert_eq!(Fault::of(&server_error(500, "")), Fault::Other);
        let json = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        let envelope = serde_json::from_str(json).unwrap();
        let error = OciDistributionError::RegistryError { envelope, url: String::new() };
        assert_eq!(Fault::of(&error), Fault::NotFound("manifest unknown".to_owned()));
    }

    #[test]
    fn wrong_content_is_told_with_both_digests() {
        let (expected, got) = (Digest::of(b"a"), Digest::of(b"b"));
        let error =
            DigestError::VerificationError { expected: expected.to_string(), actual: got.to_string() };
        assert_eq!(Fault::of(&error.into()), Fault::Digest { expected, got });
    }
}

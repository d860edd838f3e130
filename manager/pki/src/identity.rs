//! What a certificate says about its holder.

use crate::authority::BACKDATE;
use proto::model::{ClusterId, NodeId, Role};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::{certificate::X509Certificate, prelude::FromDer, x509::AttributeTypeAndValue};

/// A node as its certificate names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The node.
    pub node: NodeId,
    /// What it is.
    pub role: Role,
    /// Its cluster.
    pub cluster: ClusterId,
    /// When the certificate was issued, less the backdating.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
}

/// Says why a certificate names no node.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Not a certificate.
    #[error("the certificate can't be read: {0}")]
    Parse(String),
    /// A part of the subject is missing or not what it should be.
    #[error("the certificate's {part} is missing or not valid")]
    Subject {
        /// The part.
        part: &'static str,
    },
}

impl NodeIdentity {
    /// Reads a certificate. Its signature is not checked here: TLS did that.
    pub fn of_der(der: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let (_, cert) =
            X509Certificate::from_der(der).map_err(|error| IdentityError::Parse(error.to_string()))?;
        let subject = cert.subject();
        let node = text(subject.iter_common_name().next()).and_then(|text| text.parse().ok());
        let role = text(subject.iter_organizational_unit().next()).and_then(|text| text.parse().ok());
        let cluster = text(subject.iter_organization().next()).and_then(|text| text.parse().ok());
        Ok(Self {
            node: node.ok_or(IdentityError::Subject { part: "common name (a node's id)" })?,
            role: role.ok_or(IdentityError::Subject { part: "organisational unit (a role)" })?,
            cluster: cluster.ok_or(IdentityError::Subject { part: "organisation (a cluster's id)" })?,
            not_before: time(cert.validity().not_before.timestamp()),
            not_after: time(cert.validity().not_after.timestamp()),
        })
    }

    /// Reads the first certificate of a PEM text.
    pub fn of_pem(pem: &str) -> Result<Self, IdentityError> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| IdentityError::Parse(error.to_string()))?;
        Self::of_der(&der)
    }

    /// When to renew: at the share given of the life it had when it was issued. Callers draw the share
    /// from 0.5 to 0.8, so that nodes that joined together do not all call at once.
    pub fn renew_at(&self, share: f64) -> SystemTime {
        // Counting the backdating as life would make one of an hour due the moment it is issued.
        let issued = self.not_before + BACKDATE;
        let life = self.not_after.duration_since(issued).unwrap_or(Duration::ZERO);
        issued + life.mul_f64(share.clamp(0.0, 1.0))
    }
}

fn text<'a>(attribute: Option<&'a AttributeTypeAndValue<'a>>) -> Option<&'a str> {
    attribute.and_then(|attribute| attribute.as_str().ok())
}

fn time(unix_seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_certificate_is_not_due_for_renewal_the_moment_it_is_issued() {
        let issued = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let identity = NodeIdentity {
            node: NodeId::from_bits(1),
            role: Role::Worker,
            cluster: ClusterId::from_bits(2),
            not_before: issued - BACKDATE,
            not_after: issued + Duration::from_secs(3600),
        };
        assert_eq!(identity.renew_at(0.5), issued + Duration::from_secs(1800));
        assert_eq!(identity.renew_at(0.8), issued + Duration::from_secs(2880));
        assert_eq!(identity.renew_at(7.0), identity.not_after);
    }

    #[test]
    fn what_is_no_certificate_names_nobody() {
        assert!(matches!(NodeIdentity::of_pem("nonsense"), Err(IdentityError::Parse(_))));
        assert!(matches!(
            NodeIdentity::of_der(&CertificateDer::from(vec![0x30, 0x03])),
            Err(IdentityError::Parse(_))
        ));
    }

    #[test]
    fn a_certificate_without_a_nodes_id_names_nobody() {
        let root = crate::Authority::create(SystemTime::now()).unwrap();
        let error = NodeIdentity::of_pem(&root.cert_pem).unwrap_err();
        assert_eq!(error.to_string(), "the certificate's common name (a node's id) is missing or not valid");
    }
}

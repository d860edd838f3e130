//! The cluster's certificate authority: made at init, it signs the nodes' certificates.

use proto::model::{ClusterId, NodeId, Role, RootCa};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::time::{Duration, SystemTime};

/// How long the root certificate is valid.
const ROOT_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);
/// Certificates begin an hour ago, so that nodes whose clocks differ a little accept them.
pub(crate) const BACKDATE: Duration = Duration::from_secs(3600);
/// The name every manager's certificate carries, and a caller of any manager asks for.
pub const MANAGER_NAME: &str = "manager";

/// Signs certificates with the cluster's root key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
}

/// What a certificate is to say.
#[derive(Debug, Clone, Copy)]
pub struct Issue {
    /// Whom it names.
    pub node: NodeId,
    /// What the node is.
    pub role: Role,
    /// In which cluster.
    pub cluster: ClusterId,
    /// For how long.
    pub life: Duration,
    /// The time it is issued at.
    pub now: SystemTime,
}

/// Says what failed in making a certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The root could not be made.
    #[error("failed to make a certificate authority")]
    Create(#[source] rcgen::Error),
    /// The stored root could not be read.
    #[error("the cluster's certificate authority can't be read")]
    Load(#[source] rcgen::Error),
    /// The request of a node is not one.
    #[error("the certificate request can't be read, or its signature is wrong")]
    Request(#[source] rcgen::Error),
    /// Signing failed.
    #[error("failed to sign a certificate for node {node}")]
    Sign {
        /// The node.
        node: NodeId,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

impl Authority {
    /// Makes a new root key and a certificate for it (ECDSA P-256, valid for 20 years).
    pub fn create(now: SystemTime) -> Result<RootCa, AuthorityError> {
        let key = KeyPair::generate().map_err(AuthorityError::Create)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "shoal-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = (now - BACKDATE).into();
        params.not_after = (now + ROOT_LIFE).into();
        let cert = params.self_signed(&key).map_err(AuthorityError::Create)?;
        Ok(RootCa { cert_pem: cert.pem(), key_pem: key.serialize_pem() })
    }

    /// Takes up the root that the cluster holds.
    pub fn load(root: &RootCa) -> Result<Self, AuthorityError> {
        let key = KeyPair::from_pem(&root.key_pem).map_err(AuthorityError::Load)?;
        let issuer = Issuer::from_ca_cert_pem(&root.cert_pem, key).map_err(AuthorityError::Load)?;
        Ok(Self { issuer, root_pem: root.cert_pem.clone() })
    }

    /// The root certificate.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// Signs a certificate for the key in a request. Nothing else of the request is believed: what
    /// the certificate says comes from `issue`.
    pub fn sign(&self, csr_pem: &str, issue: Issue) -> Result<String, AuthorityError> {
        let request = CertificateSigningRequestParams::from_pem(csr_pem).map_err(AuthorityError::Request)?;
        let sign_error = |source| AuthorityError::Sign { node: issue.node, source };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, issue.node.to_string());
        params.distinguished_name.push(DnType::OrganizationalUnitName, issue.role.to_string());
        params.distinguished_name.push(DnType::OrganizationName, issue.cluster.to_string());
        params.subject_alt_names = names_of(issue.node, issue.role)
            .into_iter()
            .map(|name| name.try_into().map(SanType::DnsName))
            .collect::<Result<_, _>>()
            .map_err(sign_error)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = (issue.now - BACKDATE).into();
        params.not_after = (issue.now + issue.life).into();
        let cert = params.signed_by(&request.public_key, &self.issuer).map_err(sign_error)?;
        Ok(cert.pem())
    }
}

/// The DNS names in a node's certificate: the one by which this very node is asked for, and for a
/// manager the one by which any manager is.
fn names_of(node: NodeId, role: Role) -> Vec<String> {
    match role {
        Role::Worker => vec![node_name(node)],
        Role::Manager => vec![node_name(node), MANAGER_NAME.to_owned()],
    }
}

/// The DNS name of one node. Its id alone would be none if it consisted of digits only.
pub(crate) fn node_name(node: NodeId) -> String {
    format!("node-{node}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NodeIdentity, request::new_key};

    fn issue(role: Role) -> Issue {
        Issue {
            node: NodeId::from_bits(7),
            role,
            cluster: ClusterId::from_bits(8),
            life: Duration::from_secs(3600),
            now: SystemTime::now(),
        }
    }

    #[test]
    fn a_certificate_says_what_the_authority_was_told_and_not_what_the_request_asks_for() {
        let authority = Authority::load(&Authority::create(SystemTime::now()).unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut wish = CertificateParams::new(vec![MANAGER_NAME.to_owned()]).unwrap();
        wish.distinguished_name.push(DnType::OrganizationalUnitName, "manager");
        let csr = wish.serialize_request(&key).unwrap().pem().unwrap();

        let cert = authority.sign(&csr, issue(Role::Worker)).unwrap();
        let identity = NodeIdentity::of_pem(&cert).unwrap();
        assert_eq!((identity.node, identity.role), (NodeId::from_bits(7), Role::Worker));
        assert_eq!(identity.cluster, ClusterId::from_bits(8));
        assert_eq!(names_of(identity.node, identity.role), [node_name(identity.node)]);
    }

    #[test]
    fn a_stored_authority_signs_on_after_it_is_loaded_again() {
        let stored = Authority::create(SystemTime::now()).unwrap();
        let csr = new_key().unwrap().csr_pem;
        for _ in 0..2 {
            let cert = Authority::load(&stored).unwrap().sign(&csr, issue(Role::Manager)).unwrap();
            assert_eq!(NodeIdentity::of_pem(&cert).unwrap().role, Role::Manager);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let authority = Authority::load(&Authority::create(SystemTime::now()).unwrap()).unwrap();
        let good = new_key().unwrap().csr_pem;
        for csr in ["", "nonsense", &good[..good.len() / 2]] {
            assert!(
                matches!(authority.sign(csr, issue(Role::Worker)), Err(AuthorityError::Request(_))),
                "{csr}"
            );
        }
    }
}

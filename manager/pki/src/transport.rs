//! Dialling other nodes.

use crate::{
    authority::{MANAGER_NAME, node_name},
    material::{Credentials, MaterialError, provider, root_store},
};
use hyper_util::rt::TokioIo;
use proto::model::NodeId;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{io, sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// A node that does not take a connection in this time counts as unreachable.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// A silent connection is probed this often, so that one cut without a word is noticed.
const KEEPALIVE_PERIOD: Duration = Duration::from_secs(2);
/// A probe not answered in this time ends the connection.
const KEEPALIVE_TIME_MAX: Duration = Duration::from_secs(3);

/// Whom a caller wants to reach: the other end must show a certificate that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// This node and no other, wherever it may be now.
    Node(NodeId),
    /// Any manager of the cluster.
    AnyManager,
}

/// How the other end is checked.
enum Trust {
    /// By this node's credentials, which it shows as well.
    Mutual(Credentials),
    /// By these settings, showing none of its own.
    OneWay(Arc<ClientConfig>),
}

/// Says why a node could not be dialled.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Not `HOST:PORT`.
    #[error("`{addr}` is not an address: write HOST:PORT, such as 10.0.0.5:2377")]
    Address {
        /// As it was given.
        addr: String,
    },
    /// The root certificate can't be used.
    #[error("the root certificate can't be used")]
    Root(#[source] MaterialError),
}

/// A channel to a node, mutually authenticated. It connects when first used, and again whenever the
/// connection is lost, with the credentials of that moment.
pub fn channel(addr: &str, peer: Peer, credentials: &Credentials) -> Result<Channel, DialError> {
    dial(addr, peer, Trust::Mutual(credentials.clone()))
}

/// A channel to a manager for a node that has no certificate yet but knows the root.
pub fn channel_to_root(addr: &str, root_pem: &str) -> Result<Channel, DialError> {
    let roots = root_store(root_pem).map_err(DialError::Root)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| DialError::Root(MaterialError::Tls(error)))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    dial(addr, Peer::AnyManager, Trust::OneWay(Arc::new(config)))
}

/// A channel to whoever is at an address, to ask for the root certificate. Nothing it says may be
/// believed unless the join token's digest confirms it.
pub fn channel_to_stranger(addr: &str) -> Result<Channel, DialError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| DialError::Root(MaterialError::Tls(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(
            provider().signature_verification_algorithms,
        )))
        .with_no_client_auth();
    dial(addr, Peer::AnyManager, Trust::OneWay(Arc::new(config)))
}

/// Whether a text is `HOST:PORT`.
pub fn check_addr(addr: &str) -> Result<(), DialError> {
    uri(addr).map(|_| ())
}

fn uri(addr: &str) -> Result<Uri, DialError> {
    let refuse = || DialError::Address { addr: addr.to_owned() };
    let uri: Uri = format!("http://{addr}").parse().map_err(|_| refuse())?;
    // Nothing but the two may be there, such as a path.
    let whole = uri.authority().is_some_and(|authority| authority.as_str() == addr && !addr.contains('@'));
    match whole
        && uri.port_u16().is_some_and(|port| port > 0)
        && uri.host().is_some_and(|host| !host.is_empty())
    {
        true => Ok(uri),
        false => Err(refuse()),
    }
}

fn dial(addr: &str, peer: Peer, trust: Trust) -> Result<Channel, DialError> {
    let refuse = || DialError::Address { addr: addr.to_owned() };
    let uri = uri(addr)?;
    let name = match peer {
        Peer::Node(node) => node_name(node),
        Peer::AnyManager => MANAGER_NAME.to_owned(),
    };
    let name = ServerName::try_from(name).map_err(|_| refuse())?;
    let trust = Arc::new(trust);
    let addr = addr.to_owned();
    let connect = tower::service_fn(move |_: Uri| {
        let (addr, name, trust) = (addr.clone(), name.clone(), trust.clone());
        async move {
            let connected = tokio::time::timeout(CONNECT_TIME_MAX, connect(&addr, name, &trust)).await;
            connected.unwrap_or_else(|_| Err(silent())).map(TokioIo::new)
        }
    });
    let endpoint = Endpoint::from(uri)
        .http2_keep_alive_interval(KEEPALIVE_PERIOD)
        .keep_alive_timeout(KEEPALIVE_TIME_MAX)
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_with_connector_lazy(connect))
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("nobody answers within {CONNECT_TIME_MAX:?}"))
}

async fn connect(
    addr: &str,
    name: ServerName<'static>,
    trust: &Trust,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let config = match trust {
        Trust::Mutual(credentials) => credentials.client(),
        Trust::OneWay(config) => {
            let mut config = ClientConfig::clone(config);
            config.alpn_protocols = vec![b"h2".to_vec()];
            Arc::new(config)
        }
    };
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| match error.get_ref() {
        Some(cause) if matches!(cause.downcast_ref(), Some(rustls::Error::InvalidMessage(_))) => {
            io::Error::new(io::ErrorKind::InvalidData, "what answers there is no shoal manager")
        }
        _ => error,
    })
}

/// Accepts any certificate, as long as its holder has the key.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        for good in ["10.0.0.1:2377", "[fd00::1]:2377", "manager.example:2377"] {
            assert!(check_addr(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1",
            "10.0.0.1:0",
            "10.0.0.1:99999",
            ":2377",
            "fd00::1",
            "a:1/x",
            "me@a:1",
            "http://a:1",
        ] {
            let error = check_addr(bad).unwrap_err().to_string();
            assert!(error.contains("write HOST:PORT"), "{bad}: {error}");
        }
    }
}

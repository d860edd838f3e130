//! Probes that get a page.

use super::peer::Peer;
use crate::chain::Chain;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, IpAddr, Ipv4Addr, ServerName, UnixTime},
};
use std::{num::NonZeroU16, pin::pin, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// Gets it; the status, or why that is no success. Redirections are not followed: who sends one works.
pub(super) async fn get(peer: &Peer, port: NonZeroU16, path: &str, tls: bool) -> Result<String, String> {
    let stream = peer.connect(port).await?;
    if !tls {
        return ask(stream, port, path).await;
    }
    // No name is known that the certificate could be for.
    let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([127, 0, 0, 1])));
    let connected = TlsConnector::from(Arc::new(trusting()?)).connect(name, stream).await;
    ask(connected.map_err(|error| format!("port {port}: {error}"))?, port, path).await
}

async fn ask<S>(stream: S, port: NonZeroU16, path: &str) -> Result<String, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let words = |error: &hyper::Error| format!("port {port}: {}", Chain(error));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let request = Request::get(path)
        .header(header::HOST, format!("localhost:{port}"))
        .header(header::USER_AGENT, "shoal-probe")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The body is of no interest: the connection ends with this call.
    let mut answer = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // With what it brought last the answer is known, or that there is none.
        _ = connection => answer.await,
    };
    let status = answer.map_err(|error| words(&error))?.status();
    match status {
        StatusCode::SWITCHING_PROTOCOLS => Err(format!("{status} is no page")),
        _ if status.is_success() || status.is_redirection() => Ok(status.to_string()),
        _ => Err(format!("it answers {status}")),
    }
}

fn trusting() -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.dangerous();
    Ok(config.with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))).with_no_client_auth())
}

/// Takes every certificate: the connection never leaves the container, and nothing is told in it.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

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
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

//! A small registry on loopback that can hold back, refuse, and lie.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::archives::TestImage;
use crate::Digest;

/// Is a way in which a registry delivers a blob.
#[derive(Clone, Copy)]
pub enum Lie {
    /// As many bytes as it should be, but others.
    OtherBytes,
    /// Fewer bytes than announced, then a closed connection.
    BrokenOff,
    /// Fewer bytes, announced as if that were all.
    CutShort,
    /// More bytes than the manifest says.
    TooLong,
}

#[derive(Default)]
struct Content {
    /// By tag or digest.
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    lies: BTreeMap<Digest, Lie>,
    /// Wanted in the header `Authorization`, if any.
    authorization: Option<String>,
    /// Every path asked for below `/v2/`.
    requests: Vec<String>,
}

/// Serves until it is dropped.
pub struct Registry {
    pub address: SocketAddr,
    content: Arc<Mutex<Content>>,
    /// Blobs are sent as long as there are permits; each takes one.
    gate: Arc<Semaphore>,
    server: JoinHandle<()>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Registry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let content = Arc::new(Mutex::new(Content::default()));
        let gate = Arc::new(Semaphore::new(1000));
        let (shared, opening) = (content.clone(), gate.clone());
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away in the middle is none of the server's business.
                tokio::spawn(serve(stream, shared.clone(), opening.clone()));
            }
        });
        Self { address, content, gate, server }
    }

    pub fn push(&self, tag: &str, image: &TestImage) {
        self.push_manifest(tag, image.manifest());
        self.content.lock().unwrap().blobs.extend(image.blobs());
    }

    pub fn push_manifest(&self, tag: &str, manifest: Vec<u8>) {
        let mut content = self.content.lock().unwrap();
        content.manifests.insert(Digest::of(&manifest).to_string(), manifest.clone());
        content.manifests.insert(tag.to_owned(), manifest);
    }

    pub fn lie(&self, blob: Digest, lie: Lie) {
        self.content.lock().unwrap().lies.insert(blob, lie);
    }

    pub fn want_authorization(&self, value: &str) {
        self.content.lock().unwrap().authorization = Some(value.to_owned());
    }

    /// Holds back all blobs until the gate is opened.
    pub fn close_gate(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(1000);
    }

    /// Counts the requests whose path ends like this.
    pub fn requests(&self, end: &str) -> usize {
        self.content.lock().unwrap().requests.iter().filter(|path| path.ends_with(end)).count()
    }

    pub fn requests_for_blobs(&self) -> usize {
        self.content.lock().unwrap().requests.iter().filter(|path| path.contains("/blobs/")).count()
    }

    pub fn reference(&self, rest: &str) -> crate::Reference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }
}

async fn serve(stream: TcpStream, content: Arc<Mutex<Content>>, gate: Arc<Semaphore>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = String::new();
    stream.read_line(&mut request).await?;
    let mut authorization = None;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("authorization") {
            authorization = Some(value.to_owned());
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    if path.contains("/blobs/") {
        content.lock().unwrap().requests.push(path.clone());
        let permit = gate.acquire().await;
        permit.map_err(std::io::Error::other)?.forget();
    }
    let answer = answer(&path, authorization.as_deref(), &mut content.lock().unwrap());
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

fn answer(path: &str, authorization: Option<&str>, content: &mut Content) -> Vec<u8> {
    if !path.contains("/blobs/") {
        content.requests.push(path.to_owned());
    }
    if content.authorization.is_some() && content.authorization.as_deref() != authorization {
        return response("401 Unauthorized", "WWW-Authenticate: Basic realm=\"test\"\r\n", b"", 0);
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if path == "/v2/" {
        return response("200 OK", "", b"{}", 2);
    }
    if path.contains("/manifests/")
        && let Some(manifest) = content.manifests.get(last)
    {
        return response("200 OK", "Content-Type: application/json\r\n", manifest, manifest.len());
    }
    if let Ok(digest) = last.parse()
        && let Some(blob) = content.blobs.get(&digest)
    {
        return lying(blob, content.lies.get(&digest).copied());
    }
    let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
    response("404 Not Found", "Content-Type: application/json\r\n", body, body.len())
}

fn lying(blob: &[u8], lie: Option<Lie>) -> Vec<u8> {
    let half = &blob[..blob.len() / 2];
    match lie {
        None => response("200 OK", "", blob, blob.len()),
        Some(Lie::OtherBytes) => response("200 OK", "", &vec![b'x'; blob.len()], blob.len()),
        Some(Lie::BrokenOff) => response("200 OK", "", half, blob.len()),
        Some(Lie::CutShort) => response("200 OK", "", half, half.len()),
        Some(Lie::TooLong) => response("200 OK", "", &[blob, blob].concat(), 2 * blob.len()),
    }
}

fn response(status: &str, headers: &str, body: &[u8], length: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

//! An image made of busybox, as an archive that `docker save` could have written.

use sha2::{Digest, Sha256};
use std::fs;

/// What the image calls itself.
pub const NAME: &str = "busybox:test";

/// Writes the archive. `/srv/data/seed` is there for volumes to be filled from.
pub fn archive() -> Vec<u8> {
    let layer = layer();
    let config = format!(
        r#"{{"os":"linux","architecture":"{}","config":{{"Cmd":["sh"],"Env":["PATH=/bin"]}},"rootfs":{{"type":"layers","diff_ids":["sha256:{}"]}}}}"#,
        if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        hex::encode(Sha256::digest(&layer)),
    );
    let manifest = format!(r#"[{{"Config":"config.json","RepoTags":["{NAME}"],"Layers":["layer.tar"]}}]"#);
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("config.json", config.as_bytes()),
        ("layer.tar", layer.as_slice()),
        ("manifest.json", manifest.as_bytes()),
    ] {
        add(&mut tar, name, 0o644, content);
    }
    tar.into_inner().unwrap()
}

fn layer() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = fs::read("/bin/busybox").expect("the tests need the package busybox-static");
    add(&mut tar, "bin/busybox", 0o755, &busybox);
    for applet in ["sh", "sleep", "cat", "nc", "echo", "touch"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    add(&mut tar, "srv/data/seed", 0o644, b"from the image\n");
    tar.into_inner().unwrap()
}

fn add(tar: &mut tar::Builder<Vec<u8>>, name: &str, mode: u32, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    tar.append_data(&mut header, name, content).unwrap();
}

//! Archives with all that a root may have, and images of them as OCI has them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// The time of every file.
pub const TIME: u64 = 1_700_000_000;

/// A tar that is being made.
pub struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(
        mut self,
        path: &str,
        kind: EntryType,
        (mode, uid, gid): Owner,
        target: &str,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_mtime(TIME);
        header.set_size(content.len() as u64);
        if kind == EntryType::Link || kind == EntryType::Symlink {
            self.0.append_link(&mut header, path, target).unwrap();
        } else {
            self.0.append_data(&mut header, path, content).unwrap();
        }
        self
    }

    pub fn folder(self, path: &str, owner: Owner) -> Self {
        self.add(path, EntryType::Directory, owner, "", b"")
    }

    pub fn file(self, path: &str, owner: Owner, content: &[u8]) -> Self {
        self.add(path, EntryType::Regular, owner, "", content)
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Symlink, (0o777, 0, 0), target, b"")
    }

    pub fn link(self, path: &str, target: &str) -> Self {
        self.add(path, EntryType::Link, (0o644, 0, 0), target, b"")
    }

    pub fn special(mut self, path: &str, kind: EntryType, mode: u32, (major, minor): (u32, u32)) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(6);
        header.set_mtime(TIME);
        header.set_size(0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.0.append_data(&mut header, path, &b""[..]).unwrap();
        self
    }

    /// Extended attributes of what is added next.
    pub fn attributes(mut self, all: &[(&str, &[u8])]) -> Self {
        let keys: Vec<_> = all.iter().map(|(name, _)| format!("SCHILY.xattr.{name}")).collect();
        let records = keys.iter().zip(all).map(|(key, (_, value))| (key.as_str(), *value));
        self.0.append_pax_extensions(records).unwrap();
        self
    }

    pub fn tar(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// Mode, user, group.
pub type Owner = (u32, u64, u64);
pub const ROOT: Owner = (0o755, 0, 0);

/// cap_dac_override and cap_fowner, permitted and effective: its third number is a line end.
pub const CAPABILITY: &[u8] = b"\x01\0\0\x02\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
pub const NOTE: &[u8] = b"one\ntwo three";

/// A path of 240 bytes.
pub fn long() -> String {
    format!("{0}/{0}/{0}/{0}", "long".repeat(15))[..240].to_owned()
}

/// Bytes that do not pack.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

fn start() -> Layer {
    let far = format!("usr/{}", long());
    let way = far.match_indices('/').skip(1).map(|(at, _)| &far[..at]);
    let start = Layer::new()
        .folder("./", (0o751, 1, 2))
        .folder("bin", ROOT)
        .attributes(&[("security.capability", CAPABILITY)])
        .file("bin/tool", (0o4755, 7, 8), b"the tool")
        .link("bin/twin", "bin/tool")
        .folder("usr", ROOT)
        .folder("usr/lib", (0o2775, 0, 50))
        .symlink("lib", "usr/lib")
        .folder("dev", ROOT)
        .special("dev/null", EntryType::Char, 0o666, (1, 3))
        .special("dev/disk", EntryType::Block, 0o660, (259, 300))
        .special("dev/pipe", EntryType::Fifo, 0o600, (0, 0))
        .file("usr/noise", (0o644, 0, 0), &noise(300_000))
        .file("usr/with space\nand \u{e4}", (0o644, 0, 0), b"")
        .attributes(&[("user.note", NOTE)])
        .folder("etc", ROOT)
        .folder("cache", (0o1777, 0, 0));
    let way = way.fold(start, |layer, folder| layer.folder(folder, ROOT));
    way.file(&far, (0o600, 70_000, 70_001), b"far down")
}

/// Two layers: the second one has every kind of whiteout, replaces files by folders and folders by files, links to a
/// file of the first one, and writes through a symbolic link.
pub fn layers() -> Vec<Vec<u8>> {
    let below = start()
        .file("etc/old", (0o644, 0, 0), b"old")
        .file("etc/keep", (0o644, 0, 0), b"old")
        .folder("etc/gone", ROOT)
        .file("etc/gone/inner", (0o644, 0, 0), b"old")
        .file("cache/x", (0o644, 0, 0), b"old")
        .file("swap-file", (0o644, 0, 0), b"old")
        .folder("swap-folder", ROOT)
        .file("swap-folder/inner", (0o644, 0, 0), b"old");
    let above = laid_over(Layer::new())
        .file("cache/.wh..wh..opq", (0o644, 0, 0), b"")
        .file("etc/.wh.old", (0o644, 0, 0), b"")
        .file("etc/.wh.gone", (0o644, 0, 0), b"")
        .file(".wh..wh.aufs", (0o644, 0, 0), b"")
        .file("lib/so", (0o644, 0, 0), b"through a link");
    vec![below.tar(), above.tar()]
}

/// What is left when both are laid over each other.
pub fn flat() -> Vec<u8> {
    laid_over(start()).file("usr/lib/so", (0o644, 0, 0), b"through a link").tar()
}

/// What the upper one brings or replaces, under the same names.
fn laid_over(layer: Layer) -> Layer {
    layer
        .file("cache/z", (0o640, 3, 4), b"new")
        .file("etc/keep", (0o600, 0, 0), b"new")
        .folder("swap-file", (0o700, 0, 0))
        .file("swap-file/inner", (0o644, 0, 0), b"new")
        .file("swap-folder", (0o644, 0, 0), b"new")
        .link("bin/third", "bin/tool")
}

pub fn sum(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An image layout in a folder, by hand.
pub struct Layout<'a>(pub &'a Path);

impl Layout<'_> {
    /// Writes a blob and returns its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = sum(bytes);
        fs::create_dir_all(self.0.join("blobs/sha256")).unwrap();
        fs::write(self.path(&digest), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    pub fn path(&self, digest: &str) -> std::path::PathBuf {
        self.0.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
    }

    /// Writes an image of these layers, each packed in its way, and returns its manifest's descriptor.
    pub fn image(&self, layers: &[Vec<u8>], arch: &str, packed: &[&str]) -> Value {
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let blobs: Vec<_> = layers
            .iter()
            .zip(packed)
            .map(|(layer, packed)| match *packed {
                "gzip" => self.blob(&format!("{tar}+gzip"), &gzip(layer)),
                "zstd" => self.blob(&format!("{tar}+zstd"), &zstd::encode_all(&layer[..], 1).unwrap()),
                _ => self.blob(tar, layer),
            })
            .collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| sum(layer)).collect();
        self.manifest(&blobs, &diff_ids, arch)
    }

    pub fn manifest(&self, layers: &[Value], diff_ids: &[String], arch: &str) -> Value {
        let config = json!({
            "architecture": arch, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let kind = |what: &str| format!("application/vnd.oci.image.{what}.v1+json");
        let config = self.blob(&kind("config"), config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind("manifest"), "config": config, "layers": layers,
        });
        let mut manifest = self.blob(&kind("manifest"), manifest.to_string().as_bytes());
        manifest["platform"] = json!({ "os": "linux", "architecture": arch });
        manifest
    }

    /// Writes the index; each image has a name or none.
    pub fn index(&self, images: &[(Value, Option<&str>)]) {
        let named = |(image, name): &(Value, Option<&str>)| {
            let mut image = image.clone();
            if let Some(name) = name {
                image["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            }
            image
        };
        let manifests: Vec<_> = images.iter().map(named).collect();
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.0.join("index.json"), index.to_string()).unwrap();
        fs::write(self.0.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}

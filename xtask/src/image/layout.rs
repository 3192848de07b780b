//! An OCI image layout: blobs by their digest, a manifest and a configuration, and an index that names them.
//!
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::elf::Architecture;
use super::root::{Layer, Root};
use super::{FOLDER, USER};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image that is about to be written.
pub(super) struct Image {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The name of the program that its container runs.
    pub(super) entry: &'static str,
    pub(super) root: Root,
}

/// One that was written.
pub(super) struct Made {
    pub(super) architecture: Architecture,
    /// The manifest's, by which registries know the image.
    pub(super) digest: String,
    /// Of everything that a registry keeps.
    pub(super) bytes: u64,
}

impl Image {
    /// Writes the layout into a folder; what an earlier call left there is replaced.
    pub(super) fn write(&self, out: &Path) -> Result<Made> {
        make_room(out)?;
        let blobs = out.join("blobs/sha256");
        fs::create_dir_all(&blobs).with_context(|| format!("failed to create {}", blobs.display()))?;
        let mut layers = Vec::new();
        for layer in &self.root.layers {
            layers.push(Blob::layer(layer, &blobs)?);
        }
        let diffs: Vec<&str> = layers.iter().map(|layer| layer.content.as_str()).collect();
        let config = Blob::json(&self.config(&diffs), &blobs)?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(CONFIG),
            "layers": layers.iter().map(|layer| layer.descriptor(LAYER)).collect::<Vec<_>>(),
            "annotations": self.labels(),
        });
        let manifest = Blob::json(&manifest, &blobs)?;
        let mut descriptor = manifest.descriptor(MANIFEST);
        descriptor["platform"] = json!({"architecture": self.architecture(), "os": "linux"});
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": self.version});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]});
        write(&out.join("index.json"), index.to_string().as_bytes())?;
        write(&out.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
        let bytes = layers.iter().chain([&config, &manifest]).map(|blob| blob.size).sum();
        Ok(Made { architecture: self.root.architecture, digest: manifest.digest, bytes })
    }

    fn architecture(&self) -> String {
        self.root.architecture.to_string()
    }

    fn config(&self, diffs: &[&str]) -> Value {
        let history = ["libraries and authorities", "the program"].map(|what| json!({"created_by": what}));
        json!({
            "architecture": self.architecture(),
            "os": "linux",
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": [format!("/{FOLDER}/{}", self.entry)],
                "Env": [format!("PATH=/{FOLDER}")],
                "WorkingDir": "/",
                "Labels": self.labels(),
            },
            "rootfs": {"type": "layers", "diff_ids": diffs},
            "history": history,
        })
    }

    fn labels(&self) -> Value {
        json!({
            "org.opencontainers.image.title": self.name,
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
        })
    }
}

/// Removes an earlier layout, and nothing else.
fn make_room(out: &Path) -> Result<()> {
    let Ok(mut entries) = fs::read_dir(out) else { return Ok(()) };
    if !out.join("oci-layout").exists() && entries.next().is_some() {
        bail!("{} is neither empty nor an OCI layout; nothing was removed", out.display());
    }
    fs::remove_dir_all(out).with_context(|| format!("failed to replace {}", out.display()))
}

/// A file of the layout, named by what is in it.
struct Blob {
    digest: String,
    size: u64,
    /// Of what is in it uncompressed.
    content: String,
}

impl Blob {
    fn json(value: &Value, folder: &Path) -> Result<Self> {
        let text = value.to_string();
        let digest = digest(Sha256::digest(&text).as_slice());
        write(&folder.join(hex_of(&digest)), text.as_bytes())?;
        Ok(Self { digest: digest.clone(), size: text.len() as u64, content: digest })
    }

    fn layer(layer: &Layer, folder: &Path) -> Result<Self> {
        let draft = folder.join("draft");
        let what = || format!("failed to write {}", draft.display());
        let file = Hashed::new(BufWriter::new(File::create(&draft).with_context(what)?));
        // No name and no time, so that the same content is the same file.
        let mut content = Hashed::new(GzBuilder::new().write(file, Compression::default()));
        layer.write(&mut content)?;
        let (gzip, content, _) = content.done();
        let (mut file, whole, size) = gzip.finish().with_context(what)?.done();
        file.flush().with_context(what)?;
        fs::rename(&draft, folder.join(hex_of(&whole))).with_context(what)?;
        Ok(Self { digest: whole, size, content })
    }

    fn descriptor(&self, kind: &str) -> Value {
        json!({"mediaType": kind, "digest": self.digest, "size": self.size})
    }
}

/// Passes on what is written, and hashes it.
struct Hashed<W> {
    to: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Hashed<W> {
    fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), size: 0 }
    }

    fn done(self) -> (W, String, u64) {
        (self.to, digest(self.hash.finalize().as_slice()), self.size)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn digest(hash: &[u8]) -> String {
    format!("sha256:{}", hex::encode(hash))
}

fn hex_of(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("failed to write {}", path.display()))
}

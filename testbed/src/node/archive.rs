//! Images as archives that containerd imports: of one program, and of an OCI layout.
//!
//! The archive of a program is what `docker save` writes, the smallest form that there is:
//! <https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md#combined-image-json--filesystem-changeset-format>.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use crate::sandbox::Sandbox;

/// An image with one program, run by nobody in particular.
pub(super) fn of_program(sandbox: &Sandbox, name: &str, program: &Path) -> Result<PathBuf> {
    let program = fs::read(program).with_context(|| format!("failed to read {}", program.display()))?;
    let mut layer = Builder::new(Vec::new());
    append(&mut layer, "program", &program, 0o755)?;
    let layer = layer.into_inner().context("failed to end a layer")?;
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": ["/program"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex::encode(Sha256::digest(&layer)))]},
        "history": [],
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]);
    let (path, mut archive) = create(sandbox)?;
    append(&mut archive, "config.json", config.to_string().as_bytes(), 0o644)?;
    append(&mut archive, "layer.tar", &layer, 0o644)?;
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes(), 0o644)?;
    archive.finish().context("failed to end an archive")?;
    Ok(path)
}

/// A folder with an OCI layout, in one file.
pub(super) fn of_layout(sandbox: &Sandbox, layout: &Path) -> Result<PathBuf> {
    let (path, mut archive) = create(sandbox)?;
    archive.append_dir_all("", layout).with_context(|| format!("failed to pack {}", layout.display()))?;
    archive.finish().context("failed to end an archive")?;
    Ok(path)
}

fn create(sandbox: &Sandbox) -> Result<(PathBuf, Builder<File>)> {
    let path = sandbox.dir().join("image.tar");
    let file = File::create(&path).context("failed to create an archive")?;
    Ok((path, Builder::new(file)))
}

fn append<W: Write>(archive: &mut Builder<W>, name: &str, content: &[u8], mode: u32) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    archive.append_data(&mut header, name, content).context("failed to write an archive")
}

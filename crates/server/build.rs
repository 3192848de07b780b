//! Puts the built console (`console/dist`) into the crate as a table of files; an empty table if it was not built.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest as _, Sha256};

fn main() -> io::Result<()> {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let console = manifest_dir.join("../../console");
    let dist = console.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist would have this run at every build.
    println!("cargo::rerun-if-changed={}", if dist.exists() { &dist } else { &console }.display());
    let mut files = Vec::new();
    if dist.exists() {
        collect(&dist, &mut files)?;
    }
    files.sort();
    let mut table = String::from("&[\n");
    for file in &files {
        let bytes = fs::read(file)?;
        let path = file.strip_prefix(&dist).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        let etag = hex::encode(&Sha256::digest(&bytes)[..16]);
        let file = file.canonicalize()?;
        writeln!(
            table,
            "    Asset {{ path: {path:?}, bytes: include_bytes!({file:?}), etag: \"\\\"{etag}\\\"\" }},"
        )
        .map_err(io::Error::other)?;
    }
    table.push(']');
    fs::write(out_dir.join("assets.rs"), table)
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}

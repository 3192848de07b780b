//! The image as a container runtime would take it: unpacked, and run as its user on a root file system that nobody writes to.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use flate2::read::GzDecoder;
use serde_json::Value;
use tar::Archive;

use super::layout::Image;
use super::root::Root;
use super::{Role, USER};
use crate::counts::Counts;
use crate::process::Step;
use crate::server;
use crate::workspace::Workspace;

/// What is run, whether it succeeds, and the words that it must say. None needs a cluster: an operator or a gate that names
/// what it lacks has come as far as reading it.
const RUNS: &[(&[&str], bool, &str)] = &[
    (&["parapet", "version"], true, "guard, operator"),
    (&["parapet", "manager"], false, "OPERATOR_NAMESPACE"),
    (&["manager"], false, "OPERATOR_NAMESPACE"),
    (&["elastic-operator", "manager"], false, "OPERATOR_NAMESPACE"),
    (
        &["elastic-operator", "manager", "--operator-namespace=a"],
        false,
        "not in a pod with a service account",
    ),
    (&["kube-rbac-proxy", "--secure-listen-address=127.0.0.1:0"], false, "--upstream"),
];

/// Runs the image's root under another user; `$0` is the root.
const CHROOT: &str = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" &&
exec chroot --userspec=USER:USER "$0" "$@" 2>&1"#;

/// Makes an image of a binary, else of the one that tests run, unpacks it and runs it.
pub(crate) fn verify(workspace: &Workspace, binary: Option<PathBuf>) -> Result<Counts> {
    let dir = &workspace.root;
    let is_root = Step::new("id", ["-u"], dir).output().is_some_and(|id| id.trim() == "0");
    let may_mount = is_root && Step::new("unshare", ["--mount", "true"], dir).output().is_some();
    if !may_mount {
        println!("SKIPPED: image: running it needs root, unshare and chroot");
        return Ok(Counts { skipped: 1, ..Counts::default() });
    }
    let binary = binary.map_or_else(|| server::build(workspace, "dev"), Ok)?;
    let folder = workspace.own_dir().join("image-check");
    let (layout, root) = (folder.join("layout"), folder.join("root"));
    of_role(Role::Operator, &binary)?.write(&layout)?;
    unpack(&layout, &root)?;
    let mut counts = Counts::default();
    for (words, succeeds, says) in RUNS {
        match runs(&root, words, *succeeds, says) {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                println!("image: `{}`: {error:#}", words.join(" "));
                counts.failed += 1;
            }
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("failed to remove {}", folder.display()))?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    Ok(counts)
}

/// Makes the images of the operator and of its gate from a binary; their layouts, in the folder.
pub(crate) fn operator_and_gate(binary: &Path, folder: &Path) -> Result<[PathBuf; 2]> {
    let layouts = [Role::Operator, Role::Guard].map(|role| (role, folder.join(role.name())));
    for (role, layout) in &layouts {
        of_role(*role, binary)?.write(layout)?;
    }
    Ok(layouts.map(|(_, layout)| layout))
}

fn of_role(role: Role, binary: &Path) -> Result<Image> {
    let root = Root::of(binary, role)?;
    Ok(Image { name: role.name(), version: env!("CARGO_PKG_VERSION"), entry: role.entry(), root })
}

fn runs(root: &Path, words: &[&str], succeeds: bool, says: &str) -> Result<()> {
    let script = CHROOT.replace("USER", &USER.to_string());
    let program = format!("/{}/{}", super::FOLDER, words[0]);
    let step = Step::new("unshare", ["--mount", "sh", "-c", &script], root).arg(root).arg(program);
    let step = words[1..].iter().fold(step, Step::arg);
    let mut said = String::new();
    let ended_well = step.run_watched(|line| {
        said.push_str(line);
        said.push('\n');
    })?;
    ensure!(ended_well == succeeds, "it should have {}", if succeeds { "succeeded" } else { "failed" });
    ensure!(said.contains(says), "it doesn't say {says:?}");
    Ok(())
}

/// Unpacks the layers in their order, as a runtime does.
fn unpack(layout: &Path, root: &Path) -> Result<()> {
    let read = |path: PathBuf| -> Result<Value> {
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
    };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        layout.join("blobs").join(digest.replace(':', "/"))
    };
    let index = read(layout.join("index.json"))?;
    let manifest = read(blob(&index["manifests"][0]))?;
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("failed to replace {}", root.display()))?;
    }
    fs::create_dir_all(root).with_context(|| format!("failed to create {}", root.display()))?;
    for layer in manifest["layers"].as_array().context("a manifest has layers")? {
        let file = fs::File::open(blob(layer)).context("failed to open a layer")?;
        let mut archive = Archive::new(GzDecoder::new(file));
        archive.set_preserve_permissions(true);
        archive.unpack(root).context("failed to unpack a layer")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout};
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// An image of this test itself, which is a program with libraries like any other.
    fn image() -> Image {
        let own = std::env::current_exe().unwrap();
        let root = Root::of(&own, Role::Operator).unwrap();
        Image { name: "parapet-operator", version: "1.2.3", entry: "parapet", root }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("parapet-image-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    /// The blob that a descriptor names: its size and its digest are what the descriptor says.
    fn blob(layout: &Path, descriptor: &Descriptor) -> PathBuf {
        let path = layout.join("blobs/sha256").join(descriptor.digest().digest());
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len() as u64, descriptor.size());
        assert_eq!(hex::encode(Sha256::digest(&bytes)), descriptor.digest().digest());
        path
    }

    /// By the types of the specification's own authors, which wrote none of it.
    #[test]
    fn the_layout_is_one_and_the_same_each_time() {
        let (layout, again) = (folder("layout"), folder("again"));
        let made = image().write(&layout).unwrap();
        assert_eq!(OciLayout::from_file(layout.join("oci-layout")).unwrap().image_layout_version(), "1.0.0");
        let index = ImageIndex::from_file(layout.join("index.json")).unwrap();
        let [descriptor] = &index.manifests()[..] else { panic!("one manifest") };
        assert_eq!(descriptor.digest().as_ref(), made.digest);
        assert_eq!(
            descriptor.platform().as_ref().unwrap().architecture().to_string(),
            made.architecture.to_string()
        );
        let manifest = ImageManifest::from_file(blob(&layout, descriptor)).unwrap();
        assert_eq!(manifest.media_type().as_ref(), Some(&MediaType::ImageManifest));
        let config = ImageConfiguration::from_file(blob(&layout, manifest.config())).unwrap();
        let settings = config.config().as_ref().unwrap();
        assert_eq!(settings.user().as_deref(), Some("65532:65532"));
        assert_eq!(settings.entrypoint().as_deref(), Some(&["/usr/local/bin/parapet".to_owned()][..]));
        assert_eq!(config.created(), &None);
        assert_eq!(config.history().as_ref().unwrap().len(), manifest.layers().len());
        for (layer, diff) in manifest.layers().iter().zip(config.rootfs().diff_ids()) {
            assert_eq!(layer.media_type(), &MediaType::ImageLayerGzip);
            let mut content = Vec::new();
            let file = fs::File::open(blob(&layout, layer)).unwrap();
            GzDecoder::new(file).read_to_end(&mut content).unwrap();
            assert_eq!(format!("sha256:{}", hex::encode(Sha256::digest(&content))), *diff);
        }
        let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().count();
        assert_eq!(blobs, 2 + manifest.layers().len(), "nothing is left over");
        assert_eq!(image().write(&again).unwrap().digest, made.digest);
        assert_eq!(image().write(&again).unwrap().digest, made.digest, "an earlier one is replaced");
        fs::remove_dir_all(layout).unwrap();
        fs::remove_dir_all(again).unwrap();
    }

    #[test]
    fn there_is_no_shell_nothing_of_a_user_and_no_time() {
        let layout = folder("files");
        image().write(&layout).unwrap();
        let index = ImageIndex::from_file(layout.join("index.json")).unwrap();
        let manifest = ImageManifest::from_file(blob(&layout, &index.manifests()[0])).unwrap();
        let mut files = BTreeMap::new();
        for layer in manifest.layers() {
            let mut archive = Archive::new(GzDecoder::new(fs::File::open(blob(&layout, layer)).unwrap()));
            for entry in archive.entries().unwrap() {
                let header = entry.unwrap().header().clone();
                assert_eq!(
                    (header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()),
                    (0, 0, 0)
                );
                let link = header.link_name().unwrap().map(|link| link.display().to_string());
                let path = header.path().unwrap().display().to_string();
                files.insert(path.trim_end_matches('/').to_owned(), (header.mode().unwrap(), link));
            }
        }
        let programs: Vec<&str> =
            files.keys().filter_map(|path| path.strip_prefix("usr/local/bin/")).collect();
        assert_eq!(programs, ["elastic-operator", "kube-rbac-proxy", "manager", "parapet"]);
        assert_eq!(files["usr/local/bin/manager"].1.as_deref(), Some("parapet"));
        assert_eq!(files["usr/local/bin/parapet"].0, 0o755);
        assert_eq!(files["tmp"].0, 0o1777);
        assert!(files.contains_key("etc/ssl/certs/ca-certificates.crt"));
        for (path, (mode, link)) in &files {
            assert!(!path.starts_with("bin") && !path.contains("usr/bin"), "{path}");
            assert!(path == "tmp" || link.is_some() || mode & 0o022 == 0, "{path} can be written to");
        }
        fs::remove_dir_all(layout).unwrap();
    }

    #[test]
    fn what_is_no_layout_stays() {
        let precious = folder("precious");
        fs::create_dir_all(&precious).unwrap();
        fs::write(precious.join("thesis.txt"), "words").unwrap();
        let error = image().write(&precious).err().unwrap().to_string();
        assert!(error.contains("neither empty nor an OCI layout"), "{error}");
        assert!(precious.join("thesis.txt").exists());
        fs::remove_dir_all(precious).unwrap();
    }
}

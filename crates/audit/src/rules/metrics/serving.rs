//! What a proxy serves with: its certificate, its listeners and the TLS versions that it takes.

use parapet_manifest::Node;
use serde_json::json;

use super::proxies::proxied;
use crate::finding::Findings;
use crate::world::{Container, Workload, World};

pub(super) fn self_signed<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, proxy) in proxied(world) {
        if let Some((pointer, _)) =
            proxy.flag("secure-listen-address").filter(|_| proxy.flag("tls-cert-file").is_none())
        {
            let draft = found.add_pod(
                workload,
                pointer,
                "no --tls-cert-file: the certificate is made anew at each start, and nobody can verify it",
            );
            if let Some(folder) = certificate_folder(world, workload, proxy) {
                for (flag, file) in [("--tls-cert-file", "tls.crt"), ("--tls-private-key-file", "tls.key")] {
                    let argument = json!(format!("{flag}={folder}/{file}"));
                    draft.push(workload.pointer(&format!("{}/args", proxy.pointer)), argument);
                }
            }
        }
    }
}

/// Where the proxy has a certificate: the only Secret of type kubernetes.io/tls that it mounts as a folder.
fn certificate_folder<'w>(
    world: &'w World<'w>,
    workload: &Workload<'_>,
    proxy: &Container<'w>,
) -> Option<&'w str> {
    let of_secret = |mount: &Node| {
        let volume = mount.get("name").and_then(Node::as_str)?;
        let volumes = workload.volumes();
        let (_, volume) =
            volumes.iter().find(|(_, one)| one.get("name").and_then(Node::as_str) == Some(volume))?;
        let secret = world.find("Secret", workload.namespace, volume.at("/secret/secretName")?.as_str()?)?;
        (secret.root.get("type")?.as_str()? == "kubernetes.io/tls").then_some(())
    };
    let mut folders = proxy.mounts().filter_map(|(_, mount)| {
        of_secret(mount).filter(|()| mount.get("subPath").is_none())?;
        Some(mount.get("mountPath")?.as_str()?.trim_end_matches('/'))
    });
    let folder = folders.next()?;
    folders.next().is_none().then_some(folder)
}

pub(super) fn listens_in_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, proxy) in proxied(world) {
        if let Some((pointer, address)) =
            proxy.flag("insecure-listen-address").filter(|(_, value)| !value.is_empty())
        {
            let in_one_word =
                workload.at(&pointer).and_then(Node::as_str).is_some_and(|text| text.contains('='));
            let draft =
                found.add_pod(workload, &pointer, format!("it also listens without TLS, at {address}"));
            if in_one_word {
                draft.remove(workload.pointer(&pointer));
            }
        }
        let weak = [
            proxy
                .flag("ignore-paths")
                .filter(|(_, paths)| paths.split(',').any(|path| matches!(path, "/metrics" | "/*" | "/")))
                .map(|(pointer, _)| (pointer, "it lets /metrics through unauthenticated", None)),
            proxy
                .flag("tls-min-version")
                .filter(|(_, version)| matches!(*version, "VersionTLS10" | "VersionTLS11"))
                .map(|(pointer, _)| {
                    (pointer, "it accepts a TLS version below 1.2", Some("--tls-min-version=VersionTLS12"))
                }),
        ];
        for (pointer, message, instead) in weak.into_iter().flatten() {
            let is_one_word =
                workload.at(&pointer).and_then(Node::as_str).is_some_and(|text| text.contains('='));
            let draft = found.add_pod(workload, &pointer, message);
            match instead {
                _ if !is_one_word => draft,
                Some(instead) => draft.becomes(json!(instead)),
                None => draft.remove(workload.pointer(&pointer)),
            };
        }
    }
}

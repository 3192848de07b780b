//! A user's pod template over ours: never a panic; merged once more it stays as it is; and what the user wrote is there as it
//! was written.
#![no_main]

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec};
use libfuzzer_sys::fuzz_target;
use parapet_elastic::template::{Ours, merge};
use serde_json::json;

fn ours() -> Ours {
    let template = json!({
        "metadata": { "labels": { "type": "elasticsearch" }, "annotations": { "hash": "1" } },
        "spec": {
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 180,
            "containers": [{
                "name": "elasticsearch", "image": "ours",
                "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "$(A)" }],
                "ports": [{ "name": "https", "containerPort": 9200 }],
                "resources": { "limits": { "memory": "2Gi" } },
                "securityContext": { "privileged": false },
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }, { "name": "logs", "mountPath": "/logs" }],
            }],
            "volumes": [{ "name": "logs", "emptyDir": {} }],
        },
    });
    let init = json!([{ "name": "init", "command": ["run"] }, { "name": "suspend" }]);
    Ours {
        template: serde_json::from_value(template).unwrap(),
        init: serde_json::from_value(init).unwrap(),
        init_env: serde_json::from_value(json!([{ "name": "POD" }])).unwrap(),
        share_env: true,
    }
}

/// Whether the user's container is there, with its own values.
fn is_kept(user: &Container, merged: &[Container]) {
    let found = merged.iter().find(|one| one.name == user.name).unwrap();
    assert!(user.image.is_none() || user.image == found.image);
    assert!(user.command.is_none() || user.command == found.command);
    assert!(user.security_context.is_none() || user.security_context == found.security_context);
    let has = |variable| found.env.iter().flatten().any(|own| own == variable);
    assert!(user.env.iter().flatten().all(has));
    let mounted = |mount| found.volume_mounts.iter().flatten().any(|own| own == mount);
    assert!(user.volume_mounts.iter().flatten().all(mounted));
    let opened = |port| found.ports.iter().flatten().any(|own| own == port);
    assert!(user.ports.iter().flatten().all(opened));
}

/// Of two with one name only the first is merged with ours; the API server refuses such templates.
fn has_twins(containers: &[Container]) -> bool {
    (1..containers.len()).any(|at| containers[..at].iter().any(|other| other.name == containers[at].name))
}

fuzz_target!(|text: &[u8]| {
    let Ok(user) = serde_json::from_slice::<PodTemplateSpec>(text) else { return };
    let once = merge(user.clone(), ours());
    assert_eq!(merge(once.clone(), ours()), once);
    let spec = once.spec.as_ref().unwrap();
    assert!(spec.containers.iter().any(|container| container.name == "elasticsearch"));
    let init = spec.init_containers.as_deref().unwrap_or_default();
    assert_eq!(init[0].name, "init");
    assert_eq!(init[1].name, "suspend");
    if let Some(metadata) = &user.metadata {
        let annotations = once.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
        assert!(
            metadata.annotations.iter().flatten().all(|(key, value)| annotations.get(key) == Some(value))
        );
    }
    let Some(theirs) = &user.spec else { return };
    let their_init = theirs.init_containers.as_deref().unwrap_or_default();
    if !has_twins(&theirs.containers) && !has_twins(their_init) {
        theirs.containers.iter().for_each(|container| is_kept(container, &spec.containers));
        their_init.iter().for_each(|container| is_kept(container, init));
    }
    if theirs.automount_service_account_token.is_some() {
        assert_eq!(theirs.automount_service_account_token, spec.automount_service_account_token);
    }
    let volumes = spec.volumes.as_deref().unwrap_or_default();
    assert!(theirs.volumes.iter().flatten().all(|volume| volumes.contains(volume)));
});

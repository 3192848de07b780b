//! How each kind is compared.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, PodTemplateSpec, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde_json::{Value, json};

use super::normal::{each, prune};
use super::{Compare, defaults, older, scriptless, service};

impl Compare for StatefulSet {
    const HASHED: bool = true;

    fn onto(live: &Self, desired: &Self) -> Self {
        let mut wanted = desired.clone();
        wanted.status.clone_from(&live.status);
        if let (Some(live), Some(wanted)) = (&live.spec, &mut wanted.spec) {
            // The API server refuses changes of these; claims grow by another way.
            wanted.selector.clone_from(&live.selector);
            wanted.service_name.clone_from(&live.service_name);
            wanted.pod_management_policy.clone_from(&live.pod_management_policy);
            wanted.volume_claim_templates.clone_from(&live.volume_claim_templates);
            keep_template(&live.template, &mut wanted.template);
        }
        wanted
    }

    fn normalise(object: &mut Value) {
        for (path, field, default) in [
            ("spec", "replicas", json!(1)),
            ("spec", "revisionHistoryLimit", json!(10)),
            ("spec", "podManagementPolicy", json!("OrderedReady")),
            ("spec", "updateStrategy", json!({})),
            ("spec", "persistentVolumeClaimRetentionPolicy", json!({})),
            ("spec", "minReadySeconds", json!(0)),
        ] {
            defaults::fill(object, path, field, &default);
        }
        defaults::fill(object, "spec.updateStrategy", "type", &json!("RollingUpdate"));
        for field in ["whenDeleted", "whenScaled"] {
            defaults::fill(object, "spec.persistentVolumeClaimRetentionPolicy", field, &json!("Retain"));
        }
        claim(object, "spec.volumeClaimTemplates[]");
        defaults::pod_template(object, "spec.template");
        scripts(object);
    }

    fn always(object: &Self) -> Option<i32> {
        object.spec.as_ref()?.replicas
    }
}

impl Compare for Deployment {
    const HASHED: bool = true;

    fn onto(live: &Self, desired: &Self) -> Self {
        let mut wanted = desired.clone();
        wanted.status.clone_from(&live.status);
        if let (Some(live), Some(wanted)) = (&live.spec, &mut wanted.spec) {
            wanted.selector.clone_from(&live.selector);
            keep_template(&live.template, &mut wanted.template);
        }
        wanted
    }

    fn normalise(object: &mut Value) {
        for (field, default) in [
            ("replicas", json!(1)),
            ("revisionHistoryLimit", json!(10)),
            ("progressDeadlineSeconds", json!(600)),
            ("minReadySeconds", json!(0)),
            ("paused", json!(false)),
            ("strategy", json!({})),
        ] {
            defaults::fill(object, "spec", field, &default);
        }
        defaults::fill(object, "spec.strategy", "type", &json!("RollingUpdate"));
        each(object, "spec.strategy", &mut |strategy| {
            if strategy.get("type") == Some(&json!("RollingUpdate")) {
                strategy.entry("rollingUpdate").or_insert(json!({}));
            }
        });
        for field in ["maxSurge", "maxUnavailable"] {
            defaults::fill(object, "spec.strategy.rollingUpdate", field, &json!("25%"));
        }
        defaults::pod_template(object, "spec.template");
        scripts(object);
    }

    fn always(object: &Self) -> Option<i32> {
        object.spec.as_ref()?.replicas
    }
}

impl Compare for PodDisruptionBudget {
    const HASHED: bool = true;

    fn onto(live: &Self, desired: &Self) -> Self {
        Self { status: live.status.clone(), ..desired.clone() }
    }

    fn normalise(_object: &mut Value) {}
}

impl Compare for Service {
    fn onto(live: &Self, desired: &Self) -> Self {
        Self { status: live.status.clone(), ..service::onto(live, desired) }
    }

    fn normalise(object: &mut Value) {
        service::normalise(object);
    }
}

impl Compare for Secret {
    const SECRET: bool = true;

    fn onto(live: &Self, desired: &Self) -> Self {
        // The type can't be changed.
        Self { type_: live.type_.clone(), ..desired.clone() }
    }

    fn normalise(object: &mut Value) {
        defaults::fill(object, "", "type", &json!("Opaque"));
    }
}

impl Compare for ConfigMap {
    fn onto(_live: &Self, desired: &Self) -> Self {
        desired.clone()
    }

    fn normalise(_object: &mut Value) {}
}

impl Compare for NetworkPolicy {
    fn onto(_live: &Self, desired: &Self) -> Self {
        desired.clone()
    }

    fn normalise(object: &mut Value) {
        for path in ["spec.ingress[].ports[]", "spec.egress[].ports[]"] {
            defaults::fill(object, path, "protocol", &json!("TCP"));
        }
    }
}

impl Compare for PersistentVolumeClaim {
    fn onto(live: &Self, desired: &Self) -> Self {
        Self { status: live.status.clone(), ..desired.clone() }
    }

    fn normalise(object: &mut Value) {
        let mut one = json!({ "it": object.take() });
        claim(&mut one, "it");
        *object = one["it"].take();
    }
}

/// A template that says the same stays as it is spelled: its spelling is part of the revision that pods are compared with.
fn keep_template(live: &PodTemplateSpec, wanted: &mut PodTemplateSpec) {
    older::keep(live, wanted);
    scriptless::keep(live, wanted);
    let normal = |template: &PodTemplateSpec| {
        let template = serde_json::to_value(template).expect("Kubernetes objects are JSON");
        let mut object = json!({ "spec": { "template": template } });
        defaults::pod_template(&mut object, "spec.template");
        scripts(&mut object);
        prune(&mut object);
        object
    };
    if normal(live) == normal(wanted) {
        wanted.clone_from(live);
    }
}

fn claim(object: &mut Value, path: &str) {
    each(object, path, &mut |claim| {
        for field in ["apiVersion", "kind", "status"] {
            claim.remove(field);
        }
    });
    defaults::fill(object, &format!("{path}.spec"), "volumeMode", &json!("Filesystem"));
    each(object, &format!("{path}.spec.resources.requests"), &mut |map| defaults::by_value(map, &[]));
}

/// A keystore that is made by another script is the same keystore: no pod restarts for the words of the script.
fn scripts(object: &mut Value) {
    each(object, "spec.template.spec.initContainers[]", &mut |container| {
        if container.get("name") == Some(&json!(crate::pod::KEYSTORE_CONTAINER)) {
            container.remove("command");
        }
    });
}

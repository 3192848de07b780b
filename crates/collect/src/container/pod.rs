//! What the path of a pod's log says about it.

use std::path::Path;

use parapet_signal::Attributes;

/// Adds what the path says. Links are followed when the path itself says nothing (`/var/log/containers`).
pub(super) fn describe(path: &Path, resource: &mut Attributes) {
    if !from_pod_path(path, resource)
        && let Ok(target) = path.canonicalize()
    {
        from_pod_path(&target, resource);
    }
}

/// `…/<namespace>_<pod>_<uid>/<container>/<restart count>.log`, rotated or not.
fn from_pod_path(path: &Path, resource: &mut Attributes) -> bool {
    let mut parents = path.ancestors().skip(1).map(|dir| dir.file_name().and_then(|name| name.to_str()));
    let (Some(Some(container)), Some(Some(pod))) = (parents.next(), parents.next()) else { return false };
    // Names in Kubernetes have no underscore.
    let mut parts = pod.split('_');
    let (Some(namespace), Some(name), Some(uid), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let restarts = file.split('.').next().and_then(|count| count.parse::<u32>().ok());
    let (Some(restarts), false) = (restarts, [namespace, name, uid, container].contains(&"")) else {
        return false;
    };
    resource.set("service.name", container);
    resource.set("k8s.namespace.name", namespace);
    resource.set("k8s.pod.name", name);
    resource.set("k8s.pod.uid", uid);
    resource.set("k8s.container.name", container);
    resource.set("k8s.container.restart_count", i64::from(restarts));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_paths_and_others() {
        let check = |path: &str, expect: Option<(&str, &str, &str, &str, i64)>| {
            let mut found = Attributes::new();
            describe(Path::new(path), &mut found);
            let expect = expect.map_or(Attributes::new(), |(namespace, pod, uid, container, restarts)| {
                Attributes::new()
                    .with("service.name", container)
                    .with("k8s.namespace.name", namespace)
                    .with("k8s.pod.name", pod)
                    .with("k8s.pod.uid", uid)
                    .with("k8s.container.name", container)
                    .with("k8s.container.restart_count", restarts)
            });
            assert_eq!(found, expect, "{path}");
        };
        check("/var/log/pods/shop_web-7d_1-2/app/3.log", Some(("shop", "web-7d", "1-2", "app", 3)));
        check("/x/shop_web_u/app/0.log.20260101-000000", Some(("shop", "web", "u", "app", 0)));
        check("/var/log/pods/shop_web/app/3.log", None);
        check("/var/log/pods/a__c/app/3.log", None);
        check("/var/log/pods/a_b_c_d/app/3.log", None);
        check("/var/log/syslog", None);
        check("/a_b_c/app/main.log", None);
        check("/", None);
    }
}

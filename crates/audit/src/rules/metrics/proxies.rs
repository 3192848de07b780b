//! What serves metrics, and the proxies in front of it.

use parapet_manifest::Node;
use serde_json::json;

use super::operators::operator_version;
use super::remedies::granted;
use crate::finding::Findings;
use crate::reach::Protocol;
use crate::rules::isolation::closing;
use crate::world::{Config, Container, Role, Settings, Workload, World};

/// The proxy of a workload.
pub(super) fn proxy<'x, 'a>(workload: &'x Workload<'a>) -> Option<&'x Container<'a>> {
    workload.containers.iter().find(|container| container.is_rbac_proxy())
}

pub(super) fn proxied<'w>(
    world: &'w World<'w>,
) -> impl Iterator<Item = (&'w Workload<'w>, &'w Container<'w>)> {
    world.workloads.iter().filter_map(|workload| Some((workload, proxy(workload)?)))
}

/// ECK's settings with the operator that has them, if it is in the input.
pub(super) fn operators<'w>(
    world: &'w World<'w>,
) -> impl Iterator<Item = (&'w Settings<'w>, Option<&'w Workload<'w>>)> {
    world.settings.iter().filter(|settings| settings.config == Config::EckOperator).map(|settings| {
        let workload = settings.workloads.first().map(|number| &world.workloads[*number]);
        (settings, workload)
    })
}

fn port_of(address: &str) -> Option<u16> {
    address.trim_end_matches('/').rsplit(':').next()?.parse().ok()
}

/// The port that a workload's metrics are really served on, with the address it is bound to.
fn upstream<'w>(world: &'w World<'w>, workload: &Workload<'_>) -> Option<(u16, String)> {
    let by_config = operators(world).find_map(|(settings, operator)| {
        operator.filter(|operator| operator.number == workload.number)?;
        let port = settings.get("metrics-port")?.value.parse().ok()?;
        let host = settings.get("metrics-host").map_or("0.0.0.0", |host| host.value.as_str());
        Some((port, host.to_owned()))
    });
    by_config.or_else(|| {
        workload.main_containers().filter(|container| !container.is_rbac_proxy()).find_map(|container| {
            let (_, address) =
                container.flag("metrics-bind-address").or_else(|| container.flag("metrics-addr"))?;
            let (host, port) = address.rsplit_once(':')?;
            Some((port.parse().ok()?, if host.is_empty() { "0.0.0.0".to_owned() } else { host.to_owned() }))
        })
    })
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1" | "[::1]")
}

/// `major.minor` of an image's tag.
pub(super) fn version(image: &str) -> Option<(u32, u32)> {
    let tag = image.split('@').next()?.rsplit_once(':')?.1.trim_start_matches('v');
    let mut parts = tag.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

pub(super) fn open_metrics<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.obs() {
        if proxy(workload).is_some()
            || operator_version(workload).is_some_and(|version| version >= (2, 14))
                && workload.main_containers().all(|container| container.flag("metrics-secure").is_none())
        {
            continue;
        }
        for container in workload.main_containers() {
            for port in container.ports() {
                if !port.name.is_some_and(|name| name.contains("metrics")) {
                    continue;
                }
                let sources = world
                    .sources(workload, Protocol::Tcp, port.number, |from| from.has_role(Role::Prometheus));
                if sources.is_empty() {
                    continue;
                }
                let draft = found
                    .add_pod(
                        workload,
                        &container.pointer,
                        format!(
                            "metrics on port {} answer {} without authentication",
                            port.number,
                            sources.words()
                        ),
                    )
                    .reached_by(world, &sources, workload, (Protocol::Tcp, port.number))
                    .lowered_if(!sources.outside);
                let scraper = |from: &Workload<'_>| from.has_role(Role::Prometheus);
                if let Some(policy) = closing(world, workload, (Protocol::Tcp, port.number), scraper) {
                    draft.new_object(&policy);
                }
            }
        }
    }
}

pub(super) fn bypass<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, _) in proxied(world) {
        let Some((port, host)) =
            upstream(world, workload).filter(|(port, host)| *port != 0 && !is_loopback(host))
        else {
            continue;
        };
        let message = format!("metrics on {host}:{port} are reached around the proxy of {workload}");
        match operators(world)
            .find(|(_, operator)| operator.is_some_and(|operator| operator.number == workload.number))
        {
            Some((settings, _)) => {
                let setting = settings.get("metrics-host").or_else(|| settings.get("metrics-port"));
                let span = setting.map_or(settings.document.place(&settings.pointer), |setting| setting.span);
                let draft = found.add_at(settings.document, settings.pointer.clone(), span, message);
                settings.set(draft, "metrics-host", json!("127.0.0.1"));
            }
            None => {
                let flag = workload.main_containers().find_map(|container| {
                    container.flag("metrics-bind-address").or_else(|| container.flag("metrics-addr"))
                });
                let pointer = flag.map_or_else(|| "/spec".to_owned(), |(pointer, _)| pointer);
                found
                    .add_pod(workload, pointer, message)
                    .becomes(json!(format!("--metrics-bind-address=127.0.0.1:{port}")));
            }
        }
    }
}

pub(super) fn wrong_upstream<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, proxy) in proxied(world) {
        let (Some((pointer, address)), Some((port, _))) = (proxy.flag("upstream"), upstream(world, workload))
        else {
            continue;
        };
        if port_of(address).is_some_and(|to| to != port) {
            found
                .add_pod(
                    workload,
                    pointer,
                    format!("the proxy forwards to {address}, the metrics are on port {port}"),
                )
                .becomes(json!(format!("--upstream=http://127.0.0.1:{port}/")));
        }
    }
}

pub(super) fn conflicts<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        let mut claims: Vec<(u16, &str, String)> = Vec::new();
        let mut claim = |port: Option<u16>, by: &'static str, pointer: String, found: &mut Findings<'w>| {
            let Some(port) = port.filter(|port| *port != 0) else { return };
            if let Some((_, other, _)) =
                claims.iter().find(|(claimed, other, _)| *claimed == port && *other != by)
            {
                found.add_pod(workload, pointer, format!("port {port} is claimed by {other} and by {by}"));
                return;
            }
            claims.push((port, by, pointer));
        };
        if operator_version(workload).is_some_and(|version| version >= (3, 6)) {
            claim(Some(8081), "the operator's health endpoint", "/spec/containers/0".to_owned(), found);
        }
        let settings = operators(world)
            .find(|(_, operator)| operator.is_some_and(|operator| operator.number == workload.number));
        if let Some((settings, _)) = settings {
            let number = |key: &str| settings.get(key).and_then(|setting| setting.value.parse().ok());
            claim(number("metrics-port"), "its metrics", "/spec/containers/0".to_owned(), found);
            if !settings.is("enable-webhook", "false") {
                claim(number("webhook-port"), "its webhook", "/spec/containers/0".to_owned(), found);
            }
        }
        if let Some((pointer, address)) =
            proxy(workload).and_then(|proxy| proxy.flag("secure-listen-address"))
        {
            claim(port_of(address), "the proxy", pointer, found);
        }
        let mut declared: Vec<(u16, &str)> = Vec::new();
        for container in workload.main_containers() {
            for (index, port) in container.ports().iter().enumerate() {
                let other =
                    declared.iter().find(|(number, by)| *number == port.number && *by != container.name);
                if let Some((_, other)) = other {
                    let pointer = format!("{}/ports/{index}", container.pointer);
                    found.add_pod(
                        workload,
                        pointer,
                        format!("port {} is also declared by the container {other}", port.number),
                    );
                }
                declared.push((port.number, container.name));
            }
        }
    }
}

/// Whether RBAC objects are in the input at all: without any, nothing can be said about them.
fn knows_roles(world: &World<'_>) -> bool {
    world.kind("ClusterRole").chain(world.kind("ClusterRoleBinding")).next().is_some()
}

pub(super) fn no_review_role<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    if !knows_roles(world) {
        return;
    }
    for (workload, proxy) in proxied(world) {
        let account = workload.service_account();
        let may = |group: &str, resource: &str| {
            world.account_may(workload.namespace, account, |grant| grant.allows("create", group, resource))
        };
        let lacking: Vec<&str> =
            [("authentication.k8s.io", "tokenreviews"), ("authorization.k8s.io", "subjectaccessreviews")]
                .iter()
                .filter(|(group, resource)| may(group, resource) == Some(false))
                .map(|(_, resource)| *resource)
                .collect();
        if !lacking.is_empty() {
            let rules = json!([
                {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
                {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
            ]);
            let name = format!("{}-{account}-reviews", workload.namespace);
            let [role, binding] = granted(&name, rules, workload.namespace, account);
            found
                .add_pod(
                    workload,
                    &proxy.pointer,
                    format!(
                        "the account {}/{account} may not create {}: the proxy refuses every scrape",
                        workload.namespace,
                        lacking.join(" and ")
                    ),
                )
                .new_object(&role)
                .new_object(&binding);
        }
    }
}

pub(super) fn unhardened<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, proxy) in proxied(world) {
        let pod = |pointer: &str| workload.at(&format!("/spec/securityContext{pointer}"));
        let flag = |field: &str| proxy.security(field).and_then(Node::as_bool);
        let dropped = proxy.security("/capabilities/drop").map_or(&[] as &[Node], Node::items);
        let seccomp = proxy
            .security("/seccompProfile/type")
            .or_else(|| pod("/seccompProfile/type"))
            .and_then(Node::as_str);
        let wanted = [
            (
                flag("/runAsNonRoot").or_else(|| pod("/runAsNonRoot")?.as_bool()) == Some(true),
                "runAsNonRoot",
                json!(true),
            ),
            (flag("/readOnlyRootFilesystem") == Some(true), "readOnlyRootFilesystem", json!(true)),
            (flag("/allowPrivilegeEscalation") == Some(false), "allowPrivilegeEscalation", json!(false)),
            (
                matches!(seccomp, Some("RuntimeDefault" | "Localhost")),
                "seccompProfile",
                json!({"type": "RuntimeDefault"}),
            ),
            (
                dropped.iter().any(|name| name.as_str() == Some("ALL")),
                "capabilities",
                json!({"drop": ["ALL"]}),
            ),
        ];
        let missing: Vec<&str> = wanted.iter().filter(|(fine, ..)| !fine).map(|(_, name, _)| *name).collect();
        if missing.is_empty() {
            continue;
        }
        let pointer = format!("{}/securityContext", proxy.pointer);
        let draft = found.add_pod(workload, &pointer, format!("the proxy lacks {}", missing.join(", ")));
        for (_, name, value) in wanted.into_iter().filter(|(fine, ..)| !fine) {
            draft.set(workload.pointer(&format!("{pointer}/{name}")), value);
        }
    }
}

/// Releases of kube-rbac-proxy below this one get no fixes any more (its repository's releases, 2026-11).
const OLDEST_SUPPORTED: (u32, u32) = (0, 18);

/// One of those that do.
const SUPPORTED: &str = "v0.19.1";

pub(super) fn image<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, proxy) in proxied(world) {
        let Some(image) = proxy.image().filter(|image| image.contains("kube-rbac-proxy")) else { continue };
        let why = if image.starts_with("gcr.io/kubebuilder/") {
            "comes from a registry that is retired"
        } else if version(image).is_some_and(|version| version < OLDEST_SUPPORTED) {
            "is older than what is supported"
        } else {
            continue;
        };
        // A release that is supported keeps its number, and comes from where it is published.
        let tag = image.rsplit_once(':').map_or(SUPPORTED, |(_, tag)| tag);
        let tag =
            if version(image).is_some_and(|version| version >= OLDEST_SUPPORTED) { tag } else { SUPPORTED };
        found
            .add_pod(workload, format!("{}/image", proxy.pointer), format!("{image} {why}"))
            .becomes(json!(format!("quay.io/brancz/kube-rbac-proxy:{tag}")));
    }
}

pub(super) fn merged_names<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in &world.workloads {
        let mut lists: Vec<(String, &str)> =
            vec![("/spec/volumes".into(), "volume"), ("/spec/containers".into(), "container")];
        for container in &workload.containers {
            lists.push((format!("{}/env", container.pointer), "variable"));
            lists.push((format!("{}/ports", container.pointer), "port"));
        }
        for (pointer, what) in lists {
            let items = workload.at(&pointer).map_or(&[] as &[Node], Node::items);
            let mut seen: Vec<&str> = Vec::new();
            for (index, item) in items.iter().enumerate() {
                let Some(name) = item.get("name").and_then(Node::as_str) else { continue };
                if seen.contains(&name) {
                    let at = format!("{pointer}/{index}");
                    let message = format!("a second {what} named {name:?}");
                    let draft = found.add_pod(workload, &at, message);
                    // Of two that say the same one is enough.
                    if items[..index].iter().any(|other| other.to_json() == item.to_json()) {
                        draft.remove(workload.pointer(&at));
                    }
                }
                seen.push(name);
            }
        }
    }
}

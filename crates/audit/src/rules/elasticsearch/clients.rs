//! Those who talk to Elasticsearch, and those whom it lets in: OBS-ES-07, 08 and 11 to 14.

use parapet_manifest::Node;
use serde_json::json;

use super::{components, elastic, has_no_tls, self_run, turned};
use crate::finding::Findings;
use crate::reach::{End, Protocol};
use crate::rules::isolation::{closing, ingress_backends};
use crate::world::{Config, Role, Workload, World};

pub(super) const CLIENTS: &[Config] = &[Config::Kibana, Config::Logstash, Config::Beat, Config::Apm];

pub(super) fn client_unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let served_with_tls = elastic(world)
        .any(|workload| &*workload.document.kind == "Elasticsearch" && !has_no_tls(workload))
        || self_run(world).any(|component| component.is("xpack.security.http.ssl.enabled", "true"));
    for component in CLIENTS.iter().flat_map(|config| components(world, *config)) {
        for suffix in ["ssl.verification_mode", "ssl.verificationmode"] {
            if let Some(at) =
                component.ending(suffix).filter(|(_, mode)| mode.value.eq_ignore_ascii_case("none"))
            {
                let message = "the client accepts any certificate and sends it its password";
                turned(component.say(found, Some(at), message), at, "full");
            }
        }
        if let Some(at) = component
            .ending("elasticsearch.hosts")
            .filter(|(_, hosts)| served_with_tls && hosts.value.contains("http://"))
        {
            let draft =
                component.say(found, Some(at), "the client speaks http to an Elasticsearch that serves TLS");
            // Of a list of them the value is all.
            if !at.1.value.contains(',') {
                turned(draft, at, &at.1.value.replacen("http://", "https://", 1));
            }
        }
    }
}

pub(super) fn superuser<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in CLIENTS.iter().flat_map(|config| components(world, *config)) {
        let user = ["elasticsearch.username", "output.elasticsearch.username"]
            .iter()
            .find_map(|key| component.ending(key));
        if let Some(at) = user.filter(|(_, user)| user.value == "elastic") {
            component.say(found, Some(at), "the client logs in as the superuser `elastic`");
        }
    }
}

pub(super) fn ingress_clear<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for ingress in world.kind("Ingress").chain(world.kind("Route")) {
        if ingress.at("/spec/tls").is_some() {
            continue;
        }
        for (pointer, name) in ingress_backends(ingress) {
            let by_service = world.find("Service", world.namespace(ingress), name).is_some_and(|service| {
                world
                    .backends(service)
                    .iter()
                    .any(|backend| backend.has_role(Role::Elasticsearch) || backend.has_role(Role::Kibana))
            });
            if by_service || name.ends_with("-es-http") || name.ends_with("-kb-http") {
                let draft =
                    found.add(ingress, pointer, format!("{name} is reached from outside without TLS"));
                if let Some(secret) =
                    certificate(world, world.namespace(ingress)).filter(|_| &*ingress.kind == "Ingress")
                {
                    let rules = ingress.at("/spec/rules").map_or(&[] as &[Node], Node::items);
                    let hosts: Vec<&str> =
                        rules.iter().filter_map(|rule| rule.get("host").and_then(Node::as_str)).collect();
                    let tls = match hosts.is_empty() {
                        true => json!([{"secretName": secret}]),
                        false => json!([{"hosts": hosts, "secretName": secret}]),
                    };
                    draft.set("/spec/tls", tls);
                }
            }
        }
    }
}

/// The only Secret of type kubernetes.io/tls in a namespace.
fn certificate<'w>(world: &'w World<'w>, namespace: &str) -> Option<&'w str> {
    let mut secrets = world.kind("Secret").filter(|secret| {
        world.namespace(secret) == namespace
            && secret.root.get("type").and_then(Node::as_str) == Some("kubernetes.io/tls")
    });
    let one = secrets.next()?;
    secrets.next().is_none().then_some(&*one.name)
}

pub(super) fn apm_open<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for component in components(world, Config::Apm) {
        let Some(workload) = component.workload else { continue };
        if !world.allows(End::Outside, End::Workload(workload.number), Protocol::Tcp, 8200) {
            continue;
        }
        let anonymous =
            component.ending("auth.anonymous.enabled").filter(|(_, setting)| setting.value == "true");
        let token = ["secret_token", "auth.secret_token", "auth.api_key.enabled"]
            .iter()
            .any(|key| component.ending(key).is_some());
        if anonymous.is_some() || (!token && !component.managed()) {
            let message =
                format!("{workload} takes data without a token from any address outside of the cluster");
            let draft = component.say(found, anonymous, message);
            if let Some(anonymous) = anonymous {
                turned(draft, anonymous, "false");
            }
        }
    }
}

pub(super) fn plain_hop<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::Memcached]) {
        let sources = world.sources(workload, Protocol::Tcp, 11211, |from| from.has_role(Role::Logstash));
        if !sources.is_empty() {
            let draft = found
                .add(
                    workload.document,
                    "/metadata/name",
                    format!("memcached answers {} without authentication", sources.words()),
                )
                .reached_by(world, &sources, workload, (Protocol::Tcp, 11211));
            let client = |from: &Workload<'_>| from.has_role(Role::Logstash);
            if let Some(policy) = closing(world, workload, (Protocol::Tcp, 11211), client) {
                draft.new_object(&policy);
            }
        }
    }
    for document in world.kind("ConfigMap") {
        for entry in document.root.get("data").map_or(&[] as &[_], Node::entries) {
            let text = entry.value.as_str().unwrap_or("");
            let Some(at) = text.find("beats {").or_else(|| text.find("beats{")) else { continue };
            let block = text[at..].split('}').next().unwrap_or("");
            let compact: String = block.chars().filter(|character| !character.is_whitespace()).collect();
            if compact.contains("ssl=>true") || compact.contains("ssl_enabled=>true") {
                continue;
            }
            let open = world.of(&[Role::Logstash]).find_map(|workload| {
                let sources =
                    world.sources(workload, Protocol::Tcp, 5044, |from| from.has_role(Role::Filebeat));
                (!sources.is_empty()).then(|| (workload, sources.words()))
            });
            if let Some((workload, who)) = open {
                let pointer = parapet_manifest::pointer(["data", &*entry.key.name]);
                let draft = found.add(
                    document,
                    pointer,
                    format!("the Beats input is in clear text and reached by {who}"),
                );
                let client = |from: &Workload<'_>| from.has_role(Role::Filebeat);
                if let Some(policy) = closing(world, workload, (Protocol::Tcp, 5044), client) {
                    draft.new_object_after(workload.document, &policy);
                }
            }
        }
    }
}

pub(super) fn insights_unverified<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for workload in world.of(&[Role::ApiBuilder]) {
        for variable in workload.containers.iter().flat_map(|container| container.variables()) {
            let name = variable.name.to_uppercase();
            let mode = name.contains("VERIFICATIONMODE") || name.contains("VERIFICATION_MODE");
            let on = if mode && variable.value.eq_ignore_ascii_case("none") {
                "full"
            } else if name.contains("VALIDATE") && variable.value.eq_ignore_ascii_case("false") {
                "true"
            } else {
                continue;
            };
            found
                .add_pod(
                    workload,
                    variable.pointer.clone(),
                    format!("{} switches the verification of its peer off", variable.name),
                )
                .becomes(json!(on));
        }
    }
}

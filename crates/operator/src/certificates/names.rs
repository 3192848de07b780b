//! The names in certificates, as the reference has them, in its order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use k8s_openapi::api::core::v1::Service;
use parapet_api::{Application, Elasticsearch, SubjectAlternativeName, names};
use parapet_pki::{AlternativeName, Subject};

use super::leaf::Wanted;

/// Common name as the type of an otherName: Elasticsearch reads it when it restricts trust.
const COMMON_NAME: [u64; 4] = [2, 5, 4, 3];

/// The certificate of HTTP: for the Services, their addresses, what the user adds, and each pod by its StatefulSet.
pub(super) fn http<K: Application>(
    owner: &K,
    external: Option<&Service>,
    internal: Option<&Service>,
    stateful_sets: &[String],
) -> Wanted {
    let (name, namespace) = (owner.object_name(), owner.object_namespace());
    let suffix = K::KIND.suffix();
    let short = names::http_service(K::KIND, name);
    let common_name = format!("{short}.{namespace}.{suffix}.local");
    let mut hosts = vec![common_name.clone(), short.clone()];
    let internal_name = internal.and_then(|service| service.metadata.name.clone());
    for service in std::iter::once(short).chain(internal_name) {
        hosts.push(format!("{service}.{namespace}.svc"));
        hosts.push(format!("{service}.{namespace}"));
    }
    let mut addresses = Vec::new();
    let ingress = external
        .and_then(|service| service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref())
        .into_iter()
        .flatten();
    for entry in ingress {
        hosts.extend(entry.hostname.clone());
        addresses.extend(entry.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    let fixed =
        external.and_then(|service| service.spec.as_ref()?.external_ips.as_ref()).into_iter().flatten();
    addresses.extend(fixed.filter_map(|ip| ip.parse::<IpAddr>().ok()));
    let own = owner.http().tls.self_signed_certificate.as_ref();
    for extra in own.map(|own| own.subject_alternative_names.as_slice()).unwrap_or_default() {
        hosts.extend(dns(extra));
        addresses.extend(ip(extra));
    }
    hosts.extend(stateful_sets.iter().map(|set| format!("*.{set}.{namespace}.svc")));
    let hosts = hosts.into_iter().map(AlternativeName::Dns);
    let names = hosts.chain(addresses.into_iter().map(AlternativeName::Ip)).collect();
    Wanted { subject: Subject { organizational_unit: Some(name.to_owned()), common_name }, names }
}

/// The certificate of one pod's transport.
pub(super) fn transport(es: &Elasticsearch, stateful_set: &str, pod: &str, address: IpAddr) -> Wanted {
    let (name, namespace) = (es.object_name(), es.object_namespace());
    let tls = &es.spec.transport.tls;
    let common_name = match tls.other_name_suffix.as_deref().filter(|suffix| !suffix.is_empty()) {
        Some(suffix) => format!("{pod}.{suffix}"),
        None => format!("{pod}.node.{name}.{namespace}.es.local"),
    };
    let loopback = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let host = |text: String| AlternativeName::Dns(text);
    let mut all = vec![
        AlternativeName::Other { oid: COMMON_NAME.to_vec(), value: common_name.clone() },
        host(common_name.clone()),
        host(format!("{}.{namespace}.svc", names::elasticsearch::transport_service(name))),
        host(format!("{pod}.{stateful_set}")),
        AlternativeName::Ip(address),
        AlternativeName::Ip(loopback),
    ];
    if es.spec.remote_cluster_server.as_ref().is_some_and(|server| server.enabled) {
        all.push(host(format!("{}.{namespace}.svc", names::elasticsearch::remote_cluster_service(name))));
        all.push(host(format!("{pod}.{stateful_set}.{namespace}.svc")));
    }
    for extra in &tls.subject_alternative_names {
        all.extend(dns(extra).map(AlternativeName::Dns));
        all.extend(ip(extra).map(AlternativeName::Ip));
    }
    Wanted { subject: Subject { organizational_unit: Some(name.to_owned()), common_name }, names: all }
}

fn dns(extra: &SubjectAlternativeName) -> Option<String> {
    extra.dns.clone().filter(|name| !name.is_empty())
}

/// Addresses that aren't any are refused when the specification is validated.
fn ip(extra: &SubjectAlternativeName) -> Option<IpAddr> {
    extra.ip.as_deref()?.parse().ok()
}

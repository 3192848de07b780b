//! What rules of AuthorizationPolicies match.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Layer;
use crate::matching::End;
use crate::model::Pod;
use crate::model::mesh::{
    AuthorizationAction, AuthorizationPolicy, AuthorizationRule, Condition, Either, From, Text,
};
use crate::portset::{PortSet, Protocol};

impl<'a> Layer<'a> {
    /// The policies of one action that a workload's proxy holds.
    pub(crate) fn policies(
        &self,
        destination: &Pod,
        action: AuthorizationAction,
    ) -> impl Iterator<Item = &'a AuthorizationPolicy> {
        let policies = self.mesh.authorization_policies.iter();
        policies.filter(move |policy| {
            policy.action == action
                && !policy.targets_gateways
                && self.in_scope(&policy.namespace, policy.selector.as_ref(), destination)
        })
    }

    /// The ports on which a rule matches for certain (deny), or may match (allow).
    pub(crate) fn rule_ports(
        &self,
        rule: &AuthorizationRule,
        action: AuthorizationAction,
        source: End<'_>,
        destination: &Pod,
        identified: &PortSet,
    ) -> PortSet {
        let all = PortSet::range(Protocol::Tcp, 1, u16::MAX);
        let not_http = self.not_http(destination);
        // What a rule with fields of HTTP can still match.
        let with_http = match action {
            AuthorizationAction::Deny => not_http,
            _ => all.difference(&not_http),
        };
        let narrowed = |needs_http: bool| if needs_http { with_http.clone() } else { all.clone() };
        let any_of = |alternatives: Vec<PortSet>| {
            let union = |set: PortSet, one: &PortSet| set.union(one);
            if alternatives.is_empty() {
                all.clone()
            } else {
                alternatives.iter().fold(PortSet::none(), union)
            }
        };
        let from = rule.from.iter().map(|from| {
            let with =
                if self.source_matches(from, source, true) { identified.clone() } else { PortSet::none() };
            let without = if self.source_matches(from, source, false) {
                all.difference(identified)
            } else {
                PortSet::none()
            };
            with.union(&without).intersection(&narrowed(from.needs_http))
        });
        let to = rule.to.iter().map(|to| ports_of(&to.ports).intersection(&narrowed(to.needs_http)));
        let mut matched = any_of(from.collect()).intersection(&any_of(to.collect()));
        for condition in &rule.when {
            let holds = |holds: bool| if holds { all.clone() } else { PortSet::none() };
            let by_identity = |matches: &dyn Fn(bool) -> bool| {
                let with = holds(matches(true)).intersection(identified);
                with.union(&holds(matches(false)).difference(identified))
            };
            matched = matched.intersection(&match condition {
                Condition::Principal(either) => by_identity(&|known| {
                    matches_text(either, known.then(|| self.principal(source)).flatten().as_deref())
                }),
                Condition::Namespace(either) => {
                    by_identity(&|known| matches_text(either, known.then(|| namespace_of(source)).flatten()))
                }
                Condition::Address(either) => holds(matches_address(either, source)),
                Condition::Port(either) => ports_of(either),
                Condition::Request(_) => narrowed(true),
            });
        }
        matched
    }

    fn source_matches(&self, from: &From, source: End<'_>, identified: bool) -> bool {
        let principal = if identified { self.principal(source) } else { None };
        let namespace = if identified { namespace_of(source) } else { None };
        matches_text(&from.principals, principal.as_deref())
            && matches_text(&from.namespaces, namespace)
            && matches_address(&from.ip_blocks, source)
    }

    fn principal(&self, source: End<'_>) -> Option<String> {
        let End::Pod(pod) = source else { return None };
        Some(format!("{}/ns/{}/sa/{}", self.mesh.trust_domain, pod.namespace, pod.service_account))
    }
}

fn ports_of(either: &Either<u16>) -> PortSet {
    let set = |ports: &[u16]| {
        ports.iter().fold(PortSet::none(), |set, port| set.union(&PortSet::one(Protocol::Tcp, *port)))
    };
    let any =
        if either.any.is_empty() { PortSet::range(Protocol::Tcp, 1, u16::MAX) } else { set(&either.any) };
    any.difference(&set(&either.not))
}

/// Without a certificate, nothing matches, and everything is "not".
fn matches_text(either: &Either<Text>, value: Option<&str>) -> bool {
    let among =
        |patterns: &[Text]| value.is_some_and(|value| patterns.iter().any(|text| text.matches(value)));
    (either.any.is_empty() || among(&either.any)) && !among(&either.not)
}

fn matches_address(either: &Either<IpNet>, source: End<'_>) -> bool {
    let addresses: Vec<IpAddr> = match source {
        End::Address(address) => vec![address],
        End::Pod(pod) => pod.addresses.clone(),
    };
    let among = |nets: &[IpNet]| addresses.iter().any(|address| nets.iter().any(|net| net.contains(address)));
    (either.any.is_empty() || among(&either.any)) && !among(&either.not)
}

fn namespace_of(source: End<'_>) -> Option<&str> {
    match source {
        End::Pod(pod) => Some(&pod.namespace),
        End::Address(_) => None,
    }
}

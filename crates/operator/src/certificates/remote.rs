//! The authorities of remote clusters.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use parapet_api::{Application as _, Elasticsearch, names};
use parapet_elastic::{adopted_parts, note_adopted_parts, owned_meta};
use parapet_pki::Certificate;

use super::secret::{self, CA_CRT};

/// Whose authorities a cluster trusts beside its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoteInputs<'a> {
    /// The live `…-remote-ca`.
    pub live: Option<&'a Secret>,
    /// The clusters that this one names or is named by.
    pub related: &'a [Related],
    /// Whether another operator looked after the cluster until now.
    pub taken_over: bool,
}

/// A cluster that is connected to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Its authorities, former ones included: what its `…-transport-certs-public` has.
    pub authorities: String,
    /// Whether the two are to trust each other from now on. If not, the trust that there is stays and is kept up to date.
    pub connect: bool,
}

/// The Secret that pods mount: the authorities of all remote clusters, each once and in a fixed order. It is never empty, since
/// Elasticsearch's configuration names it: without any, it has the cluster's `own`.
///
/// At a takeover what is there and comes from nobody whom this operator knows is noted ([`parapet_elastic::ADOPTED_PARTS`], by
/// fingerprints) and stays until it ends or is taken off the list: the other operator may have looked after more namespaces.
pub fn remote_authorities(
    es: &Elasticsearch,
    own: &str,
    remote: &RemoteInputs<'_>,
    now: Timestamp,
) -> Secret {
    let mut metadata = owned_meta(es, names::elasticsearch::remote_authorities(es.object_name()));
    let there = remote.live.and_then(|live| secret::text(live, CA_CRT));
    if there.is_none_or(|there| there == own) && remote.related.is_empty() {
        return secret::build(metadata, [(CA_CRT, own.to_owned())]);
    }
    let live = secret::certificates(remote.live, CA_CRT);
    let own_all = parsed(own);
    let mut trusted = Vec::new();
    for related in remote.related {
        let theirs = parsed(&related.authorities);
        if related.connect || theirs.iter().any(|one| live.contains(one)) {
            trusted.extend(theirs);
        }
    }
    let live_meta = remote.live.map(|live| &live.metadata);
    let noted = adopted_parts(live_meta);
    let stays = |one: &&Certificate| match &noted {
        Some(noted) => noted.contains(&one.fingerprint()),
        None => remote.taken_over,
    };
    let is_known = |one: &&Certificate| trusted.contains(one) || own_all.contains(one);
    let is_valid = |one: &&Certificate| one.validity().not_after > now;
    let adopted: Vec<Certificate> =
        live.iter().filter(|one| !is_known(one)).filter(stays).filter(is_valid).cloned().collect();
    let fingerprints: BTreeSet<String> = adopted.iter().map(Certificate::fingerprint).collect();
    trusted.extend(adopted);
    let mut texts: Vec<String> = trusted.iter().map(Certificate::pem).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut text = if texts.is_empty() { own.to_owned() } else { texts.concat() };
    // What says the same stays as it is spelled: nodes read a file that changes again.
    let says = |text: &str| parsed(text).iter().map(Certificate::fingerprint).collect::<BTreeSet<_>>();
    if let Some(there) = there.filter(|there| !live.is_empty() && says(there) == says(&text)) {
        there.clone_into(&mut text);
    }
    note_adopted_parts(&mut metadata, live_meta, &fingerprints);
    secret::build(metadata, [(CA_CRT, text)])
}

fn parsed(text: &str) -> Vec<Certificate> {
    Certificate::all_from_pem(text).unwrap_or_default()
}

//! Images: OBS-IMG-01 and 02, OBS-FIPS-01 to 04.

use parapet_manifest::Node;

use serde_json::json;

use super::pods::{chart_values, set_value};
use crate::finding::{Draft, Findings};
use crate::rule::Needs::{Manifests, Option as Opt};
use crate::rule::Severity::{High, Low, Medium};
use crate::rule::{Check, Group, Needs, Rule, Severity};
use crate::world::{Container, Role, Workload, World};

const fn rule(
    id: &'static str,
    severity: Severity,
    needs: Needs,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
    check: Check,
) -> Rule {
    Rule { id, severity, group: Group::Pods, needs, title, why, fix, check }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "OBS-IMG-01",
        Medium,
        Manifests,
        "An image that isn't pinned",
        "What runs tomorrow isn't what was tested today; without a tag it is whatever was pushed last.",
        "Use a version, better a digest.",
        unpinned,
    ),
    rule(
        "OBS-IMG-02",
        Medium,
        Opt,
        "An image from an untrusted place",
        "A personal namespace of a public registry can change hands, and its images with it.",
        "Mirror it.",
        untrusted,
    ),
    rule(
        "OBS-FIPS-01",
        High,
        Opt,
        "A collector that isn't a FIPS build",
        "FIPS is required here, and this image's cryptography isn't validated.",
        "Use the tag that ends in -fips.",
        not_fips,
    ),
    rule(
        "OBS-FIPS-02",
        Medium,
        Manifests,
        "The FIPS suffix can't work",
        "The chart adds -fips to the tag: a tag that has it already, or a digest, becomes one that doesn't exist.",
        "Leave the suffix to one of them.",
        suffix,
    ),
    rule(
        "OBS-FIPS-03",
        Medium,
        Manifests,
        "Some collectors are FIPS builds and others not",
        "Data passes through both: the whole isn't compliant.",
        "Use the same build everywhere.",
        mixed,
    ),
    rule(
        "OBS-FIPS-04",
        Low,
        Manifests,
        "Images without a FIPS build",
        "FIPS covers the collectors; these images take part in the pipeline without it.",
        "Accept it in writing, or replace them.",
        uncovered,
    ),
];

fn images<'w>(world: &'w World<'w>) -> impl Iterator<Item = (&'w Workload<'w>, &'w Container<'w>, &'w str)> {
    world.obs().flat_map(|workload| {
        workload
            .containers
            .iter()
            .filter_map(move |container| Some((workload, container, container.image()?)))
    })
}

/// Repository and tag.
fn parts(image: &str) -> (&str, Option<&str>) {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

fn unpinned<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container, image) in images(world).filter(|(_, _, image)| !image.contains('@')) {
        let why = match parts(image).1 {
            None => "has no tag",
            Some("latest") => "has the tag `latest`",
            Some(tag) if !tag.contains(|character: char| character.is_ascii_digit()) => {
                "has a tag that moves"
            }
            Some(_) => continue,
        };
        found.add_pod(workload, format!("{}/image", container.pointer), format!("the image {image} {why}"));
    }
}

/// Organisations of the public registry that publish the stack's own images.
const PUBLISHERS: &[&str] = &[
    "library",
    "otel",
    "prom",
    "grafana",
    "elastic",
    "elasticsearch",
    "kibana",
    "logstash",
    "bitnami",
    "opensearchproject",
    "fluent",
    "axway",
    "istio",
    "jaegertracing",
    "openzipkin",
    "sumologic",
    "memcached",
    "curlimages",
];

fn untrusted<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (workload, container, image) in images(world) {
        let repository = parts(image).0;
        let allowed = &world.options.registries;
        let first = repository.split('/').next().unwrap_or("");
        let has_host =
            repository.contains('/') && (first.contains('.') || first.contains(':') || first == "localhost");
        let organisation = if has_host && first != "docker.io" {
            None
        } else {
            repository.trim_start_matches("docker.io/").split_once('/').map(|(organisation, _)| organisation)
        };
        let bad = if allowed.is_empty() {
            organisation.is_some_and(|organisation| !PUBLISHERS.contains(&organisation))
        } else {
            !allowed.iter().any(|registry| repository.starts_with(registry.as_str()))
        };
        if bad {
            found.add_pod(
                workload,
                format!("{}/image", container.pointer),
                format!("the image {image} is from a place that isn't allowed"),
            );
        }
    }
}

fn is_collector_image(image: &str) -> bool {
    image.contains("otel-collector") || image.contains("opentelemetry-collector")
}

fn is_fips(image: &str) -> bool {
    parts(image).1.is_some_and(|tag| tag.ends_with("-fips"))
}

/// The patch takes the FIPS build of the same release, where its publisher has one.
fn as_fips(draft: &mut Draft<'_>, image: &str) {
    let has_tag = parts(image).1.is_some() && !image.contains('@');
    if has_tag && parts(image).0.ends_with("sumologic-otel-collector") {
        draft.becomes(json!(format!("{image}-fips")));
    }
}

fn not_fips<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    if !world.options.fips {
        return;
    }
    for (workload, container, image) in
        images(world).filter(|(_, _, image)| is_collector_image(image) && !is_fips(image))
    {
        let message = format!("{image} is not a FIPS build");
        as_fips(found.add_pod(workload, format!("{}/image", container.pointer), message), image);
    }
}

fn suffix<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    for (document, pointer, values) in chart_values(world) {
        let image = values.at("/sumologic/otelcolImage");
        let Some(image) =
            image.filter(|image| image.get("addFipsSuffix").and_then(Node::as_bool) == Some(true))
        else {
            continue;
        };
        let (key, why) = match image.get("tag").and_then(Node::as_str) {
            Some(tag) if tag.ends_with("-fips") => {
                ("tag", "the tag has the suffix already: it becomes -fips-fips")
            }
            Some(tag) if tag.contains("sha256:") => ("tag", "a digest can't take a suffix"),
            _ if image.get("digest").is_some() => ("digest", "a digest can't take a suffix"),
            _ => continue,
        };
        let is_twice = why.ends_with("-fips-fips");
        let draft = found.add_at(document, pointer.clone(), image.place(&format!("/{key}")), why);
        if is_twice {
            set_value(draft, document, &pointer, "/sumologic/otelcolImage/addFipsSuffix", json!(false));
        }
    }
}

fn mixed<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    if !images(world).any(|(_, _, image)| is_collector_image(image) && is_fips(image)) || world.options.fips {
        return;
    }
    for (workload, container, image) in
        images(world).filter(|(_, _, image)| is_collector_image(image) && !is_fips(image))
    {
        let message = format!("other collectors are FIPS builds, {image} isn't");
        as_fips(found.add_pod(workload, format!("{}/image", container.pointer), message), image);
    }
}

fn uncovered<'w>(world: &'w World<'w>, found: &mut Findings<'w>) {
    let values = chart_values(world).into_iter().any(|(_, _, values)| {
        values.at("/sumologic/otelcolImage/addFipsSuffix").and_then(Node::as_bool) == Some(true)
    });
    let fips = world.options.fips
        || values
        || images(world).any(|(_, _, image)| is_collector_image(image) && is_fips(image));
    for (workload, container, image) in
        images(world).filter(|(_, _, image)| fips && !is_collector_image(image))
    {
        if !workload.has_role(Role::Elasticsearch) || !image.contains("fips") {
            found.add_pod(
                workload,
                format!("{}/image", container.pointer),
                format!("{image} takes part in the pipeline and has no FIPS build"),
            );
        }
    }
}

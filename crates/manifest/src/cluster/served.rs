//! Which of the wanted kinds a server serves, and where.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIResourceList};
use kube::Client;

use super::FILE;
use super::kinds::{Kind, WANTED};
use crate::{Problem, Severity, Span};

/// Versions of one group that are looked at: `policy.networking.k8s.io` spreads its kinds over two.
const VERSIONS: usize = 4;

/// The wanted kinds, in the order of [`WANTED`]. A group whose server doesn't answer is a problem.
pub(super) async fn kinds(client: &Client, problems: &mut Vec<Problem>) -> Result<Vec<Kind>, kube::Error> {
    let groups = client.list_api_groups().await?.groups;
    let mut found: Vec<Kind> = Vec::new();
    for (group, wanted) in WANTED {
        if group.is_empty() {
            let resources = client.list_core_api_resources("v1").await?;
            add(&mut found, group, "v1", wanted, &resources);
            continue;
        }
        let Some(served) = groups.iter().find(|served| served.name == *group) else { continue };
        for version in versions(served) {
            match client.list_api_group_resources(&format!("{group}/{version}")).await {
                Ok(resources) => add(&mut found, group, version, wanted, &resources),
                Err(error) => {
                    let message = format!("the API server doesn't say what is in {group}/{version}: {error}");
                    let place = format!("{FILE}:{group}").into();
                    problems.push(Problem::new(&place, Span::START, Severity::Error, message));
                }
            }
        }
    }
    Ok(found)
}

/// The preferred version first.
fn versions(group: &APIGroup) -> Vec<&str> {
    let preferred = group.preferred_version.iter();
    let mut versions: Vec<&str> = Vec::new();
    for version in preferred.chain(&group.versions).map(|version| version.version.as_str()) {
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions.truncate(VERSIONS);
    versions
}

fn add(
    found: &mut Vec<Kind>,
    group: &'static str,
    version: &str,
    wanted: &[&'static str],
    resources: &APIResourceList,
) {
    for &kind in wanted {
        let known = found.iter().any(|other| (other.group, other.kind) == (group, kind));
        let resource = resources.resources.iter().find(|resource| {
            resource.kind == kind
                && !resource.name.contains('/')
                && resource.verbs.iter().any(|verb| verb == "list")
        });
        if let Some(resource) = resource.filter(|_| !known) {
            let plural = resource.name.clone();
            found.push(Kind { group, version: version.to_owned(), kind, plural });
        }
    }
}

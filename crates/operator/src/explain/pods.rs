//! Why a pod isn't ready, and what can be done about it.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

/// Restarts from which on it isn't chance.
const OFTEN: i32 = 3;

/// Why it isn't ready; none if it is.
pub(super) fn trouble(pod: &Pod) -> Option<Trouble> {
    let name = pod.metadata.name.clone().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        return Some(Trouble { text: format!("Pod {name} is on its way out"), advice: None });
    }
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|one| one.type_ == kind);
    if condition("Ready").is_some_and(|ready| ready.status == "True") {
        return None;
    }
    if let Some(scheduled) = condition("PodScheduled").filter(|one| one.status == "False") {
        let why = scheduled.message.as_deref().unwrap_or("no node takes it");
        return Some(Trouble {
            text: format!("Pod {name} has no node: {}", why.trim_end_matches('.')),
            advice: Some(
                "Give the cluster a node that fits, or ask for less in the pod template (resources, affinity, volumes)",
            ),
        });
    }
    let all = |list: Option<&Vec<ContainerStatus>>| list.cloned().unwrap_or_default();
    let init = all(status.and_then(|status| status.init_container_statuses.as_ref()));
    let main = all(status.and_then(|status| status.container_statuses.as_ref()));
    let found = init.iter().chain(&main).find_map(|one| container(&name, one));
    if found.is_some() {
        return found;
    }
    let init =
        init.iter().find(|one| one.state.as_ref().is_some_and(|state| state.running.is_some()) && !one.ready);
    if let Some(init) = init {
        let advice = (init.name == "elastic-internal-suspend").then_some(
            "It is held by the annotation eck.k8s.elastic.co/suspend; take its name out of it to let it go on",
        );
        return Some(Trouble { text: format!("Pod {name} is in its init container {}", init.name), advice });
    }
    let why = condition("Ready").and_then(|ready| ready.message.clone());
    let why = why.unwrap_or_else(|| "its readiness probe hasn't succeeded yet".to_owned());
    Some(Trouble { text: format!("Pod {name} isn't ready: {}", why.trim_end_matches('.')), advice: None })
}

/// What is wrong with a pod.
pub(super) struct Trouble {
    /// In a sentence without its full stop.
    pub(super) text: String,
    /// What to do.
    pub(super) advice: Option<&'static str>,
}

fn container(pod: &str, status: &ContainerStatus) -> Option<Trouble> {
    let name = &status.name;
    let ended = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    if ended.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled")) {
        return Some(Trouble {
            text: format!("Container {name} of pod {pod} used more memory than its limit, and was ended"),
            advice: Some("Raise the memory limit in the pod template (or nodeSets[].resources)"),
        });
    }
    match reason {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" => {
            let why = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or(reason);
            Some(Trouble {
                text: format!(
                    "The image of container {name} of pod {pod} can't be had: {}",
                    why.trim_end_matches('.')
                ),
                advice: Some(
                    "Look at spec.image, spec.version and container-registry, and whether the node may pull it",
                ),
            })
        }
        "CrashLoopBackOff" => Some(crashed(pod, status)),
        "CreateContainerConfigError" | "CreateContainerError" => {
            let why = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or(reason);
            Some(Trouble {
                text: format!("Container {name} of pod {pod} can't be made: {}", why.trim_end_matches('.')),
                advice: Some("Make what the pod template refers to, or correct the reference"),
            })
        }
        _ if status.restart_count >= OFTEN && !status.ready => Some(crashed(pod, status)),
        _ => None,
    }
}

fn crashed(pod: &str, status: &ContainerStatus) -> Trouble {
    let code =
        status.last_state.as_ref().and_then(|last| last.terminated.as_ref()).map(|ended| ended.exit_code);
    let code = code.map(|code| format!(", the last time with exit code {code}")).unwrap_or_default();
    let (name, restarts) = (&status.name, status.restart_count);
    Trouble {
        text: format!("Container {name} of pod {pod} ended {restarts} times{code}"),
        advice: Some(
            "Read why: kubectl logs --previous of that pod; a broken specification can be corrected, its pods are replaced without asking Elasticsearch",
        ),
    }
}

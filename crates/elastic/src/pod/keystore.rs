//! The init container that turns a Secret into a keystore.

use k8s_openapi::api::core::v1::{Container, ResourceRequirements, VolumeMount};

use super::mounts::{Mounts, mount};

/// The name of the container; users set its resources under this name.
pub const CONTAINER: &str = "elastic-internal-init-keystore";
const VOLUME: &str = "elastic-internal-secure-settings";
const PATH: &str = "/mnt/elastic-internal/secure-settings";

/// How many files one call may add: the tool starts a JVM for each call, and a command line has an end.
const BATCH: usize = 500;

/// How an application's keystore is made.
pub(super) struct Keystore {
    /// Makes an empty one.
    pub(super) create: &'static str,
    /// Adds one entry; the script appends its name, and its value by standard input or as a file.
    pub(super) add: Add,
    /// Left behind once all is done: a container that starts again has nothing to do.
    pub(super) flag: &'static str,
}

/// How values get into the keystore: never as arguments, where any process could read them.
pub(super) enum Add {
    /// By a command that takes pairs of names and files.
    Files(&'static str),
    /// By a command that takes a name, and the value from standard input.
    Stdin(&'static str),
}

/// The volume of the Secret, which only this container mounts.
pub(super) fn volume(mounts: &mut Mounts, secret: &str) {
    mounts.unmounted_secret(VOLUME, secret);
}

/// The container.
pub(super) fn container(keystore: &Keystore, resources: ResourceRequirements) -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(
            ["/usr/bin/env", "bash", "-c"].into_iter().map(str::to_owned).chain([script(keystore)]).collect(),
        ),
        resources: Some(resources),
        volume_mounts: Some(vec![secure_settings()]),
        ..Container::default()
    }
}

fn secure_settings() -> VolumeMount {
    mount(VOLUME, PATH, Some(true))
}

/// Names of keystore entries are file names of the mounted Secret; those that begin with a dot are the kubelet's own.
fn script(keystore: &Keystore) -> String {
    let Keystore { create, add, flag } = keystore;
    let add = match add {
        Add::Files(command) => format!(
            r#"arguments=()
for file in {PATH}/*; do
  [[ -f "$file" ]] || continue
  arguments+=("$(basename "$file")" "$file")
  if (( ${{#arguments[@]}} >= 2 * {BATCH} )); then
    {command} "${{arguments[@]}}"
    arguments=()
  fi
done
if (( ${{#arguments[@]}} > 0 )); then
  {command} "${{arguments[@]}}"
fi"#
        ),
        Add::Stdin(command) => format!(
            r#"for file in {PATH}/*; do
  [[ -f "$file" ]] || continue
  {command} "$(basename "$file")" --stdin < "$file"
done"#
        ),
    };
    format!(
        r#"set -euo pipefail
if [[ -f {flag} ]]; then
  echo "the keystore is there already"
  exit 0
fi
{create}
{add}
touch {flag}
echo "the keystore is made"
"#
    )
}

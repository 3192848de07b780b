//! What the console's page Posture shows: manifests from files, or the demo's own, through the engines of `reach`, `audit` and `policy`.

mod answers;
mod proposals;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parapet_manifest::{Limits, Source};
use parapet_policy::Units;
use parapet_server::posture::{Explained, GeneratedPolicy, Posture, PostureError, PostureSource, Protocol};

use crate::config::Config;
use crate::exit::{Failure, OrExit as _, Reason};
use crate::manifests::Manifests;

/// How often files are looked at, at most: a page that refreshes should not walk a large tree each time.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The namespace of objects that name none, as everywhere else.
const DEFAULT_NAMESPACE: &str = "default";
/// The manifests of a shop like the demo's, with what one forgets.
const DEMO: &str = include_str!("posture/demo.yaml");
/// What stands for their file.
const DEMO_NAME: &str = "demo/shop.yaml";

/// What is looked at, if anything is. The first reading begins at once, in the background.
pub(super) fn source(config: &Config) -> Result<Option<Arc<dyn PostureSource>>, Failure> {
    let from = match (config.manifests.as_slice(), config.demo) {
        ([], false) => return Ok(None),
        ([], true) => From::Demo,
        (paths, _) => {
            for path in paths {
                std::fs::metadata(path)
                    .with_context(|| format!("can't read the manifests {}", path.display()))
                    .or_exit(Reason::Usage)?;
            }
            From::Paths(paths.to_vec())
        }
    };
    let source = Arc::new(Watched { from, clock: Timestamp::now, cache: Mutex::new(None) });
    let first = source.clone();
    tokio::task::spawn_blocking(move || first.current());
    Ok(Some(source))
}

/// Where manifests come from.
#[derive(Debug)]
enum From {
    Paths(Vec<PathBuf>),
    Demo,
}

/// Manifests that are read again when a file changes.
struct Watched {
    from: From,
    clock: fn() -> Timestamp,
    cache: Mutex<Option<Cache>>,
}

struct Cache {
    looked: Instant,
    files: Vec<Seen>,
    computed: Arc<Computed>,
}

/// A file as it was.
type Seen = (PathBuf, Option<SystemTime>, u64);

/// What was read, and what it comes to.
struct Computed {
    manifests: Manifests,
    units: Units,
    posture: Posture,
}

impl PostureSource for Watched {
    fn posture(&self) -> Result<Posture, PostureError> {
        Ok(self.current().posture.clone())
    }

    fn explain(
        &self,
        source: &str,
        destination: &str,
        protocol: Protocol,
        port: u16,
    ) -> Result<Explained, PostureError> {
        answers::explain(&self.current().manifests.cluster, source, destination, protocol, port)
    }

    fn policy(&self, namespace: &str) -> Result<GeneratedPolicy, PostureError> {
        let computed = self.current();
        answers::policy(&computed.manifests, &computed.units, namespace)
    }
}

impl Watched {
    /// What is known, read again if a file has changed. Others who ask meanwhile wait for the one reading.
    fn current(&self) -> Arc<Computed> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = &mut *cache {
            if cache.looked.elapsed() < LOOK_EVERY {
                return cache.computed.clone();
            }
            cache.looked = Instant::now();
            if cache.files == self.files() {
                return cache.computed.clone();
            }
        }
        // Looked at before they are read: a change in between is found the next time.
        let files = self.files();
        let computed = Arc::new(self.compute());
        *cache = Some(Cache { looked: Instant::now(), files, computed: computed.clone() });
        computed
    }

    fn compute(&self) -> Computed {
        let began = Instant::now();
        let limits = Limits::default();
        let loaded = match &self.from {
            From::Demo => parapet_manifest::load_text(DEMO_NAME, DEMO.as_bytes(), &limits),
            From::Paths(paths) => {
                let sources: Vec<Source> =
                    paths.iter().map(|path| Source::from_argument(path, true)).collect();
                parapet_manifest::load(&sources, &limits, &mut std::io::empty())
            }
        };
        let manifests = Manifests::of(loaded, DEFAULT_NAMESPACE);
        let units = Units::of(&manifests.cluster);
        let now = (self.clock)();
        let read = |file: &str| match &self.from {
            From::Demo => Ok(DEMO.as_bytes().to_vec()),
            From::Paths(_) => std::fs::read(file),
        };
        let mut posture = summary::of(&manifests, &units, now.to_zoned(TimeZone::UTC).date(), &read);
        posture.computed_at = Some(now.to_string());
        posture.demo = matches!(self.from, From::Demo);
        posture.sources = match &self.from {
            From::Demo => vec![DEMO_NAME.to_owned()],
            From::Paths(paths) => paths.iter().map(|path| path.display().to_string()).collect(),
        };
        tracing::info!(
            objects = manifests.documents.len(),
            workloads = posture.workloads_total,
            findings = posture.findings_total,
            problems = manifests.problems.len(),
            elapsed_ms = began.elapsed().as_millis() as u64,
            "manifests were read"
        );
        Computed { manifests, units, posture }
    }

    fn files(&self) -> Vec<Seen> {
        let mut seen = Vec::new();
        if let From::Paths(paths) = &self.from {
            paths.iter().for_each(|path| look(path, Limits::default().files, &mut seen));
        }
        seen.sort();
        seen
    }
}

/// Adds the files at and below `path`, `most` at most. What can't be looked at is not seen; reading it says why.
fn look(path: &Path, most: usize, seen: &mut Vec<Seen>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    if seen.len() >= most {
        return;
    }
    seen.push((path.to_path_buf(), metadata.modified().ok(), metadata.len()));
    // Links to folders are not followed, so that no loop is walked.
    if metadata.is_dir() && (seen.len() == 1 || !path.is_symlink()) {
        let Ok(entries) = std::fs::read_dir(path) else { return };
        entries.flatten().for_each(|entry| look(&entry.path(), most, seen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(from: From) -> Watched {
        Watched { from, clock: || Timestamp::UNIX_EPOCH, cache: Mutex::new(None) }
    }

    fn ends(posture: &Posture, cell: &[u32; 3]) -> String {
        let id = |end: u32| &posture.workloads[end as usize].id;
        format!("{} => {} : {}", id(cell[0]), id(cell[1]), posture.ports[cell[2] as usize])
    }

    #[test]
    fn the_demo_has_something_to_show_and_nothing_unread() {
        let posture = watched(From::Demo).posture().unwrap();
        assert!(posture.configured && posture.demo && !posture.grouped && !posture.incomplete);
        assert!(posture.problems.is_empty(), "{:?}", posture.problems);
        let cells: Vec<String> = posture.cells.iter().map(|cell| ends(&posture, cell)).collect();
        let has = |line: &str| cells.iter().any(|cell| cell == line);
        assert!(has("shop/gateway[Deployment] => shop/orders[Deployment] : TCP 8443"), "{cells:#?}");
        assert!(!cells.iter().any(|cell| cell.starts_with("shop/orders[Deployment] => shop/gateway")));
        let exposed: Vec<&str> = posture
            .workloads
            .iter()
            .filter(|workload| workload.exposed_outside)
            .map(|workload| workload.name.as_str())
            .collect();
        assert!(exposed.contains(&"gateway") && !exposed.contains(&"orders"), "{exposed:?}");
        assert!(posture.findings.iter().any(|finding| !finding.workloads.is_empty()));
        assert_eq!(posture.findings_total, posture.findings.len() as u64);
        // What to do is there to be copied, or it is said what is to be decided.
        let remedied =
            |one: &&parapet_server::posture::PostureFinding| !one.patch.is_empty() || !one.decide.is_empty();
        assert!(posture.findings.iter().filter(remedied).count() * 10 >= posture.findings.len() * 9);
        assert!(posture.findings.iter().any(|one| one.patch.starts_with("--- a/demo/shop.yaml\n")));
    }

    #[test]
    fn a_connection_is_explained_and_a_namespace_gets_policies_that_are_proved() {
        let demo = watched(From::Demo);
        let ask = |from, to, port| demo.explain(from, to, Protocol::Tcp, port);
        let allowed = ask("shop/gateway[Deployment]", "shop/orders[Deployment]", 8443).unwrap();
        assert!(allowed.allowed && !allowed.verdicts[0].sides.is_empty());
        let denied = ask("outside", "shop/orders[Deployment]", 8443).unwrap();
        assert!(!denied.allowed);
        assert!(matches!(ask("shop/nobody", "shop/orders", 1), Err(PostureError::Unknown(_))));
        assert!(matches!(ask("{ingress-controller}", "shop/orders", 1), Err(PostureError::Unknown(_))));

        for namespace in ["shop", "observability"] {
            let policy = demo.policy(namespace).unwrap();
            assert!(policy.proved, "{namespace}: {:?}", policy.unproved);
            assert!(policy.yaml.contains("kind: NetworkPolicy") && policy.declared > 0);
        }
        assert!(matches!(demo.policy("elsewhere"), Err(PostureError::Unknown(_))));
    }

    #[test]
    fn changed_files_are_read_again_and_broken_ones_are_named_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let pod = |name: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: a, image: b}}]}}\n"
            )
        };
        std::fs::write(folder.path().join("a.yaml"), pod("one")).unwrap();
        let source = watched(From::Paths(vec![folder.path().to_path_buf()]));
        let names = |source: &Watched| -> Vec<String> {
            let posture = source.posture().unwrap();
            posture.workloads.iter().filter(|one| one.kind == "Pod").map(|one| one.name.clone()).collect()
        };
        assert_eq!(names(&source), ["one"]);
        std::fs::create_dir(folder.path().join("more")).unwrap();
        std::fs::write(folder.path().join("more/b.yaml"), pod("two") + "---\nkind: [\n").unwrap();
        assert_eq!(names(&source), ["one"], "looked at again too soon");
        let before = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        source.cache.lock().unwrap().as_mut().unwrap().looked = before;
        assert_eq!(names(&source), ["one", "two"]);
        let posture = source.posture().unwrap();
        assert!(posture.incomplete);
        assert!(posture.problems.iter().any(|problem| problem.file.ends_with("b.yaml") && problem.line >= 5));
    }

    #[test]
    fn too_many_workloads_are_shown_by_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for number in 0..=parapet_server::posture::MOST_WORKLOADS {
            text += &format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: n{}}}\nspec: {{containers: [{{name: a, image: b}}]}}\n",
                number % 3
            );
        }
        let file = folder.path().join("all.yaml");
        std::fs::write(&file, text).unwrap();
        let posture = watched(From::Paths(vec![file])).posture().unwrap();
        assert!(posture.grouped);
        assert_eq!(posture.workloads_total, parapet_server::posture::MOST_WORKLOADS as u64 + 1);
        let ids: Vec<&str> = posture.workloads.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids, ["n0", "n1", "n2", "outside"]);
        // Each reaches each, itself included, and both ways with the outside.
        assert_eq!(posture.cells.len(), 9 + 6);
    }
}

//! Which image a version runs.

use parapet_api::{Kind, StackVersion};

use crate::Settings;

/// The image of an application: the user's own, or that of the version.
pub fn image(settings: &Settings, kind: Kind, version: &StackVersion, custom: Option<&str>) -> String {
    if let Some(custom) = custom.filter(|image| !image.is_empty()) {
        return custom.to_owned();
    }
    let (path, name) = match kind {
        Kind::Elasticsearch => ("elasticsearch", "elasticsearch"),
        Kind::Kibana => ("kibana", "kibana"),
        Kind::ApmServer => ("apm", "apm-server"),
    };
    of_version(settings, path, name, version)
}

/// The image of a Beat beside an application, which is of the application's version.
pub(crate) fn beat_image(settings: &Settings, beat: &str, version: &StackVersion) -> String {
    of_version(settings, "beats", beat, version)
}

fn of_version(settings: &Settings, path: &str, name: &str, version: &StackVersion) -> String {
    let path = if settings.container_repository.is_empty() { path } else { &settings.container_repository };
    let ubi = if settings.ubi_only { ubi_suffix(version) } else { "" };
    let (registry, suffix) = (&settings.container_registry, &settings.container_suffix);
    format!("{registry}/{path}/{name}{ubi}{suffix}:{version}")
}

/// How the image on the Universal Base Image is called: its name lost the 8 in 7.17.16 and 8.12, and from 9.0 on
/// it is the ordinary one.
fn ubi_suffix(version: &StackVersion) -> &'static str {
    if version.at_least(9, 0, 0) {
        ""
    } else if version.at_least(8, 12, 0) || (version.major() == 7 && version.at_least(7, 17, 16)) {
        "-ubi"
    } else {
        "-ubi8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Settings), kind: Kind, version: &str, expected: &str) {
        let mut settings = Settings::default();
        change(&mut settings);
        assert_eq!(image(&settings, kind, &version.parse().unwrap(), None), expected);
    }

    #[test]
    fn images_follow_version_and_settings() {
        use Kind::{ApmServer, Elasticsearch, Kibana};
        check(|_| {}, Elasticsearch, "8.15.3", "docker.elastic.co/elasticsearch/elasticsearch:8.15.3");
        check(|_| {}, Kibana, "8.15.3", "docker.elastic.co/kibana/kibana:8.15.3");
        check(|_| {}, ApmServer, "9.0.0-SNAPSHOT", "docker.elastic.co/apm/apm-server:9.0.0-SNAPSHOT");
        check(
            |s| s.container_repository = "mine".into(),
            Kibana,
            "8.1.0",
            "docker.elastic.co/mine/kibana:8.1.0",
        );
        check(|s| s.container_registry = "r:5000".into(), Kibana, "8.1.0", "r:5000/kibana/kibana:8.1.0");
        check(
            |s| s.container_suffix = "-wolfi".into(),
            Kibana,
            "8.16.0",
            "docker.elastic.co/kibana/kibana-wolfi:8.16.0",
        );
        for (version, name) in [
            ("8.11.4", "kibana-ubi8"),
            ("8.12.0", "kibana-ubi"),
            ("7.17.15", "kibana-ubi8"),
            ("7.17.16", "kibana-ubi"),
            ("9.1.0", "kibana"),
        ] {
            check(
                |s| s.ubi_only = true,
                Kibana,
                version,
                &format!("docker.elastic.co/kibana/{name}:{version}"),
            );
        }
    }

    #[test]
    fn beats_are_of_the_same_version_from_the_same_place() {
        let version = "8.12.0".parse().unwrap();
        let mine = Settings { container_registry: "r:5000".into(), ubi_only: true, ..Settings::default() };
        assert_eq!(beat_image(&mine, "metricbeat", &version), "r:5000/beats/metricbeat-ubi:8.12.0");
        assert_eq!(
            beat_image(&Settings::default(), "filebeat", &version),
            "docker.elastic.co/beats/filebeat:8.12.0"
        );
    }

    #[test]
    fn the_users_image_is_taken_whole() {
        let version = "8.15.3".parse().unwrap();
        let settings = Settings { ubi_only: true, ..Settings::default() };
        assert_eq!(image(&settings, Kind::Kibana, &version, Some("here/mine:1")), "here/mine:1");
        assert_eq!(
            image(&settings, Kind::Kibana, &version, Some("")),
            "docker.elastic.co/kibana/kibana-ubi:8.15.3"
        );
    }
}

//! Containers beside the main one that send metrics and logs elsewhere.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use parapet_api::{Application, Kind, StackVersion, annotations, names};

use super::environment::{downward, value};
use super::mounts::{Mounts, mount};
use super::{elasticsearch, kibana, security};
use crate::Settings;
use crate::fnv::fnv32;
use crate::monitoring::{Beat, Output, config_name, local_folder, local_volume, logs_folder};
use crate::template::{add_env, add_mounts, add_volumes, fill_container, fill_map};

/// The Beats beside an application, and what they need of its pods.
#[derive(Clone, Debug)]
pub struct Sidecars {
    kind: Kind,
    containers: Vec<Container>,
    volumes: Vec<Volume>,
    /// One for each configuration.
    hashes: Vec<u32>,
    /// Whether the application must write its logs into files.
    files: bool,
}

impl Sidecars {
    /// None yet, beside an application of that kind.
    pub fn beside(kind: Kind) -> Self {
        Self { kind, containers: Vec::new(), volumes: Vec::new(), hashes: Vec::new(), files: false }
    }

    /// Adds one. `authority`: whether the application's public certificates name one, which Metricbeat needs; `text`: the
    /// configuration as its Secret has it.
    pub fn add<K: Application>(
        &mut self,
        owner: &K,
        beat: Beat,
        output: &Output<'_>,
        authority: bool,
        text: &[u8],
        (settings, version): (&Settings, &StackVersion),
    ) {
        let mut mounts = Mounts::default();
        mounts.secret(
            &format!("{}-{}-config", owner.object_name(), beat.name()),
            &config_name(owner, beat),
            &beat.folder(),
            &[],
        );
        if let Some(secret) = output.authority() {
            mounts.secret(&output.volume::<K>(), secret, &output.folder::<K>(), &[]);
        }
        if beat == Beat::Metricbeat && authority && owner.http().tls_enabled() {
            let public = names::public_http_certificates(K::KIND, owner.object_name());
            mounts.secret(&local_volume::<K>(), &public, &local_folder(owner), &[]);
        }
        mounts
            .empty_dir(&format!("{}-data", beat.name()), &format!("{}/data", beat.home()))
            .empty_dir(&format!("{}-logs", beat.name()), &format!("{}/logs", beat.home()));
        add_volumes_of(&mut self.volumes, mounts.volumes());
        if beat == Beat::Filebeat {
            self.files = true;
            mounts.existing(logs_volume(K::KIND), &logs_folder(K::KIND));
        }
        let contexts = K::KIND == Kind::Elasticsearch || settings.default_security_context;
        self.containers.push(Container {
            name: beat.name().to_owned(),
            image: Some(crate::image::beat_image(settings, beat.name(), version)),
            args: Some(vec!["-c".to_owned(), format!("{}/{}", beat.folder(), beat.file()), "-e".to_owned()]),
            env: Some(downward()),
            security_context: contexts.then(|| security::beat(version)),
            volume_mounts: Some(mounts.main()),
            ..Container::default()
        });
        self.hashes.push(fnv32([text]));
    }

    /// Puts them into the application's pods. A container of the user's that is called as one of them is completed and keeps its
    /// own values.
    pub fn into_pods(&self, mut template: PodTemplateSpec) -> PodTemplateSpec {
        let metadata = template.metadata.get_or_insert_with(ObjectMeta::default);
        fill_map(&mut metadata.annotations, Some(&self.annotations()));
        let spec = template.spec.get_or_insert_default();
        let main = match self.kind {
            Kind::Elasticsearch => elasticsearch::MAIN,
            Kind::Kibana | Kind::ApmServer => kibana::MAIN,
        };
        if let Some(main) = spec.containers.iter_mut().find(|one| one.name == main).filter(|_| self.files) {
            match self.kind {
                Kind::Elasticsearch => add_env(&mut main.env, &[value("ES_LOG_STYLE", "file")]),
                Kind::Kibana | Kind::ApmServer => {
                    let logs = mount(logs_volume(self.kind), &logs_folder(self.kind), None);
                    add_mounts(&mut main.volume_mounts, &[logs]);
                }
            }
        }
        for beat in &self.containers {
            match spec.containers.iter_mut().find(|one| one.name == beat.name) {
                Some(user) => fill_container(user, beat.clone()),
                None => spec.containers.push(beat.clone()),
            }
        }
        add_volumes(&mut spec.volumes, &self.volumes);
        if self.files {
            let mut logs = Mounts::default();
            logs.empty_dir(logs_volume(self.kind), "");
            add_volumes(&mut spec.volumes, &logs.volumes());
        }
        template
    }

    /// The hash over the configurations restarts the pods when a password or an address changes: it is the reference's to the
    /// digit, so that pods that it made aren't restarted at a takeover.
    fn annotations(&self) -> BTreeMap<String, String> {
        let annotation = match self.kind {
            Kind::Elasticsearch => annotations::ELASTICSEARCH_MONITORING_HASH,
            Kind::Kibana | Kind::ApmServer => annotations::KIBANA_MONITORING_HASH,
        };
        let sums: Vec<[u8; 4]> = self.hashes.iter().map(|hash| hash.to_be_bytes()).collect();
        super::texts([(annotation, fnv32(sums.iter().map(<[u8; 4]>::as_slice)).to_string().as_str())])
    }
}

/// The volume that an application writes its logs to.
fn logs_volume(kind: Kind) -> &'static str {
    match kind {
        Kind::Elasticsearch => "elasticsearch-logs",
        Kind::Kibana | Kind::ApmServer => "kibana-logs",
    }
}

fn add_volumes_of(all: &mut Vec<Volume>, more: Vec<Volume>) {
    for volume in more {
        if !all.iter().any(|one| one.name == volume.name) {
            all.push(volume);
        }
    }
}

//! An application's Secrets in a toy API server, and clients that check what they are shown.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use parapet_api::{ApmServer, Application, Elasticsearch, Kibana};
use parapet_operator::certificates::{
    CertificateError, Context, HttpCertificates, HttpInputs, KeyMaker, Networking, NodeSetCertificates,
    Policy, TransportCertificates, TransportInputs, TransportPod, reconcile_http, reconcile_transport,
};
use parapet_pki::{Certificate, KeyKind, Signer, Subject, SubjectKey};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{ServerName, UnixTime};
use serde_json::{Value, json};

pub(crate) const DAY: SignedDuration = SignedDuration::from_hours(24);
pub(crate) const STATEFUL_SET: &str = "quickstart-es-default";

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) keys: KeyMaker,
    pub(crate) global: Option<Signer>,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) trusted: Option<ConfigMap>,
    pub(crate) pods: BTreeMap<String, Option<IpAddr>>,
    /// How many writes the operator lives to see; any number if there is none.
    pub(crate) lives: Option<usize>,
    /// What there was after each write, and since when.
    pub(crate) history: Vec<(Timestamp, BTreeMap<String, Secret>)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
            policy: Policy::default(),
            keys: KeyMaker::default(),
            global: None,
            secrets: BTreeMap::new(),
            trusted: None,
            pods: BTreeMap::new(),
            lives: None,
            history: Vec::new(),
        }
    }

    pub(crate) fn wait(&mut self, time: SignedDuration) {
        self.now += time;
    }

    pub(crate) fn pod(&mut self, ordinal: u32, ip: &str) {
        self.pods.insert(format!("{STATEFUL_SET}-{ordinal}"), ip.parse().ok());
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { policy: &self.policy, global: self.global.as_ref(), keys: &self.keys, now: self.now }
    }

    /// What would be written.
    pub(crate) fn decide_http<K: Application>(
        &self,
        owner: &K,
        networking: Networking<'_>,
    ) -> Result<HttpCertificates, CertificateError> {
        let (kind, name) = (K::KIND, owner.object_name());
        let get = |name: String| self.secrets.get(&name);
        let custom = owner.http().tls.certificate.secret_name.clone();
        let inputs = HttpInputs {
            authority: get(parapet_api::names::http_authority(kind, name)),
            internal: get(parapet_api::names::http_certificates(kind, name)),
            public: get(parapet_api::names::public_http_certificates(kind, name)),
            custom: custom.and_then(get),
            networking,
        };
        block_on(reconcile_http(owner, &inputs, &self.context()))
    }

    /// One pass over HTTP's certificates.
    pub(crate) fn http<K: Application>(&mut self, owner: &K) -> Result<HttpCertificates, CertificateError> {
        let certificates = self.decide_http(owner, Networking::default())?;
        for name in &certificates.delete {
            self.secrets.remove(name);
        }
        self.write(&certificates.apply);
        Ok(certificates)
    }

    /// One pass over the transport's certificates.
    pub(crate) fn transport(
        &mut self,
        es: &Elasticsearch,
    ) -> Result<TransportCertificates, CertificateError> {
        let get = |name: &str| self.secrets.get(name);
        let pods = self.pods.iter().map(|(name, ip)| TransportPod { name, ip: *ip }).collect();
        let node_sets = [NodeSetCertificates {
            stateful_set: STATEFUL_SET,
            live: get("quickstart-es-default-es-transport-certs"),
            pods,
        }];
        let custom = es.spec.transport.tls.certificate.secret_name.as_deref();
        let inputs = TransportInputs {
            authority: get("quickstart-es-transport-ca-internal"),
            public: get("quickstart-es-transport-certs-public"),
            custom: custom.and_then(get),
            trusted: self.trusted.as_ref(),
            node_sets: &node_sets,
        };
        let certificates = block_on(reconcile_transport(es, &inputs, &self.context()))?;
        self.write(&certificates.apply);
        Ok(certificates)
    }

    /// As the API server would have it afterwards: annotations of others stay. What is so already isn't written.
    fn write(&mut self, secrets: &[Secret]) {
        for secret in secrets {
            let name = secret.metadata.name.clone().unwrap();
            let mut written = secret.clone();
            let before = self.secrets.get(&name).and_then(|live| live.metadata.annotations.clone());
            let mut annotations = before.unwrap_or_default();
            annotations.extend(written.metadata.annotations.take().unwrap_or_default());
            written.metadata.annotations = (!annotations.is_empty()).then_some(annotations);
            if self.secrets.get(&name) == Some(&written) {
                continue;
            }
            match &mut self.lives {
                Some(0) => return,
                Some(writes) => *writes -= 1,
                None => {}
            }
            self.secrets.insert(name, written);
            self.history.push((self.now, self.secrets.clone()));
        }
    }

    /// A key of a Secret; nothing if either isn't there.
    pub(crate) fn text(&self, secret: &str, key: &str) -> String {
        let data = self.secrets.get(secret).and_then(|secret| secret.data.as_ref());
        data.and_then(|data| data.get(key))
            .map(|text| String::from_utf8(text.0.clone()).unwrap())
            .unwrap_or_default()
    }

    pub(crate) fn keys_of(&self, secret: &str) -> Vec<String> {
        self.secrets[secret].data.as_ref().unwrap().keys().cloned().collect()
    }

    pub(crate) fn put(&mut self, name: &str, entries: &[(&str, &str)]) {
        let data = entries.iter().map(|&(key, text)| (key.to_owned(), ByteString(text.as_bytes().to_vec())));
        self.secrets.insert(name.to_owned(), Secret { data: Some(data.collect()), ..Secret::default() });
    }

    pub(crate) fn certificate(&self, secret: &str, key: &str) -> Certificate {
        Certificate::from_pem(&self.text(secret, key)).unwrap()
    }

    /// An authority of somebody else.
    pub(crate) fn authority(&self, name: &str) -> Signer {
        let subject = Subject { organizational_unit: None, common_name: name.to_owned() };
        let key = SubjectKey::generate(KeyKind::EcdsaP256).unwrap();
        Signer::generate(key, &subject, DAY * 365, self.now).unwrap()
    }
}

/// Whether a client that trusts `ca_pem` accepts `chain` for `host` at `now`.
pub(crate) fn verifies(ca_pem: &str, chain: &str, host: &str, now: Timestamp) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in Certificate::all_from_pem(ca_pem).unwrap() {
        roots.add(certificate.der().clone())?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), parapet_pki::provider());
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let chain = Certificate::all_from_pem(chain).unwrap();
    let (leaf, rest) = chain.split_first().unwrap();
    let rest: Vec<_> = rest.iter().map(|certificate| certificate.der().clone()).collect();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_second().try_into().unwrap()));
    let host = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(leaf.der(), &rest, &host, &[], at).map(|_| ())
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// An Elasticsearch `ns/quickstart` with one group of nodes.
pub(crate) fn elasticsearch(spec: &Value) -> Elasticsearch {
    let mut all = json!({ "version": "8.15.3", "nodeSets": [{ "name": "default", "count": 3 }] });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object("elasticsearch.k8s.elastic.co/v1", "Elasticsearch", &all)
}

pub(crate) fn kibana(spec: &Value) -> Kibana {
    object("kibana.k8s.elastic.co/v1", "Kibana", &with_version(spec))
}

pub(crate) fn apm_server(spec: &Value) -> ApmServer {
    object("apm.k8s.elastic.co/v1", "ApmServer", &with_version(spec))
}

fn with_version(spec: &Value) -> Value {
    let mut all = json!({ "version": "8.15.3", "count": 1 });
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    all
}

fn object<T: serde::de::DeserializeOwned>(version: &str, kind: &str, spec: &Value) -> T {
    serde_json::from_value(json!({
        "apiVersion": version, "kind": kind, "spec": spec,
        "metadata": { "name": "quickstart", "namespace": "ns", "uid": "u-1" },
    }))
    .unwrap()
}

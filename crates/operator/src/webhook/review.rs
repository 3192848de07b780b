//! One review: what the API server asks, and what it is told. Nothing is looked up here.

use http::StatusCode;
use kube::ResourceExt as _;
use kube::api::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, Operation};
use kube::core::response::{StatusCause, StatusDetails, StatusSummary};
use parapet_api::validate::{self, Live, Rules};
use parapet_api::{ApmServer, Elasticsearch, FieldError, Kibana, Kind, Warning};
use serde::de::DeserializeOwned;

use super::MAX_BODY;
use super::Verdict;
use crate::odd;

/// How much of a warning the API server shows.
/// <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>
const MAX_WARNING: usize = 256;
/// How many warnings go back: the API server cuts off after 4096 bytes.
const MAX_WARNINGS: usize = 16;

/// A review that was read.
#[derive(Debug)]
pub struct Review {
    kind: Kind,
    request: AdmissionRequest<DynamicObject>,
}

/// It is no review.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// There is nothing at this path.
    #[error("no webhook is served at this path")]
    Path,
    /// Too much.
    #[error("a review has {MAX_BODY} bytes at most")]
    TooLarge,
    /// Not what an API server sends.
    #[error("the body is no admission review: {0}")]
    Body(#[source] serde_json::Error),
    /// An answer, or nothing.
    #[error("the review asks nothing")]
    NoRequest,
    /// It is about something else than the path.
    #[error("this path is for {expected}, not for {found}")]
    Kind {
        /// The path's.
        expected: &'static str,
        /// The review's.
        found: String,
    },
}

impl BadRequest {
    /// As HTTP has it.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(_) | Self::NoRequest | Self::Kind { .. } => StatusCode::BAD_REQUEST,
        }
    }
}

/// The path of a kind and version, such as `/validate-elasticsearch-k8s-elastic-co-v1-elasticsearch`.
pub(super) fn path(kind: Kind, version: &str) -> String {
    format!("/validate-{}-{version}-{}", kind.group().replace('.', "-"), kind.name().to_lowercase())
}

pub(super) fn kind_at(at: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| ["v1", "v1beta1"].iter().any(|version| path(*kind, version) == at))
}

impl Review {
    /// Reads what the API server sent to a path.
    pub fn read(path: &str, body: &[u8]) -> Result<Self, BadRequest> {
        let kind = kind_at(path).ok_or(BadRequest::Path)?;
        if body.len() > MAX_BODY {
            return Err(BadRequest::TooLarge);
        }
        let review: AdmissionReview<DynamicObject> =
            serde_json::from_slice(body).map_err(BadRequest::Body)?;
        let request: AdmissionRequest<_> = review.try_into().map_err(|_| BadRequest::NoRequest)?;
        if request.kind.kind != kind.name() || request.kind.group != kind.group() {
            let found = format!("{}.{}", request.kind.kind, request.kind.group);
            return Err(BadRequest::Kind { expected: kind.name(), found });
        }
        Ok(Self { kind, request })
    }

    /// Which kind it is about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &str {
        self.request.namespace.as_deref().unwrap_or_default()
    }

    /// Namespace and name of an Elasticsearch that exists and is to change.
    pub fn changed_elasticsearch(&self) -> Option<(&str, &str)> {
        (self.kind == Kind::Elasticsearch && self.request.operation == Operation::Update)
            .then(|| (self.namespace(), &*self.request.name))
    }

    /// Says yes without a look.
    pub fn let_through(&self) -> (Verdict, Vec<u8>) {
        (Verdict::Unchecked, self.write(AdmissionResponse::from(&self.request)))
    }

    /// Applies the rules. `live` is what exists; `unknown` says why that isn't known.
    pub fn answer(&self, rules: &Rules, live: Option<Live<'_>>, unknown: Option<&str>) -> (Verdict, Vec<u8>) {
        let Some(object) = &self.request.object else { return self.let_through() };
        // Whatever is wrong with it, what must still be written to it, such as fewer finalizers, makes it go away.
        if object.metadata.deletion_timestamp.is_some() || self.request.operation == Operation::Delete {
            return self.let_through();
        }
        let checked = match self.kind {
            Kind::Elasticsearch => self.check::<Elasticsearch>(
                object,
                |new| (validate::elasticsearch(new, rules), odd::of_elasticsearch(new)),
                |old, new| validate::elasticsearch_update(old, new, live),
            ),
            Kind::Kibana => self.check::<Kibana>(
                object,
                |new| (validate::kibana(new, rules), validate::kibana_warnings(new)),
                validate::kibana_update,
            ),
            Kind::ApmServer => self.check::<ApmServer>(
                object,
                |new| (validate::apm_server(new, rules), validate::apm_server_warnings(new)),
                validate::apm_server_update,
            ),
        };
        let mut response = AdmissionResponse::from(&self.request);
        match checked {
            Err(reason) => {
                self.deny(&mut response, object, reason, Vec::new());
                (Verdict::Denied, self.write(response))
            }
            Ok((errors, warnings)) => {
                let warnings = warnings.iter().map(ToString::to_string).chain(unknown.map(str::to_owned));
                let warnings: Vec<_> = warnings.take(MAX_WARNINGS).map(shortened).collect();
                response.warnings = (!warnings.is_empty()).then_some(warnings);
                if errors.is_empty() {
                    return (Verdict::Allowed, self.write(response));
                }
                self.deny(&mut response, object, listed(&errors), causes(&errors));
                (Verdict::Denied, self.write(response))
            }
        }
    }

    fn check<K: DeserializeOwned>(
        &self,
        object: &DynamicObject,
        check: impl FnOnce(&K) -> (Vec<FieldError>, Vec<Warning>),
        compare: impl FnOnce(&K, &K) -> Vec<FieldError>,
    ) -> Result<(Vec<FieldError>, Vec<Warning>), String> {
        let new: K = typed(object)?;
        let (mut errors, warnings) = check(&new);
        // An object that could never be read may become any other.
        if let Some(old) = self.request.old_object.as_ref().and_then(|old| typed::<K>(old).ok()) {
            errors.extend(compare(&old, &new));
        }
        Ok((errors, warnings))
    }

    fn deny(
        &self,
        response: &mut AdmissionResponse,
        object: &DynamicObject,
        reason: String,
        causes: Vec<StatusCause>,
    ) {
        let (kind, group) = (self.kind.name(), self.kind.group());
        let name = object.name_any();
        response.allowed = false;
        response.result.status = Some(StatusSummary::Failure);
        response.result.code = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        response.result.reason = "Invalid".to_owned();
        response.result.message = format!("{kind}.{group} \"{name}\" is invalid: {reason}");
        response.result.details = Some(StatusDetails {
            name,
            group: group.to_owned(),
            kind: kind.to_owned(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        });
    }

    fn write(&self, response: AdmissionResponse) -> Vec<u8> {
        serde_json::to_vec(&response.into_review()).expect("a review is JSON")
    }
}

/// The object as its kind, or where it isn't like one.
fn typed<K: DeserializeOwned>(object: &DynamicObject) -> Result<K, String> {
    let value = serde_json::to_value(object).map_err(|error| error.to_string())?;
    serde_path_to_error::deserialize(value).map_err(|error| error.to_string())
}

fn listed(errors: &[FieldError]) -> String {
    match errors {
        [one] => one.to_string(),
        many => format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn causes(errors: &[FieldError]) -> Vec<StatusCause> {
    let cause = |error: &FieldError| StatusCause {
        reason: error.problem.cause().to_owned(),
        message: error.message(),
        field: error.path.clone(),
    };
    errors.iter().map(cause).collect()
}

fn shortened(mut warning: String) -> String {
    if warning.len() > MAX_WARNING {
        let end =
            (0..=MAX_WARNING - '…'.len_utf8()).rev().find(|at| warning.is_char_boundary(*at)).unwrap_or(0);
        warning.truncate(end);
        warning.push('…');
    }
    warning
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn es(spec: Value) -> Value {
        json!({ "apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch", "metadata": { "name": "shop", "namespace": "ns" }, "spec": spec })
    }

    fn body(operation: &str, object: Value, old: Value) -> Vec<u8> {
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "operation": operation, "name": "shop", "namespace": "ns", "userInfo": {},
                "kind": { "group": "elasticsearch.k8s.elastic.co", "version": "v1", "kind": "Elasticsearch" },
                "resource": { "group": "elasticsearch.k8s.elastic.co", "version": "v1", "resource": "elasticsearches" },
                "object": object, "oldObject": old,
            },
        });
        review.to_string().into_bytes()
    }

    fn answer(operation: &str, object: Value, old: Value) -> (Verdict, Value) {
        let path = path(Kind::Elasticsearch, "v1");
        let review = Review::read(&path, &body(operation, object, old)).unwrap();
        let (verdict, body) = review.answer(&Rules::default(), None, None);
        (verdict, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn the_paths_are_the_documented_ones() {
        assert_eq!(
            path(Kind::Elasticsearch, "v1"),
            "/validate-elasticsearch-k8s-elastic-co-v1-elasticsearch"
        );
        assert_eq!(path(Kind::Kibana, "v1beta1"), "/validate-kibana-k8s-elastic-co-v1beta1-kibana");
        assert_eq!(path(Kind::ApmServer, "v1"), "/validate-apm-k8s-elastic-co-v1-apmserver");
        assert_eq!(kind_at("/validate-apm-k8s-elastic-co-v1beta1-apmserver"), Some(Kind::ApmServer));
        assert_eq!(kind_at("/validate-apm-k8s-elastic-co-v2-apmserver"), None);
        assert_eq!(kind_at("/"), None);
    }

    #[test]
    fn a_refusal_names_each_field() {
        let (verdict, review) = answer(
            "CREATE",
            es(json!({ "version": "x", "nodeSets": [{ "name": "A", "count": 1 }] })),
            Value::Null,
        );
        assert_eq!(verdict, Verdict::Denied);
        let response = &review["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(false)));
        assert_eq!(
            (&response["status"]["code"], &response["status"]["reason"]),
            (&json!(422), &json!("Invalid"))
        );
        let message = response["status"]["message"].as_str().unwrap();
        assert!(message.starts_with("Elasticsearch.elasticsearch.k8s.elastic.co \"shop\" is invalid: [spec.version: Invalid value: \"x\": "), "{message}");
        let fields: Vec<_> = response["status"]["details"]["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause["field"].clone())
            .collect();
        assert_eq!(fields, [json!("spec.version"), json!("spec.nodeSets[0].name")]);
    }

    #[test]
    fn a_change_is_compared_with_what_was() {
        let of = |version: &str| es(json!({ "version": version, "nodeSets": [{ "name": "a", "count": 1 }] }));
        assert_eq!(answer("UPDATE", of("8.16.0"), of("8.15.3")).0, Verdict::Allowed);
        assert_eq!(answer("UPDATE", of("8.14.0"), of("8.15.3")).0, Verdict::Denied);
        let mut unreadable = of("8.15.3");
        unreadable["spec"]["nodeSets"] = json!("none");
        assert_eq!(answer("UPDATE", of("8.14.0"), unreadable.clone()).0, Verdict::Allowed);
        let (verdict, review) = answer("CREATE", unreadable, Value::Null);
        assert_eq!(verdict, Verdict::Denied);
        let message = review["response"]["status"]["message"].as_str().unwrap();
        assert!(message.contains("spec.nodeSets: invalid type"), "{message}");
    }

    #[test]
    fn what_is_being_deleted_is_let_go() {
        let mut object = es(json!({ "version": "x", "nodeSets": [] }));
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(answer("UPDATE", object.clone(), object).0, Verdict::Unchecked);
        assert_eq!(answer("DELETE", Value::Null, Value::Null).0, Verdict::Unchecked);
    }

    #[test]
    fn warnings_go_along_and_are_short() {
        let config = json!({ "cluster.name": "x" });
        let (verdict, review) = answer(
            "CREATE",
            es(json!({ "version": "8.15.3", "nodeSets": [{ "name": "a", "count": 1, "config": config }] })),
            Value::Null,
        );
        assert_eq!(verdict, Verdict::Allowed);
        assert_eq!(
            review["response"]["warnings"],
            json!([
                "spec.nodeSets[0].config.cluster.name: is the operator's to set; another value may break it"
            ])
        );
        assert_eq!(shortened("é".repeat(300)).len(), 255);
    }

    #[test]
    fn garbage_is_a_bad_request() {
        let path = path(Kind::Elasticsearch, "v1");
        let status = |path: &str, body: &[u8]| Review::read(path, body).unwrap_err().status().as_u16();
        assert_eq!(status(&path, b""), 400);
        assert_eq!(status(&path, b"{"), 400);
        assert_eq!(status(&path, b"{}"), 400);
        assert_eq!(status(&path, br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#), 400);
        assert_eq!(status(&path, &"[".repeat(10_000).into_bytes()), 400);
        assert_eq!(status("/other", b"{}"), 404);
        assert_eq!(status(&path, &vec![b' '; MAX_BODY + 1]), 413);
        let kibana = super::path(Kind::Kibana, "v1");
        assert_eq!(status(&kibana, &body("CREATE", es(json!({})), Value::Null)), 400);
    }
}

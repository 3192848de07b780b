//! Reviews of kinds that the reference looks after and nobody does here. Its webhook's configuration may stay when its operator goes, and
//! must not hold up who uses those kinds, whatever its failure policy is.

use kube::api::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview};

use super::MAX_BODY;
use super::review::{BadRequest, kind_at};

/// Whether a path is one of the reference's for such a kind, such as `/validate-agent-k8s-elastic-co-v1alpha1-agent`.
pub(super) fn is_path(path: &str) -> bool {
    let is_of_elastic = |rest: &str| rest.contains("-k8s-elastic-co-") && !rest.contains('/');
    path.strip_prefix("/validate-").is_some_and(is_of_elastic) && kind_at(path).is_none()
}

/// Lets the object through, and says that nobody looked.
///
/// # Errors
/// It is no review.
pub(super) fn let_through(body: &[u8]) -> Result<Vec<u8>, BadRequest> {
    if body.len() > MAX_BODY {
        return Err(BadRequest::TooLarge);
    }
    let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body).map_err(BadRequest::Body)?;
    let request: AdmissionRequest<_> = review.try_into().map_err(|_| BadRequest::NoRequest)?;
    let mut response = AdmissionResponse::from(&request);
    response.warnings =
        Some(vec!["this operator doesn't look after this kind, and checks nothing of it".to_owned()]);
    Ok(serde_json::to_vec(&response.into_review()).expect("a review is JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn kinds_that_are_looked_after_elsewhere_are_let_through_with_a_word() {
        for (path, is_other) in [
            ("/validate-agent-k8s-elastic-co-v1alpha1-agent", true),
            ("/validate-beat-k8s-elastic-co-v1beta1-beat", true),
            ("/validate-elasticsearch-k8s-elastic-co-v1-elasticsearch", false),
            ("/validate-agent-k8s-elastic-co-/", false),
            ("/validate-pods", false),
            ("/", false),
        ] {
            assert_eq!(is_path(path), is_other, "{path}");
        }
        let kind = json!({ "group": "agent.k8s.elastic.co", "version": "v1alpha1", "kind": "Agent" });
        let resource =
            json!({ "group": "agent.k8s.elastic.co", "version": "v1alpha1", "resource": "agents" });
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": { "uid": "u-1", "operation": "CREATE", "name": "a", "namespace": "ns", "userInfo": {},
                "kind": kind, "resource": resource, "object": { "metadata": { "name": "a" }, "spec": 5 } },
        });
        let answer: Value =
            serde_json::from_slice(&let_through(review.to_string().as_bytes()).unwrap()).unwrap();
        let response = &answer["response"];
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(true)));
        assert_eq!(response["warnings"].as_array().map(Vec::len), Some(1));
        assert_eq!(let_through(b"{").unwrap_err().status().as_u16(), 400);
        assert_eq!(let_through(&vec![b' '; MAX_BODY + 1]).unwrap_err().status().as_u16(), 413);
    }
}

//! Whether an account may get an application, as the API server says.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::Api;
use kube::api::PostParams;
use parapet_api::Kind;
use parapet_elastic::association::Target;

use crate::pass::{Context, PassError};

/// What the API server says of a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// It is there.
    Given,
    /// It isn't.
    Missing,
    /// An authorizer failed, and none of the others allows it (`evaluationError`). A role that isn't there is no such failure.
    Unknown(String),
}

/// Whether that account may get that application.
///
/// # Errors
/// The API server refuses the question, or doesn't answer in time.
pub(super) async fn to_get(
    cx: &Context,
    account: &str,
    kind: Kind,
    target: &Target<'_>,
) -> Result<Right, PassError> {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(account.to_owned()),
            resource_attributes: Some(ResourceAttributes {
                verb: Some("get".to_owned()),
                group: Some(kind.group().to_owned()),
                resource: Some(kind.plural().to_owned()),
                namespace: Some(target.namespace.to_owned()),
                name: Some(target.name.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let api = Api::<SubjectAccessReview>::all(cx.cluster.client().clone());
    let deadline = cx.cluster.options().deadline;
    let answer = tokio::time::timeout(deadline, api.create(&PostParams::default(), &review)).await;
    let review = answer.map_err(|_| PassError::ReviewDeadline)?.map_err(PassError::Review)?;
    Ok(Right::of(review.status.unwrap_or_default()))
}

impl Right {
    fn of(status: SubjectAccessReviewStatus) -> Self {
        let error = status.evaluation_error.filter(|error| !error.is_empty());
        match (status.allowed, status.denied.unwrap_or_default(), error) {
            // A denial holds whatever others say.
            (_, true, _) | (false, false, None) => Self::Missing,
            (true, false, _) => Self::Given,
            (false, false, Some(error)) => Self::Unknown(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_no_refusal_and_a_denial_is_one() {
        let failed = || Some("no answer of the webhook".to_owned());
        let unknown = Right::Unknown("no answer of the webhook".to_owned());
        for (allowed, denied, evaluation_error, right) in [
            (true, None, None, Right::Given),
            (true, None, failed(), Right::Given),
            (true, Some(true), None, Right::Missing),
            (false, None, None, Right::Missing),
            (false, None, Some(String::new()), Right::Missing),
            (false, Some(true), failed(), Right::Missing),
            (false, Some(false), failed(), unknown.clone()),
            (false, None, failed(), unknown),
        ] {
            let status = SubjectAccessReviewStatus { allowed, denied, evaluation_error, reason: None };
            assert_eq!(Right::of(status.clone()), right, "{status:?}");
        }
    }
}

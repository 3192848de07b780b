//! Who can reach whom in the configured manifests, and why.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use utoipa::IntoParams;

use crate::app::Shared;
use crate::openapi::Refusals;
use crate::posture::{Explained, GeneratedPolicy, Posture, PostureError, PostureSource, Protocol};
use crate::problem::{Document, Kind, Problem};
use crate::query::Parameters;

/// Who can reach whom, and what is wrong
///
/// Of the manifests that the server was given; `configured` is false if there are none.
#[utoipa::path(get, path = "/posture", tag = "posture", security(("session" = []), ("token" = ["read"])), responses((status = 200, body = Posture), Refusals))]
pub(super) async fn summary(
    State(app): State<Shared>,
    parameters: Parameters,
) -> Result<Json<Posture>, Problem> {
    parameters.finish()?;
    match &app.state.posture {
        None => Ok(Json(Posture::default())),
        Some(source) => ask(&app, source, |source| source.posture()).await,
    }
}

/// Which connection.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Connection {
    /// Who connects: a workload's `id`, `namespace/name`, an address, or `outside`.
    #[param(value_type = String, required = true, example = "shop/web[Deployment]")]
    source: Option<String>,
    /// To whom: a workload's `id`, `namespace/name`, an address, or `outside`.
    #[param(value_type = String, required = true, example = "shop/db[StatefulSet]")]
    destination: Option<String>,
    /// `TCP`, `UDP` or `SCTP`; TCP if not given.
    #[param(value_type = Option<String>, example = "TCP")]
    protocol: Protocol,
    /// The port of the destination's pods.
    #[param(value_type = u16, required = true, minimum = 1, maximum = 65535)]
    port: Option<u16>,
}

/// Why a connection is allowed or denied
#[utoipa::path(
    get, path = "/posture/explain", tag = "posture", params(Connection), security(("session" = []), ("token" = ["read"])),
    responses((status = 200, body = Explained), (status = 404, description = "There is no such workload.", body = Document, content_type = "application/problem+json"), Refusals)
)]
pub(super) async fn explain(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<Explained>, Problem> {
    let Connection { source, destination, protocol, port } = Connection {
        source: required(&mut parameters, "source", "a workload or an address"),
        destination: required(&mut parameters, "destination", "a workload or an address"),
        protocol: parameters
            .parsed("protocol", "TCP, UDP or SCTP", Protocol::from_name)
            .unwrap_or(Protocol::Tcp),
        port: parameters.number("port", 1..=u16::MAX),
    };
    if port.is_none() && !parameters.is_wrong("port") {
        parameters.error("port", "expected a number from 1 to 65535");
    }
    parameters.finish()?;
    let (Some(source), Some(destination), Some(port)) = (source, destination, port) else {
        return Err(Kind::InvalidParameter.because("expected source, destination and port"));
    };
    ask(&app, configured(&app)?, move |posture| posture.explain(&source, &destination, protocol, port)).await
}

/// Which policies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Scope {
    /// The namespace to lock down.
    #[param(value_type = String, required = true)]
    namespace: Option<String>,
}

/// The least policies of a namespace
///
/// Made from the flows that the manifests show: a proposal to read, not a decision.
#[utoipa::path(
    get, path = "/posture/policy", tag = "posture", params(Scope), security(("session" = []), ("token" = ["read"])),
    responses(
        (status = 200, body = GeneratedPolicy), (status = 404, description = "There is no such namespace.", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "Too large to be answered in time.", body = Document, content_type = "application/problem+json"), Refusals
    )
)]
pub(super) async fn policy(
    State(app): State<Shared>,
    mut parameters: Parameters,
) -> Result<Json<GeneratedPolicy>, Problem> {
    let Scope { namespace } = Scope { namespace: required(&mut parameters, "namespace", "a namespace") };
    parameters.finish()?;
    let namespace = namespace.unwrap_or_default();
    ask(&app, configured(&app)?, move |posture| posture.policy(&namespace)).await
}

fn required(parameters: &mut Parameters, name: &'static str, expected: &str) -> Option<String> {
    let text = parameters.text(name);
    if text.is_none() {
        parameters.error(name, format!("expected {expected}"));
    }
    text
}

fn configured(app: &Shared) -> Result<&Arc<dyn PostureSource>, Problem> {
    let source = app.state.posture.as_ref();
    source.ok_or_else(|| {
        Kind::NotFound.because("the server was given no manifests; parapet up --manifests names them")
    })
}

/// Computes off the async threads, a bounded number of questions at once.
async fn ask<T: Send + 'static>(
    app: &Shared,
    source: &Arc<dyn PostureSource>,
    question: impl FnOnce(&dyn PostureSource) -> Result<T, PostureError> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let turn =
        app.posture_turns.clone().acquire_owned().await.map_err(|closed| Problem::internal(&closed))?;
    let source = source.clone();
    let answer = tokio::task::spawn_blocking(move || {
        // Held until it is computed, even if nobody waits for it any more.
        let _turn = turn;
        question(&*source)
    });
    match answer.await {
        Ok(Ok(answer)) => Ok(Json(answer)),
        Ok(Err(PostureError::Unknown(detail))) => Err(Kind::NotFound.because(detail)),
        Ok(Err(PostureError::TooLarge(detail))) => Err(Kind::QueryTooExpensive.because(detail)),
        Ok(Err(PostureError::Failed(error))) => {
            tracing::error!(error, "posture could not be computed");
            Err(Kind::Internal.because("the server failed; its log says why"))
        }
        Err(panicked) => Err(Problem::internal(&panicked)),
    }
}

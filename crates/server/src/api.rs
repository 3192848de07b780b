//! The routes, in groups by who may call them.
#![expect(unused_qualifications, reason = "the code that utoipa::path makes for parameters is qualified")]

mod common;
mod follow;
mod logs;
mod metrics;
mod posture;
mod session;
mod sql;
mod status;
mod tokens;
mod traces;
mod traffic;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// For everybody, and whoever has only a session: they look at credentials themselves.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(session::login, session::current, session::logout))
        .routes(routes!(description))
}

/// For who may read.
pub(crate) fn reading() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(logs::page))
        .routes(routes!(logs::histogram))
        .routes(routes!(logs::field_values))
        .routes(routes!(follow::follow))
        .routes(routes!(traces::page))
        .routes(routes!(traces::one))
        .routes(routes!(traffic::overview))
        .routes(routes!(traffic::page))
        .routes(routes!(traffic::one))
        .routes(routes!(metrics::names))
        .routes(routes!(metrics::series))
        .routes(routes!(sql::run))
        .routes(routes!(posture::summary))
        .routes(routes!(posture::explain))
        .routes(routes!(posture::policy))
        .routes(routes!(status::status))
}

/// For who may manage.
pub(crate) fn managing() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(tokens::list, tokens::create)).routes(routes!(tokens::revoke))
}

/// This description
///
/// No credentials are needed.
#[utoipa::path(get, path = "/openapi.json", tag = "status", security(()), responses((status = 200, body = serde_json::Value)))]
async fn description(State(app): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], app.openapi.clone())
}

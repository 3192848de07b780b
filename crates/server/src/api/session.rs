//! Logging in and out of the console.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use parapet_access::{Denied, Secret, Session};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::Json;
use crate::gate::{self, SESSION_COOKIE};
use crate::metrics::Refusal;
use crate::openapi::{BodyRefusals, Refusals};
use crate::problem::{Kind, Problem};
use crate::time::rfc3339;

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The user's name.
    #[schema(example = "admin")]
    username: String,
    /// The user's password.
    #[schema(format = Password)]
    password: String,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionBody {
    /// Who is logged in.
    user: SessionUser,
    /// Unsafe requests repeat it in the header `x-csrf-token`.
    csrf_token: String,
    /// When the session ends if it is not used before, RFC 3339.
    expires_at: String,
}

/// Who is logged in.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionUser {
    /// The user's name.
    name: String,
    /// `admin` or `viewer`.
    role: &'static str,
}

impl From<&Session> for SessionBody {
    fn from(session: &Session) -> Self {
        Self {
            user: SessionUser { name: session.user.clone(), role: session.role.name() },
            csrf_token: session.csrf_token.expose().to_owned(),
            expires_at: rfc3339(session.expires_at),
        }
    }
}

/// Log in
///
/// Sets the session cookie. After a few failures further tries have to wait, for the user and for the address.
#[utoipa::path(
    post, path = "/session", tag = "session", request_body = Login, security(()),
    responses((status = 200, body = SessionBody, headers(("set-cookie" = String, description = "The session cookie"))), Refusals, BodyRefusals)
)]
pub(super) async fn login(
    State(app): State<Shared>,
    peer: Option<Extension<SocketAddr>>,
    headers: HeaderMap,
    uri: Uri,
    Json(Login { username, password }): Json<Login>,
) -> Result<Response, Problem> {
    let password = Secret::from(password);
    // Another site must not log its visitor in as somebody else.
    gate::check_same_origin(&headers, &uri).map_err(|problem| app.refuse(Refusal::Forged, problem))?;
    let source = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(peer)| peer.ip());
    let session = app.state.accounts.login(&username, password, source).await?;
    let id = session.id.as_ref().map_or("", Secret::expose);
    let mut response = axum::Json(SessionBody::from(&session)).into_response();
    response.headers_mut().insert(SET_COOKIE, cookie(id, None)?);
    Ok(response)
}

/// The current session
#[utoipa::path(get, path = "/session", tag = "session", security(("session" = [])), responses((status = 200, body = SessionBody), Refusals))]
pub(super) async fn current(
    State(app): State<Shared>,
    headers: HeaderMap,
) -> Result<axum::Json<SessionBody>, Problem> {
    let (_, session) = find(&app, &headers)?;
    Ok(axum::Json(SessionBody::from(&session)))
}

/// Log out
#[utoipa::path(delete, path = "/session", tag = "session", security(("session" = [])), responses((status = 204), Refusals))]
pub(super) async fn logout(
    State(app): State<Shared>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let (id, session) = find(&app, &headers)?;
    let forged = |problem| app.refuse(Refusal::Forged, problem);
    gate::check_same_origin(&headers, &uri).map_err(forged)?;
    gate::check_csrf(&headers, &session).map_err(forged)?;
    let accounts = app.state.accounts.clone();
    super::tokens::blocking(move || accounts.logout(id.expose())).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(SET_COOKIE, cookie("", Some(0))?);
    Ok(response)
}

fn find(app: &Shared, headers: &HeaderMap) -> Result<(Secret, Session), Problem> {
    let refuse = |problem| app.refuse(Refusal::Credentials, problem);
    let cookie = gate::session_of(headers)
        .and_then(|cookie| cookie.ok_or(Denied::Missing))
        .map_err(|denied| refuse(denied.into()))?;
    let session = app.state.accounts.session(cookie.expose()).map_err(|denied| refuse(denied.into()))?;
    Ok((cookie, session))
}

/// Without a maximum age browsers forget it when they close; the server's own limits hold in any case.
fn cookie(id: &str, max_age: Option<u32>) -> Result<HeaderValue, Problem> {
    let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let text = format!("{SESSION_COOKIE}={id}; Path=/; Secure; HttpOnly; SameSite=Strict{max_age}");
    let mut value =
        HeaderValue::try_from(text).map_err(|_| Kind::Internal.because("no session cookie could be made"))?;
    value.set_sensitive(true);
    Ok(value)
}

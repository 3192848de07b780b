//! Credentials of programs.

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use parapet_access::{AccessError, NewToken, Scope, TokenInfo};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::common::Segment;
use crate::app::Shared;
use crate::body::Json;
use crate::gate::Caller;
use crate::openapi::{BodyRefusals, Refusals};
use crate::problem::{Kind, Problem};
use crate::query::Parameters;
use crate::time::rfc3339;

/// The tokens there are, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// The tokens.
    tokens: Vec<Token>,
}

/// A token, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    /// Names it; no secret.
    id: String,
    /// What its owner calls it.
    name: String,
    /// What it may be used for.
    scopes: Vec<TokenScope>,
    /// When it was made, RFC 3339.
    created_at: String,
    /// When it was last used, to ten minutes, RFC 3339; null: never.
    last_used_at: Option<String>,
    /// When it expires, RFC 3339; null: it does not.
    expires_at: Option<String>,
}

/// What a token may be used for: sending telemetry, reading, or everything.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TokenScope {
    Ingest,
    Read,
    Admin,
}

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenWish {
    /// What to call it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it may be used for.
    #[schema(min_items = 1)]
    scopes: Vec<TokenScope>,
    /// Days until it expires; if not given, it does not.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub(super) struct Minted {
    /// What is known of it from now on.
    token: Token,
    /// The token itself; it is not shown again.
    secret: String,
}

/// List tokens
#[utoipa::path(get, path = "/tokens", tag = "tokens", security(("session" = []), ("token" = ["admin"])), responses((status = 200, body = Tokens), Refusals))]
pub(super) async fn list(
    State(app): State<Shared>,
    parameters: Parameters,
) -> Result<axum::Json<Tokens>, Problem> {
    parameters.finish()?;
    Ok(axum::Json(Tokens { tokens: app.state.accounts.tokens().into_iter().map(Token::from).collect() }))
}

/// Make a token
///
/// The answer is the only place where its secret is.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", request_body = TokenWish, security(("session" = []), ("token" = ["admin"])),
    responses((status = 201, body = Minted), (status = 409, description = "There are too many tokens already.", body = crate::problem::Document, content_type = "application/problem+json"), Refusals, BodyRefusals)
)]
pub(super) async fn create(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    parameters: Parameters,
    Json(TokenWish { name, scopes, expires_in_days }): Json<TokenWish>,
) -> Result<(StatusCode, axum::Json<Minted>), Problem> {
    parameters.finish()?;
    let scopes = scopes.into_iter().map(Scope::from).collect();
    let accounts = app.state.accounts.clone();
    let minted = blocking(move || accounts.mint_token(NewToken { name, scopes, expires_in_days })).await?;
    tracing::info!(token = minted.token.id, by = caller.principal.key(), "token minted on request");
    let body = Minted { token: minted.token.into(), secret: minted.secret.expose().to_owned() };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Revoke a token
///
/// It is refused from now on.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "The token's id")), security(("session" = []), ("token" = ["admin"])),
    responses((status = 204), (status = 404, description = "There is no such token.", body = crate::problem::Document, content_type = "application/problem+json"), Refusals)
)]
pub(super) async fn revoke(
    State(app): State<Shared>,
    Extension(caller): Extension<Caller>,
    Segment(id): Segment,
    parameters: Parameters,
) -> Result<StatusCode, Problem> {
    parameters.finish()?;
    let accounts = app.state.accounts.clone();
    let token = id.clone();
    blocking(move || accounts.revoke_token(&id)).await?;
    tracing::info!(token, by = caller.principal.key(), "token revoked on request");
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a change of the accounts, which writes to the disk, where that holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    change: impl FnOnce() -> Result<T, AccessError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(change).await {
        Ok(changed) => Ok(changed?),
        Err(_) => Err(Kind::Unavailable.because("the server is stopping")),
    }
}

impl From<TokenInfo> for Token {
    fn from(token: TokenInfo) -> Self {
        Self {
            id: token.id,
            name: token.name,
            scopes: token.scopes.iter().map(TokenScope::from).collect(),
            created_at: rfc3339(token.created_at),
            last_used_at: token.last_used_at.map(rfc3339),
            expires_at: token.expires_at.map(rfc3339),
        }
    }
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::Ingest => Self::Ingest,
            TokenScope::Read => Self::Read,
            TokenScope::Admin => Self::Admin,
        }
    }
}

impl From<Scope> for TokenScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Ingest => Self::Ingest,
            Scope::Read => Self::Read,
            Scope::Admin => Self::Admin,
        }
    }
}

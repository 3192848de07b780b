//! The API's description, made from the routes themselves.

use std::collections::BTreeMap;

use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::gate::SESSION_COOKIE;
use crate::problem::{Document, FieldError};
use crate::router::routes;

/// The API's description (OpenAPI 3.1) as it is served and committed: pretty JSON that ends with a line feed.
pub fn openapi_json() -> String {
    let (_, mut document) = routes().split_for_parts();
    complete(&mut document);
    let mut text = document.to_pretty_json().expect("a description always serializes");
    text.push('\n');
    text
}

/// What the routes do not say themselves: names of operations that are unique, and a description of each answer.
fn complete(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            operation.operation_id = operation.operation_id.take().map(|handler| format!("{tag}_{handler}"));
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    let description = if status == "204" { "Done." } else { "What was asked for." };
                    response.description = description.to_owned();
                }
            }
        }
    }
}

/// A router without routes, described.
pub(crate) fn empty() -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Described::openapi())
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Parapet",
        version = "1",
        description = "Logs, traces, metrics and API traffic. Times are RFC 3339 in UTC with microseconds; parameters take \
                       relative times such as `now-15m` as well. Lists are newest first; pass `next_cursor` back as `cursor` to go on. \
                       Unknown parameters and keys are refused. Every refusal is a problem document (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    tags(
        (name = "session", description = "Logging in and out of the console"),
        (name = "tokens", description = "Credentials of programs"),
        (name = "logs", description = "Log lines"),
        (name = "traces", description = "Traces and their spans"),
        (name = "traffic", description = "Requests through API gateways"),
        (name = "metrics", description = "Metrics"),
        (name = "posture", description = "Who can reach whom, and why"),
        (name = "sql", description = "Read-only SQL over all of them"),
        (name = "status", description = "What the server is doing"),
    ),
    components(schemas(Document, FieldError, parapet_query::LogField, parapet_query::Filter, parapet_query::Literal)),
    modifiers(&Credentials),
)]
struct Described;

struct Credentials;

impl Modify for Credentials {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let cookie = ApiKeyValue::with_description(
            SESSION_COOKIE,
            "Set by POST /api/v1/session. Requests other than GET need the session's csrf_token in the header x-csrf-token.",
        );
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("ppt_<id>_<secret>")
            .description(Some("A token with the scope that the route needs: read or admin."))
            .build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The refusals that every route behind the gate can answer with.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("400", "A parameter or the body is not what is expected; `errors` names it."),
            ("401", "No credentials, or none that are valid."),
            ("403", "The credentials lack the scope, or the request is not the console's own."),
            ("429", "Too many requests at once; Retry-After says when to try again."),
            ("500", "The server failed."),
            ("503", "Not available now; Retry-After says when to try again."),
        ])
    }
}

/// The refusals of routes that take a body.
pub(crate) struct BodyRefusals;

impl IntoResponses for BodyRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            ("408", "The body did not arrive in time."),
            ("413", "The body is too large."),
            ("415", "The body is not application/json."),
        ])
    }
}

fn problems(list: &[(&str, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |description: &str| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        RefOr::T(response)
    };
    list.iter().map(|(status, description)| ((*status).to_owned(), problem(description))).collect()
}

//! The console's files, as they were built into the program.
//!
//! Paths of the single-page application are no files: a browser that navigates to one gets `index.html`, which finds out itself.

use axum::body::Body;
use axum::extract::Request;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Method, StatusCode};

use crate::problem::Kind;

/// One file of the console.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    etag: &'static str,
}

/// What `build.rs` found in `console/dist`, by path.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Files below it have a hash of their content in their name: what has been fetched once never changes.
const HASHED: &str = "assets/";

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Parapet</title>\
    <h1>Parapet is running, without its console</h1>\
    <p>The console was not built when this program was. <code>cargo xtask console</code> builds it; then build the program again.\
    <p>The API is described in <a href=\"/api/v1/openapi.json\">openapi.json</a>.";

/// Whatever no route of the API answers.
pub(crate) async fn serve(request: Request) -> Response {
    answer(ASSETS, &request)
}

fn answer(assets: &[Asset], request: &Request<Body>) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Kind::MethodNotAllowed.because("only GET and HEAD are answered here").into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if let Some(asset) = find(assets, path) {
        return send(asset, request);
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let is_page = path.is_empty() || (accept.contains("text/html") && !path.starts_with(HASHED));
    if !is_page {
        return Kind::NotFound.because("there is nothing at this path").into_response();
    }
    match find(assets, "index.html") {
        Some(index) => send(index, request),
        None => ([(CACHE_CONTROL, "no-cache")], Html(NOT_BUILT)).into_response(),
    }
}

fn find<'a>(assets: &'a [Asset], path: &str) -> Option<&'a Asset> {
    assets.iter().find(|asset| asset.path == path)
}

fn send(asset: &Asset, request: &Request<Body>) -> Response {
    let cache =
        if asset.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers =
        [(CACHE_CONTROL, HeaderValue::from_static(cache)), (ETAG, HeaderValue::from_static(asset.etag))];
    let known = request.headers().get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == asset.etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, content_type(asset.path))], Bytes::from_static(asset.bytes)).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &[Asset] = &[
        Asset { path: "assets/app-1a2b.js", bytes: b"js", etag: "\"1\"" },
        Asset { path: "favicon.svg", bytes: b"svg", etag: "\"2\"" },
        Asset { path: "index.html", bytes: b"html", etag: "\"3\"" },
    ];

    fn check(assets: &[Asset], request: http::request::Builder, expect: (u16, &str, &str)) {
        let request = request.body(Body::empty()).unwrap();
        let response = answer(assets, &request);
        let header = |name| response.headers().get(&name).map_or("", |v| v.to_str().unwrap()).to_owned();
        let got = (response.status().as_u16(), header(CONTENT_TYPE), header(CACHE_CONTROL));
        assert_eq!((got.0, got.1.as_str(), got.2.as_str()), expect, "{request:?}");
    }

    #[test]
    fn files_pages_and_nothing() {
        let get = |path: &str| Request::builder().uri(path);
        let (html, js) = ("text/html; charset=utf-8", "text/javascript; charset=utf-8");
        let (immutable, problem) = ("public, max-age=31536000, immutable", "application/problem+json");
        check(BUILT, get("/"), (200, html, "no-cache"));
        check(BUILT, get("/index.html"), (200, html, "no-cache"));
        check(BUILT, get("/assets/app-1a2b.js"), (200, js, immutable));
        check(BUILT, get("/favicon.svg"), (200, "image/svg+xml", "no-cache"));
        check(BUILT, get("/logs?q=x").header(ACCEPT, "text/html,*/*"), (200, html, "no-cache"));
        check(BUILT, get("/logs"), (404, problem, "no-store"));
        check(BUILT, get("/assets/old.js").header(ACCEPT, "text/html"), (404, problem, "no-store"));
        check(BUILT, get("/../Cargo.toml"), (404, problem, "no-store"));
        check(BUILT, get("/").method(Method::POST), (405, problem, "no-store"));
        check(BUILT, get("/favicon.svg").header(IF_NONE_MATCH, "W/\"9\", \"2\""), (304, "", "no-cache"));
        check(&[], get("/"), (200, html, "no-cache"));
        check(&[], get("/logs").header(ACCEPT, "text/html"), (200, html, "no-cache"));
    }
}

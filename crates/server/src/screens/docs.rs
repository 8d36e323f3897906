//! `/docs` and `/redoc`: the API for people, drawn from the same description that `/openapi.json` gives.
//!
//! Swagger UI and ReDoc come from bundles within the program: nothing is fetched from elsewhere, and these two pages
//! alone allow scripts, from our own origin only. Without script a plain list of the routes stands there.

use super::layout::{Frame, page};
use crate::api::{ALERTMANAGER_VERSION, PROMETHEUS_VERSION, Refused, openapi, tags};
use crate::seam::Failure;
use crate::state::State;
use axum::extract::{Path, State as Given};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use maud::{Markup, html};
use serde_json::Value;
use std::io::Read;
use std::sync::Arc;

/// Scripts from our own origin, styles within the page (both programs write some), nothing from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A file of the two programs.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    gzipped: bool,
}

const JS: &str = "text/javascript; charset=utf-8";

const ASSETS: [Asset; 5] = [
    Asset {
        name: "swagger-ui-bundle.js",
        kind: JS,
        bytes: include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
        gzipped: true,
    },
    Asset {
        name: "swagger-ui.css",
        kind: "text/css; charset=utf-8",
        bytes: include_bytes!("../../assets/swagger-ui/swagger-ui.css.gz"),
        gzipped: true,
    },
    Asset {
        name: "swagger-ui-start.js",
        kind: JS,
        bytes: include_bytes!("../../assets/swagger-ui/start.js"),
        gzipped: false,
    },
    Asset {
        name: "redoc.standalone.js",
        kind: JS,
        bytes: include_bytes!("../../assets/redoc/redoc.standalone.js.gz"),
        gzipped: true,
    },
    Asset {
        name: "redoc-start.js",
        kind: JS,
        bytes: include_bytes!("../../assets/redoc/start.js"),
        gzipped: false,
    },
];

pub(crate) async fn docs(Given(state): Given<Arc<State>>) -> Response {
    let program = html! {
        link rel="stylesheet" href="/docs/assets/swagger-ui.css";
        script src="/docs/assets/swagger-ui-bundle.js" {}
        script src="/docs/assets/swagger-ui-start.js" {}
    };
    shown(&state, &program)
}

pub(crate) async fn redoc(Given(state): Given<Arc<State>>) -> Response {
    let program = html! {
        script src="/docs/assets/redoc.standalone.js" {}
        script src="/docs/assets/redoc-start.js" {}
    };
    shown(&state, &program)
}

fn shown(state: &State, program: &Markup) -> Response {
    let description = openapi(&state.build.version);
    let content = html! {
        div.verdict {
            h1 { "API" }
            p {
                "Send a key as " code { "X-API-Key" } " or " code { "Authorization: Bearer" } ". The Prometheus part is that of "
                (PROMETHEUS_VERSION) ", the Alertmanager part that of " (ALERTMANAGER_VERSION) ". As a file: "
                a href="/openapi.json" { "openapi.json" } "; as pages: "
                a href="/docs" { "Swagger UI" } ", " a href="/redoc" { "ReDoc" } "."
            }
        }
        div.light id="api" {}
        noscript { div.wide { @for tag in tags() { (part(&description, tag)) } } }
        (program)
    };
    let mut response = page(state, &Frame { title: "Tocsin API", here: "/docs", renew_secs: None }, &content);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// A file of the two programs, as it is kept or, for who does not take that, unpacked.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Refused> {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Failure::NotFound(format!("Asset {name} not found")))?;
    let takes = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let takes_gzip = takes.flat_map(|list| list.split(',')).any(|one| one.trim().starts_with("gzip"));
    let mut response = match asset.gzipped && !takes_gzip {
        true => unpacked(asset)?.into_response(),
        false => asset.bytes.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    if asset.gzipped {
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if asset.gzipped && takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}

fn unpacked(asset: &Asset) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    GzDecoder::new(asset.bytes)
        .read_to_end(&mut plain)
        .map_err(|why| Failure::Internal(format!("cannot unpack {}: {why}", asset.name)))?;
    Ok(plain)
}

fn part(description: &Value, tag: &str) -> Markup {
    let paths = description["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    html! {
        section {
            h2 { (tag) }
            table.panel.api {
                @for (path, method, operation) in operations.filter(|(_, _, operation)| operation["tags"][0] == tag) {
                    tr {
                        td.method { (method.to_uppercase()) }
                        td { code { (path) } }
                        td.says { (operation["summary"].as_str().unwrap_or("")) }
                        td.says { (operation["x-role"].as_str().unwrap_or("open")) }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_can_be_unpacked() {
        for asset in ASSETS.iter().filter(|asset| asset.gzipped) {
            let plain = unpacked(asset).unwrap();
            assert!(plain.len() > 100_000, "{}: {} bytes", asset.name, plain.len());
        }
    }
}

//! One request for metrics.

use super::run::Settings;
use super::target::Target;
use crate::Error;
use crate::exposition::Format;
use reach::http::{Bytes, HeaderValue, Request, header};

/// Fetches what the target exposes.
pub(super) async fn fetch(target: &Target, settings: &Settings) -> Result<(Bytes, Format), Error> {
    if let Some(refusal) = &settings.refusal {
        return Err(refusal.clone());
    }
    let job = &settings.job;
    let mut request = Request::get(&target.key.url)?;
    request.timeout = settings.timeout;
    request.body_max = job.body_max;
    let plain = HeaderValue::try_from(job.accept()).expect("the media types are plain ASCII");
    request.headers.insert(header::ACCEPT, plain);
    let seconds = settings.timeout.as_secs_f64().to_string();
    request.set_header("X-Prometheus-Scrape-Timeout-Seconds", &seconds)?;
    // On loopback packing costs both sides and saves nothing.
    if job.compression && !is_loopback(&request) {
        request.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    job.access.prepare(&settings.client, &mut request).await?;
    let response = settings.client.send(request).await?;
    if response.status != 200 {
        return Err(Error::Status(response.status));
    }
    let content_type = response.header("content-type");
    let format = Format::of_content_type(content_type).or(job.fallback).ok_or_else(|| Error::NotMetrics {
        content_type: content_type.unwrap_or("").chars().take(100).collect(),
    })?;
    Ok((response.body, format))
}

fn is_loopback(request: &Request) -> bool {
    let host = request.url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

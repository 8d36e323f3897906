//! `GET /events/stream`: events as they happen, as server-sent events.
//!
//! The last events in memory are every client's buffer: a client that reads too slowly falls out of them, is told
//! so in a last event and let go; with its last id it may come back. The stream also says when what it asks for is
//! gone. A client's place is bounded ([`crate::seam::Listeners`]).

use super::Wanted;
use crate::api::Refused;
use crate::api::body::Params;
use crate::edge::Waited;
use crate::seam::{Events, Failure, Listener};
use crate::state::State;
use axum::body::Body;
use axum::extract::State as Given;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tasks::EventId;
use tasks::events::{Event, event_json};
use tokio::sync::watch;

/// Events in one chunk.
const CHUNK_MAX: usize = 256;
/// A comment goes out after this long without an event, so that both sides know that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How soon a client should come back.
const RETRY_MS: u64 = 2_000;
/// As browsers send it when they come back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(in crate::api) async fn stream(
    Given(state): Given<Arc<State>>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, Refused> {
    let events = Arc::clone(&state.reads.events);
    let after = after(&headers, &params)?;
    let listeners = events.listeners();
    let Some(place) = listeners.enter() else {
        let what =
            format!("{} clients listen already, the most there may be; try again later", listeners.max());
        return Err(Failure::Unavailable(what).into());
    };
    let (first, at) = opening(events.as_ref(), after).await?;
    let wanted = Wanted::of(&params);
    let begin = first.text(&wanted, after.unwrap_or(at));
    let changed = events.changed();
    let client = Client { events, place, wanted, at, changed, begin: Some(begin), over: false };
    let body = Body::from_stream(stream::unfold(client, |mut client| async move {
        let chunk = client.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), client))
    }));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies that gather answers would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(Waited);
    Ok(response)
}

/// From where: `?after=`, else what a browser says when it comes back.
fn after(headers: &HeaderMap, params: &Params) -> Result<Option<EventId>, Refused> {
    let header = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    let Some(text) = params.get("after").or(header) else { return Ok(None) };
    match EventId::parse(text) {
        Some(id) => Ok(Some(id)),
        None => Err(Refused::value("after", "it is not an event's id")),
    }
}

/// What can be told at once, and from where to go on. Of what is gone, the events that were published are still
/// kept; the others are missing, and the client is told that there is a gap.
async fn opening(events: &dyn Events, after: Option<EventId>) -> Result<(Opening, EventId), Failure> {
    let Some(after) = after else { return Ok((Opening::default(), events.last())) };
    let page = events.after(after, 0);
    if !page.gap {
        return Ok((Opening::default(), after));
    }
    let at = page.whole_after;
    let mut kept = events.kept(after, usize::MAX).await?;
    kept.retain(|event| event.id <= at);
    kept.reverse();
    Ok((Opening { gap: Some(at), kept }, at))
}

#[derive(Default)]
struct Opening {
    /// Events up to here may be missing.
    gap: Option<EventId>,
    kept: Vec<Event>,
}

impl Opening {
    /// The first chunk: from where the client may come back though it heard nothing yet, and what is kept.
    fn text(&self, wanted: &Wanted, at: EventId) -> String {
        let mut text = format!("retry: {RETRY_MS}\nid: {at}\n\n");
        if let Some(until) = self.gap {
            let what = "of the events up to `until` only those that were published are kept";
            let data = json!({"reason": what, "until": until.to_string()});
            // A String takes everything.
            let _ = write!(text, "event: gap\ndata: {data}\n\n");
        }
        self.kept.iter().filter(|event| wanted.holds(event)).for_each(|event| write_event(&mut text, event));
        text
    }
}

/// One client.
struct Client {
    events: Arc<dyn Events>,
    place: Listener,
    wanted: Wanted,
    /// The last event that was told or passed over.
    at: EventId,
    changed: watch::Receiver<EventId>,
    begin: Option<String>,
    over: bool,
}

impl Client {
    /// The next chunk; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(begin) = self.begin.take() {
            return Some(begin);
        }
        if self.over {
            return None;
        }
        loop {
            if !self.place.reads() {
                return Some(self.last_words("the client did not read, and others wait for its place"));
            }
            let newest = *self.changed.borrow_and_update();
            let page = self.events.after(self.at, CHUNK_MAX);
            if page.gap {
                return Some(
                    self.last_words("the client reads too slowly: events are gone before it read them"),
                );
            }
            self.at = page.last;
            let mut chunk = String::new();
            page.events
                .iter()
                .filter(|one| self.wanted.holds(one))
                .for_each(|one| write_event(&mut chunk, one));
            if !chunk.is_empty() {
                return Some(chunk);
            }
            if !page.events.is_empty() {
                tokio::task::yield_now().await;
                continue;
            }
            if newest == EventId::MAX {
                self.over = true;
                return Some(": the server stops\n\n".to_owned());
            }
            match tokio::time::timeout(HEARTBEAT, self.changed.changed()).await {
                // So far everything was looked at, also what this client does not want to hear of.
                Err(_) => return Some(format!(": {}\n\n", self.at)),
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
            }
        }
    }

    fn last_words(&mut self, why: &str) -> String {
        self.over = true;
        format!("event: dropped\ndata: {}\n\n", json!({"reason": why, "last_event_id": self.at.to_string()}))
    }
}

fn write_event(chunk: &mut String, event: &Event) {
    // A String takes everything. A type holds no line end.
    let _ = write!(chunk, "id: {}\nevent: {}\ndata: {}\n\n", event.id, event.type_(), event_json(event));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app;
    use crate::fixture::{World, local};
    use crate::stand_in::StandIn;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    /// Opens a stream; its status and body.
    async fn open(state: &Arc<State>, uri: &str) -> (u16, Body) {
        let request = local("GET", uri).body(Body::empty()).expect("a request");
        let response = app(Arc::clone(state)).oneshot(request).await.expect("an answer");
        (response.status().as_u16(), response.into_body())
    }

    /// The next chunk; `None` at the end.
    async fn chunk(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.expect("no error").into_data().expect("data");
        Some(String::from_utf8(frame.to_vec()).expect("text"))
    }

    fn world() -> (Arc<StandIn>, Arc<State>) {
        let (world, state) = World::calm().state();
        (Arc::clone(&world.told), state)
    }

    #[tokio::test]
    async fn a_client_that_reads_too_slowly_is_told_and_let_go() {
        let (told, state) = world();
        let (_, mut body) = open(&state, "/events/stream").await;
        assert!(chunk(&mut body).await.is_some_and(|text| text.starts_with("retry: ")));
        told.tell("pr.opened");
        assert!(chunk(&mut body).await.is_some_and(|text| text.contains("event: pr.opened\n")));
        // The stand-in remembers eight.
        for _ in 0..20 {
            told.tell("pr.closed");
        }
        let last = chunk(&mut body).await.expect("last words");
        assert!(last.starts_with("event: dropped\n") && last.contains("too slowly"), "{last}");
        assert_eq!(chunk(&mut body).await, None);
    }

    #[tokio::test]
    async fn places_are_bounded_and_given_back() {
        let (_, state) = world();
        let (one, two) = (open(&state, "/events/stream").await, open(&state, "/events/stream").await);
        assert_eq!((one.0, two.0, open(&state, "/events/stream").await.0), (200, 200, 503));
        drop(one);
        assert_eq!(open(&state, "/events/stream").await.0, 200);
        assert_eq!(open(&state, "/events/stream?after=1").await.0, 400);
    }

    #[tokio::test]
    async fn replay_says_what_is_gone_and_the_end_is_clean() {
        let (told, state) = world();
        let first = told.tell("a.first");
        let asked = crate::Asked { once: None, answer: Box::new(|_| (200, String::new())) };
        let kept = crate::Events::publish(&*told, tasks::events::New::told("b.kept", json!({})), asked);
        kept.await.expect("taken");
        for _ in 0..20 {
            told.tell("c.later");
        }
        let (_, mut body) = open(&state, &format!("/events/stream?after={first}&type=a.,b.")).await;
        let begin = chunk(&mut body).await.expect("a first chunk");
        assert!(begin.contains("event: gap\n") && begin.contains("event: b.kept\n"), "{begin}");
        told.newest.send_replace(EventId::MAX);
        assert_eq!(chunk(&mut body).await.as_deref(), Some(": the server stops\n\n"));
        assert_eq!(chunk(&mut body).await, None);
    }
}

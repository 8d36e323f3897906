//! Alerts and groups as JSON, written straight into the answer: there may be a hundred thousand of them.

use crate::views::{AlertGroup, AlertView};
use model::Timestamp;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

/// An alert; one that has no end counts until `lives_until`, should nobody repeat it.
pub(super) struct Shown<'a> {
    pub(super) view: &'a AlertView,
    pub(super) lives_until: Timestamp,
}

/// A group with those of its alerts that are wanted.
pub(super) struct ShownGroup<'a> {
    pub(super) group: &'a AlertGroup,
    pub(super) alerts: Vec<Shown<'a>>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (view, alert) = (self.view, &self.view.alert);
        let mut out = serializer.serialize_struct("alert", 9)?;
        out.serialize_field("annotations", &alert.annotations)?;
        out.serialize_field("endsAt", &alert.ends_at.unwrap_or(self.lives_until).rfc3339())?;
        out.serialize_field("fingerprint", &format_args!("{:016x}", alert.labels.fingerprint()))?;
        out.serialize_field("receivers", &Names(&view.receivers))?;
        out.serialize_field("startsAt", &alert.starts_at.rfc3339())?;
        out.serialize_field("status", &Status(view))?;
        out.serialize_field("updatedAt", &alert.updated_at.rfc3339())?;
        out.serialize_field("labels", &alert.labels)?;
        if !alert.generator_url.is_empty() {
            out.serialize_field("generatorURL", &*alert.generator_url)?;
        }
        out.end()
    }
}

impl Serialize for ShownGroup<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("group", 4)?;
        out.serialize_field("labels", &self.group.labels)?;
        out.serialize_field("routeLabels", &self.group.route_labels)?;
        out.serialize_field("receiver", &Name(&self.group.receiver))?;
        out.serialize_field("alerts", &self.alerts)?;
        out.end()
    }
}

/// A receiver by its name.
struct Name<'a>(&'a str);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(1))?;
        out.serialize_entry("name", self.0)?;
        out.end()
    }
}

struct Names<'a>(&'a [String]);

impl Serialize for Names<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|name| Name(name)))
    }
}

struct Status<'a>(&'a AlertView);

impl Serialize for Status<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("status", 4)?;
        out.serialize_field("inhibitedBy", &self.0.inhibited_by)?;
        out.serialize_field("mutedBy", &self.0.muted_by)?;
        out.serialize_field("silencedBy", &self.0.silenced_by)?;
        out.serialize_field("state", self.0.state.as_str())?;
        out.end()
    }
}

//! Signed links: what one person may do once, without a credential, by what was sent to that person alone. Whoever
//! has a link can use it, its maker too: who may make one for whom is for the subject to say. Those of incidents go out
//! with every message, to whoever the message goes to, and stand behind the buttons of our own screens.
//!
//! A link names one act, one subject at one revision, one recipient, an end and a number of its own, and carries
//! an HMAC-SHA256 over all of them. The key is made from the secret that signs tokens, under a label, so neither
//! can be passed off as the other. Opening a link shows; only its POST acts. That one of an approval acts once is for the
//! approval to keep, by the number; to an incident an act that was done applies no more. Everything stands in the query:
//! access logs hold paths only.

use hmac::{Hmac, KeyInit, Mac};
use model::Timestamp;
use sha2::Sha256;

/// What the key is made for; another purpose has another.
const LABEL: &[u8] = b"tocsin signed link 1";
/// The longest field that is looked at.
const FIELD_BYTES_MAX: usize = 512;

/// What a link lets its recipient do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Approve,
    Reject,
    Acknowledge,
    Snooze,
    Assign,
    Note,
    Merge,
    Resolve,
    /// Makes or ends a silence: of our own screens only.
    Silence,
    /// Has somebody stand in on call, or not after all: of our own screens only.
    StandIn,
}

impl Act {
    const ALL: [Act; 10] = [
        Act::Approve,
        Act::Reject,
        Act::Acknowledge,
        Act::Snooze,
        Act::Assign,
        Act::Note,
        Act::Merge,
        Act::Resolve,
        Act::Silence,
        Act::StandIn,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Act::Approve => "approve",
            Act::Reject => "reject",
            Act::Acknowledge => "acknowledge",
            Act::Snooze => "snooze",
            Act::Assign => "assign",
            Act::Note => "note",
            Act::Merge => "merge",
            Act::Resolve => "resolve",
            Act::Silence => "silence",
            Act::StandIn => "stand_in",
        }
    }

    fn parse(text: &str) -> Option<Act> {
        Act::ALL.into_iter().find(|act| act.as_str() == text)
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub act: Act,
    /// What it is about: the id of an approval or of an incident.
    pub subject: String,
    /// At which revision: the approval's hash; how often the incident had come back.
    pub revision: String,
    /// Who was sent it, and as whom it acts.
    pub recipient: String,
    pub expires_at: Timestamp,
    /// Its own number.
    pub number: String,
}

/// Why a link is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadLink {
    /// Not one of ours, or changed.
    Forged,
    /// Its time is over.
    Expired,
}

/// What a message about an incident links to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told<'a> {
    /// The incident.
    pub incident: &'a str,
    /// How often it had come back.
    pub reopened: u32,
    /// Who is told, and as whom the links act.
    pub recipient: &'a str,
    /// The message's key.
    pub key: &'a str,
    /// Until when the links hold.
    pub until: Timestamp,
}

/// Links that act on an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentLinks {
    /// Takes it on.
    pub acknowledge: String,
    /// Puts it off.
    pub snooze: String,
    /// Ends it.
    pub resolve: String,
}

/// Makes and checks links.
#[derive(Clone)]
pub struct Links {
    key: Hmac<Sha256>,
    /// Where users reach us, without its final slash.
    base: String,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Links(..)")
    }
}

impl Links {
    /// From the secret that signs tokens, and the address under which users reach us.
    pub fn new(secret: &str, external_url: &str) -> Links {
        let of = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let derived = of(secret.as_bytes()).chain_update(LABEL).finalize().into_bytes();
        Links { key: of(&derived), base: external_url.trim_end_matches('/').to_owned() }
    }

    /// The address under which users reach us, no final slash.
    pub fn external_url(&self) -> &str {
        &self.base
    }

    /// The links of a message about an incident. The same message has the same links.
    pub fn of_incident(&self, told: Told<'_>) -> IncidentLinks {
        let url = |act: Act| {
            let link = Link {
                act,
                subject: told.incident.to_owned(),
                revision: told.reopened.to_string(),
                recipient: told.recipient.to_owned(),
                expires_at: told.until,
                number: told.key.to_owned(),
            };
            self.url(&format!("/ui/links/incidents/{}", told.incident), &link)
        };
        IncidentLinks {
            acknowledge: url(Act::Acknowledge),
            snooze: url(Act::Snooze),
            resolve: url(Act::Resolve),
        }
    }

    /// The address of a link: `path` of ours, and everything else in its query.
    pub(crate) fn url(&self, path: &str, link: &Link) -> String {
        let mut url = String::with_capacity(self.base.len() + path.len() + 256);
        url.extend([&self.base, path, "?"]);
        let query_at = url.len();
        let mut query = form_urlencoded::Serializer::for_suffix(url, query_at);
        query.extend_pairs(self.fields(link));
        query.finish()
    }

    /// What the query of a link holds, and the form on its screen.
    pub(crate) fn fields(&self, link: &Link) -> Vec<(&'static str, String)> {
        vec![
            ("act", link.act.as_str().to_owned()),
            ("rev", link.revision.clone()),
            ("to", link.recipient.clone()),
            ("until", link.expires_at.as_millis().to_string()),
            ("n", link.number.clone()),
            ("sig", hex(&self.signed(link).finalize().into_bytes())),
        ]
    }

    /// The link that `field` gives the parts of, if we made it and its time is not over. Its signature is compared
    /// in constant time.
    pub(crate) fn read<'a>(
        &self,
        subject: &str,
        field: impl Fn(&str) -> Option<&'a str>,
        now: Timestamp,
    ) -> Result<Link, BadLink> {
        let text =
            |name: &str| field(name).filter(|text| text.len() <= FIELD_BYTES_MAX).ok_or(BadLink::Forged);
        let link = Link {
            act: Act::parse(text("act")?).ok_or(BadLink::Forged)?,
            subject: subject.to_owned(),
            revision: text("rev")?.to_owned(),
            recipient: text("to")?.to_owned(),
            expires_at: text("until")?.parse().map(Timestamp::from_millis).map_err(|_| BadLink::Forged)?,
            number: text("n")?.to_owned(),
        };
        let shown = unhex(text("sig")?).ok_or(BadLink::Forged)?;
        self.signed(&link).verify_slice(&shown).map_err(|_| BadLink::Forged)?;
        if now >= link.expires_at { Err(BadLink::Expired) } else { Ok(link) }
    }

    /// Each part with its length before it, so that no two links look the same to the signature.
    fn signed(&self, link: &Link) -> Hmac<Sha256> {
        let until = link.expires_at.as_millis().to_string();
        let parts = [link.act.as_str(), &link.subject, &link.revision, &link.recipient, &until, &link.number];
        parts.into_iter().fold(self.key.clone(), |mac, part| {
            mac.chain_update((part.len() as u64).to_le_bytes()).chain_update(part.as_bytes())
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some((digit(pair[0])? * 16 + digit(*pair.get(1)?)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn link() -> Link {
        Link {
            act: Act::Approve,
            subject: "approval_1".to_owned(),
            revision: "abc".to_owned(),
            recipient: "ann@example.org".to_owned(),
            expires_at: Timestamp::from_millis(2_000),
            number: "77".to_owned(),
        }
    }

    #[test]
    fn only_what_was_signed_is_read() {
        let links = Links::new("a secret", "https://tocsin.example/");
        let now = Timestamp::from_millis(1_999);
        let good: BTreeMap<&str, String> = links.fields(&link()).into_iter().collect();
        let read = |subject: &str, fields: &BTreeMap<&str, String>, now| {
            links.read(subject, |name| fields.get(name).map(String::as_str), now)
        };
        assert_eq!(read("approval_1", &good, now), Ok(link()));
        assert_eq!(read("approval_1", &good, Timestamp::from_millis(2_000)), Err(BadLink::Expired));
        assert_eq!(read("approval_2", &good, now), Err(BadLink::Forged), "another subject");
        for (name, value) in [
            ("act", "reject"),
            ("act", "delete"),
            ("rev", "abd"),
            ("to", "bob@example.org"),
            ("until", "3000"),
            ("until", "x"),
            ("n", "78"),
            ("sig", ""),
            ("sig", "zz"),
            ("sig", "0"),
            ("sig", "00"),
        ] {
            let mut changed = good.clone();
            changed.insert(name, value.to_owned());
            assert_eq!(read("approval_1", &changed, now), Err(BadLink::Forged), "{name}={value}");
            changed.remove(name);
            assert_eq!(read("approval_1", &changed, now), Err(BadLink::Forged), "no {name}");
        }
        let other = Links::new("another secret", "https://tocsin.example");
        let theirs = other.read("approval_1", |name| good.get(name).map(String::as_str), now);
        assert_eq!(theirs, Err(BadLink::Forged));
        let url = links.url("/ui/links/approvals/approval_1", &link());
        assert!(url.starts_with(
            "https://tocsin.example/ui/links/approvals/approval_1?act=approve&rev=abc&to=ann%40"
        ));
    }
}

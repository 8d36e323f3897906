//! The agents.

use crate::{Audit, Change, Loaded, RecordKind, Refusal, TaskId};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use model::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq;

/// The most agents.
pub const AGENTS_MAX: usize = 10_000;
/// The agent that stands for the system itself.
pub const SYSTEM_ID: &str = "00000000-0000-0000-0000-000000000001";
/// Its name.
const SYSTEM: &str = "system";
/// The longest name and scope, in characters.
const NAME_MAX: usize = 100;
/// The most scopes of one agent.
const SCOPES_MAX: usize = 64;
/// The longest URL, in bytes.
const URL_MAX: usize = 2_000;

/// What an agent's tokens may do at most; each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Read.
    User,
    /// Work.
    Agent,
    /// Decide.
    Operator,
    /// Manage agents and keys.
    Admin,
}

impl Role {
    /// `user`, `agent`, `operator` or `admin`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Agent => "agent",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// From [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Role> {
        [Role::User, Role::Agent, Role::Operator, Role::Admin].into_iter().find(|role| role.as_str() == text)
    }

    /// Where nobody says: the highest that a scope names, `agent` otherwise.
    fn of_scopes(scopes: &[String]) -> Role {
        let named = scopes.iter().filter_map(|scope| Role::parse(scope)).max();
        named.unwrap_or(Role::Agent).max(Role::Agent)
    }
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id, a UUID.
    pub id: String,
    /// Its name; no other has it.
    pub name: String,
    /// What it may use.
    pub scopes: Vec<String>,
    /// What its tokens may do at most.
    pub role: Role,
    /// Where it likes to be called.
    pub webhook_url: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    secret: Option<Hashed>,
}

impl Agent {
    /// Whether it has a secret.
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    fn row(&self) -> Value {
        json!({
            "name": self.name,
            "scopes": self.scopes,
            "role": self.role.as_str(),
            "webhook_url": self.webhook_url,
            "created_at": self.created_at.rfc3339(),
            "created_ms": self.created_at.as_millis(),
            "salt": self.secret.as_ref().map(|secret| HEXLOWER.encode(&secret.salt)),
            "hash": self.secret.as_ref().map(|secret| HEXLOWER.encode(&secret.hash)),
        })
    }

    fn from_row(key: &str, row: &Value) -> Option<Agent> {
        let bytes = |name: &str| {
            let bytes = HEXLOWER_PERMISSIVE.decode(row[name].as_str()?.as_bytes()).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        };
        let scopes = row["scopes"].as_array()?.iter().filter_map(|scope| scope.as_str().map(str::to_owned));
        Some(Agent {
            id: key.to_owned(),
            name: row["name"].as_str()?.to_owned(),
            scopes: scopes.collect(),
            role: Role::parse(row["role"].as_str()?)?,
            webhook_url: row["webhook_url"].as_str().map(str::to_owned),
            created_at: Timestamp::from_millis(row["created_ms"].as_i64()?),
            secret: bytes("salt").zip(bytes("hash")).map(|(salt, hash)| Hashed { salt, hash }),
        })
    }
}

/// What is kept of a secret.
#[derive(Clone, PartialEq, Eq)]
struct Hashed {
    salt: [u8; 32],
    hash: [u8; 32],
}

impl std::fmt::Debug for Hashed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashed")
    }
}

/// An agent to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewAgent {
    /// Its name.
    pub name: String,
    /// What it may use.
    pub scopes: Vec<String>,
    /// What its tokens may do at most; `None`: as its scopes say, `agent` otherwise.
    pub role: Option<Role>,
    /// Where it likes to be called.
    pub webhook_url: Option<String>,
}

/// What is to be changed of an agent; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// Its name.
    pub name: Option<String>,
    /// What it may use.
    pub scopes: Option<Vec<String>>,
    /// What its tokens may do at most.
    pub role: Option<Role>,
    /// Where it likes to be called; `Some(None)`: nowhere.
    pub webhook_url: Option<Option<String>>,
}

/// All agents.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    by_id: BTreeMap<String, Agent>,
}

impl Agents {
    /// Takes the records that are its own out of `loaded`.
    pub fn new(loaded: &mut Loaded) -> Agents {
        let rows = loaded.take_records(RecordKind::Agent).into_iter();
        let agents = rows.filter_map(|record| Agent::from_row(&record.key, &record.row));
        Agents { by_id: agents.map(|agent| (agent.id.clone(), agent)).collect() }
    }

    /// Makes the agent `system` if this is the first start.
    pub fn seed(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        if self.by_id.contains_key(SYSTEM_ID) {
            return;
        }
        let system = Agent {
            id: SYSTEM_ID.to_owned(),
            name: SYSTEM.to_owned(),
            scopes: vec!["admin".to_owned(), "system".to_owned()],
            role: Role::Admin,
            webhook_url: None,
            created_at: now,
            secret: None,
        };
        self.put(system, out);
    }

    /// Makes an agent without a secret; `id` is a new UUID.
    pub fn create(
        &mut self,
        new: NewAgent,
        id: String,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Agent, Refusal> {
        if self.by_id.len() >= AGENTS_MAX {
            return Err(Refusal::NotApplicable(format!(
                "there are {AGENTS_MAX} agents, the most there may be"
            )));
        }
        check_name(&new.name)?;
        check_scopes(&new.scopes)?;
        check_url(new.webhook_url.as_deref())?;
        self.check_free(&new.name, "")?;
        let role = new.role.unwrap_or_else(|| Role::of_scopes(&new.scopes));
        let NewAgent { name, scopes, webhook_url, .. } = new;
        let agent = Agent { id, name, scopes, role, webhook_url, created_at: now, secret: None };
        self.put(agent.clone(), out);
        audit("agent.created", &agent, by, now, out);
        Ok(agent)
    }

    /// Changes an agent; `None` if there is none of that id.
    pub fn update(
        &mut self,
        id: &str,
        update: Update,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Option<Agent>, Refusal> {
        let Some(mut agent) = self.by_id.get(id).cloned() else { return Ok(None) };
        if agent.id == SYSTEM_ID {
            return Err(Refusal::invalid("agent_id", "the system agent cannot be changed"));
        }
        if let Some(name) = update.name {
            check_name(&name)?;
            self.check_free(&name, id)?;
            agent.name = name;
        }
        if let Some(scopes) = update.scopes {
            check_scopes(&scopes)?;
            agent.scopes = scopes;
        }
        if let Some(url) = update.webhook_url {
            check_url(url.as_deref())?;
            agent.webhook_url = url;
        }
        agent.role = update.role.unwrap_or(agent.role);
        self.put(agent.clone(), out);
        audit("agent.updated", &agent, by, now, out);
        Ok(Some(agent))
    }

    /// Removes an agent; `None` if there is none of that id. `by` is the id or the name of who asks.
    pub fn delete(
        &mut self,
        id: &str,
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Option<Agent>, Refusal> {
        let Some(agent) = self.by_id.get(id) else { return Ok(None) };
        if agent.id == SYSTEM_ID {
            return Err(Refusal::invalid("agent_id", "the system agent cannot be deleted"));
        }
        if agent.id == by || agent.name == by {
            return Err(Refusal::invalid("agent_id", "an agent cannot delete itself"));
        }
        let agent = self.by_id.remove(id);
        if let Some(agent) = &agent {
            out.push(Change::Record { kind: RecordKind::Agent, key: agent.id.clone(), row: None });
            audit("agent.deleted", agent, by, now, out);
        }
        Ok(agent)
    }

    /// Gives an agent another secret, made of 32 random bytes; the one before stops counting. The answer is the
    /// only time that it is seen. `None` if there is no agent of that id.
    pub fn renew_secret(
        &mut self,
        id: &str,
        random: [u8; 32],
        salt: [u8; 32],
        by: &str,
        now: Timestamp,
        out: &mut Vec<Change>,
    ) -> Result<Option<String>, Refusal> {
        let Some(mut agent) = self.by_id.get(id).cloned() else { return Ok(None) };
        if agent.id == SYSTEM_ID {
            return Err(Refusal::invalid("agent_id", "the system agent has no credential"));
        }
        let secret = HEXLOWER.encode(&random);
        agent.secret = Some(Hashed { hash: hashed(&salt, &secret), salt });
        self.put(agent.clone(), out);
        audit("agent.credentials_created", &agent, by, now, out);
        Ok(Some(secret))
    }

    /// The agent of this id or name, if the secret is its own. Takes as long whoever is named.
    pub fn verify(&self, id_or_name: &str, secret: &str) -> Option<&Agent> {
        let agent = self.get(id_or_name).or_else(|| self.by_name(id_or_name));
        let nobody = Hashed { salt: [0; 32], hash: [0; 32] };
        let known = agent.and_then(|agent| agent.secret.as_ref());
        let Hashed { salt, hash } = known.unwrap_or(&nobody);
        let same = bool::from(hashed(salt, secret).ct_eq(hash));
        agent.filter(|_| same && known.is_some())
    }

    /// The agent of this id.
    pub fn get(&self, id: &str) -> Option<&Agent> {
        self.by_id.get(id)
    }

    /// The agent of this name.
    pub fn by_name(&self, name: &str) -> Option<&Agent> {
        self.by_id.values().find(|agent| agent.name == name)
    }

    /// The agents whose name holds `name` (in any case) and that have this scope, newest first.
    pub fn list(&self, name: &str, scope: Option<&str>) -> Vec<&Agent> {
        let name = name.to_lowercase();
        let wanted = |agent: &&Agent| {
            agent.name.to_lowercase().contains(&name)
                && scope.is_none_or(|scope| agent.scopes.iter().any(|one| one == scope))
        };
        let mut agents: Vec<&Agent> = self.by_id.values().filter(wanted).collect();
        agents.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.name.cmp(&b.name)));
        agents
    }

    fn put(&mut self, agent: Agent, out: &mut Vec<Change>) {
        let (key, row) = (agent.id.clone(), Some(agent.row()));
        out.push(Change::Record { kind: RecordKind::Agent, key, row });
        self.by_id.insert(agent.id.clone(), agent);
    }

    fn check_free(&self, name: &str, but: &str) -> Result<(), Refusal> {
        match self.by_name(name).filter(|agent| agent.id != but) {
            Some(_) => Err(Refusal::invalid("name", format!("an agent named {name:?} exists already"))),
            None => Ok(()),
        }
    }
}

fn audit(action: &'static str, agent: &Agent, by: &str, now: Timestamp, out: &mut Vec<Change>) {
    let Some(subject) = TaskId::parse(&agent.id) else { return };
    let details = json!({"name": agent.name, "scopes": agent.scopes, "role": agent.role.as_str()});
    out.push(Change::Audit(Audit { at: now, actor: by.to_owned(), action, subject, details }));
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Refusal::invalid("name", format!("must have 1 to {NAME_MAX} printable characters")));
    }
    Ok(())
}

fn check_scopes(scopes: &[String]) -> Result<(), Refusal> {
    if scopes.len() > SCOPES_MAX {
        return Err(Refusal::invalid("scopes", format!("at most {SCOPES_MAX} scopes are taken")));
    }
    let bad = |scope: &&String| {
        !(1..=NAME_MAX).contains(&scope.chars().count())
            || scope.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    match scopes.iter().find(bad) {
        Some(_) => {
            Err(Refusal::invalid("scopes", format!("a scope has 1 to {NAME_MAX} characters and no spaces")))
        }
        None => Ok(()),
    }
}

fn check_url(url: Option<&str>) -> Result<(), Refusal> {
    let bad = |url: &&str| {
        !(url.starts_with("http://") || url.starts_with("https://"))
            || url.len() > URL_MAX
            || url.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    match url.filter(bad) {
        Some(_) => {
            let what = format!("must be an http or https URL of at most {URL_MAX} bytes");
            Err(Refusal::invalid("webhook_url", what))
        }
        None => Ok(()),
    }
}

fn hashed(salt: &[u8; 32], secret: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(secret.as_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: &str = "admin";

    fn now() -> Timestamp {
        Timestamp::from_millis(1_000)
    }

    fn made(name: &str) -> (Agents, Agent, Vec<Change>) {
        let (mut agents, mut out) = (Agents::default(), Vec::new());
        agents.seed(now(), &mut out);
        let new =
            NewAgent { name: name.to_owned(), scopes: vec!["notify".to_owned()], ..NewAgent::default() };
        let id = "11111111-1111-4111-8111-111111111111".to_owned();
        let agent = agents.create(new, id, BY, now(), &mut out).expect("it is new");
        (agents, agent, out)
    }

    /// SEEDS 10 row 8: the secret was never checked, and the id alone was a credential.
    #[test]
    fn row_8_a_secret_is_checked_and_kept_hashed() {
        let (mut agents, agent, mut out) = made("bot");
        assert!(agents.verify(&agent.id, "").is_none(), "no secret yet");
        let secret = agents.renew_secret(&agent.id, [7; 32], [9; 32], BY, now(), &mut out);
        let secret = secret.expect("taken").expect("it exists");
        assert_eq!(secret.len(), 64);
        for (who, given, wanted) in [
            (agent.id.as_str(), secret.as_str(), true),
            ("bot", &secret, true),
            ("bot", &agent.id, false),
            ("bot", "", false),
            ("bot", &secret[..63], false),
            (SYSTEM_ID, SYSTEM_ID, false),
            (SYSTEM_ID, "", false),
            ("nobody", &secret, false),
        ] {
            assert_eq!(agents.verify(who, given).is_some(), wanted, "{who} {given}");
        }
        let rows = format!("{out:?}");
        assert!(!rows.contains(&secret), "the secret itself is written nowhere");
        let mut loaded = Loaded { records: records(&out), ..Loaded::default() };
        let again = Agents::new(&mut loaded);
        assert_eq!(again.verify("bot", &secret).map(|agent| agent.role), Some(Role::Agent));
        let other = agents.renew_secret(&agent.id, [8; 32], [9; 32], BY, now(), &mut out);
        assert!(agents.verify("bot", &secret).is_none(), "the one before stops counting");
        assert!(agents.verify("bot", &other.expect("taken").expect("it exists")).is_some());
    }

    fn records(out: &[Change]) -> Vec<crate::Record> {
        let mut rows = BTreeMap::new();
        for change in out {
            if let Change::Record { kind, key, row: Some(row) } = change {
                rows.insert(key.clone(), crate::Record { kind: *kind, key: key.clone(), row: row.clone() });
            }
        }
        rows.into_values().collect()
    }

    #[test]
    fn refusals() {
        let (mut agents, agent, mut out) = made("bot");
        let check = |what: &str, got: Result<bool, Refusal>, wanted: &str| {
            let got = got.map_or_else(|why| why.to_string(), |found| found.to_string());
            assert!(got.contains(wanted), "{what}: got {got:?}, wanted {wanted:?}");
        };
        let out = &mut out;
        check("system", agents.delete(SYSTEM_ID, BY, now(), out).map(|a| a.is_some()), "system agent");
        check("self", agents.delete(&agent.id, "bot", now(), out).map(|a| a.is_some()), "itself");
        check("self", agents.delete(&agent.id, &agent.id, now(), out).map(|a| a.is_some()), "itself");
        check("unknown", agents.delete("x", BY, now(), out).map(|a| a.is_some()), "false");
        let secret = agents.renew_secret(SYSTEM_ID, [1; 32], [1; 32], BY, now(), out);
        check("system's secret", secret.map(|s| s.is_some()), "no credential");
        for (name, scopes, url, wanted) in [
            ("bot", vec![], None, "exists already"),
            ("", vec![], None, "printable"),
            ("x", vec![""], None, "no spaces"),
            ("x", vec![], Some("ftp://x"), "http"),
        ] {
            let new = NewAgent {
                name: name.to_owned(),
                scopes: scopes.into_iter().map(str::to_owned).collect(),
                webhook_url: url.map(str::to_owned),
                role: None,
            };
            check(name, agents.create(new, "i".to_owned(), BY, now(), out).map(|_| true), wanted);
        }
        check("gone", agents.delete(&agent.id, BY, now(), out).map(|a| a.is_some()), "true");
        assert_eq!(agents.list("", None).len(), 1);
    }

    #[test]
    fn roles_follow_scopes_and_lists_are_filtered() {
        for (scopes, wanted) in
            [(vec![], Role::Agent), (vec!["admin", "x"], Role::Admin), (vec!["user"], Role::Agent)]
        {
            let scopes: Vec<String> = scopes.into_iter().map(str::to_owned).collect();
            assert_eq!(Role::of_scopes(&scopes), wanted, "{scopes:?}");
        }
        let (agents, _, _) = made("Night-Bot");
        for (name, scope, wanted) in
            [("bot", None, 1), ("", None, 2), ("", Some("notify"), 1), ("x", None, 0), ("", Some("x"), 0)]
        {
            assert_eq!(agents.list(name, scope).len(), wanted, "{name} {scope:?}");
        }
    }
}

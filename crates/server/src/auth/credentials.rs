//! Where credentials come from: the file written at the first start, and the environment.

use super::Role;
use data_encoding::HEXLOWER;
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A key that may be shown in `X-API-Key` or as a bearer. Holds the hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// The principal's name, also in logs and metrics.
    pub name: String,
    pub(super) hash: [u8; 32],
    /// What it may do.
    pub role: Role,
    /// The tools' scopes it is narrowed to; `None`: it is not.
    pub scopes: Option<Arc<[String]>>,
}

impl ApiKey {
    /// From the key itself.
    pub fn new(name: impl Into<String>, key: &str, role: Role) -> ApiKey {
        ApiKey { name: name.into(), hash: Sha256::digest(key.as_bytes()).into(), role, scopes: None }
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({}, {})", self.name, self.role.as_str())
    }
}

/// What `credentials.json` holds: one key a role and the secret that signs tokens.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The key of role admin.
    pub admin: String,
    /// The key of role operator.
    pub operator: String,
    /// The key of role agent.
    pub agent: String,
    /// The key of role user.
    pub user: String,
    /// Signs tokens.
    pub jwt_secret: String,
}

/// The file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is there and does not hold what it should.
    #[error("cannot read {} as credentials; move it away and a new one is written", path.display())]
    Garbled {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Credentials {
    /// The credentials in `dir/credentials.json`. If there is none it is written, readable by its owner only,
    /// whole or not at all; an existing one is never rewritten.
    pub fn load_or_create(dir: &Path) -> Result<Credentials, CredentialsError> {
        let path = dir.join("credentials.json");
        let io_error = |what, path: &Path| {
            let path = path.to_owned();
            move |source| CredentialsError::Io { what, path, source }
        };
        match std::fs::read(&path) {
            Ok(text) => {
                return serde_json::from_slice(&text)
                    .map_err(|source| CredentialsError::Garbled { path, source });
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(io_error("read", &path)(err)),
        }
        let fresh = Credentials::generate(&mut rand::rng());
        let mut text = serde_json::to_string_pretty(&fresh).expect("five strings are always JSON");
        text.push('\n');
        let draft = dir.join(".credentials.json.new");
        write_private(&draft, text.as_bytes()).map_err(io_error("write", &draft))?;
        std::fs::rename(&draft, &path).map_err(io_error("write", &path))?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", dir))?;
        Ok(fresh)
    }

    /// Five new secrets of 256 bits.
    pub fn generate(rng: &mut impl Rng) -> Credentials {
        let mut secret = || {
            let mut bytes = [0u8; 32];
            rng.fill_bytes(&mut bytes);
            HEXLOWER.encode(&bytes)
        };
        Credentials {
            admin: secret(),
            operator: secret(),
            agent: secret(),
            user: secret(),
            jwt_secret: secret(),
        }
    }

    /// The four keys.
    pub fn keys(&self) -> Vec<ApiKey> {
        [
            (Role::Admin, &self.admin),
            (Role::Operator, &self.operator),
            (Role::Agent, &self.agent),
            (Role::User, &self.user),
        ]
        .map(|(role, key)| ApiKey::new(role.as_str(), key, role))
        .into()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

const KEYS_VARIABLE: &str = "ORCHESTRATOR_API_KEYS";
const KEY_PREFIX: &str = "ORCHESTRATOR_API_KEY_";
/// A key shorter than this can be guessed.
const KEY_LEN_MIN: usize = 16;

/// The keys of the environment. No text here holds a key.
#[derive(Debug, Default)]
pub struct FoundKeys {
    /// Those that let in.
    pub keys: Vec<ApiKey>,
    /// What is wrong with entries that were left out.
    pub skipped: Vec<String>,
    /// What is wrong with keys that were taken all the same.
    pub weak: Vec<String>,
}

/// The keys in `ORCHESTRATOR_API_KEY_NAME=key:role` and `ORCHESTRATOR_API_KEYS=key,key:role` (role agent if
/// not given), each with `:scope+scope` behind the role if it is narrowed.
pub fn keys_from_variables(variables: impl IntoIterator<Item = (String, String)>) -> FoundKeys {
    let mut found = FoundKeys::default();
    let mut take =
        |variable: &str, entry: &str, usual: Option<Role>, name: &dyn Fn(&str) -> String| match entry_parts(
            entry, usual,
        ) {
            None => {
                let what = "an entry is not KEY:ROLE (user, agent, operator, admin)";
                found.skipped.push(format!("{variable}: {what}"));
            }
            Some((key, role, scopes)) => {
                if key.len() < KEY_LEN_MIN {
                    let what = format!("a key of less than {KEY_LEN_MIN} characters can be guessed");
                    found.weak.push(format!("{variable}: {what}"));
                }
                let scopes =
                    scopes.map(|text| text.split('+').map(|scope| scope.trim().to_owned()).collect());
                found.keys.push(ApiKey { scopes, ..ApiKey::new(name(key), key, role) });
            }
        };
    for (variable, value) in variables {
        if variable == KEYS_VARIABLE {
            for entry in value.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
                take(&variable, entry, Some(Role::Agent), &hash_name);
            }
        } else if let Some(name) = variable.strip_prefix(KEY_PREFIX) {
            take(&variable, value.trim(), None, &|_| name.to_lowercase());
        }
    }
    found
}

/// Key, role and scopes of `KEY`, `KEY:ROLE` or `KEY:ROLE:SCOPES`.
fn entry_parts(entry: &str, usual: Option<Role>) -> Option<(&str, Role, Option<&str>)> {
    split_entry(entry, usual).filter(|(key, ..)| !key.is_empty())
}

fn split_entry(entry: &str, usual: Option<Role>) -> Option<(&str, Role, Option<&str>)> {
    let Some((before, last)) = entry.rsplit_once(':') else {
        return usual.map(|role| (entry, role, None));
    };
    if let Some(role) = Role::parse(last.trim()) {
        return Some((before.trim(), role, None));
    }
    let (key, role) = before.rsplit_once(':')?;
    Some((key.trim(), Role::parse(role.trim())?, Some(last)))
}

/// A name for a key that has none: the first digits of its hash, which tell nothing about the key.
fn hash_name(key: &str) -> String {
    let hash = Sha256::digest(key.as_bytes());
    format!("api_key_{}", HEXLOWER.encode(&hash[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn written_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = Credentials::load_or_create(dir.path()).unwrap();
        assert_eq!(Credentials::load_or_create(dir.path()).unwrap(), first);
        let mode = std::fs::metadata(dir.path().join("credentials.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(first.admin.len(), 64);
        assert_ne!(first.admin, first.user);
    }

    #[test]
    fn a_garbled_file_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("credentials.json"), "{}").unwrap();
        let err = Credentials::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(err.contains("credentials.json as credentials"), "{err}");
    }

    #[test]
    fn keys_of_the_environment() {
        let long = "0123456789abcdef";
        let FoundKeys { keys, skipped, weak } = keys_from_variables(
            [
                ("ORCHESTRATOR_API_KEY_CI", format!("{long}:operator")),
                ("ORCHESTRATOR_API_KEY_BAD", long.to_owned()),
                ("ORCHESTRATOR_API_KEYS", format!("{long}1, {long}2:user,short,{long}3:agent:mail+notify")),
                ("ORCHESTRATOR_API_KEY_KING", format!("{long}:king")),
                ("ORCHESTRATOR_API_KEY_NONE", ":user".to_owned()),
                ("HOME", "/root".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let roles: Vec<_> = keys.iter().map(|key| key.role).collect();
        assert_eq!(roles, [Role::Operator, Role::Agent, Role::User, Role::Agent, Role::Agent]);
        assert_eq!(keys[0], ApiKey::new("ci", long, Role::Operator));
        assert_eq!(keys[4].scopes.as_deref(), Some(&["mail".to_owned(), "notify".to_owned()][..]));
        assert_eq!((skipped.len(), weak.len()), (3, 1), "{skipped:?} {weak:?}");
        let told = skipped.join(" ") + &weak.join(" ");
        assert!(!told.contains(long) && !told.contains("short"), "{told}");
    }
}

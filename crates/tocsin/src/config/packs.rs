//! The packs inside the binary: what Tocsin knows how to watch and diagnose. A pack is data: probes, scrape
//! jobs, rules and runbooks in which `${params.NAME}` stands for what the operator gives or the default.
//!
//! Invariant: [`ALL`] names every file under `packs/` (a test compares them).

use super::report::Report;
use super::text::Text;
use super::{paths, yaml};
use model::Problem;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

/// A pack's files, by their names inside it.
#[derive(Debug, Clone)]
pub struct Pack {
    /// Its folder's name.
    pub name: Cow<'static, str>,
    /// Where its folder is, for messages.
    root: Cow<'static, str>,
    files: Cow<'static, [File]>,
}

/// Name and text.
type File = (Cow<'static, str>, Cow<'static, str>);

macro_rules! pack {
    ($name:literal: $($file:literal),+) => {
        Pack {
            name: Cow::Borrowed($name),
            root: Cow::Borrowed(concat!("packs/", $name)),
            files: Cow::Borrowed(&[$((
                Cow::Borrowed($file),
                Cow::Borrowed(include_str!(concat!("../../../../packs/", $name, "/", $file))),
            )),+]),
        }
    };
}

/// Every pack.
pub static ALL: [Pack; 4] = [
    pack!("host": "pack.yml", "rules.yml"),
    pack!("postgres": "pack.yml", "rules.yml", "runbooks/postgres-down.yml"),
    pack!("redis": "pack.yml", "rules.yml", "runbooks/redis-down.yml"),
    pack!("tocsin": "pack.yml", "rules.yml"),
];

/// The head of a `pack.yml`.
#[derive(Debug, Clone, Default, Deserialize)]
struct Head {
    #[serde(default)]
    params: BTreeMap<String, Param>,
}

#[derive(Debug, Clone, Deserialize)]
struct Param {
    default: Value,
}

/// A pack with its parameters filled in.
#[derive(Debug, Clone)]
pub struct Filled {
    /// `pack.yml`.
    pub head: Text,
    /// `rules.yml`, if there is one.
    pub rules: Option<Text>,
    /// `runbooks/*.yml`.
    pub runbooks: Vec<Text>,
}

/// The pack called `name`.
pub fn find(name: &str) -> Option<&'static Pack> {
    ALL.iter().find(|pack| pack.name == name)
}

/// The names of all packs.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|pack| &*pack.name).collect()
}

impl Pack {
    /// Its parameters with their defaults.
    pub fn defaults(&self) -> BTreeMap<String, String> {
        let head: Head = serde_saphyr::from_str(self.file("pack.yml").unwrap_or("")).unwrap_or_default();
        head.params.into_iter().map(|(name, param)| (name, scalar(&param.default))).collect()
    }

    /// A pack that is being written: its folder, or its `pack.yml`.
    pub fn read(path: &Path) -> Result<Pack, String> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
        let mut files = vec![("pack.yml".to_owned(), Text::read(&folder.join("pack.yml"))?.filled)];
        let rules = folder.join("rules.yml");
        if rules.exists() {
            files.push(("rules.yml".to_owned(), Text::read(&rules)?.filled));
        }
        for path in paths::matching(folder, "runbooks/*.yml") {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((format!("runbooks/{name}"), Text::read(&path)?.filled));
        }
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Pack {
            name: name.into(),
            root: folder.display().to_string().into(),
            files: files.into_iter().map(|(name, text)| (name.into(), text.into())).collect(),
        })
    }

    fn file(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(file, _)| *file == name).map(|(_, text)| &**text)
    }

    /// Its files with `given` filled in over the defaults; `at` is where the operator named it. Unknown
    /// parameters go to `problems`.
    pub fn fill(
        &self,
        given: &BTreeMap<String, Value>,
        at: (u32, u32),
        problems: &mut Vec<Problem>,
    ) -> Filled {
        let mut params = self.defaults();
        let known: Vec<String> = params.keys().cloned().collect();
        for (name, value) in given {
            if params.insert(name.clone(), scalar(value)).is_none() {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let what = format!("pack {} has no parameter {name:?}", self.name);
                problems.push(Problem::error(at.0, at.1, what, yaml::suggestion(name, &known)));
            }
        }
        let text = |file: &str, text: &str| {
            Text::of(&format!("{}/{file}", self.root), Path::new(""), substitute(text, &params))
        };
        let runbooks = self.files.iter().filter(|(file, _)| file.starts_with("runbooks/"));
        Filled {
            head: text("pack.yml", self.file("pack.yml").unwrap_or("")),
            rules: self.file("rules.yml").map(|rules| text("rules.yml", rules)),
            runbooks: runbooks.map(|(file, runbook)| text(file, runbook)).collect(),
        }
    }
}

/// A parameter as text.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Puts `${params.NAME}` in; a value that would end a quoted text is escaped, one with line ends is made one line.
pub fn substitute(text: &str, params: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${params.") {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = rest.find('}').and_then(|end| Some((end, params.get(&rest["${params.".len()..end])?)));
        match found {
            Some((end, value)) => {
                let before = &text[..text.len() - rest.len()];
                let line = before.rsplit('\n').next().unwrap_or("");
                let quoted = line.bytes().filter(|b| *b == b'"').count() % 2 == 1;
                let value = value.replace(['\n', '\r'], " ");
                let value = if quoted { value.replace('\\', "\\\\").replace('"', "\\\"") } else { value };
                filled.push_str(&value);
                rest = &rest[end + 1..];
            }
            None => {
                filled.push_str("${params.");
                rest = &rest["${params.".len()..];
            }
        }
    }
    filled + rest
}

/// Adds what is wrong inside a filled pack; its places are those of the pack's own files.
pub fn report_inside(text: &Text, problems: Vec<Problem>, report: &mut Report) {
    for mut problem in problems {
        if problem.remedy.is_empty() {
            problem.remedy = "check the parameters given to this pack".to_owned();
        }
        report.push(&text.name, problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_inside() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
        let mut found = Vec::new();
        for pack in std::fs::read_dir(&root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            let pack = pack.file_name().into_string().unwrap();
            for folder in ["", "runbooks"] {
                for file in std::fs::read_dir(root.join(&pack).join(folder)).into_iter().flatten().flatten() {
                    if file.path().extension().is_some_and(|ending| ending == "yml") {
                        let file = file.file_name().into_string().unwrap();
                        found.push(format!("{pack}/{}", Path::new(folder).join(file).display()));
                    }
                }
            }
        }
        let mut known: Vec<String> = ALL
            .iter()
            .flat_map(|p| p.files.iter().map(move |(file, _)| format!("{}/{file}", p.name)))
            .collect();
        found.sort();
        known.sort();
        assert_eq!(known, found, "name every file of packs/ in ALL");
    }

    #[test]
    fn parameters_are_filled_in() {
        let params = BTreeMap::from([("a".to_owned(), "x\"y".to_owned())]);
        assert_eq!(
            substitute("${params.a} \"${params.a}\" ${params.b}", &params),
            "x\"y \"x\\\"y\" ${params.b}"
        );
        let mut problems = Vec::new();
        let given =
            BTreeMap::from([("target".to_owned(), Value::from("h:1")), ("tarket".to_owned(), Value::Null)]);
        let filled = find("redis").unwrap().fill(&given, (3, 4), &mut problems);
        assert!(filled.head.filled.contains("redis: h:1"));
        assert!(
            problems[0]
                .to_string()
                .starts_with("3:4: error: pack redis has no parameter \"tarket\"; did you mean \"target\"?")
        );
    }
}

//! A configuration file's text: `${NAME}` from the environment and `file:PATH` secrets filled in, so that every
//! key of every section may use them.
//!
//! Invariants: a replacement never adds a line, and knows where it stood, so that problems are reported at the
//! places the operator sees; a secret is quoted so that it stays one value.

use super::report::Report;
use model::Problem;
use std::path::{Path, PathBuf};

/// Looks up an environment variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// No configuration file is larger.
const FILE_MAX: u64 = 16 << 20;
/// No secret is larger.
const SECRET_MAX: u64 = 64 << 10;

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Text {
    /// As the operator named it.
    pub name: String,
    /// What relative paths in it are relative to.
    pub base: PathBuf,
    /// With everything filled in.
    pub filled: String,
    shifts: Vec<Shift>,
}

/// A replacement: where it begins in the filled text, and how long it is there and in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    line: u32,
    column: u32,
    filled_len: u32,
    file_len: u32,
}

impl Text {
    /// Reads a file as it is.
    pub fn read(path: &Path) -> Result<Text, String> {
        let filled = read_bounded(path, FILE_MAX)?;
        Ok(Text::of(&path.display().to_string(), path.parent().unwrap_or(Path::new("")), filled))
    }

    /// A text as it is.
    pub fn of(name: &str, base: &Path, filled: String) -> Text {
        Text { name: name.to_owned(), base: base.to_owned(), filled, shifts: Vec::new() }
    }

    /// Fills in variables and secrets; what is missing goes to `report`.
    pub fn fill(mut self, env: Env<'_>, report: &mut Report) -> Text {
        let mut lines = Vec::new();
        for (i, line) in self.filled.split('\n').enumerate() {
            let mut fill = Line {
                number: u32::try_from(i + 1).unwrap_or(u32::MAX),
                filled: String::with_capacity(line.len()),
                shifts: Vec::new(),
                problems: Vec::new(),
            };
            fill.run(line, &self.base, env);
            lines.push(fill.filled);
            self.shifts.append(&mut fill.shifts);
            for problem in fill.problems {
                report.push(&self.name, problem);
            }
        }
        self.filled = lines.join("\n");
        self
    }

    /// Where in the file a place of the filled text is.
    pub fn place(&self, line: u32, column: u32) -> (u32, u32) {
        let (mut at, mut grown) = (column, 0i64);
        for shift in self.shifts.iter().filter(|shift| shift.line == line && shift.column <= column) {
            let end = shift.column + shift.filled_len;
            if column < end {
                at = shift.column;
                break;
            }
            grown += i64::from(shift.filled_len) - i64::from(shift.file_len);
        }
        (line, u32::try_from(i64::from(at) - grown).unwrap_or(at))
    }

    /// The key whose value begins at a place of the filled text.
    fn key_of(&self, line: u32, column: u32) -> Option<&str> {
        let text = self.filled.lines().nth(line.checked_sub(1)? as usize)?;
        let end = text.char_indices().nth(column.checked_sub(1)? as usize).map_or(text.len(), |(at, _)| at);
        let before = text[..end].trim_end().strip_suffix(':')?;
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |at| at + 1);
        Some(&before[start..]).filter(|key| !key.is_empty())
    }

    /// Adds problems found in the filled text, at their places in the file. One that speaks of a value and does
    /// not say which gets its key.
    pub fn report(&self, problems: Vec<Problem>, report: &mut Report) {
        for mut problem in problems {
            if let Some(key) =
                self.key_of(problem.line, problem.column).filter(|key| !problem.what.contains(*key))
            {
                problem.what = format!("{key}: {}", problem.what);
            }
            (problem.line, problem.column) = self.place(problem.line, problem.column);
            report.push(&self.name, problem);
        }
    }
}

/// Reads a text file that must not be longer than `max` bytes.
fn read_bounded(path: &Path, max: u64) -> Result<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|why| format!("cannot read {}: {why}", path.display()))?;
    let mut text = String::new();
    let read = file.take(max + 1).read_to_string(&mut text);
    match read {
        Err(why) => Err(format!("cannot read {}: {why}", path.display())),
        Ok(len) if len as u64 > max => Err(format!("{} is larger than {max} bytes", path.display())),
        Ok(_) => Ok(text),
    }
}

/// One line being filled.
struct Line {
    number: u32,
    filled: String,
    shifts: Vec<Shift>,
    problems: Vec<Problem>,
}

/// In which kind of quotes a place of a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

impl Line {
    fn run(&mut self, line: &str, base: &Path, env: Env<'_>) {
        let mut rest = line;
        let mut quote = Quote::None;
        while let Some(c) = rest.chars().next() {
            let done = &line[..line.len() - rest.len()];
            match (c, quote) {
                ('#', Quote::None) if done.is_empty() || done.ends_with([' ', '\t']) => {
                    self.filled.push_str(rest);
                    return;
                }
                ('"', Quote::None) => quote = Quote::Double,
                ('"', Quote::Double) if !escaped(done) => quote = Quote::None,
                // Elsewhere than at the start of a value an apostrophe is a letter.
                ('\'', Quote::None) if done.is_empty() || done.ends_with([' ', '[', '{', ',', ':']) => {
                    quote = Quote::Single;
                }
                ('\'', Quote::Single) => quote = Quote::None,
                _ => {}
            }
            if let Some(len) = self.variable(rest, quote, env) {
                rest = &rest[len..];
                continue;
            }
            if let Some(len) = self.secret(done, rest, base) {
                rest = &rest[len..];
                quote = Quote::None;
                continue;
            }
            self.filled.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }

    fn column(&self) -> u32 {
        u32::try_from(self.filled.chars().count() + 1).unwrap_or(u32::MAX)
    }

    fn replace(&mut self, file_len: usize, with: &str) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.shifts.push(Shift {
            line: self.number,
            column: self.column(),
            filled_len: count(with.chars().count()),
            file_len: count(file_len),
        });
        self.filled.push_str(with);
    }

    /// The place in the file of what comes next.
    fn here(&self) -> u32 {
        let grown: i64 = self.shifts.iter().map(|s| i64::from(s.filled_len) - i64::from(s.file_len)).sum();
        u32::try_from(i64::from(self.column()) - grown).unwrap_or(0)
    }

    fn error(&mut self, what: String, remedy: &str) {
        self.problems.push(Problem::error(self.number, self.here(), what, remedy));
    }

    /// `$${`, `${NAME}` or `${NAME:-DEFAULT}` at the start of `rest`: fills it in and returns its length.
    fn variable(&mut self, rest: &str, quote: Quote, env: Env<'_>) -> Option<usize> {
        if rest.starts_with("$${") {
            self.replace(3, "${");
            return Some(3);
        }
        let inner = rest.strip_prefix("${")?;
        let inner = &inner[..inner.find('}')?];
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let first = |c: char| c.is_ascii_uppercase() || c == '_';
        let later = |c: char| first(c) || c.is_ascii_digit();
        if !name.starts_with(first) || !name.chars().all(later) {
            return None;
        }
        let file_len = inner.chars().count() + 3;
        let value = env(name).filter(|value| !value.is_empty() || default.is_none());
        let value = match value.as_deref().or(default) {
            Some(value) => value.to_owned(),
            None => {
                let remedy = format!("set {name}, or give a default: ${{{name}:-VALUE}}");
                self.error(format!("the variable {name} is not set"), &remedy);
                String::new()
            }
        };
        if value.contains('\n') && quote != Quote::Double {
            self.error(
                format!("the variable {name} has more than one line"),
                "put the reference in double quotes",
            );
        }
        let value = match quote {
            Quote::Double => inside_double_quotes(&value),
            Quote::Single => value.replace('\'', "''").replace('\n', " "),
            Quote::None => value.replace('\n', " "),
        };
        self.replace(file_len, &value);
        Some(inner.len() + 3)
    }

    /// A value that is `file:PATH`, quoted or not: puts the file's text in its place.
    fn secret(&mut self, done: &str, rest: &str, base: &Path) -> Option<usize> {
        let (body, quoted) = match rest.strip_prefix(['"', '\'']) {
            Some(body) => (body, true),
            None => (rest, false),
        };
        let before = done.trim_end();
        let spaced = before.len() < done.len();
        if !(before.ends_with('[') || spaced && before.ends_with([':', ',', '-', '{'])) {
            return None;
        }
        let path = body.strip_prefix("file:")?;
        if path.starts_with("//") || path.starts_with(char::is_whitespace) || path.is_empty() {
            return None;
        }
        let flow = before.contains(['[', '{']);
        let end = match rest.chars().next() {
            Some(mark @ ('"' | '\'')) if quoted => path.find(mark)?,
            _ if flow => path.find([',', ']', '}']).unwrap_or(path.len()),
            _ => path.find(" #").unwrap_or(path.len()),
        };
        let path = path[..end].trim_end();
        let len = path.len() + "file:".len() + if quoted { 2 } else { 0 };
        let file_len = path.chars().count() + len - path.len();
        let secret = match read_bounded(&base.join(path), SECRET_MAX) {
            Ok(secret) => secret,
            Err(why) => {
                let remedy = "create the file, or correct its path (relative to this file)";
                self.error(format!("a secret's file is missing: {why}"), remedy);
                String::new()
            }
        };
        let secret = format!("\"{}\"", inside_double_quotes(secret.trim_end_matches(['\r', '\n'])));
        self.replace(file_len, &secret);
        Some(len)
    }
}

fn escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn inside_double_quotes(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, filled: &str) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "a \"b\"\n").unwrap();
        let env = |name: &str| match name {
            "PORT" => Some("12345".to_owned()),
            "QUOTE" => Some("say \"hi\"".to_owned()),
            _ => None,
        };
        let mut report = Report::default();
        let text = Text::of("t.yml", dir.path(), file.to_owned()).fill(&env, &mut report);
        let lines: Vec<String> = report.problems.iter().map(|(_, problem)| problem.to_string()).collect();
        assert_eq!(format!("{}{}", text.filled, lines.join("|")), filled);
    }

    #[test]
    fn fills_in() {
        check("a: ${PORT}", "a: 12345");
        check("a: \"${PORT}/${NONE:-x}\"", "a: \"12345/x\"");
        check("a: \"${QUOTE}\" # ${NONE}", "a: \"say \\\"hi\\\"\" # ${NONE}");
        check("# ${NONE}\na: ${labels.x} $${PORT}", "# ${NONE}\na: ${labels.x} ${PORT}");
        check("a: file:key", "a: \"a \\\"b\\\"\"");
        check("a: {b: 'file:key', c: [file:key]}", "a: {b: \"a \\\"b\\\"\", c: [\"a \\\"b\\\"\"]}");
        check(
            "a: see file:key\nb: file://x\nc: \"it's file: x\"",
            "a: see file:key\nb: file://x\nc: \"it's file: x\"",
        );
    }

    #[test]
    fn names_what_is_missing() {
        check(
            "a: ${PORT} ${NONE}",
            "a: 12345 1:12: error: the variable NONE is not set; set NONE, or give a default: ${NONE:-VALUE}",
        );
        let mut report = Report::default();
        Text::of("t", Path::new("/nowhere"), "x:\n  key: file:secret".to_owned())
            .fill(&|_| None, &mut report);
        let (_, problem) = &report.problems[0];
        assert_eq!((problem.line, problem.column), (2, 8));
        assert!(problem.what.contains("/nowhere/secret"), "{}", problem.what);
    }

    #[test]
    fn places_are_those_of_the_file() {
        let mut report = Report::default();
        let env = |_: &str| Some("long value".to_owned());
        let text = Text::of("t", Path::new(""), "a: [${A}, ${B}, x]".to_owned()).fill(&env, &mut report);
        assert_eq!(text.filled, "a: [long value, long value, x]");
        for (filled, file) in [(4, 4), (5, 5), (9, 5), (15, 9), (17, 11), (20, 11), (29, 17)] {
            assert_eq!(text.place(1, filled), (1, file), "{filled}");
        }
    }
}

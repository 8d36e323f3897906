//! From YAML text to raw forms, with the reader's complaint as a [`Problem`]: where, what, and for an unknown
//! key the one that was probably meant.

use super::{report::Report, text::Text};
use model::Problem;
use serde::de::DeserializeOwned;
use serde_saphyr::Error;

/// How booleans are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booleans {
    /// Only `true` and `false`: our own files.
    Strict,
    /// `yes`, `on` and so on as well, as upstream reads its files.
    Loose,
}

/// Reads a file's only document; `None` if it cannot be read, with the reason in `report`.
pub fn read<T: DeserializeOwned + Default>(
    text: &Text,
    booleans: Booleans,
    report: &mut Report,
) -> Option<T> {
    if text.filled.trim().is_empty() {
        return Some(T::default());
    }
    let options =
        serde_saphyr::options! { strict_booleans: booleans == Booleans::Strict, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Option<T>>(&text.filled, options) {
        Ok(read) => Some(read.unwrap_or_default()),
        Err(why) => {
            text.report(vec![problem(&why)], report);
            None
        }
    }
}

/// The reader's complaint.
pub fn problem(why: &Error) -> Problem {
    let why = why.without_snippet();
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (line, column) = why.location().map_or((0, 0), |at| (number(at.line()), number(at.column())));
    let (what, remedy) = match why {
        Error::AliasError { error, .. } => return Problem { line, column, ..problem(error) },
        Error::SerdeUnknownField { field, expected, .. } => {
            (format!("unknown key {field:?}"), suggestion(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            (format!("unknown value {variant:?}"), suggestion(variant, expected))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("the key {field:?} is missing"), format!("add {field}:"))
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            (format!("the key {key:?} is given twice"), "keep one of them".to_owned())
        }
        Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("{unexpected} where {expected} is expected"), String::new())
        }
        Error::NullIntoString { .. } => {
            ("nothing where text is expected".to_owned(), "write a value, or remove the key".to_owned())
        }
        Error::InvalidBooleanStrict { .. } => {
            ("this is not a boolean".to_owned(), "write true or false".to_owned())
        }
        other => (plain(&other.to_string()), String::new()),
    };
    Problem::error(line, column, what, remedy)
}

/// The reader's own words: one line, without the place, lower case, no final dot.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").trim_start_matches("error: ");
    let line = line.rsplit_once(" at line ").map_or(line, |(what, _)| what);
    let line =
        line.split_once(": ").filter(|(place, _)| place.starts_with("line ")).map_or(line, |(_, what)| what);
    let mut chars = line.trim_end_matches('.').chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// `did you mean "x"?`, or the known words.
pub fn suggestion(given: &str, known: &[&str]) -> String {
    let near = known.iter().map(|word| (distance(given, word), *word)).min();
    match near {
        Some((away, word)) if away <= (given.chars().count() / 3).max(1) => format!("did you mean {word:?}?"),
        Some(_) if known.len() <= 40 => format!("known: {}", known.join(", ")),
        _ => String::new(),
    }
}

/// How many letters must be changed, added, left out or swapped.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested() {
        let known = ["receivers", "route", "rules"];
        assert_eq!(suggestion("reciever", &known), "did you mean \"receivers\"?");
        assert_eq!(suggestion("ruels", &known), "did you mean \"rules\"?");
        assert_eq!(suggestion("zzz", &known), "known: receivers, route, rules");
        assert_eq!(distance("ab", "ba"), 1);
    }
}

//! What an expression can cost: told from its text before it is parsed, from its syntax tree before it is
//! evaluated, from its result before that is copied. A few dozen bytes of JMESPath can double a list at every
//! step; none of that is ever built.

use super::TemplateError;
use jmespath::ast::Ast;
use jmespath::{Runtime, Variable};
use std::sync::LazyLock;

/// The longest expression in bytes.
pub(super) const EXPR_BYTES_MAX: usize = 2_000;
/// The most operators of one expression.
const OPERATORS_MAX: usize = 250;
/// The most brackets inside one another.
const NESTING_MAX: usize = 30;
/// The most that an expression may multiply its data by.
const GROWTH_MAX: u64 = 10_000;
/// The largest index or slice bound.
const INDEX_MAX: i32 = 1_000_000_000;
/// The most levels of a value that a template makes.
pub(super) const DEPTH_MAX: usize = 64;
/// The longest text that `join` makes.
const JOIN_BYTES_MAX: usize = 1 << 20;

/// The functions of JMESPath, those that could make much of little bounded.
pub(super) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Runtime::new();
    runtime.register_builtin_functions();
    if let Some(join) = runtime.deregister_function("join") {
        let bounded = move |args: &[jmespath::Rcvar], ctx: &mut jmespath::Context<'_>| {
            let glue = args.first().and_then(|glue| glue.as_string()).map_or(0, String::len);
            let texts = args.get(1).and_then(|list| list.as_array());
            let bytes = texts.map_or(0, |texts| {
                texts.iter().map(|text| glue + text.as_string().map_or(0, String::len)).sum::<usize>()
            });
            if bytes > JOIN_BYTES_MAX {
                let why = format!("join would make more than {JOIN_BYTES_MAX} bytes");
                return Err(jmespath::JmespathError::new("", 0, jmespath::ErrorReason::Parse(why)));
            }
            join.evaluate(args, ctx)
        };
        runtime.register_function("join", Box::new(bounded));
    }
    runtime
});

/// Refuses what the parser should not be asked to read: it calls itself for every bracket.
pub(super) fn check_text(expr: &str) -> Result<(), TemplateError> {
    let refuse = |why: String| Err(TemplateError::TooComplex { expr: expr.chars().take(60).collect(), why });
    if expr.len() > EXPR_BYTES_MAX {
        return refuse(format!("it has more than {EXPR_BYTES_MAX} bytes"));
    }
    let (mut operators, mut depth, mut deepest, mut quote, mut escaped) = (0, 0usize, 0, None, false);
    for c in expr.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' | '`' => quote = Some(c),
                '(' | '[' | '{' => (operators, depth) = (operators + 1, depth + 1),
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                '.' | '|' | '!' | '&' | ',' | '<' | '>' | '=' => operators += 1,
                _ => {}
            },
        }
        deepest = deepest.max(depth);
    }
    if operators > OPERATORS_MAX {
        return refuse(format!("it has more than {OPERATORS_MAX} operators"));
    }
    if deepest > NESTING_MAX {
        return refuse(format!("it has more than {NESTING_MAX} brackets inside one another"));
    }
    Ok(())
}

/// By how much the expression may multiply its data at most; an expression that could multiply it without
/// reason is refused.
pub(super) fn growth(expr: &str, ast: &Ast) -> Result<u64, TemplateError> {
    let refuse = |why: String| TemplateError::TooComplex { expr: expr.chars().take(60).collect(), why };
    match factor(ast) {
        None => Err(refuse(format!("an index is beyond {INDEX_MAX}"))),
        Some(growth) if growth > GROWTH_MAX => {
            Err(refuse(format!("it may multiply its data by more than {GROWTH_MAX}")))
        }
        Some(growth) => Ok(growth),
    }
}

/// Whether evaluating it costs next to nothing, however large the data.
pub(super) fn is_plain(ast: &Ast) -> bool {
    match ast {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Index { .. } | Ast::Literal { .. } => true,
        Ast::Subexpr { lhs, rhs, .. } => is_plain(lhs) && is_plain(rhs),
        Ast::Comparison { lhs, rhs, .. } | Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. } => {
            is_plain(lhs) && is_plain(rhs)
        }
        Ast::Not { node, .. } => is_plain(node),
        _ => false,
    }
}

fn factor(ast: &Ast) -> Option<u64> {
    let sum =
        |parts: &[&Ast]| parts.iter().try_fold(0u64, |sum, part| Some(sum.saturating_add(factor(part)?)));
    let product =
        |parts: &[&Ast]| parts.iter().try_fold(1u64, |all, part| Some(all.saturating_mul(factor(part)?)));
    let near = |bound: &Option<i32>| bound.is_none_or(|at| at.unsigned_abs() <= INDEX_MAX.unsigned_abs());
    Some(match ast {
        Ast::Identity { .. } | Ast::Field { .. } | Ast::Literal { .. } => 1,
        Ast::Index { idx, .. } => near(&Some(*idx)).then_some(1)?,
        Ast::Slice { start, stop, step, .. } => {
            (near(start) && near(stop) && near(&Some(*step))).then_some(1)?
        }
        Ast::Expref { ast: node, .. }
        | Ast::Flatten { node, .. }
        | Ast::Not { node, .. }
        | Ast::ObjectValues { node, .. } => factor(node)?,
        Ast::Comparison { lhs, rhs, .. } | Ast::And { lhs, rhs, .. } | Ast::Or { lhs, rhs, .. } => {
            sum(&[lhs, rhs])?
        }
        Ast::Condition { predicate, then, .. } => sum(&[predicate, then])?,
        Ast::Subexpr { lhs, rhs, .. } | Ast::Projection { lhs, rhs, .. } => product(&[lhs, rhs])?,
        Ast::MultiList { elements, .. } => sum(&elements.iter().collect::<Vec<_>>())?.max(1),
        Ast::MultiHash { elements, .. } => {
            sum(&elements.iter().map(|pair| &pair.value).collect::<Vec<_>>())?.max(1)
        }
        Ast::Function { args, .. } => {
            let args: Vec<&Ast> = args.iter().collect();
            match args.iter().any(|arg| matches!(arg, Ast::Expref { .. })) {
                true => product(&args)?,
                false => sum(&args)?.max(1),
            }
        }
    })
}

/// About how many bytes the value takes as JSON, or which bound it breaks. Stops at the bound: what looks small
/// in memory, because its parts are shared, can be of any size once it is written out.
pub(super) fn size_within(value: &Variable, bytes_max: usize) -> Result<usize, TemplateError> {
    let mut left = bytes_max;
    weigh(value, &mut left, DEPTH_MAX, bytes_max)?;
    Ok(bytes_max - left)
}

fn weigh(value: &Variable, left: &mut usize, levels: usize, max: usize) -> Result<(), TemplateError> {
    let own = match value {
        Variable::Null | Variable::Bool(_) | Variable::Expref(_) => 5,
        Variable::Number(_) => 8,
        Variable::String(text) => text.len() + 2,
        Variable::Array(items) => 2 + items.len(),
        Variable::Object(map) => 2 + map.keys().map(|key| key.len() + 4).sum::<usize>(),
    };
    *left = left.checked_sub(own).ok_or(TemplateError::TooLarge(max))?;
    let below = || levels.checked_sub(1).ok_or(TemplateError::TooDeep(DEPTH_MAX));
    match value {
        Variable::Array(items) => {
            let levels = below()?;
            items.iter().try_for_each(|item| weigh(item, left, levels, max))
        }
        Variable::Object(map) => {
            let levels = below()?;
            map.values().try_for_each(|item| weigh(item, left, levels, max))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Context, check, check_condition};
    use super::*;
    use model::Timestamp;
    use serde_json::{Value, json};

    fn refused(expr: &str, wanted: &str) {
        let template = json!(format!("${{{expr}}}"));
        let why = check(&template).expect_err(expr).to_string();
        assert!(why.contains(wanted), "{expr}: {why}");
        assert!(check_condition(expr).is_err(), "{expr}");
    }

    #[test]
    fn bombs_are_refused_before_anything_is_built() {
        refused("[@,@]|".repeat(20).trim_end_matches('|'), "multiply its data");
        refused(&format!("@{}", ".[@,@][]".repeat(15)), "multiply its data");
        refused(&"(".repeat(200), "brackets inside one another");
        refused(&format!("{}a", "!".repeat(400)), "operators");
        refused(&format!("a{}", ".a".repeat(300)), "operators");
        refused(&"a".repeat(2_001), "2000 bytes");
        refused("a[-2000000000]", "an index is beyond");
        refused("a[:2000000000]", "an index is beyond");
    }

    #[test]
    fn what_grows_with_the_data_is_stopped_as_it_is_filled_in() {
        let data = json!({"big": "x".repeat(100_000), "many": vec![""; 50_000], "list": vec![0; 10_000]});
        let context = Context::new(&data, Timestamp::default());
        for (expr, wanted) in [
            ("join(big, many)", "join would make more than"),
            ("[list,list]|[@,@]|[@,@]|[@,@]|[@,@]", "larger than 100000 bytes"),
            ("list[*].[@,@,@,@,@,@,@,@,@,@,@,@]", "larger than 100000 bytes"),
            ("big", "larger than 100000 bytes"),
        ] {
            let why = context.render(&json!(format!("${{{expr}}}")), 100_000).expect_err(expr).to_string();
            assert!(why.contains(wanted), "{expr}: {why}");
        }
        // Many at once.
        let template = Value::Array(vec![json!("${to_string(@)}"); 1_000]);
        assert!(context.render(&template, 1 << 30).is_err());
        let template = Value::Array(vec![json!("${length(list)}"); 2_000]);
        assert!(context.render(&template, 1 << 30).unwrap_err().to_string().contains("placeholders"));
    }

    #[test]
    fn a_value_that_is_too_deep_is_refused() {
        let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
        let context = Context::new(&json!({"deep": deep}), Timestamp::default());
        let why = context.render(&json!("${deep}"), 1 << 20).unwrap_err();
        assert_eq!(why, TemplateError::TooDeep(DEPTH_MAX));
    }
}

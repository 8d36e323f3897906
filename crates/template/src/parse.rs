//! From tokens to the tree that is executed.
//!
//! What Go refuses before executing is refused here: unknown functions and variables, unclosed blocks.

use crate::Error;
use crate::lex::{Kind, Piece, Token, pieces};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub(crate) type List = Arc<Vec<Node>>;

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If { pipe: Pipe, then: List, or: List },
    With { pipe: Pipe, then: List, or: List },
    Range { pipe: Pipe, body: List, or: List },
    Template { name: String, pipe: Option<Pipe>, line: u32 },
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub line: u32,
    /// Variables to set: one, or for a range two.
    pub names: Vec<String>,
    /// `=` instead of `:=`.
    pub assigns: bool,
    /// Each command gets the result of the one before it as its last argument.
    pub commands: Vec<Vec<Operand>>,
}

#[derive(Debug)]
pub(crate) enum Operand {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    /// `.a.b`
    Field(Vec<String>),
    /// `$x.a.b`
    Variable(String, Vec<String>),
    Function(String),
    /// `(pipe).a.b`
    Group(Box<Pipe>, Vec<String>),
}

/// Blocks may be nested this deep.
const DEPTH_MAX: usize = 100;

/// Parses `text`; the named templates it defines go to `defined`. `known` says which functions there are.
pub(crate) fn parse(
    name: &str,
    text: &str,
    variables: &[&str],
    known: &dyn Fn(&str) -> bool,
    defined: &mut BTreeMap<String, List>,
) -> Result<List, Error> {
    let pieces = pieces(name, text)?.into();
    let mut variables: Vec<String> = variables.iter().map(|name| (*name).to_owned()).collect();
    variables.push(String::new());
    let mut parser = Parser { name, pieces, known, defined, variables, ranges: 0, depth: 0, line: 1 };
    let (nodes, end) = parser.list()?;
    match end {
        End::Whole => Ok(Arc::new(nodes)),
        End::Closed => Err(parser.fail("unexpected {{end}}")),
        End::Else(_) => Err(parser.fail("unexpected {{else}}")),
    }
}

struct Parser<'a> {
    name: &'a str,
    pieces: VecDeque<Piece>,
    known: &'a dyn Fn(&str) -> bool,
    defined: &'a mut BTreeMap<String, List>,
    /// In scope; the empty name is `$`.
    variables: Vec<String>,
    ranges: u32,
    depth: usize,
    line: u32,
}

/// What ended a list of nodes.
enum End {
    Whole,
    Closed,
    /// `{{else}}`, with what follows the word.
    Else(Tokens),
}

type Tokens = VecDeque<Token>;

impl Parser<'_> {
    fn fail(&self, what: impl Into<String>) -> Error {
        Error::parse(self.name, self.line, what)
    }

    fn list(&mut self) -> Result<(Vec<Node>, End), Error> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.pop_front() {
            let (tokens, line) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { tokens, line } => (tokens, line),
            };
            self.line = line;
            let mut tokens = Tokens::from(tokens);
            let word = match tokens.front().map(|token| &token.kind) {
                Some(Kind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            if KEYWORDS.contains(&word.as_str()) {
                tokens.pop_front();
            }
            match word.as_str() {
                "end" => return self.nothing_left(&tokens).map(|()| (nodes, End::Closed)),
                "else" => return Ok((nodes, End::Else(tokens))),
                "define" => self.define(tokens)?,
                _ => nodes.push(self.node(&word, tokens)?),
            }
        }
        Ok((nodes, End::Whole))
    }

    fn node(&mut self, word: &str, mut tokens: Tokens) -> Result<Node, Error> {
        match word {
            "if" | "with" | "range" => self.control(word, tokens),
            "break" | "continue" => {
                self.nothing_left(&tokens)?;
                if self.ranges == 0 {
                    return Err(self.fail(format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                Ok(if word == "break" { Node::Break } else { Node::Continue })
            }
            "template" => {
                let name = self.template_name(&mut tokens, word)?;
                let pipe = if tokens.is_empty() { None } else { Some(self.pipe(tokens)?) };
                Ok(Node::Template { name, pipe, line: self.line })
            }
            "block" => {
                let line = self.line;
                let name = self.template_name(&mut tokens, word)?;
                let pipe = self.pipe(tokens)?;
                let body = self.definition()?;
                self.defined.insert(name.clone(), body);
                Ok(Node::Template { name, pipe: Some(pipe), line })
            }
            _ => self.pipe(tokens).map(Node::Action),
        }
    }

    fn define(&mut self, mut tokens: Tokens) -> Result<(), Error> {
        if self.depth > 0 {
            return Err(self.fail("unexpected {{define}} inside a block"));
        }
        let name = self.template_name(&mut tokens, "define")?;
        self.nothing_left(&tokens)?;
        let body = self.definition()?;
        let blank = body.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()));
        // As Go: an empty definition does not replace one that says something.
        if !blank || !self.defined.contains_key(&name) {
            self.defined.insert(name, body);
        }
        Ok(())
    }

    /// The body of a `define` or `block`, in a scope of its own.
    fn definition(&mut self) -> Result<List, Error> {
        let outer = std::mem::replace(&mut self.variables, vec![String::new()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, end) = self.nested()?;
        (self.variables, self.ranges) = (outer, ranges);
        match end {
            End::Closed => Ok(Arc::new(nodes)),
            End::Else(_) => Err(self.fail("unexpected {{else}} in define clause")),
            End::Whole => Err(self.fail("unexpected end of text: {{end}} is missing")),
        }
    }

    fn nested(&mut self) -> Result<(Vec<Node>, End), Error> {
        if self.depth >= DEPTH_MAX {
            return Err(self.fail(format!("blocks are nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        let list = self.list();
        self.depth -= 1;
        list
    }

    fn control(&mut self, word: &str, tokens: Tokens) -> Result<Node, Error> {
        let scope = self.variables.len();
        let pipe = self.pipe(tokens)?;
        if pipe.names.len() > 1 && word != "range" {
            return Err(self.fail(format!("too many declarations in {word}")));
        }
        let is_range = u32::from(word == "range");
        self.ranges += is_range;
        let (then, end) = self.nested()?;
        self.ranges -= is_range;
        let or = match end {
            End::Closed => Vec::new(),
            End::Whole => return Err(self.fail("unexpected end of text: {{end}} is missing")),
            End::Else(rest) if rest.is_empty() => match self.nested()? {
                (or, End::Closed) => or,
                (_, End::Else(_)) => return Err(self.fail("expected end; found {{else}}")),
                (_, End::Whole) => return Err(self.fail("unexpected end of text: {{end}} is missing")),
            },
            End::Else(mut rest) => {
                let chained = match rest.pop_front().map(|token| token.kind) {
                    Some(Kind::Word(next)) if next == word && word != "range" => next,
                    _ => return Err(self.fail("unexpected token after {{else")),
                };
                if self.depth >= DEPTH_MAX {
                    return Err(self.fail(format!("more than {DEPTH_MAX} branches")));
                }
                self.depth += 1;
                let node = self.control(&chained, rest);
                self.depth -= 1;
                vec![node?]
            }
        };
        self.variables.truncate(scope);
        let (then, or) = (Arc::new(then), Arc::new(or));
        Ok(match word {
            "if" => Node::If { pipe, then, or },
            "with" => Node::With { pipe, then, or },
            _ => Node::Range { pipe, body: then, or },
        })
    }

    fn template_name(&self, tokens: &mut Tokens, word: &str) -> Result<String, Error> {
        match tokens.pop_front().map(|token| token.kind) {
            Some(Kind::Text(name)) => Ok(name),
            _ => Err(self.fail(format!("{{{{{word}}}}} needs a quoted name"))),
        }
    }

    fn nothing_left(&self, tokens: &Tokens) -> Result<(), Error> {
        match tokens.front() {
            None => Ok(()),
            Some(token) => Err(self.fail(format!("unexpected {}", token.kind))),
        }
    }

    fn pipe(&mut self, mut tokens: Tokens) -> Result<Pipe, Error> {
        let pipe = self.pipe_until_close(&mut tokens)?;
        self.nothing_left(&tokens)?;
        Ok(pipe)
    }

    fn pipe_until_close(&mut self, tokens: &mut Tokens) -> Result<Pipe, Error> {
        let (names, assigns) = self.declaration(tokens)?;
        let mut commands: Vec<Vec<Operand>> = Vec::new();
        loop {
            let command = self.command(tokens)?;
            let literal = !matches!(
                command.first(),
                Some(Operand::Function(_) | Operand::Field(_) | Operand::Variable(..) | Operand::Group(..))
            );
            if literal && (!commands.is_empty() || command.len() > 1) {
                return Err(self.fail("non executable command in pipeline"));
            }
            commands.push(command);
            match tokens.front().map(|token| &token.kind) {
                Some(Kind::Pipe) => tokens.pop_front(),
                _ => break,
            };
        }
        if !assigns {
            self.variables.extend(names.iter().cloned());
        }
        Ok(Pipe { line: self.line, names, assigns, commands })
    }

    fn declaration(&mut self, tokens: &mut Tokens) -> Result<(Vec<String>, bool), Error> {
        let kind = |at: usize| tokens.get(at).map(|token| &token.kind);
        let (names, sign) = match (kind(0), kind(1), kind(2), kind(3)) {
            (Some(Kind::Variable(a)), Some(Kind::Comma), Some(Kind::Variable(b)), Some(sign)) => {
                (vec![a.clone(), b.clone()], sign)
            }
            (Some(Kind::Variable(a)), Some(sign @ (Kind::Declare | Kind::Assign)), ..) => {
                (vec![a.clone()], sign)
            }
            _ => return Ok((Vec::new(), false)),
        };
        let assigns = match sign {
            Kind::Declare => false,
            Kind::Assign => true,
            _ => return Err(self.fail("expected := or = after the variables")),
        };
        if assigns && let Some(unknown) = names.iter().find(|name| !self.variables.contains(name)) {
            return Err(self.fail(format!("undefined variable \"${unknown}\"")));
        }
        tokens.drain(..names.len() * 2);
        Ok((names, assigns))
    }

    fn command(&mut self, tokens: &mut Tokens) -> Result<Vec<Operand>, Error> {
        let mut operands = Vec::new();
        while let Some(token) = tokens.front() {
            if matches!(token.kind, Kind::Pipe | Kind::Close) {
                break;
            }
            if !token.spaced && !operands.is_empty() {
                return Err(self.fail(format!("unexpected {}: a space is missing before it", token.kind)));
            }
            operands.push(self.operand(tokens)?);
        }
        if operands.is_empty() { Err(self.fail("missing value for command")) } else { Ok(operands) }
    }

    fn operand(&mut self, tokens: &mut Tokens) -> Result<Operand, Error> {
        let Some(token) = tokens.pop_front() else { return Err(self.fail("missing value for command")) };
        let operand = match token.kind {
            Kind::Dot => Operand::Dot,
            Kind::Int(n) => Operand::Int(n),
            Kind::Uint(n) => Operand::Uint(n),
            Kind::Float(n) => Operand::Float(n),
            Kind::Text(text) => Operand::Text(text),
            Kind::Field(name) => Operand::Field(chain(vec![name], tokens)),
            Kind::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(self.fail(format!("undefined variable \"${name}\"")));
                }
                Operand::Variable(name, chain(Vec::new(), tokens))
            }
            Kind::Word(word) => match word.as_str() {
                "nil" => Operand::Nil,
                "true" | "false" => Operand::Bool(word == "true"),
                _ if (self.known)(&word) => Operand::Function(word),
                _ => return Err(self.fail(format!("function {word:?} not defined"))),
            },
            Kind::Open => {
                if self.depth >= DEPTH_MAX {
                    return Err(self.fail(format!("brackets are nested deeper than {DEPTH_MAX}")));
                }
                self.depth += 1;
                let pipe = self.pipe_until_close(tokens);
                self.depth -= 1;
                let pipe = Box::new(pipe?);
                match tokens.pop_front().map(|token| token.kind) {
                    Some(Kind::Close) => Operand::Group(pipe, chain(Vec::new(), tokens)),
                    _ => return Err(self.fail("unclosed left paren")),
                }
            }
            kind @ (Kind::Pipe | Kind::Comma | Kind::Close | Kind::Declare | Kind::Assign) => {
                return Err(self.fail(format!("unexpected {kind}")));
            }
        };
        Ok(operand)
    }
}

const KEYWORDS: [&str; 10] =
    ["if", "else", "end", "range", "with", "define", "template", "block", "break", "continue"];

/// The fields that follow without a space.
fn chain(mut names: Vec<String>, tokens: &mut Tokens) -> Vec<String> {
    while let Some(Token { kind: Kind::Field(name), spaced: false }) = tokens.front() {
        names.push(name.clone());
        tokens.pop_front();
    }
    names
}

//! Tokens to an expression, by the precedence of XPath.

use super::lexer::{Placed, Token, malformed, tokens};
use super::value::Number;
use super::{CsqlError, NESTING_MAX, PATH_STEPS_MAX};

#[derive(Clone, PartialEq, Debug)]
pub(super) struct Expression<'t> {
    pub kind: Kind<'t>,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Kind<'t> {
    Number(Number),
    Text(&'t str),
    /// One step is a property of the case itself.
    Path(Vec<&'t str>),
    Call(&'t str, Vec<Expression<'t>>),
    Sign(char, Box<Expression<'t>>),
    /// Several sides for `and` and `or`, else two.
    Operation(&'static str, Vec<Expression<'t>>),
}

/// Operators by precedence, the weakest first.
const LEVELS: &[&[&str]] =
    &[&["or"], &["and"], &["=", "!="], &["<", "<=", ">", ">="], &["+", "-"], &["*", "div", "mod"]];

fn too_deep() -> CsqlError {
    let message = format!("The search query nests deeper than {NESTING_MAX} levels. Make it simpler.");
    CsqlError::new(message, "")
}

struct Parser<'t> {
    query: &'t str,
    tokens: Vec<Placed<'t>>,
    at: usize,
    depth: usize,
}

pub(super) fn parse(query: &str) -> Result<Expression<'_>, CsqlError> {
    let mut parser = Parser { query, tokens: tokens(query)?, at: 0, depth: 0 };
    let expression = parser.level(0)?;
    match parser.peek() {
        Token::End => Ok(expression),
        _ => Err(parser.unexpected("an operator or the end of the query")),
    }
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token<'t> {
        self.tokens[self.at].token
    }

    fn advance(&mut self) -> Placed<'t> {
        let token = self.tokens[self.at];
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn accept(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(s) if s == sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), CsqlError> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(sign)) }
    }

    fn unexpected(&self, wanted: &str) -> CsqlError {
        let token = self.tokens[self.at];
        let found = match token.token {
            Token::End => "the end".to_owned(),
            _ => format!("\"{}\"", &self.query[token.start..token.end]),
        };
        malformed(self.query, token.start, &format!("expected {wanted}, found {found},"))
    }

    /// The operator that stands here, if it is one of a level.
    fn operator(&self, level: &[&'static str]) -> Option<&'static str> {
        let (Token::Sign(text) | Token::Name(text)) = self.peek() else { return None };
        level.iter().copied().find(|operator| *operator == text)
    }

    /// Operators of a level and all that bind stronger. Chains are loops, so that only nesting is deep.
    fn level(&mut self, level: usize) -> Result<Expression<'t>, CsqlError> {
        let Some(operators) = LEVELS.get(level) else { return self.signed() };
        let mut left = self.level(level + 1)?;
        let mut leaning = 0;
        while let Some(operator) = self.operator(operators) {
            self.advance();
            let right = self.level(level + 1)?;
            let (start, end) = (left.start, right.end);
            let joins = matches!(operator, "and" | "or");
            left = match left.kind {
                Kind::Operation(same, mut sides) if joins && same == operator => {
                    sides.push(right);
                    Expression { kind: Kind::Operation(operator, sides), start, end }
                }
                _ => {
                    // A chain such as `a = b = c` leans to the left: it is as deep as it is long.
                    leaning += 1;
                    if self.depth + leaning > NESTING_MAX {
                        return Err(too_deep());
                    }
                    Expression { kind: Kind::Operation(operator, vec![left, right]), start, end }
                }
            };
        }
        Ok(left)
    }

    fn descend(&mut self) -> Result<(), CsqlError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(too_deep());
        }
        Ok(())
    }

    fn signed(&mut self) -> Result<Expression<'t>, CsqlError> {
        let start = self.tokens[self.at].start;
        for sign in ['-', '+'] {
            let text = if sign == '-' { "-" } else { "+" };
            if self.accept(text) {
                self.descend()?;
                let inner = self.signed()?;
                self.depth -= 1;
                let end = inner.end;
                return Ok(Expression { kind: Kind::Sign(sign, Box::new(inner)), start, end });
            }
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expression<'t>, CsqlError> {
        let Placed { token, start, end } = self.tokens[self.at];
        let kind = match token {
            Token::Number(text) => {
                self.advance();
                Kind::Number(Number::literal(text))
            }
            Token::Text(text) => {
                self.advance();
                Kind::Text(text)
            }
            Token::Name(name) => {
                self.advance();
                if !name.starts_with('@') && self.accept("(") {
                    Kind::Call(name, self.arguments()?)
                } else {
                    self.path(name)?
                }
            }
            Token::Sign("(") => {
                self.advance();
                self.descend()?;
                let inner = self.level(0)?;
                self.depth -= 1;
                self.expect(")")?;
                let end = self.tokens[self.at - 1].end;
                return Ok(Expression { kind: inner.kind, start, end });
            }
            Token::Sign(_) | Token::End => return Err(self.unexpected("a property, a value or a function")),
        };
        let end = self.at.checked_sub(1).map_or(end, |last| self.tokens[last].end);
        Ok(Expression { kind, start, end })
    }

    fn path(&mut self, first: &'t str) -> Result<Kind<'t>, CsqlError> {
        let mut steps = vec![first];
        while self.accept("/") {
            let Token::Name(step) = self.peek() else { return Err(self.unexpected("a name after /")) };
            self.advance();
            steps.push(step);
            if steps.len() > PATH_STEPS_MAX {
                let message = format!("A path may have {PATH_STEPS_MAX} steps at most.");
                return Err(CsqlError::new(message, &steps.join("/")));
            }
        }
        Ok(Kind::Path(steps))
    }

    fn arguments(&mut self) -> Result<Vec<Expression<'t>>, CsqlError> {
        let mut all = Vec::new();
        if self.accept(")") {
            return Ok(all);
        }
        self.descend()?;
        loop {
            all.push(self.level(0)?);
            if !self.accept(",") {
                break;
            }
        }
        self.depth -= 1;
        self.expect(")")?;
        Ok(all)
    }
}

//! Evaluation: operators, calls, contexts. Paths are in `walk`, functions in `functions`.

use std::borrow::Cow;

use crate::ast::{Ast, Function, Kind, Operator};
use crate::context::{Context, Kind as Parameter};
use crate::error::{Code, Error};
use crate::functions;
use crate::names::Names;
use crate::value::{NodeRef, Value};

/// Where a (sub)expression is evaluated: the top, or a predicate.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub node: Option<NodeRef<'a>>,
    pub original: Option<NodeRef<'a>>,
    /// Position in a predicate, from 1.
    pub position: Option<usize>,
}

pub(crate) struct Evaluator<'c, 'a> {
    pub context: &'c Context<'a>,
    pub names: &'a Names,
}

impl<'c, 'a> Evaluator<'c, 'a> {
    pub fn new(context: &'c Context<'a>, names: &'a Names) -> Self {
        Evaluator { context, names }
    }

    fn top(&self) -> Frame<'a> {
        Frame { node: self.context.node, original: self.context.original, position: None }
    }

    pub fn evaluate(&self, ast: &'a Ast) -> Result<Value<'a>, Error> {
        self.eval(ast, &self.top())
    }

    pub fn top_boolean(&self, ast: &'a Ast) -> Result<bool, Error> {
        self.boolean(ast, &self.top())
    }

    pub fn top_number(&self, ast: &'a Ast) -> Result<f64, Error> {
        self.number(ast, &self.top())
    }

    /// The nodes of a path, irrelevant ones included; nothing if it is no path.
    pub fn select_all(&self, ast: &'a Ast) -> Option<Result<crate::value::Nodeset<'a>, Error>> {
        let Kind::Path(path) = &ast.kind else { return None };
        Some(self.select(path, &self.top()).map_err(|e| e.at(ast.span)))
    }

    pub fn eval(&self, ast: &'a Ast, frame: &Frame<'a>) -> Result<Value<'a>, Error> {
        self.context.spend(1)?;
        match &ast.kind {
            Kind::Number(n) => Ok(Value::Number(*n)),
            Kind::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Kind::Variable(name) => self.variable(name).map_err(|e| e.at(ast.span)),
            Kind::Negate(inner) => Ok(Value::Number(-self.number(inner, frame)?)),
            Kind::Binary(operator, sides) => self.binary(*operator, &sides.0, &sides.1, frame),
            Kind::Path(path) => self.path(path, frame).map(Value::Nodes).map_err(|e| e.at(ast.span)),
            Kind::Call(function, arguments) => {
                if self.context.host.has_handlers()
                    && let Some(result) = self.handler(function.name(), arguments, frame)
                {
                    return result.map_err(|e| e.at(ast.span));
                }
                self.call(*function, arguments, frame).map_err(|e| e.at(ast.span))
            }
            Kind::Host(name, arguments) => match self.handler(name, arguments, frame) {
                Some(result) => result.map_err(|e| e.at(ast.span)),
                None => {
                    for argument in arguments {
                        self.eval(argument, frame)?;
                    }
                    Err(Error::new(Code::UnknownFunction, format!("cannot handle function '{name}'"))
                        .at(ast.span))
                }
            },
            Kind::Unsupported(what) => Err(Error::unsupported(what).at(ast.span)),
        }
    }

    fn variable(&self, name: &str) -> Result<Value<'a>, Error> {
        let found = self.context.variables.iter().find(|(n, _)| *n == name);
        found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| Error::generic(format!("unknown variable ${name}")))
    }

    /// Evaluates what will be used as one value: a path that leads to one node gives the value of that node; all
    /// other paths give nodesets, whose use raises what there is to raise.
    #[inline]
    fn operand(&self, ast: &'a Ast, frame: &Frame<'a>) -> Result<Value<'a>, Error> {
        match &ast.kind {
            Kind::Path(path) => {
                self.context.spend(1)?;
                match self.only_value(path, frame) {
                    Some(value) => Ok(value),
                    None => self.path(path, frame).map(Value::Nodes).map_err(|e| e.at(ast.span)),
                }
            }
            _ => self.eval(ast, frame),
        }
    }

    /// Evaluates to one value, never a nodeset.
    pub fn scalar(&self, ast: &'a Ast, frame: &Frame<'a>) -> Result<Value<'a>, Error> {
        match self.operand(ast, frame)? {
            Value::Nodes(nodes) => nodes.unpack(self.context).map_err(|e| e.at(ast.span)),
            value => Ok(value),
        }
    }

    pub fn number(&self, ast: &'a Ast, frame: &Frame<'a>) -> Result<f64, Error> {
        match self.operand(ast, frame)? {
            Value::Number(n) => Ok(n),
            value => value.to_number(self.context).map_err(|e| e.at(ast.span)),
        }
    }

    pub fn boolean(&self, ast: &'a Ast, frame: &Frame<'a>) -> Result<bool, Error> {
        match self.operand(ast, frame)? {
            Value::Boolean(b) => Ok(b),
            value => value.to_boolean(self.context).map_err(|e| e.at(ast.span)),
        }
    }

    fn binary(
        &self,
        operator: Operator,
        left: &'a Ast,
        right: &'a Ast,
        frame: &Frame<'a>,
    ) -> Result<Value<'a>, Error> {
        let value = match operator {
            Operator::Or => self.boolean(left, frame)? || self.boolean(right, frame)?,
            Operator::And => self.boolean(left, frame)? && self.boolean(right, frame)?,
            Operator::Equal | Operator::NotEqual => {
                let a = self.operand(left, frame)?;
                let b = self.operand(right, frame)?;
                let a = a.unpack(self.context).map_err(|e| e.at(left.span))?;
                let b = b.unpack(self.context).map_err(|e| e.at(right.span))?;
                equal(&a, &b, self.context)? == (operator == Operator::Equal)
            }
            _ => return self.arithmetic(operator, left, right, frame),
        };
        Ok(Value::Boolean(value))
    }

    fn arithmetic(
        &self,
        operator: Operator,
        left: &'a Ast,
        right: &'a Ast,
        frame: &Frame<'a>,
    ) -> Result<Value<'a>, Error> {
        let a = self.operand(left, frame)?;
        let b = self.operand(right, frame)?;
        let number = |value: Value<'a>, ast: &Ast| match value {
            Value::Number(n) => Ok(n),
            value => value.to_number(self.context).map_err(|e| e.at(ast.span)),
        };
        let (a, b) = (number(a, left)?, number(b, right)?);
        Ok(match operator {
            Operator::Less => Value::Boolean(a < b),
            Operator::LessEqual => Value::Boolean(a <= b),
            Operator::Greater => Value::Boolean(a > b),
            Operator::GreaterEqual => Value::Boolean(a >= b),
            Operator::Add => Value::Number(a + b),
            Operator::Subtract => Value::Number(a - b),
            Operator::Multiply => Value::Number(a * b),
            Operator::Divide => Value::Number(a / b),
            _ => Value::Number(a % b),
        })
    }

    fn call(&self, function: Function, arguments: &'a [Ast], frame: &Frame<'a>) -> Result<Value<'a>, Error> {
        match function {
            Function::True => return Ok(Value::Boolean(true)),
            Function::False => return Ok(Value::Boolean(false)),
            Function::If => {
                let branch = if self.boolean(&arguments[0], frame)? { 1 } else { 2 };
                return self.eval(&arguments[branch], frame);
            }
            Function::Cond => {
                let (last, pairs) =
                    arguments.split_last().ok_or_else(|| Error::generic("cond() is empty"))?;
                for pair in pairs.chunks_exact(2) {
                    if self.boolean(&pair[0], frame)? {
                        return self.eval(&pair[1], frame);
                    }
                }
                return self.eval(last, frame);
            }
            Function::Not => return Ok(Value::Boolean(!self.boolean(&arguments[0], frame)?)),
            Function::Position if arguments.is_empty() => return self.position(frame),
            _ => {}
        }
        let mut values = smallvec::SmallVec::<[Value<'a>; 3]>::new();
        let single = function.takes_single_values();
        for argument in arguments {
            values.push(if single { self.operand(argument, frame)? } else { self.eval(argument, frame)? });
        }
        functions::call(function, &values, self.context)
    }

    fn position(&self, frame: &Frame<'a>) -> Result<Value<'a>, Error> {
        let position = match (frame.position, frame.node) {
            (Some(position), _) => position,
            (None, Some(node)) => node.source.position(node.node),
            (None, None) => return Err(Error::generic("position() has no meaning at the root")),
        };
        Ok(Value::Number(position as f64))
    }

    fn handler(
        &self,
        name: &str,
        arguments: &'a [Ast],
        frame: &Frame<'a>,
    ) -> Option<Result<Value<'a>, Error>> {
        let handler = self.context.host.handler(name)?;
        Some((|| {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(self.eval(argument, frame)?);
            }
            let prototypes = handler.prototypes();
            if prototypes.is_empty() {
                return handler.call(name, &values, frame.node, self.context);
            }
            let mut fitting = false;
            for prototype in prototypes {
                if prototype.len() != values.len() {
                    continue;
                }
                fitting = true;
                if let Ok(typed) = self.convert(prototype, &values) {
                    return handler.call(name, &typed, frame.node, self.context);
                }
            }
            if handler.raw() {
                return handler.call(name, &values, frame.node, self.context);
            }
            Err(Error::type_mismatch(if fitting {
                format!("the arguments of {name}() fit none of its prototypes")
            } else {
                format!("{name}() does not take {} arguments", values.len())
            }))
        })())
    }

    fn convert(&self, prototype: &[Parameter], values: &[Value<'a>]) -> Result<Vec<Value<'a>>, Error> {
        prototype
            .iter()
            .zip(values)
            .map(|(kind, value)| {
                Ok(match kind {
                    Parameter::Number => Value::Number(value.to_number(self.context)?),
                    Parameter::Text => Value::Text(value.to_text(self.context)?),
                    Parameter::Boolean => Value::Boolean(value.to_boolean(self.context)?),
                    Parameter::Date => value.to_date(self.context)?,
                })
            })
            .collect()
    }
}

/// `=` between two unpacked values: as booleans, else as numbers, else as texts.
pub(crate) fn equal<'a>(a: &Value<'a>, b: &Value<'a>, context: &Context<'a>) -> Result<bool, Error> {
    Ok(match (a, b) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Boolean(_), _) | (_, Value::Boolean(_)) => a.to_boolean(context)? == b.to_boolean(context)?,
        (Value::Number(_), _) | (_, Value::Number(_)) => {
            (a.to_number(context)? - b.to_number(context)?).abs() < 1e-12
        }
        _ => a.to_text(context)? == b.to_text(context)?,
    })
}

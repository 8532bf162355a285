//! The built-in functions, by subject.

mod lists;
mod numbers;
mod texts;

use crate::ast::Function;
use crate::context::Context;
use crate::error::Error;
use crate::value::Value;

pub(crate) use lists::pieces;

/// Calls a function whose arguments are evaluated. The lazy ones are handled by the evaluator.
pub(crate) fn call<'a>(function: Function, args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    if let Some(result) = numbers::call(function, args, cx) {
        return result;
    }
    if let Some(result) = texts::call(function, args, cx) {
        return result;
    }
    if let Some(result) = lists::call(function, args, cx) {
        return result;
    }
    Err(Error::generic(format!("{} cannot be called here", function.name())))
}

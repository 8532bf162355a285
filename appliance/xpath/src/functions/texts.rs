//! Functions.
use crate::ast::Function;
use crate::context::Context;
use crate::error::Error;
use crate::value::Value;

pub(super) fn call<'a>(
    _function: Function,
    _args: &[Value<'a>],
    _cx: &Context<'a>,
) -> Option<Result<Value<'a>, Error>> {
    None
}

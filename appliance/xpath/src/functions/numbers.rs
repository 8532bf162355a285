//! Conversions, arithmetic functions, aggregates.

use crate::ast::Function;
use crate::context::Context;
use crate::date;
use crate::error::{Code, Error};
use crate::value::{NodeRef, Value, fractional_days, node_value};

/// §4.1: fractional days of a date value, else the number.
fn double<'a>(value: &Value<'a>, cx: &Context<'a>) -> Result<f64, Error> {
    match value {
        Value::Date(ms) => Ok(fractional_days(*ms, cx.host)),
        other => other.to_number(cx),
    }
}

/// The members a function works on: those of a nodeset, or its arguments.
pub(super) fn members<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Vec<Value<'a>>, Error> {
    if let [Value::Nodes(nodes)] = args {
        if let Some(error) = &nodes.invalid {
            return Err((**error).clone());
        }
        return Ok(nodes.iter().map(|node: NodeRef<'a>| node_value(node, cx)).collect());
    }
    Ok(args.to_vec())
}

fn extreme<'a>(args: &[Value<'a>], cx: &Context<'a>, less: bool) -> Result<f64, Error> {
    let mut best = f64::NAN;
    for (index, value) in members(args, cx)?.iter().enumerate() {
        let n = value.to_number(cx)?;
        if n.is_nan() {
            return Ok(f64::NAN);
        }
        if index == 0 || (n < best) == less && n != best {
            best = n;
        }
    }
    Ok(best)
}

fn sum<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<f64, Error> {
    if !matches!(args, [Value::Nodes(_)]) {
        return Err(Error::type_mismatch("uses an invalid reference inside a sum function"));
    }
    let mut total = 0.0;
    for value in members(args, cx)? {
        total += value.to_number(cx)?;
    }
    Ok(total)
}

fn checklist<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<bool, Error> {
    let least = args[0].to_int(cx)?;
    let most = args[1].to_int(cx)?;
    let mut count = 0.0;
    for factor in members(&args[2..], cx)? {
        count += f64::from(u8::from(factor.to_boolean(cx)?));
    }
    Ok((least < 0.0 || count >= least || least.is_nan())
        && (most < 0.0 || count <= most || most.is_nan() && count <= 0.0))
}

fn weighted<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<bool, Error> {
    let least = args[0].to_number(cx)?;
    let most = args[1].to_number(cx)?;
    let mut total = 0.0;
    let rest = &args[2..];
    if let [Value::Nodes(factors), Value::Nodes(weights)] = rest {
        let (f, w) =
            (members(&[Value::Nodes(factors.clone())], cx)?, members(&[Value::Nodes(weights.clone())], cx)?);
        if f.len() != w.len() {
            return Err(Error::type_mismatch("weighted-checklist: nodesets not same length"));
        }
        for (factor, weight) in f.iter().zip(&w) {
            let weight = weight.to_number(cx)?;
            if factor.to_boolean(cx)? {
                total += weight;
            }
        }
    } else {
        for pair in rest.chunks_exact(2) {
            let truth = pair[0].to_boolean(cx)?;
            let weight = pair[1].to_number(cx)?;
            if truth {
                total += weight;
            }
        }
    }
    Ok(total >= least && total <= most)
}

fn position<'a>(args: &[Value<'a>]) -> Result<f64, Error> {
    let [Value::Nodes(nodes)] = args else {
        return Err(Error::type_mismatch("position() needs a path to nodes"));
    };
    if let Some(error) = &nodes.invalid {
        return Err((**error).clone());
    }
    let first = nodes.nodes.first().ok_or_else(|| {
        let message = "position() was given a path that matches no node, so there is no position";
        Error::new(Code::EmptyPosition, message)
    })?;
    Ok(nodes.source.position(*first) as f64)
}

pub(super) fn call<'a>(
    function: Function,
    args: &[Value<'a>],
    cx: &Context<'a>,
) -> Option<Result<Value<'a>, Error>> {
    use Function as F;
    let unary: fn(f64) -> f64 = match function {
        F::Abs => f64::abs,
        F::Ceiling => f64::ceil,
        F::Floor => f64::floor,
        F::Round => |n| if n.is_finite() { (n + 0.5).floor() } else { n },
        F::Log => f64::ln,
        F::Log10 => f64::log10,
        F::Exp => f64::exp,
        F::Sqrt => f64::sqrt,
        F::Sin => f64::sin,
        F::Cos => f64::cos,
        F::Tan => f64::tan,
        F::Asin => f64::asin,
        F::Acos => f64::acos,
        F::Atan => f64::atan,
        _ => return others(function, args, cx),
    };
    Some(args[0].clone().unpack(cx).and_then(|value| double(&value, cx)).map(|n| Value::Number(unary(n))))
}

fn others<'a>(function: Function, args: &[Value<'a>], cx: &Context<'a>) -> Option<Result<Value<'a>, Error>> {
    use Function as F;
    let arg = |i: usize| args[i].clone().unpack(cx);
    let pair = |f: fn(f64, f64) -> f64| -> Result<Value<'a>, Error> {
        Ok(Value::Number(f(double(&arg(0)?, cx)?, double(&arg(1)?, cx)?)))
    };
    Some(match function {
        F::Boolean => args[0].to_boolean(cx).map(Value::Boolean),
        F::Number => args[0].to_number(cx).map(Value::Number),
        F::Int => args[0].to_int(cx).map(Value::Number),
        F::Double => match &args[0] {
            Value::Nodes(_) => args[0].to_number(cx).map(Value::Number),
            value => double(value, cx).map(Value::Number),
        },
        F::Date => args[0].to_date(cx),
        F::BooleanFromString => {
            args[0].to_text(cx).map(|t| Value::Boolean(t == "1" || t.eq_ignore_ascii_case("true")))
        }
        F::Pow => pair(|a, b| {
            if b == 0.0 {
                1.0
            } else if a.abs() == 1.0 && !b.is_finite() {
                f64::NAN
            } else {
                a.powf(b)
            }
        }),
        F::Atan2 => pair(f64::atan2),
        F::Pi => Ok(Value::Number(std::f64::consts::PI)),
        F::Random => Ok(Value::Number(cx.host.random())),
        F::Uuid => uuid(args, cx),
        F::Today => {
            let now = cx.host.now_ms();
            Ok(Value::Date(date::midnight(date::day_number(now, cx.host), cx.host)))
        }
        F::Now => Ok(Value::Date(cx.host.now_ms())),
        F::Count => match args {
            [Value::Nodes(nodes)] => Ok(Value::Number(nodes.nodes.len() as f64)),
            _ => Err(Error::type_mismatch("uses an invalid reference inside a count function")),
        },
        F::Sum => sum(args, cx).map(Value::Number),
        F::Min => extreme(args, cx, true).map(Value::Number),
        F::Max => extreme(args, cx, false).map(Value::Number),
        F::Position => position(args).map(Value::Number),
        F::Checklist => checklist(args, cx).map(Value::Boolean),
        F::WeightedChecklist => weighted(args, cx).map(Value::Boolean),
        F::Depend => Ok(args[0].clone()),
        F::Sleep => sleep(args, cx),
        _ => return None,
    })
}

fn uuid<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let Some(length) = args.first() else { return Ok(Value::text(cx.host.uuid(None))) };
    let length = length.to_int(cx)?;
    if length.is_nan() || length <= 0.0 {
        return Ok(Value::text(""));
    }
    cx.check_output(length as usize)?;
    Ok(Value::text(cx.host.uuid(Some(length as usize))))
}

/// Waiting is not done here: its cost is taken from the steps, a thousand for a millisecond.
fn sleep<'a>(args: &[Value<'a>], cx: &Context<'a>) -> Result<Value<'a>, Error> {
    let ms = args[0].to_int(cx)?;
    if ms > 0.0 {
        cx.spend((ms * 1000.0) as u64).map_err(|e| Error { code: Code::Limit, ..e })?;
    }
    Ok(args[1].clone())
}

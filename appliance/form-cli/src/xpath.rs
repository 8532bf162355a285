//! `bolster xpath`: evaluates an expression and shows how it was understood.

use std::collections::HashMap;
use std::io::Write;

use bolster_env::{Clock, Random};
use bolster_xforms::External;
use bolster_xpath::{
    Context, DataSource, Expr, Instances, Names, NodeRef, NodeValue, Nodeset, Resolved, Tree, Value,
};

use crate::host::Machine;
use crate::{Error, XpathCommand, instances};

/// Members of a nodeset that are listed.
const MEMBERS_MAX: usize = 100;

struct Loaded(HashMap<String, External>);

impl<'a> Instances<'a> for &'a Loaded {
    fn instance(&self, id: &str) -> Resolved<'a> {
        match self.0.get(id) {
            Some(source) => Resolved::Source(&**source),
            None => Resolved::Undeclared,
        }
    }
}

fn failed(command: &XpathCommand, error: &bolster_xpath::Error) -> Error {
    let (start, end) = (error.span.start as usize, error.span.end as usize);
    let mut text = format!("{}: {error}", error.code.as_str());
    if end > start && command.expr.is_char_boundary(start) && command.expr.is_char_boundary(end) {
        let before = command.expr[..start].chars().count();
        let marked = command.expr[start..end].chars().count();
        text.push_str(&format!("\n  {}\n  {}{}", command.expr, " ".repeat(before), "^".repeat(marked)));
    }
    Error::Expression(text)
}

/// The node a path like `/data/visit[2]/kg` denotes.
fn locate<'t>(tree: &'t Tree, path: &str) -> Option<NodeRef<'t>> {
    let mut steps = path.strip_prefix('/')?.split('/');
    let mut node = tree.root();
    if tree.names().get(steps.next()?)? != tree.name(node) {
        return None;
    }
    for step in steps {
        let (name, number) = match step.split_once('[') {
            Some((name, rest)) => (name, rest.strip_suffix(']')?.parse::<usize>().ok()?.checked_sub(1)?),
            None => (step, 0),
        };
        node = match name.strip_prefix('@') {
            Some(name) => tree.attribute(node, tree.names().get(name)?)?,
            None => tree.child_at(node, tree.names().get(name)?, number)?,
        };
    }
    Some(NodeRef { instance: None, source: tree, node })
}

fn show(nodes: &Nodeset<'_>, context: &Context<'_>, out: &mut dyn Write) -> Result<(), Error> {
    writeln!(out, "nodeset of {}", nodes.nodes.len())?;
    if let Some(error) = &nodes.invalid {
        writeln!(out, "  note: {error}")?;
    }
    for node in nodes.iter().take(MEMBERS_MAX) {
        let value = match node.source.value(node.node) {
            NodeValue::Empty => String::new(),
            NodeValue::Text(text) => format!(" = '{text}'"),
            NodeValue::Number(n) => format!(" = {}", bolster_xpath::format_number(n)),
            NodeValue::Boolean(b) => format!(" = {b}()"),
            NodeValue::Date(ms) => {
                let text = bolster_xpath::dates::format(ms, "%Y-%m-%d", context.host).unwrap_or_default();
                format!(" = date('{text}')")
            }
        };
        writeln!(out, "  {}{value}", node.path())?;
    }
    if nodes.nodes.len() > MEMBERS_MAX {
        writeln!(out, "  … and {} more", nodes.nodes.len() - MEMBERS_MAX)?;
    }
    Ok(())
}

/// Evaluates an expression and writes its result.
pub fn xpath(
    command: &XpathCommand,
    clock: &dyn Clock,
    random: &dyn Random,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let names = Names::new();
    let expr = Expr::parse(&command.expr, &names).map_err(|e| failed(command, &e))?;
    let host = Machine::new(clock, random, &command.instances);
    let main = command.main.as_deref().map(|path| instances::main_tree(path, &names)).transpose()?;
    let mut loaded = Loaded(HashMap::new());
    for named in &command.instances {
        if let Some(data) = instances::load(&named.name, None, &named.file, &names, &host)? {
            loaded.0.insert(named.name.clone(), data);
        }
    }
    let sources = &loaded;
    let mut context = Context::new(main.as_ref().map(|tree| tree as &dyn DataSource), &sources, &host);
    if let (Some(tree), Some(path)) = (&main, &command.at) {
        context.node = Some(locate(tree, path).ok_or_else(|| Error::NoNode(path.clone()))?);
    }
    if command.explain {
        let source = |id: Option<&str>| match id {
            None => main.as_ref().map(|tree| tree as &dyn DataSource),
            Some(id) => loaded.0.get(id).map(|data| &**data as &dyn DataSource),
        };
        writeln!(out, "{}", expr.explain(&source).trim_end())?;
    }
    let steps = context.steps_left.get();
    match expr.evaluate(&context).map_err(|e| failed(command, &e))? {
        Value::Boolean(b) => writeln!(out, "boolean: {b}")?,
        Value::Number(n) => writeln!(out, "number: {}", bolster_xpath::format_number(n))?,
        Value::Text(text) => writeln!(out, "text: {text}")?,
        date @ Value::Date(_) => {
            writeln!(out, "date: {}", date.to_text(&context).map_err(|e| failed(command, &e))?)?;
        }
        Value::Nodes(nodes) => show(&nodes, &context, out)?,
        Value::Sequence(items) => {
            writeln!(out, "sequence of {}", items.len())?;
            for item in items.iter().take(MEMBERS_MAX) {
                writeln!(out, "  {}", item.to_text(&context).map_err(|e| failed(command, &e))?)?;
            }
        }
    }
    if command.explain {
        writeln!(out, "steps: {}", steps - context.steps_left.get())?;
    }
    Ok(())
}

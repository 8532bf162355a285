//! Parameters of requests to the server.

use bolster_xpath::Value;

use crate::env::{Env, Variables};
use crate::error::{Code, Error};
use crate::suite::{Parameter, Post};

/// Names and values of parameters; a parameter with a nodeset has a value for each node.
pub fn parameters(
    templates: &[Parameter],
    env: &Env<'_>,
    variables: &Variables,
) -> Result<Vec<(String, String)>, Error> {
    let mut out = Vec::new();
    for template in templates {
        match &template.nodeset {
            None => {
                if !excluded(template, env, None, variables)? {
                    out.push((template.key.to_string(), env.text(&template.value, None, variables)?));
                }
            }
            Some(nodeset) => {
                for node in env.nodes(nodeset, None, variables)?.iter() {
                    if !excluded(template, env, Some(node), variables)? {
                        out.push((
                            template.key.to_string(),
                            env.text(&template.value, Some(node), variables)?,
                        ));
                    }
                }
            }
        }
    }
    Ok(out)
}

fn excluded(
    template: &Parameter,
    env: &Env<'_>,
    node: Option<bolster_xpath::NodeRef<'_>>,
    variables: &Variables,
) -> Result<bool, Error> {
    let Some(exclude) = &template.exclude else { return Ok(false) };
    match env.value(exclude, node, variables)? {
        Value::Boolean(out) => Ok(out),
        _ => Err(Error::new(
            Code::Configuration,
            format!("The condition {} of parameter {} must be true or false.", exclude.text(), template.key),
        )),
    }
}

/// Whether a post must be sent; its condition sees each parameter as a variable, several values joined by a blank.
pub fn is_relevant(post: &Post, env: &Env<'_>) -> Result<bool, Error> {
    let Some(relevant) = &post.relevant else { return Ok(true) };
    let mut variables: Vec<(Box<str>, Value<'static>)> = Vec::new();
    let values = parameters(&post.data, env, &[])?;
    for template in &post.data {
        if variables.iter().any(|(key, _)| *key == template.key) {
            continue;
        }
        let own = values.iter().filter(|(key, _)| **key == *template.key).map(|(_, value)| &**value);
        let joined = own.collect::<Vec<_>>().join(" ");
        variables.push((template.key.clone(), Value::text(joined)));
    }
    Ok(env.text(relevant, None, &variables)? == "true")
}

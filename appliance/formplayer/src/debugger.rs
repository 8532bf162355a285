//! Tools for the authors of applications: expressions tried out in menus and in forms.

use bolster_runtime::{Cx, Env, Navigator, Options};
use bolster_xpath::{Context, Expr, Names, NodeRef, Value};
use serde_json::{Value as Json, json};

use crate::dispatch::Call;
use crate::fault::Fault;
use crate::forms::FormWorld;
use crate::host::Account;
use crate::menus::fault;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Formplayer, RECENT_MAX, lock};

/// The recent expressions of menus, and of forms.
const MENU: usize = 0;
const FORM: usize = 1;

/// What a result reads as, inside `<result>`.
fn serialize<'v>(value: Value<'v>, context: &Context<'v>) -> Result<String, bolster_xpath::Error> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>");
    match &value {
        Value::Nodes(nodes) => {
            let single = nodes.nodes.len() == 1;
            for node in nodes.iter() {
                element(node, single, context, &mut out)?;
            }
        }
        other => escape(&other.to_text(context)?, &mut out),
    }
    out.push_str("</result>\n");
    Ok(out)
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

fn text_of<'v>(node: NodeRef<'v>, context: &Context<'v>) -> Result<String, bolster_xpath::Error> {
    let value: Value<'v> = node.source.value(node.node).into();
    Ok(value.to_text(context)?.into_owned())
}

/// A node as XML; a single leaf reads as its text.
fn element<'v>(
    node: NodeRef<'v>,
    bare: bool,
    context: &Context<'v>,
    out: &mut String,
) -> Result<(), bolster_xpath::Error> {
    let mut children = bolster_xpath::NodeList::new();
    node.source.all_children(node.node, &mut children);
    children.retain(|child| node.source.relevant(*child));
    if bare && (children.is_empty() || node.source.is_attribute(node.node)) {
        escape(&text_of(node, context)?, out);
        return Ok(());
    }
    let name = node.source.names().text(node.source.name(node.node));
    out.push('<');
    out.push_str(&name);
    let mut attributes = bolster_xpath::NodeList::new();
    node.source.all_attributes(node.node, &mut attributes);
    for attribute in attributes {
        let name = node.source.names().text(node.source.name(attribute));
        out.push_str(&format!(" {name}=\""));
        escape(&text_of(NodeRef { node: attribute, ..node }, context)?, out);
        out.push('"');
    }
    out.push('>');
    if children.is_empty() {
        escape(&text_of(node, context)?, out);
    }
    for child in children {
        element(NodeRef { node: child, ..node }, false, context, out)?;
    }
    out.push_str(&format!("</{name}>"));
    Ok(())
}

impl Formplayer {
    fn remember(&self, account: &Account, where_tried: usize, text: &str, output: &str, status: &str) {
        let user = self.user(account);
        let mut recent = lock(&user.recent);
        let list = &mut recent[where_tried];
        list.push_front((text.to_owned(), output.to_owned(), status.to_owned()));
        list.truncate(RECENT_MAX);
    }

    fn recent(&self, account: &Account, where_tried: usize) -> Json {
        let user = self.user(account);
        let recent = lock(&user.recent);
        recent[where_tried]
            .iter()
            .map(|(text, output, status)| json!({"xpath": text, "output": output, "status": status}))
            .collect()
    }

    /// The reply of an expression that was tried.
    fn tried(
        &self,
        account: &Account,
        where_tried: usize,
        text: &str,
        outcome: Result<String, bolster_xpath::Error>,
    ) -> Reply {
        let (status, output) = match &outcome {
            Ok(output) => ("accepted", output.clone()),
            Err(error) => ("validation-error", error.to_string()),
        };
        self.remember(account, where_tried, text, &output, status);
        let trace = if outcome.is_ok() { json!("") } else { Json::Null };
        Reply::of(&json!({
            "output": output, "status": status, "contentType": null, "trace": trace,
            "shouldRequestLocation": false, "shouldWatchLocation": false,
        }))
    }

    pub(crate) fn evaluate_in_form(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let text = request.text("xpath").unwrap_or_default();
        let account = self.account(call, request)?;
        let outcome = self.peek(call, request, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let expr = parse(&text, form.session.definition().names());
            Ok(expr.and_then(|expr| form.session.evaluate(&expr, &host, serialize)))
        })?;
        Ok(self.tried(&account, FORM, &text, outcome))
    }

    pub(crate) fn evaluate_in_menu(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let text = request.text("xpath").unwrap_or_default();
        let account = self.account(call, request)?;
        self.trip(call, request, true, |trip, cx| {
            let navigator = self.walked(request, cx, trip.world)?;
            let scope = navigator.session.scope(cx).map_err(|error| fault(error, trip.world))?;
            let env = Env::new(cx, &scope);
            let outcome = parse(&text, &cx.app.names).and_then(|expr| {
                let context = env.context(None, &[]);
                let value = expr.evaluate(&context)?;
                serialize(value, &context)
            });
            Ok(self.tried(&account, MENU, &text, outcome))
        })
    }

    fn walked<'x>(
        &self,
        request: &Request,
        cx: &'x Cx<'x>,
        world: &crate::world::RequestWorld<'_>,
    ) -> Result<Navigator<'x>, Fault> {
        let mut navigator = Navigator::new(cx);
        let selections = request.texts("selections").unwrap_or_default();
        let options = Options { queries: request.queries(), ..Options::default() };
        navigator.advance(&selections, &options, false).map_err(|error| fault(error, world))?;
        Ok(navigator)
    }

    pub(crate) fn menu_debugger(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        self.trip(call, request, true, |trip, cx| {
            let navigator = self.walked(request, cx, trip.world)?;
            let scope = navigator.session.scope(cx).map_err(|error| fault(error, trip.world))?;
            Ok(Reply::of(&json!({
                "appId": trip.opened.id,
                "shouldRequestLocation": false,
                "shouldWatchLocation": false,
                "autoCompletableItems": completions(scope.ids()),
                "recentXPathQueries": self.recent(&account, MENU),
            })))
        })
    }

    pub(crate) fn formatted_questions(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        let account = self.account(call, request)?;
        self.peek(call, request, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let instance = form.session.submission(&host)?;
            let xmlns = form.session.definition().xmlns().unwrap_or_default().to_owned();
            let parameters = [
                ("instanceXml".to_owned(), instance.clone()),
                ("appId".to_owned(), record.app_id.clone().unwrap_or_default()),
                ("xmlns".to_owned(), xmlns.clone()),
            ];
            let body = call.host.readable_questions(&account, &parameters)?;
            let answer: Json = serde_json::from_str(&body).unwrap_or_default();
            let ids: Vec<String> = form.session.definition().instance_ids().map(str::to_owned).collect();
            Ok(Reply::of(&json!({
                "appId": record.app_id,
                "xmlns": xmlns,
                "instanceXml": instance,
                "formattedQuestions": answer["form_data"],
                "questionList": answer["form_questions"],
                "autoCompletableItems": completions(ids.iter().map(String::as_str)),
                "recentXPathQueries": self.recent(&account, FORM),
            })))
        })
    }

    pub(crate) fn get_instance(&self, call: &Call<'_>, request: &Request) -> Result<Reply, Fault> {
        self.peek(call, request, |form, world| {
            let record = form.record.clone();
            let app = form.app.clone();
            let host = FormWorld::new(world, &record, app.as_deref());
            let mut body = crate::reply::Body::base();
            body.set("output", form.session.submission(&host)?);
            body.set("xmlns", form.session.definition().xmlns());
            Ok(Reply::ok(&body))
        })
    }
}

/// What can be typed into an expression.
fn completions<'i>(instances: impl Iterator<Item = &'i str>) -> Vec<Json> {
    let function = |name: &&str| json!({"value": format!("{name}()"), "label": name, "type": "Function"});
    let instance = |id: &str| {
        let below = match id {
            "casedb" => "casedb/case",
            "commcaresession" => "session",
            _ => "",
        };
        json!({"value": format!("instance('{id}')/{below}"), "label": id, "type": "Instance"})
    };
    FUNCTIONS.iter().map(function).chain(instances.map(instance)).collect()
}

/// An expression that somebody typed: the mistake made most often is told in plain words.
fn parse(text: &str, names: &Names) -> Result<Expr, bolster_xpath::Error> {
    Expr::parse(text, names).map_err(|mut error| {
        let count = |c| text.matches(c).count();
        if count('(') != count(')') || count('[') != count(']') {
            error.message = "Mismatched brackets or parentheses".into();
        }
        error
    })
}

/// The functions that are offered while an expression is typed.
const FUNCTIONS: [&str; 75] = [
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "boolean",
    "boolean-from-string",
    "ceiling",
    "checklist",
    "checksum",
    "closest-point-on-polygon",
    "coalesce",
    "concat",
    "cond",
    "contains",
    "cos",
    "count",
    "count-selected",
    "date",
    "decrypt-string",
    "depend",
    "distance",
    "distinct-values",
    "double",
    "encrypt-string",
    "ends-with",
    "exp",
    "false",
    "floor",
    "format-date",
    "format-date-for-calendar",
    "id-compress",
    "if",
    "index-of",
    "int",
    "is-point-inside-polygon",
    "join",
    "join-chunked",
    "json-property",
    "log",
    "log10",
    "lower-case",
    "max",
    "min",
    "not",
    "now",
    "number",
    "pi",
    "position",
    "pow",
    "random",
    "regex",
    "replace",
    "round",
    "selected",
    "selected-at",
    "sin",
    "sleep",
    "sort",
    "sort-by",
    "sqrt",
    "starts-with",
    "string",
    "string-length",
    "substr",
    "substring-after",
    "substring-before",
    "sum",
    "tan",
    "today",
    "translate",
    "true",
    "upper-case",
    "uuid",
    "weighted-checklist",
];

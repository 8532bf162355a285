//! Searches: prompts, their defaults, choices and validation, and the request they make.

use std::rc::Rc;
use std::sync::Arc;

use bolster_xpath::{NodeRef, Value, dates};

use super::best_title;
use crate::env::{Cx, Env, Scope};
use crate::error::{Code, Error};
use crate::instance::{SEARCH_INPUT, Slot};
use crate::request;
use crate::session::{Attached, Session, Step, StepKind};
use crate::suite::{Datum, Itemset, Query, QueryPrompt};
use crate::world::{Search, Source};

/// What separates several choices in one answer.
pub const DELIMITER: &str = "#,#";
const INPUTS: [&str; 6] = ["select1", "select", "date", "daterange", "checkbox", "address"];

/// The choices of a prompt: what is sent, and what is shown.
pub type ChoiceList = Vec<(String, Option<String>)>;

/// The prompts of a search with their answers.
pub struct QueryScreen {
    /// What is searched.
    pub datum: Arc<Datum>,
    /// The command it belongs to.
    pub command: String,
    /// What its expressions may use.
    pub scope: Rc<Scope>,
    /// Answers by key.
    pub answers: Vec<(String, String)>,
    /// What is wrong with answers, by key.
    pub errors: Vec<(String, String)>,
    /// Keys of the prompts that must be answered.
    pub required: Vec<String>,
    /// The choices of each prompt that has choices.
    pub choices: Vec<(String, ChoiceList)>,
    /// Its title.
    pub title: String,
    /// What stands below the title.
    pub description: String,
    results: Option<Source>,
}

fn supported(prompt: &QueryPrompt) -> bool {
    prompt.input.as_deref().is_none_or(|input| INPUTS.contains(&input))
}

fn split(answer: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = answer.split(DELIMITER).collect();
    // As in the original, blanks at the end do not count, unless there is nothing else.
    while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

impl QueryScreen {
    /// The search a session needs, with the answers its prompts begin with.
    pub fn new(datum: Arc<Datum>, session: &Session, cx: &Cx<'_>) -> Result<QueryScreen, Error> {
        let mut screen = QueryScreen {
            command: session.command().unwrap_or_default().to_owned(),
            scope: Rc::new(session.scope(cx)?),
            answers: Vec::new(),
            errors: Vec::new(),
            required: Vec::new(),
            choices: Vec::new(),
            title: String::new(),
            description: String::new(),
            results: None,
            datum,
        };
        let scope = screen.scope.clone();
        let env = Env::new(cx, &scope);
        let datum = screen.datum.clone();
        let query = datum.query().ok_or_else(|| Error::session("There is nothing to search here."))?;
        for prompt in query.prompts.iter().filter(|prompt| supported(prompt)) {
            if let Some(default) = &prompt.default {
                let mut value = env.text(default, None, &[])?;
                if prompt.input.as_deref() == Some("daterange") {
                    value = range(&value, &env).unwrap_or(value);
                }
                screen.set(&prompt.key, Some(value));
            }
        }
        let bare = Scope::default();
        let plain = Env::new(cx, &bare);
        let own = query.title.as_ref().and_then(|title| title.plain(&plain).ok());
        screen.title = own.unwrap_or_else(|| cx.locale_or("case.search.title", "Case Claim").to_owned());
        screen.description =
            query.description.as_ref().and_then(|text| text.plain(&plain).ok()).unwrap_or_default();
        screen.refresh(cx)?;
        Ok(screen)
    }

    /// What is searched.
    pub fn query(&self) -> Result<&Query, Error> {
        self.datum.query().ok_or_else(|| Error::session("There is nothing to search here."))
    }

    /// The key clients send answers under.
    pub fn key(&self) -> String {
        format!("{}_{}", self.command, self.datum.id)
    }

    /// An answer.
    pub fn answer(&self, key: &str) -> Option<&str> {
        self.answers.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }

    fn set(&mut self, key: &str, value: Option<String>) {
        self.answers.retain(|(known, _)| known != key);
        if let Some(value) = value {
            self.answers.push((key.to_owned(), value));
        }
    }

    /// Takes what people entered: every prompt gets its answer, or none.
    pub fn take(&mut self, inputs: &[(String, String)], cx: &Cx<'_>) -> Result<(), Error> {
        let datum = self.datum.clone();
        let query = datum.query().ok_or_else(|| Error::session("There is nothing to search here."))?;
        for prompt in &query.prompts {
            let value = inputs.iter().find(|(key, _)| **key == *prompt.key).map(|(_, value)| value.clone());
            self.set(&prompt.key, value);
        }
        self.refresh(cx)
    }

    /// What supported prompts were answered with.
    fn inputs(&self) -> Result<Vec<(String, String)>, Error> {
        let prompts = self.query()?.prompts.iter().filter(|prompt| supported(prompt));
        let answers = prompts.filter_map(|p| Some((p.key.to_string(), self.answer(&p.key)?.to_owned())));
        Ok(answers.collect())
    }

    /// The scope with what was entered.
    fn input_scope(&self) -> Result<Scope, Error> {
        let mut scope = Scope::clone(&self.scope);
        let inputs = Arc::new(self.inputs()?);
        scope.add(&format!("search-input:{}", self.datum.id), Slot::Input(inputs.clone()));
        scope.add("search-input", Slot::Input(inputs.clone()));
        let own = format!("{SEARCH_INPUT}/{}", self.datum.id);
        let waiting: Vec<String> = scope.waiting_for(|source| source == own || source == SEARCH_INPUT);
        for id in waiting {
            scope.add(&id, Slot::Input(inputs.clone()));
        }
        Ok(scope)
    }

    fn refresh(&mut self, cx: &Cx<'_>) -> Result<(), Error> {
        self.settle(cx)?;
        self.validate(cx)
    }

    /// Rebuilds choices until no answer has to go because it is no longer offered.
    fn settle(&mut self, cx: &Cx<'_>) -> Result<(), Error> {
        let datum = self.datum.clone();
        let Some(query) = datum.query() else { return Ok(()) };
        for _ in 0..=query.prompts.len() {
            let mut dirty = false;
            for prompt in &query.prompts {
                let Some(itemset) = &prompt.itemset else { continue };
                let scope = self.input_scope()?;
                let choices = choices(itemset, &Env::new(cx, &scope))?;
                if let Some(answer) = self.answer(&prompt.key).map(str::to_owned) {
                    let given = split(&answer);
                    let offered =
                        |value: &&str| value.is_empty() || choices.iter().any(|(known, _)| known == value);
                    let kept: Vec<&str> = given.iter().copied().filter(offered).collect();
                    dirty |= kept.len() != given.len();
                    let value = if kept.is_empty() { None } else { Some(kept.join(DELIMITER)) };
                    self.set(&prompt.key, value);
                }
                self.choices.retain(|(key, _)| **key != *prompt.key);
                self.choices.push((prompt.key.to_string(), choices));
            }
            if !dirty {
                return Ok(());
            }
        }
        Err(Error::new(
            Code::Configuration,
            "Invalid itemset state encountered while trying to refresh itemset choices",
        ))
    }

    fn validate(&mut self, cx: &Cx<'_>) -> Result<(), Error> {
        let datum = self.datum.clone();
        let Some(query) = datum.query() else { return Ok(()) };
        let scope = self.input_scope()?;
        let env = Env::new(cx, &scope);
        self.errors.clear();
        self.required.clear();
        for prompt in &query.prompts {
            let required = match &prompt.required {
                Some((test, _)) => env.boolean(test, None, &[])?,
                None => false,
            };
            if required {
                self.required.push(prompt.key.to_string());
            }
            let answer = self.answer(&prompt.key).unwrap_or_default();
            if answer.is_empty() {
                if required {
                    self.errors.push((prompt.key.to_string(), required_message(prompt, &env)?));
                }
            } else if let Some((test, message)) = &prompt.validation
                && !self.is_valid(test, &prompt.key, &env)?
            {
                let message = match message {
                    Some(text) => text.plain(&env)?,
                    None => cx
                        .locale_or("case.search.answer.invalid", "Sorry, this response is invalid!")
                        .to_owned(),
                };
                self.errors.push((prompt.key.to_string(), message));
            }
        }
        Ok(())
    }

    /// A validation sees the field of its prompt as the context node.
    fn is_valid(&self, test: &bolster_xpath::Expr, key: &str, env: &Env<'_>) -> Result<bool, Error> {
        let id = format!("search-input:{}", self.datum.id);
        let Some(source) = env.loaded(&id) else { return Ok(true) };
        let mut fields = bolster_xpath::NodeList::new();
        source.all_children(source.root(), &mut fields);
        let name = source.names().get("name");
        let own = fields.into_iter().find(|field| {
            let attribute = name.and_then(|name| source.attribute(*field, name));
            attribute.is_some_and(|a| source.value(a) == bolster_xpath::NodeValue::Text(key))
        });
        let node = own.map(|node| NodeRef { instance: Some(&id), source, node });
        env.boolean(test, node, &[])
    }

    /// The parameters of the request; without answers for a default search.
    pub fn parameters(&self, without_answers: bool, cx: &Cx<'_>) -> Result<Vec<(String, String)>, Error> {
        let scope = self.input_scope()?;
        let env = Env::new(cx, &scope);
        let query = self.query()?;
        let mut out = request::parameters(&query.data, &env, &[])?;
        if without_answers {
            return Ok(out);
        }
        let plain = Env::new(cx, &self.scope);
        for (key, value) in &self.answers {
            let Some(prompt) = query.prompts.iter().find(|prompt| *prompt.key == **key) else { continue };
            if out.iter().any(|(known, other)| known == key && other == value) {
                continue;
            }
            let excluded = match &prompt.exclude {
                Some(exclude) => matches!(plain.value(exclude, None, &[])?, Value::Boolean(true)),
                None => false,
            };
            if !excluded {
                out.extend(split(value).into_iter().map(|choice| (key.clone(), choice.to_owned())));
            }
        }
        Ok(out)
    }

    /// The search with some parameters, and what belongs to every search.
    pub fn search(
        &self,
        mut parameters: Vec<(String, String)>,
        session: &Session,
        cx: &Cx<'_>,
    ) -> Result<Search, Error> {
        if let Some(title) = best_title(session, cx).filter(|title| !title.is_empty()) {
            parameters.push(("x_commcare_tag_module_name".to_owned(), title));
        }
        let query = self.query()?;
        Ok(Search {
            instance: self.datum.id.to_string(),
            url: query.url.to_string(),
            parameters,
            case_template: query.case_template,
        })
    }

    /// Takes the results: the session goes on.
    pub fn finish(
        &mut self,
        search: Search,
        results: Source,
        session: &mut Session,
        cx: &Cx<'_>,
    ) -> Result<(), Error> {
        self.results = Some(results);
        let mut step = Step::new(StepKind::Query, &*self.datum.id, Some(self.query()?.url.to_string()));
        step.attached.push(Attached::Results(Arc::new(search)));
        step.attached.push(Attached::Input(self.datum.id.to_string(), Arc::new(self.inputs()?)));
        session.push(cx.app, step);
        Ok(())
    }

    /// The name of a case among the results, where results are kept in an index.
    pub fn case_name(&self, id: &str, cx: &Cx<'_>) -> Option<String> {
        if !cx.app.profile.is_on("cc-index-case-search-results") {
            return None;
        }
        let source = self.results.as_ref()?;
        let names = source.names();
        let (case_id, case_name) = (names.get("case_id")?, names.get("case_name")?);
        let mut cases = bolster_xpath::NodeList::new();
        source.children(source.root(), names.get("case")?, &mut cases);
        let text = |node| match source.value(node) {
            bolster_xpath::NodeValue::Text(text) => Some(text.to_owned()),
            _ => None,
        };
        let case = cases
            .into_iter()
            .find(|case| source.attribute(*case, case_id).and_then(text).is_some_and(|own| own == id))?;
        source.child_at(case, case_name, 0).and_then(text)
    }

    /// What is said when a prompt is left blank.
    pub fn required_message(&self, prompt: &QueryPrompt, cx: &Cx<'_>) -> Result<String, Error> {
        required_message(prompt, &Env::new(cx, &self.scope))
    }
}

fn required_message(prompt: &QueryPrompt, env: &Env<'_>) -> Result<String, Error> {
    match &prompt.required {
        Some((_, Some(text))) => text.plain(env),
        _ => Ok(env
            .cx
            .locale_or("case.search.answer.required", "Sorry, this response is required!")
            .to_owned()),
    }
}

fn choices(itemset: &Itemset, env: &Env<'_>) -> Result<ChoiceList, Error> {
    let id = itemset.nodeset.text().strip_prefix("instance('").and_then(|rest| rest.split('\'').next());
    if let Some(id) = id.filter(|id| !env.scope.ids().any(|known| known == *id)) {
        return Err(Error::new(Code::Instance, format!("Instance {id} not found")));
    }
    let nodes = env.nodes(&itemset.nodeset, None, &[])?;
    let mut out = Vec::with_capacity(nodes.nodes.len());
    for (number, node) in nodes.iter().enumerate() {
        let text = |expr: &Option<bolster_xpath::Expr>| {
            expr.as_ref().map(|expr| env.text(expr, Some(node), &[])).transpose()
        };
        let label = if itemset.label_is_key { None } else { text(&itemset.label)? };
        let value = text(&itemset.value)?.unwrap_or_else(|| format!("dynamic:{number}"));
        out.push((text(&itemset.sort)?, (value, label)));
    }
    if itemset.sort.is_some() {
        out.sort_by(|a, b| a.0.cmp(&b.0));
    }
    Ok(out.into_iter().map(|(_, choice)| choice).collect())
}

/// `A to B` as the server reads it.
fn range(text: &str, env: &Env<'_>) -> Option<String> {
    let (from, to) = text.split_once(" to ")?;
    let day = |text: &str| dates::format(dates::parse(text.trim(), env)?, "%Y-%m-%d", env).ok();
    Some(format!("__range__{}__{}", day(from)?, day(to)?))
}

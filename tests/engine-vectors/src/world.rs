//! Worlds: the data an expression is evaluated against.

use std::collections::HashMap;
use std::path::Path;

use bolster_xpath::{
    CaseRecord, CaseSnapshot, DataSource, Datum, Host, IndexedTree, Instances, Names, NodeId, Resolved, Tree,
    TreeFlags, dates,
};
use roxmltree::{Document, Node};
use serde_json::Value as Json;

const JAVAROSA: &str = "http://openrosa.org/javarosa";

/// A named instance of a world.
pub enum Instance {
    Source(Box<dyn DataSource + Send + Sync>),
    Unloaded,
}

/// One world, built for one time zone.
pub struct World {
    pub main: Option<Tree>,
    pub instances: HashMap<String, Instance>,
}

impl<'a> Instances<'a> for &'a World {
    fn instance(&self, id: &str) -> Resolved<'a> {
        match self.instances.get(id) {
            None => Resolved::Undeclared,
            Some(Instance::Unloaded) => Resolved::Unloaded,
            Some(Instance::Source(source)) => Resolved::Source(&**source),
        }
    }
}

pub fn text_of(node: Node<'_, '_>) -> String {
    node.children().filter(|c| c.is_text()).filter_map(|c| c.text()).collect::<String>().trim().to_owned()
}

/// Copies an element into a tree.
pub fn fill(tree: &mut Tree, at: NodeId, node: Node<'_, '_>, names: &Names) {
    for attribute in node.attributes() {
        if attribute.namespace() == Some(JAVAROSA) && attribute.name() == "template" {
            tree.set_flags(at, TreeFlags::TEMPLATE, true);
            continue;
        }
        let id = tree.add_attribute(at, names.intern(attribute.name()));
        tree.set(id, Datum::text(attribute.value().trim()));
    }
    let children: Vec<_> = node.children().filter(Node::is_element).collect();
    if children.is_empty() {
        tree.set(at, Datum::text(&text_of(node)));
    }
    for child in children {
        let id = tree.append(at, names.intern(child.tag_name().name()));
        fill(tree, id, child, names);
    }
}

/// An element as a tree.
pub fn tree(node: Node<'_, '_>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern(node.tag_name().name()));
    let root = tree.root();
    fill(&mut tree, root, node, names);
    tree
}

pub fn datum(text: &str, kind: &str, host: &dyn Host) -> Datum {
    if text.is_empty() {
        return Datum::Empty;
    }
    let number = text.parse::<f64>();
    match kind {
        "int" => number.map_or(Datum::Empty, |n| Datum::Int(n as i32)),
        "long" => number.map_or(Datum::Empty, |n| Datum::Long(n as i64)),
        "decimal" => number.map_or(Datum::Empty, Datum::Decimal),
        "boolean" => Datum::Boolean(text == "1" || text == "true"),
        "date" => dates::parse(text, host).map_or(Datum::Empty, Datum::Date),
        "dateTime" => dates::parse(text, host).map_or(Datum::Empty, Datum::DateTime),
        "time" => Datum::Time(text.into()),
        "geopoint" => {
            let mut parts: Vec<String> = text
                .split(' ')
                .filter_map(|p| p.parse::<f64>().ok())
                .map(bolster_xpath::java_double)
                .collect();
            parts.resize(4, "0.0".into());
            Datum::Geopoint(parts.join(" ").into())
        }
        "select1" => Datum::Choice(text.into()),
        "select" => Datum::Choices(text.split_whitespace().collect::<Vec<_>>().join(" ").into()),
        _ => Datum::text(text),
    }
}

/// Nodes at a path without positions, templates included.
fn at_path(tree: &Tree, path: &str) -> Vec<NodeId> {
    let mut found = vec![tree.root()];
    for step in path.split('/').skip(2) {
        let next = |n: &NodeId| {
            tree.child_nodes(*n).filter(|c| &*tree.names().text(tree.name(*c)) == step).collect::<Vec<_>>()
        };
        found = found.iter().flat_map(next).collect();
    }
    found
}

fn child<'n>(node: Node<'n, 'n>, name: &str) -> Option<Node<'n, 'n>> {
    node.children().find(|c| c.tag_name().name() == name)
}

/// A case block as a case.
pub fn case_record(node: Node<'_, '_>, host: &dyn Host) -> CaseRecord {
    let modified = node.attribute("date_modified").unwrap_or("");
    let day = dates::parse(modified, host).map(|ms| dates::start_of_day(ms, host));
    let mut case = CaseRecord {
        case_id: node.attribute("case_id").unwrap_or("").to_owned(),
        date_opened: day,
        last_modified: day,
        ..CaseRecord::default()
    };
    for group in node.children().filter(Node::is_element) {
        match group.tag_name().name() {
            "create" | "update" => {
                for property in group.children().filter(Node::is_element) {
                    let text = text_of(property);
                    match property.tag_name().name() {
                        "case_type" => case.case_type = text,
                        "case_name" => case.case_name = text,
                        "owner_id" => case.owner_id = text,
                        "date_opened" => case.date_opened = dates::parse(&text, host),
                        "external_id" => case.external_id = Some(text),
                        "category" => case.category = Some(text),
                        "state" => case.state = Some(text),
                        name => case.properties.push((name.to_owned(), text)),
                    }
                }
            }
            "close" => case.closed = true,
            "index" => {
                for index in group.children().filter(Node::is_element) {
                    case.indices.push((
                        index.tag_name().name().to_owned(),
                        text_of(index),
                        index.attribute("case_type").unwrap_or("").to_owned(),
                        index.attribute("relationship").unwrap_or("child").to_owned(),
                    ));
                }
            }
            "attachment" => {
                for file in group.children().filter(Node::is_element) {
                    case.attachments.push((file.tag_name().name().to_owned(), text_of(file)));
                }
            }
            _ => {}
        }
    }
    let property = |name: &str| case.properties.iter().find(|p| p.0 == name).map(|p| p.1.clone());
    case.category = case.category.clone().or_else(|| property("patient_type"));
    case.state = case.state.clone().or_else(|| property("current_status"));
    case
}

/// The ledgers of restores.
pub fn ledgers<'n>(restores: impl IntoIterator<Item = Node<'n, 'n>>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern("ledgerdb"));
    let mut add = |parent: NodeId, name: &str, key: &str, value: &str, template: bool| {
        if let Some(found) = tree.child_nodes(parent).find(|n| {
            !template
                && !tree.is_template(*n)
                && tree.attributes(*n).next().is_some_and(|a| *tree.datum(a) == Datum::text(value))
        }) {
            return found;
        }
        let node = tree.append(parent, names.intern(name));
        let attribute = tree.add_attribute(node, names.intern(key));
        tree.set(attribute, Datum::text(value));
        tree.set_flags(node, TreeFlags::TEMPLATE, template);
        node
    };
    let root = NodeId(0);
    let ledger = add(root, "ledger", "entity-id", "", true);
    let section = add(ledger, "section", "section-id", "", true);
    add(section, "entry", "id", "", true);
    let mut values = Vec::new();
    for balance in
        restores.into_iter().flat_map(|r| r.children()).filter(|n| n.tag_name().name() == "balance")
    {
        let ledger = add(root, "ledger", "entity-id", balance.attribute("entity-id").unwrap_or(""), false);
        let section =
            add(ledger, "section", "section-id", balance.attribute("section-id").unwrap_or(""), false);
        for entry in balance.children().filter(Node::is_element) {
            let node = add(section, "entry", "id", entry.attribute("id").unwrap_or(""), false);
            values.push((node, entry.attribute("quantity").unwrap_or("").parse().unwrap_or(0)));
        }
    }
    for (node, value) in values {
        tree.set(node, Datum::Int(value));
    }
    tree
}

impl World {
    /// Builds the world described by `spec`; files are in `folder`.
    pub fn build(spec: &Json, folder: &Path, names: &Names, host: &dyn Host) -> Result<World, String> {
        let read =
            |file: &str| std::fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"));
        let parse = |file: &str| -> Result<Tree, String> {
            let text = read(file)?;
            let document = Document::parse(&text).map_err(|e| format!("{file}: {e}"))?;
            Ok(tree(document.root_element(), names))
        };
        let mut world = World { main: None, instances: HashMap::new() };
        if let Some(file) = spec["main"]["file"].as_str() {
            let mut main = parse(file)?;
            for (path, kind) in spec["main"]["types"].as_object().into_iter().flatten() {
                for node in at_path(&main, path) {
                    if let Datum::Text(text) = main.datum(node).clone() {
                        main.set(node, datum(&text, kind.as_str().unwrap_or(""), host));
                    }
                }
            }
            for path in spec["main"]["irrelevant"].as_array().into_iter().flatten() {
                for node in at_path(&main, path.as_str().unwrap_or("")) {
                    main.set_relevant(node, false);
                }
            }
            world.main = Some(main);
        }
        let restore_text = spec["restore"].as_str().map(read).transpose()?;
        let restore = match &restore_text {
            Some(text) => Some(Document::parse(text).map_err(|e| e.to_string())?),
            None => None,
        };
        let top = restore.as_ref().map(|d| d.root_element());
        for (id, source) in spec["instances"].as_object().into_iter().flatten() {
            let source = source.as_str().unwrap_or("");
            let instance = match source.strip_prefix("jr://") {
                None => Instance::Source(Box::new(parse(source)?)),
                Some("instance/casedb") => {
                    let cases = top.into_iter().flat_map(|t| t.children());
                    let cases = cases.filter(|n| n.tag_name().name() == "case");
                    let snapshot = CaseSnapshot::new(names, cases.map(|case| case_record(case, host)));
                    Instance::Source(Box::new(snapshot))
                }
                Some("instance/ledgerdb") => Instance::Source(Box::new(ledgers(top, names))),
                Some(other) => match other.strip_prefix("fixture/").zip(top) {
                    Some((id, top)) => fixture(top, id, names),
                    None => Instance::Unloaded,
                },
            };
            world.instances.insert(id.clone(), instance);
        }
        Ok(world)
    }
}

/// A lookup table of a restore.
pub fn fixture(top: Node<'_, '_>, id: &str, names: &Names) -> Instance {
    let named =
        |kind: &str| top.children().find(|n| n.tag_name().name() == kind && n.attribute("id") == Some(id));
    let Some(root) = named("fixture").and_then(|f| f.children().find(Node::is_element)) else {
        return Instance::Unloaded;
    };
    let tree = tree(root, names);
    match named("schema") {
        None => Instance::Source(Box::new(tree)),
        Some(schema) => {
            let keys: Vec<String> = child(schema, "indices")
                .into_iter()
                .flat_map(|i| i.children().filter(Node::is_element).map(text_of).collect::<Vec<_>>())
                .collect();
            Instance::Source(Box::new(IndexedTree::new(tree, keys.iter().map(String::as_str))))
        }
    }
}

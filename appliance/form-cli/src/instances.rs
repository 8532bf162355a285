//! Instances from files: plain XML, or a restore payload with cases, ledgers and lookup tables.

use std::path::Path;
use std::sync::Arc;

use bolster_xforms::External;
use bolster_xpath::{
    CaseRecord, CaseSnapshot, Datum, Host, IndexedTree, Names, NodeId, Tree, TreeFlags, dates,
};
use roxmltree::{Document, Node};

use crate::{Error, read};

fn text_of(node: Node<'_, '_>) -> String {
    node.children()
        .filter_map(|c| if c.is_text() { c.text() } else { None })
        .collect::<String>()
        .trim()
        .to_owned()
}

fn elements<'a, 'd: 'a>(node: Node<'a, 'd>) -> impl Iterator<Item = Node<'a, 'd>> {
    node.children().filter(Node::is_element)
}

/// An element as a tree of texts; numbers and dates stay texts, as in lookup tables.
pub(crate) fn tree(root: Node<'_, '_>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern(root.tag_name().name()));
    let mut pending = vec![(root, NodeId(0))];
    while let Some((node, at)) = pending.pop() {
        for attribute in node.attributes() {
            let id = tree.add_attribute(at, names.intern(attribute.name()));
            tree.set(id, Datum::text(attribute.value()));
        }
        let mut leaf = true;
        for child in elements(node) {
            leaf = false;
            let id = tree.append(at, names.intern(child.tag_name().name()));
            pending.push((child, id));
        }
        if leaf {
            tree.set(at, Datum::text(&text_of(node)));
        }
    }
    tree
}

fn parse<'t>(text: &'t str, path: &Path) -> Result<Document<'t>, Error> {
    Document::parse(text).map_err(|e| Error::NotXml { path: path.to_owned(), detail: e.to_string() })
}

/// The root element of a file as a tree.
pub(crate) fn main_tree(path: &Path, names: &Names) -> Result<Tree, Error> {
    let text = read(path)?;
    let document = parse(&text, path)?;
    Ok(tree(document.root_element(), names))
}

/// The data of an instance. `source` is what the form says about it; without a form, the name decides.
pub(crate) fn load(
    name: &str,
    source: Option<&str>,
    path: &Path,
    names: &Names,
    host: &dyn Host,
) -> Result<Option<External>, Error> {
    let text = read(path)?;
    let document = parse(&text, path)?;
    let root = document.root_element();
    if root.tag_name().name() != "OpenRosaResponse" {
        return Ok(Some(Arc::new(tree(root, names))));
    }
    let source = source.unwrap_or(match name {
        "casedb" => "jr://instance/casedb",
        "ledger" | "ledgerdb" => "jr://instance/ledgerdb",
        _ => "",
    });
    if source == "jr://instance/casedb" {
        let cases = elements(root).filter(|n| n.tag_name().name() == "case");
        return Ok(Some(Arc::new(CaseSnapshot::new(names, cases.map(|node| case(node, host))))));
    }
    if source == "jr://instance/ledgerdb" {
        return Ok(Some(Arc::new(ledgers(root, names))));
    }
    let id = source.strip_prefix("jr://fixture/").unwrap_or(name);
    Ok(fixture(root, id, names))
}

fn fixture(root: Node<'_, '_>, id: &str, names: &Names) -> Option<External> {
    let wanted = |n: &Node<'_, '_>| {
        n.attribute("id") == Some(id) || n.attribute("id") == Some(&format!("item-list:{id}"))
    };
    let found = elements(root).filter(|n| n.tag_name().name() == "fixture").find(wanted)?;
    let table = tree(elements(found).next()?, names);
    let schema = elements(root).filter(|n| n.tag_name().name() == "schema").find(wanted);
    let Some(schema) = schema else { return Some(Arc::new(table)) };
    let indices = elements(schema).find(|n| n.tag_name().name() == "indices");
    let keys: Vec<String> = indices.into_iter().flat_map(elements).map(text_of).collect();
    Some(Arc::new(IndexedTree::new(table, keys.iter().map(String::as_str))))
}

fn case(node: Node<'_, '_>, host: &dyn Host) -> CaseRecord {
    let day = dates::parse(node.attribute("date_modified").unwrap_or(""), host);
    let day = day.map(|ms| dates::start_of_day(ms, host));
    let mut case = CaseRecord {
        case_id: node.attribute("case_id").unwrap_or("").to_owned(),
        date_opened: day,
        last_modified: day,
        ..CaseRecord::default()
    };
    for group in elements(node) {
        match group.tag_name().name() {
            "create" | "update" => elements(group).for_each(|property| set(&mut case, property, host)),
            "close" => case.closed = true,
            "index" => case.indices.extend(elements(group).map(|index| {
                let attribute = |name, default: &str| index.attribute(name).unwrap_or(default).to_owned();
                let name = index.tag_name().name().to_owned();
                (name, text_of(index), attribute("case_type", ""), attribute("relationship", "child"))
            })),
            "attachment" => case
                .attachments
                .extend(elements(group).map(|file| (file.tag_name().name().to_owned(), text_of(file)))),
            _ => {}
        }
    }
    let property = |name: &str| case.properties.iter().find(|p| p.0 == name).map(|p| p.1.clone());
    case.category = case.category.clone().or_else(|| property("patient_type"));
    case.state = case.state.clone().or_else(|| property("current_status"));
    case
}

fn set(case: &mut CaseRecord, property: Node<'_, '_>, host: &dyn Host) {
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

/// The child of `parent` with the key, made if it is new.
fn keyed(tree: &mut Tree, parent: NodeId, name: &str, key: &str, value: &str) -> NodeId {
    let known = tree.child_nodes(parent).find(|node| {
        !tree.is_template(*node) && tree.attributes(*node).any(|a| *tree.datum(a) == Datum::text(value))
    });
    known.unwrap_or_else(|| {
        let (name, key) = (tree_name(tree, name), tree_name(tree, key));
        let node = tree.append(parent, name);
        let attribute = tree.add_attribute(node, key);
        tree.set(attribute, Datum::text(value));
        node
    })
}

fn tree_name(tree: &Tree, text: &str) -> bolster_xpath::Name {
    bolster_xpath::DataSource::names(tree).intern(text)
}

fn ledgers(root: Node<'_, '_>, names: &Names) -> Tree {
    let mut tree = Tree::new(names, names.intern("ledgerdb"));
    // Paths must exist even if there is no ledger.
    let mut at = NodeId(0);
    for (name, key) in [("ledger", "entity-id"), ("section", "section-id"), ("entry", "id")] {
        at = keyed(&mut tree, at, name, key, "");
        tree.set_flags(at, TreeFlags::TEMPLATE, true);
    }
    for balance in elements(root).filter(|n| n.tag_name().name() == "balance") {
        let attribute = |name| balance.attribute(name).unwrap_or("");
        let ledger = keyed(&mut tree, NodeId(0), "ledger", "entity-id", attribute("entity-id"));
        let section = keyed(&mut tree, ledger, "section", "section-id", attribute("section-id"));
        for entry in elements(balance) {
            let node = keyed(&mut tree, section, "entry", "id", entry.attribute("id").unwrap_or(""));
            let quantity = entry.attribute("quantity").and_then(|text| text.parse().ok()).unwrap_or(0);
            tree.set(node, Datum::Int(quantity));
        }
    }
    tree
}

//! What a phone keeps: a user, cases, ledgers, fixtures. Everything that a phone refuses fails the test.

use roxmltree::{Document, Node};
use std::collections::{BTreeMap, BTreeSet};

/// A case on the phone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PhoneCase {
    /// Type.
    pub case_type: String,
    /// Name.
    pub name: String,
    /// Owner id.
    pub owner: String,
    /// Closed; nothing ever opens it again.
    pub closed: bool,
    /// Other properties, the day of opening left out.
    pub properties: BTreeMap<String, String>,
    /// Identifier to target and whether it is a host.
    pub links: BTreeMap<String, (String, bool)>,
}

/// The phone's data.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sandbox {
    /// Id of the user.
    pub user_id: String,
    /// Token of the last sync.
    pub token: Option<String>,
    /// By case id.
    pub cases: BTreeMap<String, PhoneCase>,
    /// Balance by case, section and product.
    pub ledgers: BTreeMap<(String, String, String), i64>,
    /// XML by fixture id.
    pub fixtures: BTreeMap<String, String>,
    /// Ids of the groups in `user-groups`.
    pub groups: BTreeSet<String>,
}

fn child<'a>(node: Node<'a, 'a>, name: &str) -> Option<Node<'a, 'a>> {
    node.children().find(|n| n.is_element() && n.tag_name().name() == name)
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|n| n.text()).collect::<String>().trim().to_owned()
}

impl Sandbox {
    /// Parses a payload, all of it or nothing.
    ///
    /// # Panics
    /// On anything for which a phone gives up its sync.
    pub fn take(&mut self, payload: &str) {
        let document = Document::parse(payload).expect("a payload is XML");
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "OpenRosaResponse");
        let elements: Vec<Node<'_, '_>> = root.children().filter(Node::is_element).collect();
        assert_eq!(root.attribute("items"), Some(elements.len().to_string().as_str()), "items");
        for element in elements {
            match element.tag_name().name() {
                "message" => {}
                "Sync" => self.token = child(element, "restore_id").map(text),
                "Registration" => self.register(element),
                "schema" => {
                    assert!(element.attribute("id").is_some_and(|id| !id.is_empty()));
                }
                "fixture" => self.take_fixture(element, payload),
                "balance" => self.take_balance(element),
                "case" => self.take_case(element),
                other => panic!("a phone does not know {other}"),
            }
        }
    }

    fn register(&mut self, element: Node<'_, '_>) {
        let names: Vec<&str> =
            element.children().filter(Node::is_element).map(|n| n.tag_name().name()).collect();
        assert_eq!(names, ["username", "password", "uuid", "date", "user_data"]);
        self.user_id = child(element, "uuid").map(text).expect("an id");
    }

    fn take_fixture(&mut self, element: Node<'_, '_>, payload: &str) {
        let id = element.attribute("id").expect("an id").to_owned();
        assert_eq!(element.attribute("user_id"), Some(self.user_id.as_str()));
        let Some(body) = element.children().find(Node::is_element) else { return };
        if id == "user-groups" {
            let groups = element.descendants().filter(|n| n.tag_name().name() == "group");
            self.groups = groups.filter_map(|n| n.attribute("id")).map(str::to_owned).collect();
        }
        self.fixtures.insert(id, payload[body.range()].to_owned());
    }

    fn take_balance(&mut self, element: Node<'_, '_>) {
        let attribute = |node: Node<'_, '_>, name: &str| {
            node.attribute(name).unwrap_or_else(|| panic!("a balance without {name}")).to_owned()
        };
        let (case, section) = (attribute(element, "entity-id"), attribute(element, "section-id"));
        assert!(!attribute(element, "date").is_empty());
        for entry in element.children().filter(|n| n.tag_name().name() == "entry") {
            let quantity = attribute(entry, "quantity").parse().expect("a whole number");
            self.ledgers.insert((case.clone(), section.clone(), attribute(entry, "id")), quantity);
        }
    }

    /// A case block of a payload, or of the phone's own form.
    pub fn take_case(&mut self, element: Node<'_, '_>) {
        let id = element.attribute("case_id").filter(|id| !id.is_empty()).expect("a case id").to_owned();
        let modified = element.attribute("date_modified").unwrap_or_default();
        assert!(!modified.is_empty(), "case {id} without date_modified");
        let user = element.attribute("user_id").unwrap_or_default();
        let known = self.cases.get(&id).cloned();
        let create = child(element, "create");
        assert!(create.is_some() || known.is_some(), "an update of {id}, which the phone does not have");
        let mut case = known.unwrap_or_default();
        if let Some(create) = create {
            for part in create.children().filter(Node::is_element) {
                match part.tag_name().name() {
                    "case_type" => case.case_type = text(part),
                    "case_name" => case.name = text(part),
                    "owner_id" => case.owner = text(part),
                    other => panic!("{other} in create"),
                }
            }
            assert!(child(create, "case_type").is_some() && child(create, "case_name").is_some());
            if case.owner.is_empty() {
                case.owner = user.to_owned();
            }
            assert!(!case.owner.is_empty(), "case {id} without owner");
        }
        for part in child(element, "update").into_iter().flat_map(|u| u.children()).filter(Node::is_element) {
            let (name, value) = (part.tag_name().name(), text(part));
            match name {
                "case_type" => case.case_type = value,
                "case_name" => case.name = value,
                "owner_id" => case.owner = value,
                "date_opened" => {
                    let is_day =
                        value.len() == 10 && value.as_bytes()[4] == b'-' && value.as_bytes()[7] == b'-';
                    assert!(is_day, "{value} is no day");
                }
                _ => drop(case.properties.insert(name.to_owned(), value)),
            }
        }
        for text in [&case.case_type, &case.name, &case.owner] {
            assert!(text.chars().count() <= 255);
        }
        for part in child(element, "index").into_iter().flat_map(|i| i.children()).filter(Node::is_element) {
            let (name, target) = (part.tag_name().name().to_owned(), text(part));
            let relationship = part.attribute("relationship").unwrap_or("child");
            assert!(!relationship.is_empty());
            assert_ne!(target, id, "an index of a case to itself");
            if target.is_empty() {
                case.links.remove(&name);
            } else {
                case.links.insert(name, (target, relationship == "extension"));
            }
        }
        case.closed |= child(element, "close").is_some();
        self.cases.insert(id, case);
    }

    /// All case blocks of a form, as the phone applies them when it is complete.
    pub fn take_form(&mut self, xml: &str) {
        let document = Document::parse(xml).expect("a form");
        let blocks = document.descendants().filter(|n| n.is_element() && n.tag_name().name() == "case");
        blocks.for_each(|block| self.take_case(block));
    }

    /// Drops what the phone need not keep, in the steps of CommCare's purge filter.
    pub fn purge(&mut self) {
        // Whoever points at what is not there goes, and whoever points at him.
        loop {
            let lost = self.cases.iter().find_map(|(id, case)| {
                let lacks = case.links.values().any(|(target, _)| !self.cases.contains_key(target));
                lacks.then(|| id.clone())
            });
            let Some(id) = lost else { break };
            self.cases.remove(&id);
        }
        let edges = self.edges();
        let order = topological(&self.cases, &edges);
        let mine = |case: &PhoneCase| case.owner == self.user_id || self.groups.contains(&case.owner);
        let open = |id: &str| !self.cases[id].closed;
        let extends = |id: &str| edges[id].values().any(|extension| *extension);
        let up = |marks: &mut BTreeSet<String>| {
            for id in &order {
                if marks.contains(id) {
                    marks.extend(edges[id].keys().cloned());
                }
            }
        };
        let down = |marks: &mut BTreeSet<String>, only_open: bool| {
            for id in order.iter().rev() {
                let hosted = edges[id].iter().any(|(target, ext)| *ext && marks.contains(target));
                if hosted && (!only_open || open(id)) {
                    marks.insert(id.clone());
                }
            }
        };
        let mut relevant: BTreeSet<String> =
            self.cases.iter().filter(|(_, c)| !c.closed && mine(c)).map(|(id, _)| id.clone()).collect();
        up(&mut relevant);
        down(&mut relevant, false);
        let mut available: BTreeSet<String> =
            relevant.iter().filter(|id| open(id) && !extends(id)).cloned().collect();
        down(&mut available, true);
        let mut alive: BTreeSet<String> =
            relevant.iter().filter(|id| available.contains(*id) && mine(&self.cases[*id])).cloned().collect();
        for _ in 0..2 {
            up(&mut alive);
            down(&mut alive, true);
        }
        self.cases.retain(|id, _| alive.contains(id));
        self.ledgers.retain(|(case, ..), _| alive.contains(case));
    }

    /// For each case its targets, and whether it only extends them.
    fn edges(&self) -> BTreeMap<String, BTreeMap<String, bool>> {
        let mut edges: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
        for (id, case) in &self.cases {
            let mine = edges.entry(id.clone()).or_default();
            for (target, extension) in case.links.values() {
                *mine.entry(target.clone()).or_insert(true) &= extension;
            }
        }
        edges
    }

    /// What the phone says of its table.
    pub fn state(&self) -> String {
        use md5::{Digest as _, Md5};
        let mut hash = [0u8; 16];
        for id in self.cases.keys() {
            hash.iter_mut().zip(Md5::digest(id.as_bytes())).for_each(|(byte, with)| *byte ^= with);
        }
        let hex: String = hash.iter().map(|b| format!("{b:02x}")).collect();
        format!("ccsh:{}", if self.cases.is_empty() { "" } else { &hex })
    }
}

/// Cases before those they point at.
fn topological(
    cases: &BTreeMap<String, PhoneCase>,
    edges: &BTreeMap<String, BTreeMap<String, bool>>,
) -> Vec<String> {
    let mut incoming: BTreeMap<&str, usize> = cases.keys().map(|id| (id.as_str(), 0)).collect();
    for target in edges.values().flat_map(|targets| targets.keys()) {
        *incoming.entry(target).or_default() += 1;
    }
    let mut ready: Vec<&str> = incoming.iter().filter(|(_, n)| **n == 0).map(|(id, _)| *id).collect();
    let mut order = Vec::new();
    while let Some(id) = ready.pop() {
        order.push(id.to_owned());
        for target in edges[id].keys() {
            let left = incoming.get_mut(target.as_str()).expect("a case");
            *left -= 1;
            if *left == 0 {
                ready.push(target);
            }
        }
    }
    assert_eq!(order.len(), cases.len(), "a cycle: the phone would lose its sandbox");
    order
}

//! Writing the instance as XML: drafts and submissions.

use bolster_xpath::{DataSource, Datum, NodeId};

use super::Session;
use crate::Map;
use crate::data;
use crate::error::{FormCode, FormError};
use crate::host::FormHost;

/// Whether XML can hold the text.
pub(crate) fn is_writable(text: &str) -> bool {
    text.chars().all(
        |c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    )
}

fn escape(text: &str, out: &mut String, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            // A calculation may have made what XML has no way to write.
            c if !is_writable(c.encode_utf8(&mut [0; 4])) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

struct Writer<'s> {
    session: &'s Session,
    host: &'s dyn FormHost,
    relevant_only: bool,
    out: String,
    value: String,
}

impl Session {
    /// The submission: relevant nodes only.
    ///
    /// Errors: [`FormCode::Submission`] if nothing of the form is relevant.
    pub fn submission(&self, host: &dyn FormHost) -> Result<String, FormError> {
        self.write(host, true)
    }

    /// Everything, so that hidden answers survive until the form is taken up again.
    pub fn draft(&self, host: &dyn FormHost) -> Result<String, FormError> {
        self.write(host, false)
    }

    fn write(&self, host: &dyn FormHost, relevant_only: bool) -> Result<String, FormError> {
        let root = NodeId(0);
        if relevant_only && !self.tree.relevant(root) {
            return Err(FormError::new(
                FormCode::Submission,
                "The whole form is hidden, so there is nothing to submit.",
            ));
        }
        let out = String::with_capacity(64 + self.tree.len() * 24);
        let mut writer = Writer { session: self, host, relevant_only, out, value: String::new() };
        writer.out.push_str("<?xml version='1.0' ?>");
        let namespace = self.def.root_namespace.as_deref().unwrap_or("");
        writer.element(root, namespace, true)?;
        Ok(writer.out)
    }

    /// The id of this instance: `meta/instanceID`, of the first `meta` there is.
    pub fn instance_id(&self, host: &dyn FormHost) -> Option<String> {
        let meta = self.def.names.get("meta")?;
        let id = self.def.names.get("instanceID")?;
        let mut pending = vec![NodeId(0)];
        while let Some(node) = pending.pop() {
            if self.tree.name(node) == meta && node != NodeId(0) {
                let found = self.tree.child_at(node, id, 0)?;
                return Some(data::text(self.tree.datum(found), host)).filter(|text| !text.is_empty());
            }
            let from = pending.len();
            pending.extend(self.tree.child_nodes(node).filter(|child| !self.tree.is_template(*child)));
            pending[from..].reverse();
        }
        None
    }
}

impl Writer<'_> {
    /// Writes an element; `outer` is the default namespace around it.
    fn element(&mut self, node: NodeId, outer: &str, outermost: bool) -> Result<(), FormError> {
        let session = self.session;
        let def = &session.def;
        let own = &def.schema[session.place(node) as usize];
        let root = def.root_namespace.as_deref().unwrap_or("");
        let namespace = own.namespace.as_deref().unwrap_or(root);
        let name = def.names.text(own.name);
        self.out.push('<');
        self.out.push_str(&name);
        if namespace != outer || (outermost && !namespace.is_empty()) {
            self.attribute("xmlns", namespace);
        }
        if outermost {
            for (prefix, uri) in &def.prefixes {
                self.attribute(&format!("xmlns:{prefix}"), uri);
            }
        }
        for (number, attribute) in session.tree.attributes(node).enumerate() {
            let own = &def.schema[session.place(attribute) as usize];
            let mut name = def.names.text(session.tree.name(attribute)).to_string();
            if let Some(uri) = own.namespace.as_deref().filter(|uri| !uri.is_empty()) {
                let known = def.prefixes.iter().find(|(_, known)| **known == *uri);
                let prefix = known.map_or_else(|| format!("a{number}"), |(prefix, _)| prefix.to_string());
                if known.is_none() {
                    self.attribute(&format!("xmlns:{prefix}"), uri);
                }
                name = format!("{prefix}:{name}");
            }
            self.value.clear();
            data::write(session.tree.datum(attribute), self.host, &mut self.value);
            let value = std::mem::take(&mut self.value);
            self.attribute(&name, &value);
            self.value = value;
        }
        let datum = session.tree.datum(node);
        let children = self.children(node);
        if children.is_empty() && *datum == Datum::Empty {
            self.out.push_str(" />");
            return self.check();
        }
        self.out.push('>');
        if children.is_empty() {
            self.value.clear();
            data::write(datum, self.host, &mut self.value);
            escape(&self.value, &mut self.out, false);
        }
        for child in children {
            self.element(child, namespace, false)?;
        }
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
        self.check()
    }

    fn attribute(&mut self, name: &str, value: &str) {
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(value, &mut self.out, true);
        self.out.push('"');
    }

    fn check(&self) -> Result<(), FormError> {
        let bound = self.session.def.limits.output;
        if self.out.len() > bound {
            let message = format!("The form is written with more than {bound} bytes (limit: output).");
            return Err(FormError::new(FormCode::Limit, message));
        }
        Ok(())
    }

    /// The children to write, those of one name together, in the order of the first of each name.
    fn children(&self, node: NodeId) -> Vec<NodeId> {
        let tree = &self.session.tree;
        let mut out: Vec<NodeId> = tree
            .child_nodes(node)
            .filter(|child| !tree.is_template(*child) && (!self.relevant_only || tree.relevant(*child)))
            .collect();
        let several =
            out.iter().any(|child| self.session.def.schema[self.session.place(*child) as usize].multiple);
        if several {
            let mut order: Map<u32, usize> = Map::default();
            for child in tree.child_nodes(node).filter(|child| !tree.is_template(*child)) {
                let next = order.len();
                order.entry(self.session.place(child)).or_insert(next);
            }
            out.sort_by_cached_key(|child| order.get(&self.session.place(*child)).copied());
        }
        out
    }
}

//! The flat tree.

use std::borrow::Cow;

/// `xml` is bound to this in every document.
pub(super) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// No namespace.
pub(super) const NO_NAMESPACE: u32 = 0;
/// [`XML_NAMESPACE`].
pub(super) const XML_NAMESPACE_ID: u32 = 1;
/// Number of the first namespace in [`Document::namespaces`].
pub(super) const FIRST_NAMESPACE: u32 = 2;

/// A piece of the document's text, or of the side text that holds what had to be unescaped.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Byte offset; with [`Span::SIDE`] set, in the side text.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl Span {
    /// Marks offsets into the side text; documents are shorter than this.
    pub const SIDE: u32 = 1 << 31;

    pub fn range(self) -> std::ops::Range<usize> {
        let start = (self.start & !Self::SIDE) as usize;
        start..start + self.len as usize
    }
}

/// An element. Elements stand in document order, so that a subtree is a range.
#[derive(Clone, Copy)]
pub(super) struct Node {
    /// Local name.
    pub name: Span,
    /// Number of the namespace.
    pub namespace: u32,
    /// Text before the first child.
    pub text: Span,
    /// First of its attributes; they end where those of the next node start.
    pub attributes: u32,
    /// One past the last node of its subtree.
    pub end: u32,
}

/// An attribute other than a namespace declaration.
#[derive(Clone, Copy)]
pub(super) struct Attribute {
    /// Local name.
    pub name: Span,
    /// Number of the namespace; while the tag is read, the length of the prefix in bytes.
    pub namespace: u32,
    /// Unescaped.
    pub value: Span,
}

/// A document in memory. Node 0 is the root.
pub(crate) struct Document<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) side: String,
    pub(super) nodes: Vec<Node>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) namespaces: Vec<Span>,
    /// An attribute value holds a `<`, which only CommCare's reader takes.
    pub(crate) has_bare_angle: bool,
}

/// One element of a document; cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Element<'d> {
    document: &'d Document<'d>,
    index: u32,
}

impl Document<'_> {
    pub(super) fn str(&self, span: Span) -> &str {
        let whole: &str = if span.start & Span::SIDE == 0 { &self.text } else { &self.side };
        &whole[span.range()]
    }

    fn namespace(&self, id: u32) -> &str {
        match id {
            NO_NAMESPACE => "",
            XML_NAMESPACE_ID => XML_NAMESPACE,
            other => self.str(self.namespaces[(other - FIRST_NAMESPACE) as usize]),
        }
    }

    /// The root element.
    pub(crate) fn root(&self) -> Element<'_> {
        Element { document: self, index: 0 }
    }

    /// Whether a namespace is declared anywhere; if not, no element is in it.
    pub(crate) fn declares(&self, uri: &str) -> bool {
        self.namespaces.iter().any(|&span| self.str(span) == uri)
    }

    /// All elements in document order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = Element<'_>> {
        (0..self.nodes.len() as u32).map(|index| Element { document: self, index })
    }

    /// The element of an index.
    pub(crate) fn element(&self, index: u32) -> Element<'_> {
        Element { document: self, index }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.nodes.len() as u32
    }
}

impl<'d> Element<'d> {
    fn node(self) -> &'d Node {
        &self.document.nodes[self.index as usize]
    }

    /// Position in document order.
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    /// Position after its last descendant.
    pub(crate) fn end(self) -> u32 {
        self.node().end
    }

    /// Local name.
    pub(crate) fn name(self) -> &'d str {
        self.document.str(self.node().name)
    }

    /// Namespace, empty for none.
    pub(crate) fn namespace(self) -> &'d str {
        self.document.namespace(self.node().namespace)
    }

    /// In the same namespace as another element.
    pub(crate) fn same_namespace(self, other: Element<'_>) -> bool {
        self.node().namespace == other.node().namespace
    }

    /// Text before the first child, as it is.
    pub(crate) fn text(self) -> &'d str {
        self.document.str(self.node().text)
    }

    /// Whether it has child elements.
    pub(crate) fn has_children(self) -> bool {
        self.node().end > self.index + 1
    }

    /// Child elements in document order.
    pub(crate) fn children(self) -> impl Iterator<Item = Element<'d>> {
        let end = self.end();
        let mut next = self.index + 1;
        std::iter::from_fn(move || {
            let element = Element { document: self.document, index: next };
            (next < end).then(|| {
                next = element.end();
                element
            })
        })
    }

    /// The first child of a local name, whatever its namespace.
    pub(crate) fn child(self, name: &str) -> Option<Element<'d>> {
        self.children().find(|c| c.name() == name)
    }

    fn raw_attributes(self) -> &'d [Attribute] {
        let all = &self.document.attributes;
        let next = self.document.nodes.get(self.index as usize + 1);
        let end = next.map_or(all.len(), |n| n.attributes as usize);
        &all[self.node().attributes as usize..end]
    }

    /// Whether it has attributes other than namespace declarations.
    pub(crate) fn has_attributes(self) -> bool {
        !self.raw_attributes().is_empty()
    }

    /// Attributes as (namespace, local name, value), in document order.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str, &'d str)> {
        let d = self.document;
        self.raw_attributes().iter().map(move |a| (d.namespace(a.namespace), d.str(a.name), d.str(a.value)))
    }

    /// An attribute without namespace.
    pub(crate) fn attribute(self, name: &str) -> Option<&'d str> {
        let found = self
            .raw_attributes()
            .iter()
            .find(|a| a.namespace == NO_NAMESPACE && self.document.str(a.name) == name)?;
        Some(self.document.str(found.value))
    }
}

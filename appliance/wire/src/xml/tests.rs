//! Well-formedness by table, and agreement with `roxmltree` on generated documents.

use proptest::prelude::*;

use super::{Document, Element, read};
use crate::{Limits, ParseError};

fn problem(xml: &str) -> Option<String> {
    read(xml.as_bytes(), &Limits::default()).err().map(|e| e.to_string())
}

#[test]
fn accepts_what_is_well_formed() {
    let rows = [
        "<a/>",
        " <a />\n",
        "<?xml version='1.0'?><a></a >",
        "<?xml version=\"1.1\" encoding='utf-8' standalone = 'yes' ?>\n<!-- c --><?pi x?><a/><!-- d --><?pi?>",
        "<!DOCTYPE a [<!ENTITY b \"]>\"><!-- ]> --><?x ]> ?>]><a/>",
        "<!DOCTYPE a SYSTEM 'x>'><a/>",
        "<a b='1' c=\"'2\"\n d = '&lt;'/>",
        "<a>]] ] &#x41;&#66;&amp;&lt;&gt;&quot;&apos;<![CDATA[<&]]]]><![CDATA[>]]></a>",
        "<p:a xmlns:p='u' p:b='1' b='2'><p:c xml:lang='en'/></p:a>",
        "<a xmlns='u'><b xmlns=''/></a>",
        "<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
        "<日本 ñ-·.1='x'/>",
    ];
    for xml in rows {
        assert_eq!(problem(xml), None, "{xml}");
    }
}

#[test]
fn refuses_what_is_not() {
    let rows = [
        ("", "no root"),
        ("text", "no root"),
        ("{\"form\": 1}", "no root"),
        ("<a>", "without end tag"),
        ("<a", "malformed tag"),
        ("<a/><b/>", "after the root"),
        ("<a/>text", "after the root"),
        ("<a></b>", "no end tag of 'a'"),
        ("<a></ab>", "malformed end tag"),
        ("<a><b></a></b>", "no end tag of 'b'"),
        ("</a>", "malformed name"),
        ("<1/>", "malformed name"),
        ("<a:/>", "malformed name"),
        ("<a:b:c/>", "malformed tag"),
        ("< a/>", "malformed name"),
        ("<a b/>", "without value"),
        ("<a b=1/>", "without quotes"),
        ("<a b='1/>", "without end"),
        ("<a b='<'/>", "'<'"),
        ("<a b='1'c='2'/>", "malformed tag"),
        ("<a b='1' b='2'/>", "'b' given twice"),
        ("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", "'b' given twice"),
        ("<a xmlns='u' xmlns='v'/>", "declared twice"),
        ("<p:a/>", "undeclared prefix 'p'"),
        ("<a p:b='1'/>", "undeclared prefix 'p'"),
        ("<a><b xmlns:p='u'/><p:c/></a>", "undeclared prefix 'p'"),
        ("<a xmlns:p=''/>", "namespace declaration"),
        ("<a xmlns:xmlns='u'/>", "namespace declaration"),
        ("<a xmlns:xml='u'/>", "namespace declaration"),
        ("<a xmlns='http://www.w3.org/2000/xmlns/'/>", "namespace declaration"),
        ("<a>&b;</a>", "unknown entity 'b'"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "unknown entity 'b'"),
        ("<!DOCTYPE a><!DOCTYPE a><a/>", "malformed name"),
        ("<!DOCTYPE a [<a/>", "without end"),
        ("<a>&</a>", "not escaped"),
        ("<a>&lt</a>", "not escaped"),
        ("<a>&#0;</a>", "character reference"),
        ("<a>&#xD800;</a>", "character reference"),
        ("<a>&#x;</a>", "character reference"),
        ("<a>&#+1;</a>", "character reference"),
        ("<a>&#99999999999999999999;</a>", "character reference"),
        ("<a>]]></a>", "']]>'"),
        ("<a><!-- -- --></a>", "'--'"),
        ("<a><!-- </a>", "without end"),
        ("<a><![CDATA[ </a>", "without end"),
        ("<a><!b></a>", "malformed markup"),
        ("<a><?xml version='1.0'?></a>", "processing instruction"),
        (" <?xml version='1.0'?><a/>", "processing instruction"),
        ("<?xml version='2.0'?><a/>", "version"),
        ("<?xml encoding='utf-8'?><a/>", "version"),
        ("<?xml version='1.0' standalone='x'?><a/>", "standalone"),
        ("<a><b", "malformed tag"),
        ("<a>\u{1}</a>", "does not allow"),
    ];
    for (xml, expected) in rows {
        let found = problem(xml).unwrap_or_default();
        assert!(found.contains(expected), "{xml}: {found}");
    }
}

#[test]
fn bounds_depth_nodes_and_namespaces() {
    let limits = Limits { depth: 10, nodes: 100, ..Limits::default() };
    let too_much = |xml: String| matches!(read(xml.as_bytes(), &limits), Err(ParseError::TooMuch { .. }));
    let nested = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    assert!(!too_much(nested(10)));
    assert!(too_much(nested(11)));
    assert!(!too_much(format!("<a>{}</a>", "<b/>".repeat(99))));
    assert!(too_much(format!("<a>{}</a>", "<b c='1'/>".repeat(51))));
    let limits = Limits::default();
    let many = |what: &str| (0..300).map(|i| format!(" {what}{i}='u{i}'")).collect::<String>();
    for what in ["b", "xmlns:p"] {
        let xml = format!("<a{}/>", many(what));
        assert!(matches!(read(xml.as_bytes(), &limits), Err(ParseError::TooMuch { .. })), "{what}");
    }
}

#[test]
fn keeps_the_text_before_the_first_child() {
    let rows = [
        ("<a>one<!-- two -->three<b/>four</a>", "onethree"),
        ("<a>x<![CDATA[<y>]]>z&amp;<?p?>!</a>", "x<y>z&!"),
        ("<a>&#65;<b/>&#66;</a>", "A"),
        ("<a> \n </a>", " \n "),
        ("<a>1\r\n2&#13;</a>", "1\n2\r"),
        ("<a>]]x</a>", "]]x"),
        ("<a/>", ""),
    ];
    for (xml, expected) in rows {
        let document = read(xml.as_bytes(), &Limits::default()).ok().unwrap();
        assert_eq!(document.root().text(), expected, "{xml}");
    }
}

#[test]
fn attribute_values_are_normalised() {
    let xml = "<a b='1\t2\r\n3&#10;é&lt;\"' c='é'/>";
    let document = read(xml.as_bytes(), &Limits::default()).ok().unwrap();
    assert_eq!(document.root().attribute("b"), Some("1 2 3\né<\""));
    assert_eq!(document.root().attribute("c"), Some("é"));
    assert_eq!(document.root().attribute("d"), None);
}

/// Pieces that collide in interesting ways when strung together.
const PIECES: [&str; 36] = [
    "<a>",
    "</a>",
    "<a/>",
    "<b c='1'>",
    "</b>",
    "<p:a xmlns:p='u'>",
    "</p:a>",
    "<a xmlns='v'>",
    "<p:b/>",
    "text",
    " ",
    "é",
    "&amp;",
    "&#65;",
    "&#x1F600;",
    "<![CDATA[",
    "]]>",
    "]]",
    "<!--",
    "-->",
    "--",
    "<?pi",
    "?>",
    "<",
    ">",
    "&",
    "'",
    "\"",
    "/",
    "=",
    "<b c='&lt;\n' d=\"2\"/>",
    "<!DOCTYPE a>",
    "<?xml version='1.0'?>",
    "\r\n",
    "<c xml:x='1' p:y=''/>",
    ":",
];

fn pieces() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&PIECES[..]), 0..24).prop_map(|p| p.concat())
}

/// Documents that are well-formed most of the time.
fn documents() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        Just("t".to_owned()),
        Just("&amp;".to_owned()),
        Just("<!--c-->".to_owned()),
        Just("<![CDATA[<]]>".to_owned()),
        Just(" ".to_owned()),
        Just("&#233;é".to_owned()),
        Just("<?p i?>".to_owned()),
        Just("<e f='&#9;\t1'/>".to_owned()),
    ];
    let tree = text.prop_recursive(5, 40, 5, |inner| {
        let open = prop::sample::select(vec![
            "a",
            "p:a",
            "a xmlns='v'",
            "b x='1' y='2'",
            "q:c xmlns:q='v' q:x='1' x='2'",
            "p:a xmlns:p='w'",
            "d xmlns=''",
        ]);
        (open, prop::collection::vec(inner, 0..5)).prop_map(|(open, children)| {
            let name = open.split(' ').next().unwrap_or_default();
            format!("<{open}>{}</{name}>", children.concat())
        })
    });
    prop::collection::vec(tree, 0..4).prop_map(|c| format!("<r xmlns:p='u'>{}</r>", c.concat()))
}

fn ours(document: &Document<'_>) -> String {
    fn one(e: Element<'_>, out: &mut String) {
        out.push_str(&format!("{{{}}}{}", e.namespace(), e.name()));
        e.attributes().for_each(|(ns, name, value)| out.push_str(&format!("[{{{ns}}}{name}={value:?}]")));
        out.push_str(&format!("{:?}(", e.text()));
        e.children().for_each(|c| one(c, out));
        out.push(')');
    }
    let mut out = String::new();
    one(document.root(), &mut out);
    out
}

fn theirs(document: &roxmltree::Document<'_>) -> String {
    fn one(e: roxmltree::Node<'_, '_>, out: &mut String) {
        let ns = |ns: Option<&str>| ns.unwrap_or_default().to_owned();
        out.push_str(&format!("{{{}}}{}", ns(e.tag_name().namespace()), e.tag_name().name()));
        for a in e.attributes() {
            out.push_str(&format!("[{{{}}}{}={:?}]", ns(a.namespace()), a.name(), a.value()));
        }
        let text: String = e
            .children()
            .take_while(|c| !c.is_element())
            .filter(|c| c.is_text())
            .filter_map(|c| c.text())
            .collect();
        out.push_str(&format!("{text:?}("));
        e.children().filter(|c| c.is_element()).for_each(|c| one(c, out));
        out.push(')');
    }
    let mut out = String::new();
    one(document.root_element(), &mut out);
    out
}

/// Never accepts what the other parser refuses, and sees the same. The other one is laxer with processing
/// instructions, `]]>` and the like, so that rubble may be refused by ours alone.
fn agree(xml: &str, rubble: bool) -> Result<(), TestCaseError> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let other = roxmltree::Document::parse_with_options(xml, options);
    match (read(xml.as_bytes(), &Limits::default()), other) {
        (Ok(a), Ok(b)) => prop_assert_eq!(ours(&a), theirs(&b), "{}", xml),
        (Err(_), Err(_)) => {}
        (Err(_), Ok(_)) if rubble => {}
        (a, b) => {
            let (a, b) = (a.err().map(|e| e.to_string()), b.err().map(|e| e.to_string()));
            prop_assert!(false, "{}: ours {:?}, theirs {:?}", xml, a, b);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn agrees_with_another_parser(xml in documents()) {
        agree(&xml, false)?;
    }

    #[test]
    fn agrees_with_another_parser_on_rubble(xml in pieces()) {
        agree(&format!("<r>{xml}</r>"), true)?;
        agree(&xml, true)?;
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), xml in "\\PC{0,80}") {
        let _ = read(&bytes, &Limits::default());
        let _ = read(xml.as_bytes(), &Limits::default());
    }
}

//! What the lists and details of an app show beside the cases that a search found: ancestors and children.
//!
//! A suite says it in expressions, as CommCare HQ writes them for a column `parent/name`, and for a tab of children:
//! `instance('results')/results/case[@case_id=current()/index/parent]/name`,
//! `nodeset="instance('results')/results/case[@case_type='visit'][…]"`.

use super::AppError;
use super::scan::{checked, expect_root};
use crate::xml::Element;
use std::collections::{BTreeMap, BTreeSet};

/// What is shown beside the hits of a search.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchNeeds {
    /// Ancestors, by the indices that lead to them.
    pub paths: BTreeSet<Vec<String>>,
    /// Types of children.
    pub child_types: BTreeSet<String>,
}

/// Most indices of one path.
const PATH_STEPS_MAX: usize = 16;

/// What is shown beside hits of a type, by type.
pub fn search_needs(suite: &[u8]) -> Result<BTreeMap<String, SearchNeeds>, AppError> {
    let (document, _) = checked(suite)?;
    expect_root(&document, "suite")?;
    let mut of_details: BTreeMap<&str, SearchNeeds> = BTreeMap::new();
    for detail in document.root().children().filter(|e| e.name() == "detail") {
        let Some(id) = detail.attribute("id") else { continue };
        let needs = of_details.entry(id).or_default();
        for index in detail.index()..detail.end() {
            read(needs, document.element(index));
        }
    }
    let mut by_type: BTreeMap<String, SearchNeeds> = BTreeMap::new();
    for datum in document.elements().filter(|e| e.name() == "datum") {
        let Some(nodeset) = datum.attribute("nodeset").filter(|text| text.contains("/results/case")) else {
            continue;
        };
        for case_type in types(nodeset) {
            for attribute in ["detail-select", "detail-confirm", "detail-inline", "detail-persistent"] {
                let Some(needs) = datum.attribute(attribute).and_then(|id| of_details.get(id)) else {
                    continue;
                };
                let all = by_type.entry(case_type.clone()).or_default();
                all.paths.extend(needs.paths.iter().cloned());
                all.child_types.extend(needs.child_types.iter().cloned());
            }
        }
    }
    Ok(by_type)
}

fn read(needs: &mut SearchNeeds, element: Element<'_>) {
    if let Some(function) = element.attribute("function").filter(|_| element.name() == "xpath") {
        needs.paths.extend(paths(function));
    }
    if let Some(nodeset) = element.attribute("nodeset").filter(|text| text.contains("/results/case")) {
        needs.child_types.extend(types(nodeset));
    }
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// The name that a text begins with, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// Paths of indices in an expression, from the case upwards.
fn paths(expression: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (_, mut rest) in
        expression.match_indices("current()/index/").map(|(at, mark)| expression.split_at(at + mark.len()))
    {
        let mut path = Vec::new();
        while let Some((step, after)) = name(rest) {
            path.push(step.to_owned());
            let after = after.trim_start().strip_prefix(']').map(str::trim_start);
            match after.and_then(|after| after.strip_prefix("/index/")) {
                Some(next) if path.len() < PATH_STEPS_MAX => rest = next,
                _ => break,
            }
        }
        if !path.is_empty() {
            all.push(path);
        }
    }
    all
}

/// Types that an expression compares `@case_type` with.
fn types(expression: &str) -> Vec<String> {
    let after_equals = |text: &str| -> Option<String> {
        let text = text.trim_start().strip_prefix('=')?.trim_start();
        let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        text[1..].split(quote).next().map(str::to_owned)
    };
    expression.split("@case_type").skip(1).filter_map(after_equals).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_and_children_of_a_suite() {
        let suite = r#"<suite version="1">
  <detail id="m0_search_short"><title><text>x</text></title>
    <field><template><text><xpath function="case_name"/></text></template></field>
    <field><template><text><xpath
      function="instance('results')/results/case[@case_id=current()/index/parent]/case_name"/></text></template></field>
    <field><template><text><xpath function="instance('results')/results/case[@case_id=instance('results')/results/case[@case_id=current()/index/parent]/index/host]/x"/></text></template></field>
  </detail>
  <detail id="m0_search_long"><title><text>x</text></title>
    <detail nodeset="instance('results')/results/case[@case_type='visit'][index/parent = current()/@case_id]">
      <title><text>y</text></title></detail>
  </detail>
  <detail id="m1_case_short"><field><template><text><xpath function="current()/index/mother"/></text></template></field></detail>
  <remote-request><session>
    <datum id="search_case_id" nodeset="instance('results')/results/case[@case_type='person' or @case_type = &quot;child&quot;]"
      value="./@case_id" detail-select="m0_search_short" detail-confirm="m0_search_long"/>
  </session></remote-request>
  <entry><session><datum id="c" nodeset="instance('casedb')/casedb/case[@case_type='other']" value="./@case_id"
      detail-select="m1_case_short"/></session></entry>
</suite>"#;
        let needs = search_needs(suite.as_bytes()).unwrap();
        assert_eq!(needs.keys().collect::<Vec<_>>(), ["child", "person"]);
        let person = &needs["person"];
        let paths: Vec<String> = person.paths.iter().map(|path| path.join("/")).collect();
        assert_eq!(paths, ["parent", "parent/host"]);
        assert_eq!(person.child_types.iter().collect::<Vec<_>>(), ["visit"]);
        assert!(search_needs(b"<profile/>").is_err());
    }
}

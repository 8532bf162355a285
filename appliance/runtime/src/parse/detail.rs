//! Lists and details.

use std::sync::Arc;

use roxmltree::Node;

use super::Parser;
use super::xml::{self, attribute, elements, flag, name};
use crate::detail::{Action, Detail, Field, Group, Sort, SortType, Style, Template};
use crate::error::Error;
use crate::text::Text;

impl Parser<'_> {
    pub fn detail(&self, node: Node<'_, '_>) -> Result<Detail, Error> {
        let id = attribute(node, "id").unwrap_or_default();
        let mut detail = Detail {
            id: id.into(),
            nodeset: self.optional(node, "nodeset")?,
            relevant: match attribute(node, "relevant") {
                Some("") => None,
                _ => self.optional(node, "relevant")?,
            },
            fit_across: attribute(node, "fit-across").and_then(|text| text.parse().ok()).unwrap_or(1),
            uniform_units: attribute(node, "uniform-units") == Some("true"),
            lazy: flag(node, "lazy_loading"),
            ..Detail::default()
        };
        for child in elements(node) {
            match name(child) {
                "title" => detail.title = self.shown(child)?.unwrap_or_default(),
                "no_items_text" => detail.no_items = self.text_below(child)?,
                "select_text" => detail.select_text = self.text_below(child)?,
                "variables" => {
                    for variable in elements(child) {
                        let function = attribute(variable, "function").ok_or_else(|| {
                            Error::package(format!(
                                "No function in variable declaration {}",
                                xml::place(variable)
                            ))
                        })?;
                        let expr = self.expr(function, variable, "function")?;
                        detail.variables.push((name(variable).into(), expr));
                    }
                }
                "action" => detail.actions.push(self.action(child)?),
                "group" => {
                    let function = attribute(child, "function")
                        .ok_or_else(|| Error::package(format!("No function in {}", xml::place(child))))?;
                    detail.group = Some(Group {
                        function: self.expr(function, child, "function")?,
                        header_rows: attribute(child, "header-rows")
                            .and_then(|t| t.parse().ok())
                            .unwrap_or(1),
                    });
                }
                "detail" => detail.tabs.push(Arc::new(self.detail(child)?)),
                "field" => detail.fields.push(self.field(child).map_err(|e| {
                    Error::package(format!("Error in suite detail with id {id} : {}", e.message))
                })?),
                _ => {}
            }
        }
        if !detail.tabs.is_empty() && !detail.fields.is_empty() {
            return Err(Error::package(format!(
                "A detail may contain either sub-details or fields, but not both: {}",
                xml::place(node)
            )));
        }
        Ok(detail)
    }

    fn action(&self, node: Node<'_, '_>) -> Result<Action, Error> {
        let display = xml::child(node, "display").ok_or_else(|| {
            Error::package(format!("<action> block must define a <display> element: {}", xml::place(node)))
        })?;
        let auto = match attribute(node, "auto_launch") {
            Some(text) if text.eq_ignore_ascii_case("true") => Some("true()"),
            Some(text) if text.eq_ignore_ascii_case("false") => Some("false()"),
            text => text,
        };
        let mut stack = Vec::new();
        for child in elements(node).filter(|child| name(*child) == "stack") {
            stack.extend(self.operations(child)?);
        }
        Ok(Action {
            display: self.display(display)?,
            stack,
            relevant: self.optional(node, "relevant")?,
            auto_launch: auto.map(|text| self.expr(text, node, "auto_launch")).transpose()?,
            redo_last: attribute(node, "redo_last") == Some("true"),
        })
    }

    fn field(&self, node: Node<'_, '_>) -> Result<Field, Error> {
        let lacks = |what| Error::package(format!("detail <field> with no <{what}>! {}", xml::place(node)));
        let header = xml::child(node, "header").ok_or_else(|| lacks("header"))?;
        let template = xml::child(node, "template").ok_or_else(|| lacks("template"))?;
        self.optional(node, "relevant")?;
        let form = attribute(template, "form").unwrap_or_default();
        let shown = match form {
            "graph" => Template::Graph(Box::new(self.graph(template)?)),
            "callout" => Template::Callout,
            _ => Template::Text(self.text_below(template)?.unwrap_or(Text::Empty)),
        };
        let mut field = Field {
            header: self.text_below(header)?.unwrap_or(Text::Empty),
            header_width: attribute(header, "width").map(Into::into),
            template: shown,
            template_width: attribute(template, "width").map(Into::into),
            form: form.into(),
            style: xml::child(node, "style").map(style).transpose()?.unwrap_or_default(),
            sort_order: if attribute(node, "sort") == Some("default") { 1 } else { -1 },
            sort: Sort::default(),
            blanks_last: false,
            alt_text: None,
            endpoint: None,
            cached: flag(node, "cache_enabled"),
        };
        for child in elements(node) {
            match name(child) {
                "sort" => self.sort(child, &mut field)?,
                "endpoint_action" => {
                    let id = attribute(child, "endpoint_id").ok_or_else(|| {
                        Error::package(format!("No endpoint_id defined for {}", xml::place(child)))
                    })?;
                    field.endpoint = Some((id.into(), attribute(child, "background") == Some("true")));
                }
                "alt_text" => field.alt_text = self.text_below(child)?,
                _ => {}
            }
        }
        Ok(field)
    }

    fn sort(&self, node: Node<'_, '_>, field: &mut Field) -> Result<(), Error> {
        if let Some(order) = attribute(node, "order").and_then(|text| text.parse().ok()) {
            field.sort_order = order;
        }
        let direction = attribute(node, "direction");
        field.sort = Sort {
            text: self.text_below(node)?,
            kind: match attribute(node, "type") {
                Some("int") => SortType::Int,
                Some("double") => SortType::Double,
                _ => SortType::Text,
            },
            descending: direction == Some("descending"),
        };
        field.blanks_last = match attribute(node, "blanks") {
            Some("last") => true,
            Some("first") => false,
            _ => direction != Some("ascending"),
        };
        Ok(())
    }
}

fn style(node: Node<'_, '_>) -> Result<Style, Error> {
    let text = |key| attribute(node, key).map(Into::into);
    let mut style = Style {
        horizontal: text("horz-align"),
        vertical: text("vert-align"),
        font_size: text("font-size"),
        css_id: text("css-id"),
        border: attribute(node, "show-border") == Some("true"),
        shading: attribute(node, "show-shading") == Some("true"),
        ..Style::default()
    };
    if let Some(grid) = xml::child(node, "grid") {
        let number = |key| match attribute(grid, key) {
            None => Ok(-1),
            Some(text) => text
                .trim()
                .parse::<i64>()
                .map_err(|_| Error::package(format!("{key} must be a whole number: {}", xml::place(grid)))),
        };
        style.grid.x = number("grid-x")?;
        style.grid.y = number("grid-y")?;
        style.grid.width = number("grid-width")?;
        style.grid.height = number("grid-height")?;
    }
    Ok(style)
}

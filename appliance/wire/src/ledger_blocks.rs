//! Ledger blocks: balances and transfers, found in the XML itself, in document order.

use bolster_model::{CaseId, ContentError, ErrorClass, LedgerBlock, LedgerEntry, LedgerMove, Timestamp};

use crate::case_blocks::shown;
use crate::form::DEVICE_REPORT;
use crate::times;
use crate::xml::{Document, Element};

const LEDGER: &str = "http://commcarehq.org/ledger/v1";

/// Reads all ledger blocks outside device reports.
pub(crate) fn read(document: &Document<'_>) -> Result<Vec<LedgerBlock>, ContentError> {
    let mut blocks = Vec::new();
    if !document.declares(LEDGER) {
        return Ok(blocks);
    }
    let mut at = 0;
    while at < document.len() {
        let element = document.element(at);
        let namespace = element.namespace();
        at = if namespace == LEDGER && matches!(element.name(), "balance" | "transfer") {
            blocks.push(read_block(element)?);
            element.end()
        } else if namespace == DEVICE_REPORT {
            element.end()
        } else {
            at + 1
        };
    }
    Ok(blocks)
}

fn read_block(block: Element<'_>) -> Result<LedgerBlock, ContentError> {
    let action = if block.name() == "balance" {
        LedgerMove::Balance {
            case_id: end(block, "entity-id")?.ok_or_else(|| no_case("a balance without entity-id"))?,
        }
    } else {
        let (src, dest) = (end(block, "src")?, end(block, "dest")?);
        if src.is_none() && dest.is_none() {
            return Err(no_case("a transfer without src and dest"));
        }
        LedgerMove::Transfer { src, dest, label: block.attribute("type").map(str::to_owned) }
    };
    Ok(LedgerBlock { action, date: read_date(block)?, entries: read_entries(block)? })
}

fn no_case(detail: &str) -> ContentError {
    ContentError::new(ErrorClass::IllegalCaseId, detail)
}

/// The case at one end of a movement: absent, or not empty.
fn end(block: Element<'_>, name: &str) -> Result<Option<CaseId>, ContentError> {
    match block.attribute(name) {
        Some("") => Err(no_case(&format!("{name} of a {} must not be empty", block.name()))),
        other => Ok(other.map(CaseId::new)),
    }
}

fn read_date(block: Element<'_>) -> Result<Option<Timestamp>, ContentError> {
    let Some(text) = block.attribute("date").filter(|d| !d.trim().is_empty()) else { return Ok(None) };
    match times::iso(text) {
        Some(at) => Ok(Some(at)),
        None => Err(invalid(format!("'{}' is no date of a {}", shown(text), block.name()))),
    }
}

fn invalid(detail: String) -> ContentError {
    ContentError::new(ErrorClass::InvalidContent, detail)
}

fn read_entries(block: Element<'_>) -> Result<Vec<LedgerEntry>, ContentError> {
    let section = block.attribute("section-id").filter(|s| !s.is_empty());
    let mut out = Vec::new();
    for entry in block.children().filter(|c| c.name() == "entry") {
        let entry_id = entry.attribute("id").unwrap_or_default();
        if entry_id.is_empty() {
            let detail = format!("an entry without id in a {}", block.name());
            return Err(ContentError::new(ErrorClass::MissingProductId, detail));
        }
        let mut add = |section: &str, quantity: Option<&str>| {
            if let Some(quantity) = read_quantity(quantity.unwrap_or_default())? {
                out.push(LedgerEntry {
                    section_id: section.to_owned(),
                    entry_id: entry_id.to_owned(),
                    quantity,
                });
            }
            Ok(())
        };
        if let Some(section) = section {
            add(section, entry.attribute("quantity"))?;
            continue;
        }
        for value in entry.children().filter(|c| c.name() == "value") {
            let Some(section) = value.attribute("section-id").filter(|s| !s.is_empty()) else {
                return Err(invalid(format!("a value without section-id in a {}", block.name())));
            };
            add(section, value.attribute("quantity"))?;
        }
    }
    Ok(out)
}

/// A whole number of 64 bits; `None` for what is no number at all, which is left out.
fn read_quantity(text: &str) -> Result<Option<i64>, ContentError> {
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return Ok(Some(whole));
    }
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let Some(number) = numeric.then(|| text.parse::<f64>().ok()).flatten() else { return Ok(None) };
    // Whole numbers are exact in a float up to here.
    if number.fract() == 0.0 && number.abs() < (1u64 << 53) as f64 {
        return Ok(Some(number as i64));
    }
    Err(invalid(format!("quantity '{}' is not a whole number of 64 bits", shown(text))))
}

#[cfg(test)]
mod tests {
    use bolster_model::{ErrorClass, LedgerMove, ParsedForm};

    use crate::{Limits, parse_form};

    fn form(inner: &str) -> ParsedForm {
        let xml = format!("<data xmlns='u' xmlns:l='http://commcarehq.org/ledger/v1'>{inner}</data>");
        parse_form(xml.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn balances_and_transfers_in_both_shapes() {
        let form = form(
            "<g><l:transfer src='a' dest='b' type='sale' date='2024-05-05' section-id='s'>
               <l:entry id='p' quantity='-5'/><l:entry id='q' quantity='7'/></l:transfer></g>
             <l:balance entity-id='a'><l:entry id='p'><l:value section-id='s' quantity='1'/>
               <l:value section-id='t' quantity='2'/></l:entry></l:balance><balance entity-id='x'/>
             <d xmlns='http://code.javarosa.org/devicereport'><l:balance/></d>",
        );
        assert_eq!(form.content_error, None);
        let moves: Vec<_> = form.ledger_blocks.iter().map(|b| &b.action).collect();
        let transfer = LedgerMove::Transfer {
            src: Some("a".into()),
            dest: Some("b".into()),
            label: Some("sale".to_owned()),
        };
        assert_eq!(moves, [&transfer, &LedgerMove::Balance { case_id: "a".into() }]);
        let entries: Vec<_> = form
            .ledger_blocks
            .iter()
            .flat_map(|b| &b.entries)
            .map(|e| (e.section_id.as_str(), e.entry_id.as_str(), e.quantity))
            .collect();
        assert_eq!(entries, [("s", "p", -5), ("s", "q", 7), ("s", "p", 1), ("t", "p", 2)]);
        assert_eq!(
            form.ledger_blocks[0].date.map(|t| t.to_string()).as_deref(),
            Some("2024-05-05T00:00:00.000000Z")
        );
    }

    #[test]
    fn quantities() {
        let rows: [(&str, Result<Option<i64>, ()>); 16] = [
            ("5", Ok(Some(5))),
            (" +5 ", Ok(Some(5))),
            ("-0", Ok(Some(0))),
            ("10.0", Ok(Some(10))),
            ("1e3", Ok(Some(1000))),
            ("9223372036854775807", Ok(Some(i64::MAX))),
            ("", Ok(None)),
            (" ", Ok(None)),
            ("many", Ok(None)),
            ("NaN", Ok(None)),
            ("inf", Ok(None)),
            ("1 2", Ok(None)),
            ("-", Ok(None)),
            ("10.5", Err(())),
            ("9223372036854775808", Err(())),
            ("1e400", Err(())),
        ];
        for (text, expected) in rows {
            assert_eq!(super::read_quantity(text).map_err(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn errors_fail_the_form() {
        let rows = [
            ("<l:balance section-id='s'/>", ErrorClass::IllegalCaseId),
            ("<l:balance entity-id='' section-id='s'/>", ErrorClass::IllegalCaseId),
            ("<l:transfer section-id='s'/>", ErrorClass::IllegalCaseId),
            ("<l:transfer src='' dest='a' section-id='s'/>", ErrorClass::IllegalCaseId),
            (
                "<l:balance entity-id='a' section-id='s'><l:entry quantity=''/></l:balance>",
                ErrorClass::MissingProductId,
            ),
            ("<l:balance entity-id='a'><l:entry id=''/></l:balance>", ErrorClass::MissingProductId),
            (
                "<l:balance entity-id='a'><l:entry id='p'><l:value quantity='1'/></l:entry></l:balance>",
                ErrorClass::InvalidContent,
            ),
            ("<l:balance entity-id='a' date='soon'/>", ErrorClass::InvalidContent),
        ];
        for (inner, expected) in rows {
            assert_eq!(form(inner).content_error.map(|e| e.class), Some(expected), "{inner}");
        }
        assert_eq!(form("<l:balance entity-id='a' date=' '/>").content_error, None);
    }
}

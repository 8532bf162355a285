//! Any bytes as a workbook, as its sheet and as its list of texts: nothing panics, and what is read is bounded.

#![no_main]

use bolster_usecases::apps::pack;
use bolster_usecases::workbook::read;
use libfuzzer_sys::fuzz_target;

const TYPES: &[u8] = br#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>"#;
const BOOK: &[u8] = br#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="types" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const LINKS: &[u8] = br#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;

fuzz_target!(|data: &[u8]| {
    // Errors are fine; they are what most of this gets.
    let _ = read(data.to_vec());
    let middle = data.iter().position(|b| *b == 0).unwrap_or(data.len());
    let files: [(&str, &[u8]); 5] = [
        ("[Content_Types].xml", TYPES),
        ("xl/workbook.xml", BOOK),
        ("xl/_rels/workbook.xml.rels", LINKS),
        ("xl/worksheets/sheet1.xml", &data[..middle]),
        ("xl/sharedStrings.xml", data.get(middle + 1..).unwrap_or_default()),
    ];
    if let Ok(package) = pack(&files) {
        let _ = read(package);
    }
});

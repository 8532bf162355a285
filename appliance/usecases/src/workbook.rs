//! Workbooks (`.xlsx`) in and out: sheets of text with a row of headers.
//!
//! A workbook from outside is hostile: its size, its size unpacked, and the number of sheets, rows, columns and
//! characters are bounded before anything is kept.

use calamine::{DataRef, Reader, Xlsx, XlsxError};
use rust_xlsxwriter::{Format, XlsxError as WriteError};
use std::collections::HashSet;
use std::io::{Cursor, Read};

/// Most bytes of a file.
pub const FILE_BYTES_MAX: usize = 32 << 20;
/// Most bytes of everything in it, unpacked.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;
const PARTS_MAX: usize = 2_000;
const SHEETS_MAX: usize = 300;
/// Most rows of a sheet, headers included.
const ROWS_MAX: usize = 200_000;
const COLUMNS_MAX: usize = 500;
/// Most cells of a workbook.
const CELLS_MAX: usize = 4_000_000;
/// Most bytes of a cell.
const TEXT_BYTES_MAX: usize = 32 << 10;

/// Why a file cannot be read as a workbook.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WorkbookError {
    /// Another kind of file.
    #[error("this is no Excel workbook (.xlsx): {0}")]
    NotAWorkbook(String),
    /// Too much of something.
    #[error("the workbook has more than {most} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: u64,
    },
    /// A sheet that cannot be used.
    #[error("sheet {sheet}: {problem}")]
    Sheet {
        /// Its name.
        sheet: String,
        /// What is wrong.
        problem: String,
    },
}

fn too_much(what: &'static str, most: u64) -> WorkbookError {
    WorkbookError::TooMuch { what, most }
}

/// A row of a sheet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// As Excel counts them, from 1.
    pub number: u32,
    /// Texts by column; short where the row ends early.
    cells: Vec<String>,
}

/// A sheet with headers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// First row, normalised by [`header`].
    pub headers: Vec<String>,
    /// The rows that have any text.
    pub rows: Vec<Row>,
}

/// A header without what people write differently: single spaces, one space after a colon and none before, no
/// `?`, no `(Y/N)`. Letter case stays, since names of fields stand in headers; it does not count in [`Sheet`].
pub fn header(text: &str) -> String {
    let bare = text.replace("(Y/N)", " ").replace("(y/n)", " ").replace(" Y/N", " ").replace('?', " ");
    let parts: Vec<String> =
        bare.split(':').map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    parts.join(": ")
}

impl Sheet {
    /// Column of a header.
    pub fn column(&self, name: &str) -> Option<usize> {
        let exact = self.headers.iter().position(|h| h == name);
        exact.or_else(|| self.headers.iter().position(|h| h.eq_ignore_ascii_case(name)))
    }

    /// Text of a row in the column of a header; empty when there is none.
    pub fn text<'r>(&self, row: &'r Row, name: &str) -> &'r str {
        self.column(name).map_or("", |column| row.at(column))
    }

    /// Numbered columns `name 1`, `name 2`, … and a bare `name` (as 0), in order: number and column.
    pub fn numbered(&self, name: &str) -> Vec<(u32, usize)> {
        let mut found: Vec<(u32, usize)> = self
            .headers
            .iter()
            .enumerate()
            .filter_map(|(column, header)| Some((number_after(header, name)?, column)))
            .collect();
        found.sort_unstable();
        found
    }

    /// Columns whose header begins with `prefix: `, with what follows.
    pub fn prefixed<'s>(&'s self, prefix: &str) -> Vec<(&'s str, usize)> {
        let prefix = format!("{prefix}: ");
        let rest = |h: &'s String| {
            let begins = h.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(&prefix));
            begins.then(|| &h[prefix.len()..])
        };
        self.headers.iter().enumerate().filter_map(|(column, h)| Some((rest(h)?, column))).collect()
    }
}

impl Row {
    /// Text in a column.
    pub fn at(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }

    /// Texts of numbered columns, without the empty ones.
    pub fn filled<'r>(&'r self, columns: &[(u32, usize)]) -> Vec<&'r str> {
        columns.iter().map(|(_, column)| self.at(*column)).filter(|t| !t.is_empty()).collect()
    }
}

/// The number of a header `name N`, 0 for `name` itself; `None` for another header.
pub fn number_after(header: &str, name: &str) -> Option<u32> {
    let begin = header.get(..name.len()).filter(|begin| begin.eq_ignore_ascii_case(name))?;
    match &header[begin.len()..] {
        "" => Some(0),
        rest => rest.strip_prefix(' ').filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok(),
    }
}

/// `Y`, `yes`, `true`, `1`; `None` for what is neither yes nor no. An empty cell is no.
pub fn yes(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "true" | "1" | "t" => Some(true),
        "" | "n" | "no" | "false" | "0" | "f" => Some(false),
        _ => None,
    }
}

/// Reads a workbook.
pub fn read(file: Vec<u8>) -> Result<Vec<Sheet>, WorkbookError> {
    if file.len() > FILE_BYTES_MAX {
        return Err(too_much("bytes", FILE_BYTES_MAX as u64));
    }
    check_parts(&file)?;
    let not = |error: XlsxError| WorkbookError::NotAWorkbook(error.to_string());
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(file)).map_err(not)?;
    let names = book.sheet_names();
    if names.len() > SHEETS_MAX {
        return Err(too_much("sheets", SHEETS_MAX as u64));
    }
    let mut cells = 0;
    names.iter().map(|name| read_sheet(&mut book, name, &mut cells)).collect()
}

/// Unpacks everything once into nothing: sizes in the directory of an archive may lie.
fn check_parts(file: &[u8]) -> Result<(), WorkbookError> {
    let not = |error: zip::result::ZipError| WorkbookError::NotAWorkbook(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).map_err(not)?;
    if archive.len() > PARTS_MAX {
        return Err(too_much("parts", PARTS_MAX as u64));
    }
    let mut left = UNPACKED_BYTES_MAX;
    for number in 0..archive.len() {
        let part = archive.by_index(number).map_err(not)?;
        let read = std::io::copy(&mut part.take(left + 1), &mut std::io::sink())
            .map_err(|error| WorkbookError::NotAWorkbook(error.to_string()))?;
        left = left.checked_sub(read).ok_or(too_much("unpacked bytes", UNPACKED_BYTES_MAX))?;
    }
    Ok(())
}

fn read_sheet(
    book: &mut Xlsx<Cursor<Vec<u8>>>,
    name: &str,
    cells: &mut usize,
) -> Result<Sheet, WorkbookError> {
    let wrong = |problem: String| WorkbookError::Sheet { sheet: name.to_owned(), problem };
    let mut reader = book.worksheet_cells_reader(name).map_err(|error| wrong(error.to_string()))?;
    let mut rows: Vec<Row> = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|error| wrong(error.to_string()))? {
        let (row, column) = cell.get_position();
        let text = text_of(cell.get_value())
            .map_err(|problem| wrong(format!("row {}, column {}: {problem}", row + 1, column + 1)))?;
        if text.is_empty() {
            continue;
        }
        *cells += 1;
        if *cells > CELLS_MAX {
            return Err(too_much("cells", CELLS_MAX as u64));
        }
        if row as usize >= ROWS_MAX {
            return Err(wrong(format!("it has more than {ROWS_MAX} rows")));
        }
        if column as usize >= COLUMNS_MAX {
            return Err(wrong(format!("it has more than {COLUMNS_MAX} columns")));
        }
        if rows.last().is_none_or(|last| last.number != row + 1) {
            rows.push(Row { number: row + 1, cells: Vec::new() });
        }
        if let Some(last) = rows.last_mut() {
            let place = column as usize;
            last.cells.resize(last.cells.len().max(place + 1), String::new());
            last.cells[place] = text;
        }
    }
    let headers: Vec<String> = match rows.first() {
        Some(first) if first.number == 1 => rows.remove(0).cells.iter().map(|text| header(text)).collect(),
        Some(_) => return Err(wrong("the first row must hold the headers, and is empty".to_owned())),
        None => Vec::new(),
    };
    let mut seen = HashSet::new();
    if let Some(twice) = headers.iter().find(|h| !h.is_empty() && !seen.insert(*h)) {
        return Err(wrong(format!("two columns are called {twice:?}")));
    }
    Ok(Sheet { name: name.to_owned(), headers, rows })
}

fn text_of(value: &DataRef<'_>) -> Result<String, String> {
    let text = match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        // Excel knows no whole numbers; one that is whole is meant so.
        DataRef::Float(number) => number.to_string(),
        DataRef::Bool(yes) => yes.to_string(),
        DataRef::DateTime(at) => match at.to_ymd_hms_milli() {
            (year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
            (year, month, day, hour, minute, second, _) => {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
            }
        },
        DataRef::Error(error) => return Err(format!("it holds the error {error}")),
    };
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("it holds more than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(text.trim().to_owned())
}

/// A sheet to write: its name, headers, rows.
pub type Page = (String, Vec<String>, Vec<Vec<String>>);

/// Writes a workbook. Everything is text, so that nothing turns into a date or loses its zeros.
pub fn write(pages: &[Page]) -> Result<Vec<u8>, WriteError> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let bold = Format::new().set_bold();
    for (name, headers, rows) in pages {
        let sheet = book.add_worksheet();
        sheet.set_name(name)?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, text) in headers.iter().enumerate() {
            sheet.write_string_with_format(0, column as u16, text, &bold)?;
        }
        for (number, row) in rows.iter().enumerate() {
            for (column, text) in row.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
                sheet.write_string(number as u32 + 1, column as u16, text)?;
            }
        }
    }
    book.save_to_buffer()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &[&[&str]]) -> Page {
        let texts = |row: &&[&str]| row.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        ("one".to_owned(), texts(&rows[0]), rows[1..].iter().map(texts).collect())
    }

    #[test]
    fn what_was_written_is_read() {
        let file =
            write(&[page(&[&["UID", "field: name 1", "Delete(Y/N)"], &["007", "a<b", ""], &[], &["", "x"]])]);
        let sheets = read(file.unwrap()).unwrap();
        assert_eq!(sheets[0].headers, ["UID", "field: name 1", "Delete"]);
        let rows: Vec<_> = sheets[0].rows.iter().map(|r| (r.number, r.cells.clone())).collect();
        assert_eq!(rows, [(2, vec!["007".to_owned(), "a<b".into()]), (4, vec![String::new(), "x".into()])]);
        assert_eq!(sheets[0].text(&sheets[0].rows[0], "field: name 1"), "a<b");
        assert_eq!(sheets[0].text(&sheets[0].rows[0], "uid"), "007");
        assert_eq!(sheets[0].text(&sheets[0].rows[0], "nothing"), "");
    }

    #[test]
    fn headers_are_compared_loosely() {
        for (typed, meant) in [
            ("Delete(Y/N)", "Delete"),
            ("is_global?", "is_global"),
            ("Field 1 :  property 2", "Field 1: property 2"),
            ("Shares Cases Y/N", "Shares Cases"),
            ("View Child Cases (Y/N)", "View Child Cases"),
        ] {
            assert_eq!(header(typed), meant);
        }
    }

    #[test]
    fn numbered_columns_in_order() {
        let sheet = Sheet {
            headers: ["group 2", "group 10", "group 1", "groups", "group x"].map(str::to_owned).into(),
            ..Sheet::default()
        };
        assert_eq!(sheet.numbered("Group"), [(1, 2), (2, 0), (10, 1)]);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(read(b"name,village".to_vec()), Err(WorkbookError::NotAWorkbook(_))));
        assert!(matches!(read(vec![0; FILE_BYTES_MAX + 1]), Err(WorkbookError::TooMuch { .. })));
        let far = {
            let mut book = rust_xlsxwriter::Workbook::new();
            book.add_worksheet().write_string(1_048_575, 16_383, "far away").unwrap();
            book.save_to_buffer().unwrap()
        };
        assert!(matches!(read(far), Err(WorkbookError::Sheet { .. })));
    }
}

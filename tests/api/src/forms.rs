//! Forms and multipart bodies for tests.

/// A form with one question and the user `u1`.
pub fn form(id: &str) -> String {
    format!(
        "<data xmlns=\"http://example.org/visit\" name=\"Visit\" version=\"3\" uiVersion=\"1\"><weight>61</weight>\
         <meta xmlns=\"http://openrosa.org/jr/xforms\"><deviceID>d1</deviceID>\
         <timeStart>2024-05-01T08:00:00Z</timeStart><timeEnd>2024-05-01T08:05:00Z</timeEnd>\
         <username>amina</username><userID>u1</userID><instanceID>{id}</instanceID></meta></data>"
    )
}

/// A form of user `u1` with these case blocks.
pub fn form_with(id: &str, blocks: &str) -> String {
    form(id).replace("<meta", &format!("{blocks}<meta"))
}

/// A block that creates a case.
pub fn create(case: &str, name: &str) -> String {
    block(
        case,
        &format!(
            "<create><case_type>patient</case_type><case_name>{name}</case_name><owner_id>u1</owner_id></create>\
             <update><weight>61</weight></update>"
        ),
    )
}

/// A block of a case.
pub fn block(case: &str, actions: &str) -> String {
    format!(
        "<case xmlns=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{case}\" user_id=\"u1\" \
         date_modified=\"2024-05-01T08:05:00.000000Z\">{actions}</case>"
    )
}

/// A part of a multipart body; without file name it is a plain field.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Field name.
    pub name: &'a str,
    /// File name.
    pub filename: Option<&'a str>,
    /// Type.
    pub content_type: Option<&'a str>,
    /// Content.
    pub content: &'a [u8],
}

/// The XML part as phones send it.
pub fn xml_part(xml: &str) -> Part<'_> {
    Part {
        name: "xml_submission_file",
        filename: Some("form.xml"),
        content_type: Some("text/xml"),
        content: xml.as_bytes(),
    }
}

/// A file, its field named as the file.
pub fn file_part<'a>(name: &'a str, content_type: &'a str, content: &'a [u8]) -> Part<'a> {
    Part { name, filename: Some(name), content_type: Some(content_type), content }
}

/// Content type of what [`multipart`] makes.
pub const MULTIPART: &str = "multipart/form-data; boundary=----boundary";

/// A multipart body.
pub fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(b"------boundary\r\n");
        let filename = part.filename.map(|f| format!("; filename=\"{f}\"")).unwrap_or_default();
        let head = format!("Content-Disposition: form-data; name=\"{}\"{filename}\r\n", part.name);
        out.extend_from_slice(head.as_bytes());
        if let Some(content_type) = part.content_type {
            out.extend_from_slice(format!("Content-Type: {content_type}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(part.content);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"------boundary--\r\n");
    out
}

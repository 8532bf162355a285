//! Fields of forms, URL-encoded or multipart.

use crate::multipart::{Event, Parser, boundary_of};
use crate::problem::Problem;
use crate::request::Request;
use hyper::header::CONTENT_TYPE;

/// Longest body of a phone's form.
const BODY_BYTES_MAX: usize = 256 << 10;

/// Fields of a phone's form.
pub async fn fields(request: &mut Request) -> Result<Vec<(String, String)>, Problem> {
    let parts = parts(request, BODY_BYTES_MAX).await?;
    Ok(parts.into_iter().map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned())).collect())
}

/// Names and bytes of the fields of a form of either kind, no longer than so many bytes.
pub async fn parts(request: &mut Request, bytes_max: usize) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let bad = |_| Problem::BadRequest("the multipart body cannot be read".to_owned());
    let content_type = request.header_text(&CONTENT_TYPE, 300).unwrap_or_default();
    let mut body = Vec::new();
    while let Some(chunk) = request.body.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Problem::BadRequest("this form is too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    if !content_type.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        let pairs = form_urlencoded::parse(&body);
        return Ok(pairs.map(|(n, v)| (n.into_owned(), v.into_owned().into_bytes())).collect());
    }
    let boundary = boundary_of(content_type.as_bytes()).map_err(bad)?;
    let mut parser = Parser::new(&boundary);
    parser.put(&body);
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    while let Some(event) = parser.next_event().map_err(bad)? {
        match event {
            Event::Head(head) => all.push((head.name.unwrap_or_default(), Vec::new())),
            Event::Data(bytes) => {
                if let Some((_, value)) = all.last_mut() {
                    value.extend_from_slice(&bytes);
                }
            }
            Event::End => {}
        }
    }
    parser.end().map_err(bad)?;
    Ok(all)
}

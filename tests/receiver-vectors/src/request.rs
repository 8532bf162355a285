//! From a scenario's `request` to bytes.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::{Request, find};
use crate::compare::{Bound, resolve};

const BOUNDARY: &str = "----bolster-receiver-vectors-7d1f";

/// Builds everything but the credentials. Files are read from `folder`.
pub fn build(request: &Value, folder: &Path, bound: &Bound) -> Result<Request> {
    let text = |key: &str| request[key].as_str().with_context(|| format!("a request without {key}"));
    let mut out = Request {
        method: text("method")?.to_owned(),
        target: encode_path(text("path")?),
        ..Request::default()
    };
    if let Some(query) = request["query"].as_object().filter(|q| !q.is_empty()) {
        let pairs = query.iter().map(|(k, v)| {
            let value = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
            format!("{}={}", encode(k), encode(resolve(&value, bound)))
        });
        out.target = format!("{}?{}", out.target, pairs.collect::<Vec<_>>().join("&"));
    }
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().with_context(|| format!("header {name} is no text"))?;
        out.headers.push((name.clone(), resolve(value, bound).to_owned()));
    }
    if let Some(parts) = request["parts"].as_array() {
        out.headers.push(("Content-Type".to_owned(), format!("multipart/form-data; boundary={BOUNDARY}")));
        out.body = multipart(parts, folder)?;
    } else if let Some(body) = request.get("body") {
        out.body = raw_body(body, folder)?;
    }
    Ok(out)
}

fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

fn encode(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~$:@!*'(),%".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn multipart(parts: &[Value], folder: &Path) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts {
        let field = part["field"].as_str().context("a part without field")?;
        write!(out, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(field))?;
        if let Some(name) = part["filename"].as_str() {
            write!(out, "; filename=\"{}\"", quoted(name))?;
        }
        if let Some(kind) = part["content_type"].as_str() {
            write!(out, "\r\nContent-Type: {kind}")?;
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&content(part, folder)?);
        out.extend_from_slice(b"\r\n");
    }
    write!(out, "--{BOUNDARY}--\r\n")?;
    Ok(out)
}

fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

fn raw_body(body: &Value, folder: &Path) -> Result<Vec<u8>> {
    if body["empty"] == true {
        return Ok(Vec::new());
    }
    let plain = content(body, folder)?;
    if body["gzip"] != true {
        return Ok(plain);
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&plain)?;
    Ok(encoder.finish()?)
}

/// The bytes of a part or a body: a file, a text, or so many times one byte.
fn content(source: &Value, folder: &Path) -> Result<Vec<u8>> {
    let bytes = if let Some(name) = source["file"].as_str() {
        std::fs::read(folder.join(name)).with_context(|| format!("reading {name}"))?
    } else if let Some(text) = source["text"].as_str() {
        text.as_bytes().to_vec()
    } else if let Some(generate) = source.get("generate") {
        vec![byte(&generate["byte"])?; number(&generate["size"])?]
    } else {
        bail!("a part without content");
    };
    match source.get("pad") {
        None => Ok(bytes),
        Some(pad) => padded(bytes, pad),
    }
}

/// Replaces a marker by one byte, repeated until the whole has a size.
fn padded(bytes: Vec<u8>, pad: &Value) -> Result<Vec<u8>> {
    let marker = pad["replace"].as_str().context("a pad without marker")?.as_bytes();
    let at = find(&bytes, marker).context("the marker of a pad is not in the file")?;
    let rest = &bytes[at + marker.len()..];
    let fill = number(&pad["total_size"])?.saturating_sub(at + rest.len());
    let mut out = bytes[..at].to_vec();
    out.resize(at + fill, byte(&pad["byte"])?);
    out.extend_from_slice(rest);
    Ok(out)
}

fn byte(value: &Value) -> Result<u8> {
    value.as_str().and_then(|t| t.bytes().next()).context("no byte to repeat")
}

fn number(value: &Value) -> Result<usize> {
    value.as_u64().map(|n| n as usize).context("a size that is no number")
}

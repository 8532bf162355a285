//! A plain HTTP/1.1 client: one request per connection, bytes exactly as a scenario wants them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_secs(30);

/// What goes out. `Host`, `Content-Length` and `Connection` are added.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `POST`, …
    pub method: String,
    /// Path with query.
    pub target: String,
    /// Names as given.
    pub headers: Vec<(String, String)>,
    /// Sent as it is.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Decoded from chunks if it came in chunks.
    pub body: Vec<u8>,
}

impl Response {
    /// First header of a name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request and reads the whole answer.
pub fn send(address: SocketAddr, request: &Request) -> Result<Response> {
    let mut stream = TcpStream::connect(address).context("the server does not take connections")?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes())?;
    // A server that refuses a body may answer and hang up before it has all of it.
    let written = stream.write_all(&request.body);
    if written.is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    match parse(&answer) {
        Ok(response) => Ok(response),
        Err(error) => {
            written.context("sending the body")?;
            read.context("reading the answer")?;
            Err(error)
        }
    }
}

fn parse(answer: &[u8]) -> Result<Response> {
    let end = find(answer, b"\r\n\r\n").context("an answer without end of headers")?;
    let head = std::str::from_utf8(&answer[..end]).context("headers that are not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let status = status.split(' ').nth(1).and_then(|s| s.parse().ok()).context("an answer without status")?;
    let mut headers = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { bail!("a header without colon: {line}") };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut response = Response { status, headers, body: answer[end + 4..].to_vec() };
    if response.header("transfer-encoding") == Some("chunked") {
        response.body = unchunk(&response.body)?;
    }
    Ok(response)
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let end = find(rest, b"\r\n").context("a chunk without length")?;
        let length = std::str::from_utf8(&rest[..end])?;
        let length = usize::from_str_radix(length.split(';').next().unwrap_or_default().trim(), 16)?;
        if length == 0 {
            return Ok(out);
        }
        let from = end + 2;
        out.extend_from_slice(rest.get(from..from + length).context("a chunk that was cut off")?);
        rest = rest.get(from + length + 2..).context("a chunk without end")?;
    }
}

/// Position of `needle`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

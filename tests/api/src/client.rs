//! HTTP/1.1 by hand: bytes exactly as a test wants them, and several requests on one connection.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer.
const WAIT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Response {
    /// First header of a name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
    /// The nature of an OpenRosa answer, and its message.
    pub fn openrosa(&self) -> (String, String) {
        let text = self.text();
        let start = text.find("nature=\"").unwrap_or_else(|| panic!("{text}")) + "nature=\"".len();
        let (nature, rest) = text[start..].split_once("\">").expect("the end of the tag");
        let (message, _) = rest.split_once("</message>").expect("the end of the message");
        (nature.to_owned(), message.to_owned())
    }
}

/// A connection, its answers read one after the other.
pub struct Connection {
    stream: TcpStream,
    /// Bytes read beyond the last answer.
    ahead: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server takes connections");
        stream.set_read_timeout(Some(WAIT)).expect("a timeout");
        stream.set_write_timeout(Some(WAIT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, ahead: Vec::new() }
    }

    /// Sends bytes as they are; false when the other side does not take them any more.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Closes the sending side.
    pub fn finish(&mut self) {
        // The other side may have closed already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: clinic.example\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        self.write(head.as_bytes());
        // A server that refuses a body may answer before it has all of it.
        self.write(body);
    }

    /// Sends a request and reads the answer. `Host` and `Content-Length` are added.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.ask(method, target, headers, body);
        self.read(method == "HEAD")
    }

    /// Reads one answer.
    pub fn read(&mut self, without_body: bool) -> Response {
        self.try_read(without_body).expect("an answer")
    }

    /// Reads one answer; `None` when the connection ends instead.
    pub fn try_read(&mut self, without_body: bool) -> Option<Response> {
        let end = loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                break at;
            }
            if !self.more() {
                return None;
            }
        };
        let head: Vec<u8> = self.ahead.drain(..end + 4).collect();
        let head = String::from_utf8(head[..end].to_vec()).expect("headers of text");
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').expect("a colon"))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
            .collect();
        let mut response = Response { status, headers, body: Vec::new() };
        if response.header("transfer-encoding") == Some("chunked") && !without_body {
            response.body = self.chunks()?;
            return Some(response);
        }
        let length = response.header("content-length").map(|l| l.parse::<usize>().expect("a number"));
        let length =
            if without_body || matches!(status, 100..200 | 204 | 304) { 0 } else { length.unwrap_or(0) };
        while self.ahead.len() < length {
            assert!(self.more(), "the body broke off after {} of {length} bytes", self.ahead.len());
        }
        response.body = self.ahead.drain(..length).collect();
        Some(response)
    }

    /// The chunks of a body; `None` when it breaks off.
    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.ahead, b"\r\n") {
                    Some(at) => break at,
                    None if !self.more() => return None,
                    None => {}
                }
            };
            let line = String::from_utf8(self.ahead[..end].to_vec()).expect("a length");
            let length = usize::from_str_radix(&line, 16).expect("a length");
            while self.ahead.len() < end + 2 + length + 2 {
                if !self.more() {
                    return None;
                }
            }
            body.extend_from_slice(&self.ahead[end + 2..end + 2 + length]);
            self.ahead.drain(..end + 2 + length + 2);
            if length == 0 {
                return Some(body);
            }
        }
    }

    /// Sends a request and hangs up once the head of the answer is there.
    pub fn send_and_hang_up(mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.ask(method, target, headers, body);
        while find(&self.ahead, b"\r\n\r\n").is_none() && self.more() {}
    }

    /// True when the other side hangs up without a further byte.
    pub fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && !self.more()
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&buffer[..n]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(e) => panic!("no answer: {e}"),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// `Authorization` for HTTP basic.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// `Authorization` that answers a digest challenge (RFC 7616, MD5); `count` is the number of its use.
pub fn digest(
    challenge: &str,
    user: &str,
    password: &str,
    (method, target): (&str, &str),
    count: u32,
) -> String {
    let field = |name: &str| {
        let start = challenge.find(&format!("{name}=\"")).expect("a field of the challenge") + name.len() + 2;
        challenge[start..start + challenge[start..].find('"').expect("its end")].to_owned()
    };
    let (realm, nonce) = (field("realm"), field("nonce"));
    let ha1 = md5_of(format!("{user}:{realm}:{password}").as_bytes());
    let ha2 = md5_of(format!("{method}:{target}").as_bytes());
    let response = md5_of(format!("{ha1}:{nonce}:{count:08x}:0a4f113b:auth:{ha2}").as_bytes());
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", qop=auth, \
         nc={count:08x}, cnonce=\"0a4f113b\", response=\"{response}\""
    )
}

/// MD5 of bytes, in hex.
pub fn md5_of(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

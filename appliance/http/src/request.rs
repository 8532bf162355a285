//! A request as resources see it.

use crate::body::BodyReader;
use hyper::Method;
use hyper::header::{COOKIE, HOST, HeaderMap, HeaderName};
use std::borrow::Cow;
use std::net::SocketAddr;

/// Name of the session cookie, HQ's and Formplayer's.
pub const SESSION_COOKIE: &str = "sessionid";

/// A request whose head has been read.
pub struct Request {
    /// Method, address, headers.
    pub head: hyper::http::request::Parts,
    /// Its body.
    pub body: BodyReader,
    /// Who is at the other end of the connection.
    pub peer: SocketAddr,
}

impl Request {
    /// Headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// `GET` or `HEAD`.
    pub fn reads(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD)
    }

    /// A header as text; `None` when absent, or not visible ASCII and blanks.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// A header as text even if it is not ASCII, as some clients send names; at most `max` characters.
    pub fn header_text(&self, name: &HeaderName, max: usize) -> Option<String> {
        let value = self.head.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).chars().take(max).collect())
    }

    /// First value of a query parameter.
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.head.uri.query()?;
        form_urlencoded::parse(query.as_bytes()).find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// All query parameters in order.
    pub fn queries(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        form_urlencoded::parse(self.head.uri.query().unwrap_or_default().as_bytes())
    }

    /// The address as requested, path and query.
    pub fn target(&self) -> &str {
        self.head.uri.path_and_query().map_or("/", |p| p.as_str())
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.head.headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok()).find_map(|line| {
            line.split(';').find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
        })
    }

    /// Host and port as the client knows them; `None` when it said nothing fit to be said back.
    pub fn host(&self) -> Option<&str> {
        let host = match self.head.uri.authority() {
            Some(authority) => authority.as_str(),
            None => self.header(HOST)?,
        };
        let fit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
        (!host.is_empty() && host.len() <= 255 && host.bytes().all(fit)).then_some(host)
    }
}

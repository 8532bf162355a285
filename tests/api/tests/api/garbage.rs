//! Nothing that a client sends gives a 500, and nothing ends the server.

use api_tests::Server;
use api_tests::forms::{MULTIPART, file_part, form, multipart, xml_part};

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// Bytes changed, cut out, doubled.
fn mangled(dice: &mut Dice, bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=dice.below(6) {
        if out.is_empty() {
            break;
        }
        let (at, len) = (dice.below(out.len()), dice.below(30));
        let end = (at + len).min(out.len());
        match dice.below(4) {
            0 => out[at] = dice.below(256) as u8,
            1 => drop(out.drain(at..end)),
            2 => {
                let piece = out[at..end].to_vec();
                out.splice(at..at, piece);
            }
            _ => out[at] = b"<>&\"'\r\n-;=\0\xff"[dice.below(12)],
        }
    }
    out
}

#[test]
fn mangled_submissions() {
    let server = Server::start();
    let mut dice = Dice(1);
    let mut connection = server.connect();
    let xml = form("f1");
    let parts = multipart(&[xml_part(&xml), file_part("a.jpg", "image/jpeg", b"\r\n--\r\n")]);
    for round in 0..600 {
        let (content_type, body) = match round % 2 {
            0 => (MULTIPART, mangled(&mut dice, &parts)),
            _ => ("text/xml", mangled(&mut dice, xml.as_bytes())),
        };
        let encoding = if round % 50 == 0 { "gzip" } else { "identity" };
        let headers = [("Content-Type", content_type), ("Content-Encoding", encoding)];
        let answer = connection.send("POST", "/a/demo/receiver/", &headers, &body);
        assert!(answer.status < 500, "{}: {:?}", answer.status, String::from_utf8_lossy(&body));
    }
}

#[test]
fn mangled_addresses_and_headers() {
    let server = Server::start();
    let web = server.user("demo", "web@example.org", None);
    let cookie = server.session(&web);
    let mut dice = Dice(2);
    let targets = [
        "/a/demo/api/form/v1/f1/?cases__full=true",
        "/a/demo/api/case/v2/a,b%2Cc?fields=a.b",
        "/a/demo/data/?before=1",
        "/a/demo/api/form/attachment/f/form.xml",
        "/a/demo/reports/case_data/c/?all=1",
        "/login/?next=/x",
        "/metrics",
        "/a/demo/reports/form_data/%D1%84/download/",
        "/healthz",
    ];
    for round in 0..600 {
        let target: Vec<u8> = mangled(&mut dice, targets[round % targets.len()].as_bytes());
        let header = mangled(
            &mut dice,
            b"Authorization: Digest username=\"a\", nonce=\"b\", nc=1\r\nIf-None-Match: \"x\"",
        );
        let mut connection = server.connect();
        let mut bytes = b"GET ".to_vec();
        bytes.extend_from_slice(&target);
        bytes.extend_from_slice(format!(" HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n").as_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(b"\r\n\r\n");
        connection.write(&bytes);
        connection.finish();
        if let Some(answer) = connection.try_read(false) {
            assert!(answer.status < 500, "{}: {:?}", answer.status, String::from_utf8_lossy(&bytes));
        }
    }
    assert_eq!(server.get("/serverup.txt", &[]).text(), "success");
}

#[test]
fn bytes_that_are_no_http() {
    let server = Server::start();
    let rows: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /a/demo/receiver/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ];
    for bytes in rows {
        let mut connection = server.connect();
        connection.write(bytes);
        connection.finish();
        if let Some(answer) = connection.try_read(false) {
            assert!((400..500).contains(&answer.status), "{}: {bytes:?}", answer.status);
        }
    }
    assert_eq!(server.get("/serverup.txt", &[]).status, 200);
}

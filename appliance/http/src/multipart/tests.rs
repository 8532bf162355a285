//! Bodies as clients send them, whole and byte by byte.

use super::*;

/// What comes out of a body given in pieces: parts with head and data, or the error.
fn parts(body: &[u8], piece: usize) -> Result<Vec<(PartHead, Vec<u8>)>, MultipartError> {
    let mut parser = Parser::new("XX");
    let mut parts: Vec<(PartHead, Vec<u8>)> = Vec::new();
    let mut open = false;
    for piece in body.chunks(piece.max(1)) {
        parser.put(piece);
        while let Some(event) = parser.next_event()? {
            match event {
                Event::Head(head) => {
                    assert!(!open, "a head inside a part");
                    open = true;
                    parts.push((head, Vec::new()));
                }
                Event::Data(data) => {
                    assert!(open && !data.is_empty());
                    parts.last_mut().unwrap().1.extend_from_slice(&data);
                }
                Event::End => open = false,
            }
        }
        assert!(
            parser.buffer.len() <= HEAD_BYTES_MAX + piece.len() + 10,
            "{} bytes kept",
            parser.buffer.len()
        );
    }
    parser.end()?;
    Ok(parts)
}

fn head(name: &str, filename: Option<&str>, content_type: &str) -> PartHead {
    PartHead {
        name: Some(name.to_owned()),
        filename: filename.map(str::to_owned),
        content_type: content_type.to_owned(),
    }
}

const BODY: &[u8] = b"ignored\r\n--X\r\n--XX\r\n\
Content-Disposition: form-data; name=\"xml_submission_file\"; filename=\"f.xml\"\r\n\
Content-Type: text/xml; charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\n\r\n\
<data/>\r\n--X not yet\r\r\n\r\n--XX  \r\n\
content-disposition: form-data; name=empty\r\n\r\n\r\n--XX\r\n\r\nno head\r\n--XX\r\n\
Content-Disposition: form-data;\r\n name=folded\r\n\r\n--XX\r\n--XX--\r\nafter\r\n--XX\r\n";

#[test]
fn the_same_parts_in_whatever_pieces() {
    let expected = vec![
        (head("xml_submission_file", Some("f.xml"), "text/xml"), b"<data/>\r\n--X not yet\r\r\n".to_vec()),
        (head("empty", None, ""), Vec::new()),
        (PartHead::default(), b"no head".to_vec()),
        (head("folded", None, ""), b"--XX".to_vec()),
    ];
    for piece in [1, 2, 3, 5, 8, 13, 64, 1000] {
        assert_eq!(parts(BODY, piece).unwrap(), expected, "pieces of {piece}");
    }
}

#[test]
fn the_first_delimiter_may_open_the_body() {
    let body = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XX--";
    assert_eq!(parts(body, 1000).unwrap(), vec![(head("a", None, ""), b"1".to_vec())]);
    assert_eq!(parts(b"--XX--", 3).unwrap(), vec![]);
}

#[test]
fn every_cut_is_noticed() {
    let end = BODY.len() - b"--\r\nafter\r\n--XX\r\n".len();
    for cut in 0..end {
        assert_eq!(parts(&BODY[..cut], 1000), Err(MultipartError::CutOff), "cut at {cut}");
    }
}

#[test]
fn nonsense_is_refused() {
    let rows: [(&[u8], MultipartError); 4] = [
        (b"--XX rubbish\r\n\r\n", MultipartError::Malformed),
        (b"--XXY\r\n\r\n--XX--", MultipartError::Malformed),
        (b"--XX\r\nno colon\r\n\r\n1\r\n--XX--", MultipartError::Malformed),
        (
            b"--XX\r\nContent-Transfer-Encoding: base64\r\n\r\nMQ==\r\n--XX--",
            MultipartError::TransferEncoding("base64".to_owned()),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(parts(body, 1000), Err(expected), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn heads_are_bounded() {
    let fits = format!("--XX\r\nX-Long: {}\r\n\r\n1\r\n--XX--", "x".repeat(HEAD_BYTES_MAX - 100));
    assert_eq!(parts(fits.as_bytes(), 100).unwrap().len(), 1);
    for body in [
        format!("--XX\r\nX-Long: {}", "x".repeat(HEAD_BYTES_MAX)),
        format!("--XX{}", " ".repeat(HEAD_BYTES_MAX + 1)),
    ] {
        assert_eq!(parts(body.as_bytes(), 100), Err(MultipartError::HeadTooLong));
    }
}

#[test]
fn random_bytes_never_panic() {
    let alphabet = b"\r\n-X:; \"\\=nameContent-Disposition";
    let mut seed = 7u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    for _ in 0..20_000 {
        let body: Vec<u8> = (0..next() % 60).map(|_| alphabet[next() % alphabet.len()]).collect();
        let mut whole = b"--XX\r\n".to_vec();
        whole.extend(&body);
        for body in [&body, &whole] {
            let one = parts(body, 1);
            assert_eq!(one, parts(body, 1000));
        }
    }
}

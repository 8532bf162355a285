//! Any bytes as a multipart body: nothing panics, what is held back is bounded, and the pieces in which the
//! bytes arrive make no difference.

#![no_main]

use bolster_http::multipart::{Event, HEAD_BYTES_MAX, Parser, boundary_of, disposition, main_type};

/// What came out, with data run together.
fn events(body: &[u8], piece: usize) -> (Vec<String>, bool) {
    let mut parser = Parser::new("b");
    let mut seen: Vec<String> = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    for bytes in body.chunks(piece.max(1)) {
        parser.put(bytes);
        loop {
            match parser.next_event() {
                Ok(Some(Event::Data(bytes))) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                Ok(Some(event)) => {
                    if matches!(event, Event::End) {
                        seen.push(format!("{:?}", std::mem::take(&mut data)));
                    }
                    seen.push(format!("{event:?}"));
                }
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return (seen, false);
                }
            }
        }
    }
    (seen, parser.end().is_ok())
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, body)) = input.split_first() else { return };
    let _ = (boundary_of(body), disposition(body), main_type(body));
    let whole = events(body, body.len());
    let pieces = events(body, usize::from(*first));
    // Headers that are too long are noticed earlier or later, by how they arrive.
    if body.len() < HEAD_BYTES_MAX {
        assert_eq!(whole, pieces);
    }
});

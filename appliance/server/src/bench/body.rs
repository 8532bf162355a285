//! Requests of the load generator: written once, then only their changing places are overwritten, so that the
//! generator costs little beside the server on the same machine.

use std::fmt::Write as _;

/// What one form does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Creates cases.
    Create,
    /// Updates cases that exist.
    Update,
}

/// The shape of the forms of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Case blocks in a form.
    pub cases_per_form: usize,
    /// Bytes of the photo sent along; 0 for none.
    pub photo_bytes: usize,
}

/// Numbers from a seed; good enough to mix load, and cheap.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Evenly below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound.max(1))) >> 64) as u64
    }

    /// Evenly in `(0, 1]`.
    pub fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The case id of a number, always the same.
pub fn case_id(number: u64) -> [u8; 36] {
    uuid(mix(number ^ 0x5eed_0000_0000_0001), mix(number.wrapping_mul(3) ^ 0x5eed_0000_0000_0002))
}

fn uuid(high: u64, low: u64) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = (u128::from(high) << 64 | u128::from(low)) & !(0xf << 76) | 4 << 76;
    let bits = bits & !(0x3 << 62) | 2 << 62;
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for place in text.iter_mut().enumerate().filter(|(i, _)| ![8, 13, 18, 23].contains(i)).map(|(_, p)| p) {
        shift -= 4;
        *place = HEX[(bits >> shift) as usize & 0xf];
    }
    text
}

enum Slot {
    FormId(usize),
    CaseId(usize, usize),
    Number(usize, usize),
    Word(usize),
}

/// A whole HTTP request with the places that change from form to form.
pub struct Template {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    xml_len: usize,
}

/// Marks of places; each as long as what replaces it.
const FORM_ID: &str = "@form-id-of-thirty-six-characters--@";
const CASE_ID: &str = "@case-id-of-thirty-six-characters--@";
const WORD: &str = "@word--@";
const WORDS: [&[u8; 8]; 8] =
    [b"positive", b"negative", b"improved", b"worsened", b"referred", b"followup", b"observed", b"recovery"];
const BOUNDARY: &str = "------------------------bolster-bench-0a1b2c3d";

/// Where and as whom the generator sends.
pub struct Target<'a> {
    /// `host:port`.
    pub host: &'a str,
    /// Project.
    pub project: &'a str,
    /// Value of the `Authorization` header.
    pub authorization: &'a str,
    /// Id of the mobile worker.
    pub user_id: &'a str,
}

impl Template {
    /// Builds the request for a kind of form.
    pub fn new(target: &Target<'_>, kind: Kind, shape: Shape) -> Self {
        let xml = form(target.user_id, kind, shape.cases_per_form);
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"xml_submission_file\"; filename=\"form.xml\"\r\n\
             Content-Type: text/xml\r\nContent-Transfer-Encoding: binary\r\n\r\n{xml}\r\n"
        )
        .into_bytes();
        if shape.photo_bytes > 0 {
            body.extend_from_slice(
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"photo.jpg\"; filename=\"photo.jpg\"\r\n\
                     Content-Type: image/jpeg\r\n\r\n"
                )
                .as_bytes(),
            );
            // Each photo differs from the others in its first bytes, which the form id below overwrites.
            body.extend_from_slice(FORM_ID.as_bytes());
            let mut dice = Dice::new(7);
            body.extend((FORM_ID.len()..shape.photo_bytes).map(|_| dice.next() as u8));
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let mut bytes = format!(
            "POST /a/{}/receiver/secure/ HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nX-OpenRosa-Version: 3.0\r\n\
             User-Agent: bolster-bench\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n\
             Content-Length: {}\r\n\r\n",
            target.project,
            target.host,
            target.authorization,
            body.len()
        )
        .into_bytes();
        bytes.append(&mut body);
        let slots = find_slots(&bytes);
        Self { bytes, slots, xml_len: xml.len() }
    }

    /// Bytes of the XML of one form.
    pub fn xml_len(&self) -> usize {
        self.xml_len
    }

    /// Writes a request over `out`; `case` gives the number of the n-th case.
    pub fn write(&self, out: &mut Vec<u8>, dice: &mut Dice, mut case: impl FnMut(&mut Dice, usize) -> u64) {
        out.clear();
        out.extend_from_slice(&self.bytes);
        let form_id = uuid(dice.next(), dice.next());
        let mut number = dice.next();
        for slot in &self.slots {
            match *slot {
                Slot::FormId(at) => out[at..at + 36].copy_from_slice(&form_id),
                Slot::CaseId(at, nth) => {
                    let id = case_id(case(dice, nth));
                    out[at..at + 36].copy_from_slice(&id);
                }
                Slot::Number(at, len) => {
                    for place in &mut out[at..at + len] {
                        *place = b'1' + (number % 9) as u8;
                        number = number / 9 + 0x9e37_79b9;
                    }
                }
                Slot::Word(at) => out[at..at + 8].copy_from_slice(WORDS[dice.below(8) as usize]),
            }
        }
    }
}

/// A form of ten questions as a phone sends it, about 1.3 KB of XML with one case.
fn form(user_id: &str, kind: Kind, cases: usize) -> String {
    let mut xml = format!(
        "<?xml version='1.0' ?><data xmlns:jrm=\"http://dev.commcarehq.org/jr/xforms\" \
         xmlns=\"http://openrosa.org/formdesigner/bolster-bench\" name=\"Visit\" uiVersion=\"1\" version=\"7\">\
         <visit_type>{WORD}</visit_type><weight>####</weight><height>###</height><temperature>###</temperature>\
         <pulse>###</pulse><complaint>{WORD}</complaint><treatment>{WORD}</treatment><visit_number>#####</visit_number>\
         <outcome>{WORD}</outcome><remarks>{WORD} since the last visit, comes again in ## days</remarks>"
    );
    for _ in 0..cases {
        let _ = write!(
            xml,
            "<case case_id=\"{CASE_ID}\" user_id=\"{user_id}\" date_modified=\"2026-03-01T0#:##:##.###Z\" \
             xmlns=\"http://commcarehq.org/case/transaction/v2\">"
        );
        if kind == Kind::Create {
            let _ = write!(
                xml,
                "<create><case_type>patient</case_type><case_name>Patient #####</case_name>\
                 <owner_id>{user_id}</owner_id></create>"
            );
        }
        let _ = write!(
            xml,
            "<update><weight>####</weight><last_outcome>{WORD}</last_outcome><visits>#####</visits></update></case>"
        );
    }
    let _ = write!(
        xml,
        "<n1:meta xmlns:n1=\"http://openrosa.org/jr/xforms\"><n1:deviceID>bench-phone</n1:deviceID>\
         <n1:timeStart>2026-03-01T08:2#:##.###Z</n1:timeStart><n1:timeEnd>2026-03-01T08:3#:##.###Z</n1:timeEnd>\
         <n1:username>bench</n1:username><n1:userID>{user_id}</n1:userID><n1:instanceID>{FORM_ID}</n1:instanceID>\
         <n2:appVersion xmlns:n2=\"http://commcarehq.org/xforms\">CommCare Android, version \"2.53.1\"(463695). App v7. \
         CommCare Version 2.53.1</n2:appVersion></n1:meta></data>"
    );
    // Minutes and seconds begin with a digit below six.
    xml.replace("T0#:##:##", "T0#:1#:2#")
        .replace("2#:##.###Z", "2#:3#.###Z")
        .replace("3#:##.###Z", "3#:4#.###Z")
}

fn find_slots(bytes: &[u8]) -> Vec<Slot> {
    let mut slots = Vec::new();
    let mut cases = 0;
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(FORM_ID.as_bytes()) {
            slots.push(Slot::FormId(at));
            at += FORM_ID.len();
        } else if rest.starts_with(CASE_ID.as_bytes()) {
            slots.push(Slot::CaseId(at, cases));
            cases += 1;
            at += CASE_ID.len();
        } else if rest.starts_with(WORD.as_bytes()) {
            slots.push(Slot::Word(at));
            at += WORD.len();
        } else if rest[0] == b'#' && !rest.starts_with(b"#!") {
            let len = rest.iter().take_while(|b| **b == b'#').count();
            // A photo is random and may hold the sign; one digit there does no harm.
            slots.push(Slot::Number(at, len));
            at += len;
        } else {
            at += 1;
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target<'static> {
        Target { host: "127.0.0.1:1", project: "bench", authorization: "Basic eA==", user_id: "w1" }
    }

    fn xml_of(request: &[u8]) -> &str {
        let text = std::str::from_utf8(request).unwrap();
        let begin = text.find("<?xml").unwrap();
        &text[begin..text.find("</data>").unwrap() + 7]
    }

    #[test]
    fn a_written_form_is_read_by_the_receiver_with_its_cases() {
        for (kind, cases) in [(Kind::Create, 1), (Kind::Update, 1), (Kind::Create, 5)] {
            let target = Target { user_id: "w1", ..target() };
            let template = Template::new(&target, kind, Shape { cases_per_form: cases, photo_bytes: 0 });
            let mut out = Vec::new();
            template.write(&mut out, &mut Dice::new(1), |_, nth| nth as u64);
            let xml = xml_of(&out);
            assert!(!xml.contains('@') && !xml.contains('#'), "{xml}");
            let parsed = bolster_wire::parse_form(xml.as_bytes(), &bolster_wire::Limits::default()).unwrap();
            assert_eq!(parsed.case_blocks.len(), cases);
            assert!(parsed.meta.time_end.is_some());
            assert!(parsed.case_blocks.iter().all(|b| b.date_modified.is_some()));
        }
    }

    #[test]
    fn the_form_is_as_long_as_forms_are() {
        let target = Target { user_id: "0123456789abcdef0123456789abcdef", ..target() };
        let template = Template::new(&target, Kind::Update, Shape { cases_per_form: 1, photo_bytes: 0 });
        assert!((1200..1700).contains(&template.xml_len()), "{}", template.xml_len());
    }

    #[test]
    fn the_content_length_is_that_of_the_body() {
        let shape = Shape { cases_per_form: 1, photo_bytes: 5000 };
        let template = Template::new(&target(), Kind::Update, shape);
        let mut out = Vec::new();
        template.write(&mut out, &mut Dice::new(1), |_, nth| nth as u64);
        let end = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&out[..end]).unwrap();
        let length: usize = head.rsplit("Content-Length: ").next().unwrap().parse().unwrap();
        assert_eq!(length, out.len() - end - 4);
    }

    #[test]
    fn ids_are_distinct_uuids() {
        let ids: std::collections::BTreeSet<_> = (0..10_000).map(case_id).collect();
        assert_eq!(ids.len(), 10_000);
        let text = String::from_utf8(case_id(1).to_vec()).unwrap();
        assert_eq!(&text[14..15], "4");
    }
}

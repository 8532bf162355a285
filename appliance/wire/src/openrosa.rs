//! The OpenRosa answer to a submission.

/// What an answer means to the phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Stored; the phone may forget the form.
    SubmitSuccess,
    /// Stored, with a complaint (clients older than OpenRosa 3.0).
    SubmitError,
    /// Never send this again.
    ProcessingFailure,
    /// Stored, send the same bytes again.
    PostProcessingFailure,
}

impl Nature {
    /// As spelled on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitSuccess => "submit_success",
            Self::SubmitError => "submit_error",
            Self::ProcessingFailure => "processing_failure",
            Self::PostProcessingFailure => "post_processing_failure",
        }
    }
}

/// The tick that phones show for a form that is safe.
pub const TICK: &str = "   √   ";

/// The whole body: no XML declaration, exactly one message.
pub fn response(nature: Nature, message: &str) -> String {
    let mut out = String::with_capacity(120 + message.len());
    out.push_str(r#"<OpenRosaResponse xmlns="http://openrosa.org/http/response"><message nature=""#);
    out.push_str(nature.name());
    out.push_str(r#"">"#);
    push_escaped(&mut out, message);
    out.push_str("</message></OpenRosaResponse>");
    out
}

/// Text inside an element: markup escaped, characters that XML cannot hold replaced by U+FFFD.
pub fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

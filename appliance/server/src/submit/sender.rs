//! Sends one form and reads what the server makes of it.

use super::forms::FormFiles;
use crate::cli::SubmitCommand;
use anyhow::{Context, Result, bail};
use bolster_env::Clock;
use std::time::Duration;

/// Tries while the server is busy or away, before the form counts as failed.
const TRIES: u32 = 6;
/// Longest wait between two tries, in seconds.
const WAIT_SECONDS_MAX: u64 = 30;
/// Answers are short texts.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
const BOUNDARY: &str = "------------------------bolster-submit-7f3e9c51d2";

/// What became of a form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Stored and applied.
    Accepted,
    /// The server has it already.
    Duplicate,
    /// The server will never take it; why.
    Refused(String),
    /// Not decided; why. May be sent again.
    Failed(String),
}

impl Verdict {
    /// Word for the state file; `None` when the form must be sent again.
    pub fn settled(&self) -> Option<&'static str> {
        match self {
            Self::Accepted => Some("accepted"),
            Self::Duplicate => Some("duplicate"),
            Self::Refused(_) => Some("refused"),
            Self::Failed(_) => None,
        }
    }
}

/// Knows where to send and as whom.
pub struct Sender {
    agent: ureq::Agent,
    url: String,
    authorization: String,
}

impl Sender {
    /// Prepares, sends nothing.
    pub fn new(command: &SubmitCommand, password: &str) -> Result<Self> {
        let base = command.url.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            bail!("--url must begin with http:// or https://");
        }
        let app = command.app.as_deref().map_or_else(String::new, |app| format!("{app}/"));
        // A bare name is a mobile worker's, whose full name on the wire ends in the project's.
        let user = if command.user.contains('@') {
            command.user.clone()
        } else {
            format!("{}@{}.commcarehq.org", command.user, command.project)
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_global(Some(Duration::from_secs(300)))
            .build();
        Ok(Self {
            agent: config.into(),
            url: format!("{base}/a/{}/receiver/secure/{app}", command.project),
            authorization: basic(&user, password),
        })
    }

    /// Where forms go.
    pub fn destination(&self) -> String {
        self.url.clone()
    }

    /// Sends a form, again while the server is busy. An error means that no form would get through.
    pub fn send(&self, form: &FormFiles, clock: &dyn Clock) -> Result<Verdict> {
        let body = match body(form) {
            Ok(body) => body,
            Err(error) => return Ok(Verdict::Failed(format!("{error:#}"))),
        };
        let mut reason = String::new();
        for attempt in 0..TRIES {
            let seconds = match self.post(&body) {
                Ok(Answer::Verdict(verdict)) => return Ok(verdict),
                Ok(Answer::NobodyMay(sentence)) => bail!(sentence),
                Ok(Answer::Later { seconds, why }) => {
                    reason = why;
                    seconds.unwrap_or(1 << attempt)
                }
                Err(error) => {
                    reason = error.to_string();
                    1 << attempt
                }
            };
            if attempt + 1 < TRIES {
                wait(clock, seconds.min(WAIT_SECONDS_MAX));
            }
        }
        Ok(Verdict::Failed(reason))
    }

    /// Without an OpenRosa version: the answers of version 3 do not tell a duplicate from a new form.
    fn post(&self, body: &[u8]) -> Result<Answer, ureq::Error> {
        let mut response = self
            .agent
            .post(&self.url)
            .header("Authorization", &self.authorization)
            .header("Content-Type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .send(body)?;
        let header = response.headers().get("retry-after").and_then(|v| v.to_str().ok());
        let retry_after = header.and_then(|v| v.trim().parse().ok());
        let status = response.status().as_u16();
        let text =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string()?;
        Ok(judge(status, &text, retry_after))
    }
}

enum Answer {
    Verdict(Verdict),
    /// The server may take it later, after this many seconds if it said so.
    Later {
        seconds: Option<u64>,
        why: String,
    },
    /// No form of ours would be taken.
    NobodyMay(String),
}

/// What an answer means (the table of the receiver).
fn judge(status: u16, text: &str, retry_after: Option<u64>) -> Answer {
    let message = message(text);
    match status {
        200..=299 if message.starts_with("Form is a duplicate") => Answer::Verdict(Verdict::Duplicate),
        200..=299 if text.contains("nature=\"submit_error\"") => Answer::Verdict(Verdict::Refused(message)),
        200..=299 => Answer::Verdict(Verdict::Accepted),
        401 | 403 => Answer::NobodyMay(format!(
            "the server does not let this user send forms to this project (status {status}); check --user, --project and the password"
        )),
        404 | 405 => {
            Answer::NobodyMay(format!("there is no receiver of forms at this address (status {status})"))
        }
        400 if message.starts_with("No domain with name") => Answer::NobodyMay(message),
        422 if text.contains("post_processing_failure") => {
            Answer::Later { seconds: retry_after, why: message }
        }
        400 | 413 | 415 | 422 => Answer::Verdict(Verdict::Refused(message)),
        _ => Answer::Later { seconds: retry_after, why: format!("status {status}: {message}") },
    }
}

/// The message in an OpenRosa answer, or the first line of any other.
fn message(text: &str) -> String {
    let inner = text.split_once("<message").and_then(|(_, rest)| rest.split_once('>')).map(|(_, rest)| rest);
    let inner = inner.and_then(|rest| rest.split_once("</message>")).map(|(inner, _)| inner);
    let plain = inner.unwrap_or_else(|| text.lines().next().unwrap_or_default());
    let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    plain.trim().to_owned()
}

fn body(form: &FormFiles) -> Result<Vec<u8>> {
    let read = |path: &std::path::Path| {
        std::fs::read(path).with_context(|| format!("{} could not be read", path.display()))
    };
    let mut body = Vec::new();
    part(&mut body, "xml_submission_file", "form.xml", "text/xml", &read(&form.xml)?);
    for path in &form.attachments {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.replace(['"', '\r', '\n'], "_");
        part(&mut body, &name, &name, content_type(&name), &read(path)?);
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    Ok(body)
}

fn part(body: &mut Vec<u8>, field: &str, file: &str, content_type: &str, content: &[u8]) {
    body.extend_from_slice(
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{file}\"\r\n\
             Content-Type: {content_type}\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n");
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "pdf" => "application/pdf",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "mp4" | "m4v" => "video/mp4",
        "3gp" | "3gpp" => "video/3gpp",
        _ => "application/octet-stream",
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}")))
}

/// Lets time pass without taking the processor.
fn wait(clock: &dyn Clock, seconds: u64) {
    let end = clock.monotonic_us() + seconds * 1_000_000;
    while clock.monotonic_us() < end {
        std::thread::park_timeout(Duration::from_micros(end.saturating_sub(clock.monotonic_us())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, text: &str) -> Option<Verdict> {
        match judge(status, text, None) {
            Answer::Verdict(verdict) => Some(verdict),
            Answer::Later { .. } | Answer::NobodyMay(_) => None,
        }
    }

    fn answer(nature: &str, text: &str) -> String {
        format!(
            "<OpenRosaResponse xmlns=\"http://openrosa.org/http/response\"><message nature=\"{nature}\">{text}</message></OpenRosaResponse>"
        )
    }

    #[test]
    fn answers_mean_what_the_receivers_table_says() {
        assert_eq!(verdict(201, &answer("submit_success", "   √   ")), Some(Verdict::Accepted));
        let duplicate = answer("submit_error", "Form is a duplicate of another! (x)");
        assert_eq!(verdict(201, &duplicate), Some(Verdict::Duplicate));
        let error = answer("submit_error", "IllegalCaseId: a");
        assert_eq!(verdict(201, &error), Some(Verdict::Refused("IllegalCaseId: a".into())));
        let refused = answer("processing_failure", "IllegalCaseId: a &lt; b");
        assert_eq!(verdict(422, &refused), Some(Verdict::Refused("IllegalCaseId: a < b".into())));
        assert_eq!(
            verdict(413, "Form exceeds 10MB size limit\n"),
            Some(Verdict::Refused("Form exceeds 10MB size limit".into()))
        );
        for again in [423, 429, 500, 503] {
            assert!(matches!(judge(again, "", Some(3)), Answer::Later { seconds: Some(3), .. }), "{again}");
        }
        assert!(matches!(judge(422, &answer("post_processing_failure", "x"), None), Answer::Later { .. }));
        assert!(matches!(judge(401, "", None), Answer::NobodyMay(_)));
    }

    #[test]
    fn the_name_of_an_attachment_cannot_break_the_body() {
        let folder = std::env::temp_dir().join(format!("bolster-body-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a\"\r\nb.jpg"), "x").unwrap();
        std::fs::write(folder.join("form.xml"), "<a/>").unwrap();
        let forms = super::super::forms::find(std::slice::from_ref(&folder)).unwrap();
        let text = String::from_utf8(body(&forms[0]).unwrap()).unwrap();
        assert!(text.contains("name=\"a___b.jpg\"; filename=\"a___b.jpg\""), "{text}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

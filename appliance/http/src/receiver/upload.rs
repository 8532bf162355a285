//! From the body of a submission to its XML and its files.
//!
//! XML is kept in memory, bounded; files go to the blob store while they arrive. All rules are judged at the
//! end, in the order in which HQ judges them, so that a client that breaks several hears of the same one.

use crate::body::{BodyError, BodyMemory, BodyReader, MemoryShare};
use crate::multipart::{Event, MultipartError, Parser, PartHead, boundary_of};
use crate::options::{ATTACHMENT_BYTES_MAX, HttpOptions, XML_BYTES_MAX};
use crate::receiver::file_sink::FileSink;
use bolster_model::Attachment;
use bolster_model::id::ID_LEN_MAX;
use bolster_store::{BlobError, BlobPin, Blobs};
use bytes::Bytes;
use std::sync::Arc;

/// Field that holds the XML.
pub const XML_FIELD: &str = "xml_submission_file";
/// Name under which the XML is among the files of a form; no other may have it.
pub const XML_NAME: &str = "form.xml";
/// Extensions of files that are taken whatever their type says.
pub const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "png", "pdf", "3ga", "mp3", "wav", "amr", "qcp", "ogg", "3gpp", "3gp", "3gp2", "3g2",
    "mp4", "mpg4", "mpeg4", "m4v", "mpg", "mpeg",
];

/// A submission's content, within limits.
#[derive(Debug)]
pub struct Received {
    /// Exactly as sent.
    pub xml: Vec<u8>,
    /// Sorted by name, unique, already stored.
    pub attachments: Vec<Attachment>,
    /// They keep the attachments until a form refers to them, or it is certain that none will.
    pub pins: Vec<BlobPin>,
    /// A rule that its files break: the submission is refused for good, and kept for a person to look at.
    pub refused: Option<UploadError>,
}

/// Why a body is no submission.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A field that is no file.
    #[error("Received a submission with POST.keys()")]
    PlainField,
    /// No part of the right name.
    #[error(
        "If you use multipart/form-data, please name your file {XML_FIELD}.\n\
         You may also do a normal (non-multipart) post with the xml submission as the request body instead.\n"
    )]
    NoXmlField,
    /// XML above its bound.
    #[error("Form exceeds 10MB size limit\n")]
    XmlTooLarge,
    /// The XML's file name does not end in `.xml`.
    #[error(
        "If you use multipart/form-data, please use xml file only for submitting form xml. You may also do \
         a normal (non-multipart) with the xml submission as the request body instead\n"
    )]
    XmlExtension,
    /// A file above its bound.
    #[error("Attachment exceeds 15MB size limit\n")]
    FileTooLarge,
    /// Neither extension nor type is one of those taken.
    #[error(
        "If you use multipart/form-data, please use the following supported file extensions for attachments: \
         {}\n",
        EXTENSIONS.join(", ")
    )]
    FileType,
    /// A file's field name is not usable as a name.
    #[error("The name of an attachment is empty, longer than {ID_LEN_MAX} characters, or {XML_NAME}\n")]
    FileName,
    /// More parts than a submission may have.
    #[error("A submission can have at most {max} attachments\n")]
    TooManyParts {
        /// Bound.
        max: usize,
    },
    /// The XML part is empty.
    #[error("If you use multipart/form-data, the file {XML_FIELD} must not have an empty payload\n")]
    EmptyXmlField,
    /// The raw body is empty.
    #[error("Post may not have an empty body\n")]
    EmptyBody,
    /// Not readable as a multipart body.
    #[error("The multipart/form-data body cannot be read: {0}\n")]
    Multipart(#[source] MultipartError),
    /// The body itself.
    #[error("the body could not be read")]
    Body(#[source] BodyError),
    /// A file could not be stored.
    #[error("a file could not be stored")]
    Store(#[source] BlobError),
}

impl UploadError {
    /// A form with a file that is never taken: sending the same again will not help, and the phone is told so.
    fn is_for_good(&self) -> bool {
        matches!(self, Self::FileType | Self::FileName)
    }
}

impl From<BodyError> for UploadError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

/// What receiving needs besides the body.
pub struct Context<'a> {
    /// Bounds.
    pub options: &'a HttpOptions,
    /// Memory that all bodies share.
    pub memory: &'a Arc<BodyMemory>,
    /// Where files go.
    pub blobs: &'a Blobs,
}

/// Reads a whole submission.
pub async fn receive(
    context: &Context<'_>,
    content_type: Option<&[u8]>,
    body: &mut BodyReader,
) -> Result<Received, UploadError> {
    let content_type = content_type.unwrap_or_default().trim_ascii_start();
    let start = content_type.get(..19).unwrap_or_default();
    if !start.eq_ignore_ascii_case(b"multipart/form-data") {
        return raw(context, body).await;
    }
    let boundary = boundary_of(content_type).map_err(UploadError::Multipart)?;
    let mut parser = Parser::new(&boundary);
    let mut upload = Upload::new(context);
    while let Some(bytes) = body.chunk().await? {
        parser.put(&bytes);
        while let Some(event) = parser.next_event().map_err(UploadError::Multipart)? {
            upload.event(event).await?;
        }
    }
    parser.end().map_err(UploadError::Multipart)?;
    upload.judged()
}

async fn raw(context: &Context<'_>, body: &mut BodyReader) -> Result<Received, UploadError> {
    let mut share = MemoryShare::new(context.memory);
    let mut xml = Vec::with_capacity(body.hint());
    let mut length = 0u64;
    while let Some(bytes) = body.chunk().await? {
        length += bytes.len() as u64;
        keep(&mut xml, &bytes, length, &mut share)?;
    }
    match length {
        0 => Err(UploadError::EmptyBody),
        length if length > XML_BYTES_MAX => Err(UploadError::XmlTooLarge),
        _ => Ok(Received { xml, attachments: Vec::new(), pins: Vec::new(), refused: None }),
    }
}

/// Adds to the XML while it is within its bound; beyond, everything is let go and only counted.
fn keep(xml: &mut Vec<u8>, bytes: &Bytes, length: u64, share: &mut MemoryShare) -> Result<(), BodyError> {
    if length > XML_BYTES_MAX {
        *xml = Vec::new();
        return Ok(());
    }
    share.cover(length as usize)?;
    xml.extend_from_slice(bytes);
    Ok(())
}

/// The part being read.
enum Current {
    /// Nobody wants it.
    Skipped,
    Xml,
    File(Box<FileSink>),
    /// Refused for this reason, or for its size if it turns out too large.
    Refused {
        length: u64,
        error: UploadError,
    },
}

struct Xml {
    bytes: Vec<u8>,
    length: u64,
    good_name: bool,
}

/// A multipart submission as far as it has come.
struct Upload<'a> {
    context: &'a Context<'a>,
    share: MemoryShare,
    current: Current,
    parts: usize,
    plain_field: bool,
    xml: Option<Xml>,
    /// First rule that an attachment breaks.
    broken: Option<UploadError>,
    files: Vec<(Attachment, BlobPin)>,
}

impl<'a> Upload<'a> {
    fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            share: MemoryShare::new(context.memory),
            current: Current::Skipped,
            parts: 0,
            plain_field: false,
            xml: None,
            broken: None,
            files: Vec::new(),
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), UploadError> {
        match event {
            Event::Head(head) => self.begin(head),
            Event::Data(bytes) => match &mut self.current {
                Current::Skipped => Ok(()),
                Current::Refused { length, .. } => {
                    *length += bytes.len() as u64;
                    Ok(())
                }
                Current::Xml => self.xml_data(&bytes),
                Current::File(file) if file.length() + bytes.len() as u64 > ATTACHMENT_BYTES_MAX => {
                    self.current = Current::Skipped;
                    self.broken = Some(UploadError::FileTooLarge);
                    Ok(())
                }
                Current::File(file) => file.write(bytes).await.map_err(UploadError::Store),
            },
            Event::End => self.end().await,
        }
    }

    async fn end(&mut self) -> Result<(), UploadError> {
        match std::mem::replace(&mut self.current, Current::Skipped) {
            Current::Skipped | Current::Xml => {}
            Current::Refused { length, error } => {
                self.broken =
                    Some(if length > ATTACHMENT_BYTES_MAX { UploadError::FileTooLarge } else { error });
            }
            Current::File(file) => {
                let (file, pin) = file.finish().await.map_err(UploadError::Store)?;
                // As with Django, the last of one name counts.
                self.files.retain(|(f, _)| f.name != file.name);
                self.files.push((file, pin));
            }
        }
        Ok(())
    }

    fn begin(&mut self, head: PartHead) -> Result<(), UploadError> {
        self.parts += 1;
        if self.parts > self.context.options.parts_max {
            return Err(UploadError::TooManyParts { max: self.context.options.parts_max });
        }
        self.current = Current::Skipped;
        let PartHead { name: Some(name), filename, content_type } = head else { return Ok(()) };
        match filename {
            None => self.plain_field = true,
            // A file input left empty: browsers send it so, and it means nothing.
            Some(filename) if filename.is_empty() => {}
            Some(filename) if name == XML_FIELD => {
                let good_name = extension(&filename) == Some("xml");
                self.xml = Some(Xml { bytes: Vec::new(), length: 0, good_name });
                self.current = Current::Xml;
            }
            Some(filename) => self.current = self.begin_file(name, &filename, content_type),
        }
        Ok(())
    }

    fn begin_file(&self, name: String, filename: &str, content_type: String) -> Current {
        // What is refused anyhow is read, but not stored.
        let refused = self.plain_field
            || self.broken.is_some()
            || self.xml.as_ref().is_some_and(|x| !x.good_name || x.length > XML_BYTES_MAX);
        if refused {
            return Current::Skipped;
        }
        if !takes(filename, &content_type) {
            return Current::Refused { length: 0, error: UploadError::FileType };
        }
        if name.is_empty() || name == XML_NAME || name.chars().count() > ID_LEN_MAX || name.contains('\0') {
            return Current::Refused { length: 0, error: UploadError::FileName };
        }
        let file = FileSink::new(self.context.blobs.clone(), self.context.memory, name, content_type);
        Current::File(Box::new(file))
    }

    fn xml_data(&mut self, bytes: &Bytes) -> Result<(), UploadError> {
        if let Some(xml) = &mut self.xml {
            xml.length += bytes.len() as u64;
            keep(&mut xml.bytes, bytes, xml.length, &mut self.share)?;
        }
        Ok(())
    }

    fn judged(mut self) -> Result<Received, UploadError> {
        if self.plain_field {
            return Err(UploadError::PlainField);
        }
        let Some(xml) = self.xml else { return Err(UploadError::NoXmlField) };
        if xml.length > XML_BYTES_MAX {
            return Err(UploadError::XmlTooLarge);
        }
        if !xml.good_name {
            return Err(UploadError::XmlExtension);
        }
        let refused = self.broken;
        match refused {
            // What a phone is told to send no more is kept here; what is too large cannot be.
            Some(error) if xml.length == 0 || !error.is_for_good() => return Err(error),
            None if xml.length == 0 => return Err(UploadError::EmptyXmlField),
            _ => {}
        }
        self.files.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let (attachments, pins) = self.files.into_iter().unzip();
        Ok(Received { xml: xml.bytes, attachments, pins, refused })
    }
}

/// A file of this name or type may come with a form.
fn takes(filename: &str, content_type: &str) -> bool {
    extension(filename).is_some_and(|e| EXTENSIONS.contains(&e))
        || ["audio/", "image/", "video/"].iter().any(|kind| content_type.starts_with(kind))
        || matches!(content_type, "application/octet-stream" | "application/pdf")
}

/// What follows the last dot; letter case counts.
fn extension(filename: &str) -> Option<&str> {
    filename.rsplit_once('.').map(|(_, extension)| extension)
}

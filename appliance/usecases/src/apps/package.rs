//! Packages as zip files: hostile until proven otherwise, and written for phones that take them whole.

use bolster_model::Digest;
use bolster_store::{BlobError, BlobPin, BlobReader, Blobs, Staged};
use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// What a package may cost.
#[derive(Clone, Copy, Debug)]
pub struct PackageLimits {
    /// Bytes of the zip file.
    pub package_bytes: u64,
    /// Files in it.
    pub files: usize,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of one file that is read as XML or text.
    pub text_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Bytes of all files for each byte of the package, beyond the first [`Self::free_bytes`].
    pub ratio: u64,
    /// Bytes of all files that need no justification.
    pub free_bytes: u64,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Folders of a path.
    pub path_depth: usize,
}

impl Default for PackageLimits {
    fn default() -> Self {
        Self {
            package_bytes: 2 << 30,
            files: 20_000,
            file_bytes: 512 << 20,
            text_bytes: 32 << 20,
            total_bytes: 2 << 30,
            ratio: 100,
            free_bytes: 64 << 20,
            path_bytes: 512,
            path_depth: 16,
        }
    }
}

/// Most lines of a list of what is wrong.
const LINES_MAX: usize = 50;
/// Bytes moved at once.
const CHUNK_BYTES: usize = 64 << 10;
/// End record of a zip file, and the longest comment behind it.
const END_BYTES: u64 = 22;
const COMMENT_BYTES_MAX: u64 = 0xffff;

/// A file of a package, stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unpacked {
    pub path: String,
    pub digest: Digest,
    pub length: u64,
}

/// Files of a package, stored; they stay while this is kept, and for good once something refers to them.
#[derive(Default)]
pub(super) struct UnpackedFiles {
    /// By path.
    pub files: Vec<Unpacked>,
    pub pins: Vec<BlobPin>,
}

/// Why a package was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    /// What is wrong with it.
    #[error("the package cannot be taken: {}", .0.join("; "))]
    Bad(Vec<String>),
    /// Its file cannot be read.
    #[error("the package cannot be read")]
    Read(#[source] io::Error),
    /// Its files cannot be stored.
    #[error("a file of the package could not be stored")]
    Blob(#[from] BlobError),
}

fn bad(text: impl Into<String>) -> UnpackError {
    UnpackError::Bad(vec![text.into()])
}

/// Stores every file of a package as a blob. Files come back sorted by path; nothing is referred to yet.
pub(super) fn unpack(
    blobs: &Blobs,
    mut source: impl Read + Seek,
    limits: &PackageLimits,
) -> Result<UnpackedFiles, UnpackError> {
    let package_bytes = source.seek(SeekFrom::End(0)).map_err(UnpackError::Read)?;
    if package_bytes > limits.package_bytes {
        return Err(bad(format!("it is larger than {} bytes", limits.package_bytes)));
    }
    let promised = entry_count(&mut source, package_bytes)?;
    if promised > limits.files {
        return Err(bad(format!("it holds more than {} files", limits.files)));
    }
    let mut archive = ZipArchive::new(source).map_err(|error| zip_error("it", error))?;
    // Two readers that see different files in one package are a way to smuggle.
    if archive.has_duplicate_names() {
        return Err(bad("two of its files have the same name"));
    }
    if archive.len() != promised {
        return Err(bad("its list of files contradicts itself"));
    }
    if archive.has_overlapping_entries().map_err(|error| zip_error("it", error))? {
        return Err(bad("its files lie over one another"));
    }
    let names = names(&mut archive, limits)?;
    let budget = limits.free_bytes.max(package_bytes.saturating_mul(limits.ratio)).min(limits.total_bytes);
    let mut left = budget;
    let mut out = UnpackedFiles::default();
    for (index, path) in names {
        let mut entry = archive.by_index(index).map_err(|error| zip_error(&path, error))?;
        let (file, pin) = store(blobs, &mut entry, &path, limits.file_bytes.min(left))?;
        left = left.saturating_sub(file.length);
        out.files.push(file);
        out.pins.push(pin);
    }
    out.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// How many entries the end record promises. Zip64 is refused: no package needs it, and its readers differ.
fn entry_count(source: &mut (impl Read + Seek), bytes: u64) -> Result<usize, UnpackError> {
    let mut tail = Vec::new();
    let from = bytes.saturating_sub(END_BYTES + COMMENT_BYTES_MAX);
    source.seek(SeekFrom::Start(from)).map_err(UnpackError::Read)?;
    source.take(END_BYTES + COMMENT_BYTES_MAX).read_to_end(&mut tail).map_err(UnpackError::Read)?;
    source.seek(SeekFrom::Start(0)).map_err(UnpackError::Read)?;
    let at = tail.windows(4).rposition(|w| w == b"PK\x05\x06").ok_or_else(|| bad("it is no zip file"))?;
    let record = tail.get(at..at + END_BYTES as usize).ok_or_else(|| bad("it is cut off"))?;
    let short = |i: usize| u16::from_le_bytes([record[i], record[i + 1]]);
    if at + END_BYTES as usize + usize::from(short(20)) != tail.len() {
        return Err(bad("something follows the zip file"));
    }
    if short(4) != 0 || short(6) != 0 || short(8) != short(10) || short(10) == u16::MAX {
        return Err(bad("it is a zip file in parts or of the large kind"));
    }
    Ok(usize::from(short(10)))
}

/// Numbers and paths of its files, folders left out; everything that is wrong with them at once.
fn names<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    limits: &PackageLimits,
) -> Result<Vec<(usize, String)>, UnpackError> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut names = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| zip_error("it", error))?;
        let shown = String::from_utf8_lossy(entry.name_raw()).chars().take(100).collect::<String>();
        let name = std::str::from_utf8(entry.name_raw()).ok();
        if entry.is_dir() && name.and_then(|n| n.strip_suffix('/')).is_some_and(|n| path_fits(n, limits)) {
            continue;
        }
        let reason = match name {
            None => Some("has a name that is no text"),
            Some(name) if !path_fits(name, limits) => {
                Some("has a path that leaves the package or makes no sense")
            }
            Some(name) if !seen.insert(name.to_owned()) => Some("is there twice"),
            Some(_) if entry.is_symlink() => Some("is a link"),
            Some(_) if entry.encrypted() => Some("is encrypted"),
            Some(_)
                if !matches!(
                    entry.compression(),
                    CompressionMethod::Stored | CompressionMethod::Deflated
                ) =>
            {
                Some("is compressed in a way that phones do not know")
            }
            Some(_) if entry.size() > limits.file_bytes => Some("is too large"),
            Some(name) => {
                names.push((index, name.to_owned()));
                None
            }
        };
        if let Some(reason) = reason {
            wrong.push(format!("{shown:?} {reason}"));
        }
        if wrong.len() >= LINES_MAX {
            break;
        }
    }
    // A file cannot be a folder of another one.
    for name in &seen {
        let mut parents = name.match_indices('/').map(|(at, _)| &name[..at]);
        if let Some(parent) = parents.find(|p| seen.contains(*p)) {
            wrong.push(format!("{parent:?} is a file and a folder"));
        }
    }
    wrong.truncate(LINES_MAX);
    if wrong.is_empty() { Ok(names) } else { Err(UnpackError::Bad(wrong)) }
}

fn path_fits(path: &str, limits: &PackageLimits) -> bool {
    let depth = path.split('/').count();
    (1..=limits.path_bytes).contains(&path.len())
        && depth <= limits.path_depth
        && path.split('/').all(|part| {
            !matches!(part, "" | "." | "..")
                && part.len() <= 255
                && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
        })
}

/// Stores one file; never more than `most` bytes of it are taken, whatever its headers say.
fn store(
    blobs: &Blobs,
    entry: &mut impl Read,
    path: &str,
    most: u64,
) -> Result<(Unpacked, BlobPin), UnpackError> {
    let mut staged = blobs.stage()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let len = match entry.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(bad(format!("{path:?} is damaged"))),
        };
        staged.write(&chunk[..len])?;
        if staged.length() > most {
            return Err(bad(format!("{path:?} unpacks to more than is sensible")));
        }
    }
    let (info, pin) = staged.finish()?;
    Ok((Unpacked { path: path.to_owned(), digest: info.digest, length: info.length }, pin))
}

fn zip_error(what: &str, error: ZipError) -> UnpackError {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => UnpackError::Read(error),
        _ => bad(format!("{what} is no sound zip file")),
    }
}

/// What goes into a package.
pub(super) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A blob.
    Blob(BlobReader),
}

/// Compression of texts, and of media, which are compressed already.
const TEXT_LEVEL: i64 = 6;
const MEDIA_LEVEL: i64 = 1;

/// Writes a package, one file after the other.
pub(super) struct Packer<W: Write>(ZipWriter<zip::write::StreamWriter<W>>);

impl<W: Write> Packer<W> {
    pub fn new(out: W) -> Self {
        Self(ZipWriter::new_stream(out))
    }

    pub fn add(&mut self, path: &str, content: Content) -> Result<(), BlobError> {
        let level = if super::serve::is_media(path) { MEDIA_LEVEL } else { TEXT_LEVEL };
        // Always the same time, so that the same files make the same package.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(level))
            .last_modified_time(zip::DateTime::default());
        self.0.start_file(path, options).map_err(packing)?;
        match content {
            Content::Bytes(bytes) => self.0.write_all(&bytes)?,
            Content::Blob(mut reader) => loop {
                let chunk = reader.chunk()?;
                if chunk.is_empty() {
                    break;
                }
                self.0.write_all(&chunk)?;
            },
        }
        Ok(())
    }

    pub fn finish(self) -> Result<W, BlobError> {
        Ok(self.0.finish().map_err(packing)?.into_inner())
    }
}

fn packing(error: ZipError) -> BlobError {
    BlobError::Io(match error {
        ZipError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// A package in a spooled file.
pub(super) struct StagedOut(pub Staged);

impl Write for StagedOut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| match error {
            BlobError::Io(error) => error,
            other => io::Error::other(other.to_string()),
        })?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A package of files that are in memory: for samples and tests.
pub fn pack(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut packer = Packer::new(&mut out);
    let io = |error| match error {
        BlobError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    };
    for (path, bytes) in files {
        packer.add(path, Content::Bytes(bytes.to_vec())).map_err(io)?;
    }
    packer.finish().map_err(io)?;
    Ok(out)
}

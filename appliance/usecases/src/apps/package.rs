//! Packages as zip files: hostile until proven otherwise, and written for phones that take them whole.

use bolster_model::Digest;
use bolster_runtime::Finding;
use bolster_store::{BlobError, BlobPin, BlobReader, Blobs, Staged};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
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
    source: impl Read + Seek,
    limits: &PackageLimits,
) -> Result<UnpackedFiles, UnpackError> {
    let (mut archive, package_bytes) = opened(source, limits)?;
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

/// Lists what is wrong with a package, without keeping anything of it.
///
/// Errors: it cannot even be opened; a sentence for people, by the rules that hold when it is imported.
pub fn check_package(source: impl Read + Seek) -> Result<Vec<Finding>, String> {
    Ok(bolster_runtime::check(&PackageFile::open(source, &PackageLimits::default())?))
}

/// A package as it is on a disk.
struct PackageFile<R> {
    archive: RefCell<ZipArchive<R>>,
    /// Numbers of its files by path.
    files: HashMap<String, usize>,
    file_bytes: u64,
}

impl<R: Read + Seek> PackageFile<R> {
    fn open(source: R, limits: &PackageLimits) -> Result<Self, String> {
        let told = |error: UnpackError| error.to_string();
        let (mut archive, _) = opened(source, limits).map_err(told)?;
        let names = names(&mut archive, limits).map_err(told)?;
        let files = names.into_iter().map(|(index, path)| (path, index)).collect();
        Ok(Self { archive: RefCell::new(archive), files, file_bytes: limits.file_bytes })
    }
}

impl<R: Read + Seek> bolster_runtime::Files for PackageFile<R> {
    fn text(&self, path: &str) -> Option<String> {
        let index = *self.files.get(path)?;
        let mut archive = self.archive.borrow_mut();
        let mut text = Vec::new();
        archive.by_index(index).ok()?.take(self.file_bytes).read_to_end(&mut text).ok()?;
        String::from_utf8(text).ok()
    }
}

/// An archive in which nothing is hidden, and the bytes of the package.
fn opened<R: Read + Seek>(
    mut source: R,
    limits: &PackageLimits,
) -> Result<(ZipArchive<R>, u64), UnpackError> {
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
    Ok((archive, package_bytes))
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

#[cfg(test)]
mod tests {
    use super::*;
    use bolster_env::{Env, SeededRandom, SimClock, SimDisk};
    use std::path::Path;
    use std::sync::Arc;

    fn blobs() -> Blobs {
        let env = Env {
            disk: Arc::new(SimDisk::default()),
            clock: Arc::new(SimClock::default()),
            random: Arc::new(SeededRandom::new(1)),
        };
        Blobs::open(&env, Path::new("/blobs")).unwrap()
    }

    fn unpacked(package: &[u8], limits: &PackageLimits) -> Result<Vec<String>, String> {
        match unpack(&blobs(), io::Cursor::new(package), limits) {
            Ok(files) => Ok(files.files.into_iter().map(|f| f.path).collect()),
            Err(UnpackError::Bad(list)) => Err(list.join("; ")),
            Err(other) => panic!("{other}"),
        }
    }

    fn refused(package: &[u8], wanted: &str) {
        let error = unpacked(package, &PackageLimits::default()).unwrap_err();
        assert!(error.contains(wanted), "{error} does not say {wanted}");
    }

    /// Replaces a name of a package in both places where it stands.
    fn renamed(package: &[u8], from: &str, to: &str) -> Vec<u8> {
        assert_eq!(from.len(), to.len());
        let mut out = package.to_vec();
        let places: Vec<usize> = out
            .windows(from.len())
            .enumerate()
            .filter(|(_, w)| *w == from.as_bytes())
            .map(|(at, _)| at)
            .collect();
        places.iter().for_each(|at| out[*at..at + from.len()].copy_from_slice(to.as_bytes()));
        out
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let files: &[(&str, &[u8])] = &[("b/c.xml", b"<c/>"), ("a.txt", b""), ("commcare/image/x.png", b"x")];
        let package = pack(files).unwrap();
        assert_eq!(package, pack(files).unwrap());
        let paths = unpacked(&package, &PackageLimits::default()).unwrap();
        assert_eq!(paths, ["a.txt", "b/c.xml", "commcare/image/x.png"]);
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../a", "/a", "a/../../b", "a//b", "a\\b", "./a", "c:a", "a/.", "a\u{7}", "a\u{0}b"] {
            refused(&pack(&[(name, b"x")]).unwrap(), "makes no sense");
        }
        let deep = "a/".repeat(20) + "b";
        refused(&pack(&[(&deep, b"x")]).unwrap(), "makes no sense");
        refused(&pack(&[(&"n".repeat(300), b"x")]).unwrap(), "makes no sense");
    }

    #[test]
    fn names_that_collide_are_refused() {
        let package = pack(&[("aa.xml", b"one"), ("bb.xml", b"two")]).unwrap();
        refused(&renamed(&package, "bb.xml", "aa.xml"), "same name");
        refused(&pack(&[("a", b"one"), ("a/b", b"two")]).unwrap(), "a file and a folder");
    }

    #[test]
    fn bombs_do_not_go_off() {
        let zeros = vec![0; 3 << 20];
        let package = pack(&[("zeros", &zeros)]).unwrap();
        assert!(package.len() < 40_000);
        let limits = PackageLimits { free_bytes: 1 << 20, ratio: 10, ..PackageLimits::default() };
        let error = unpacked(&package, &limits).unwrap_err();
        assert!(error.contains("more than is sensible"), "{error}");
        let limits = PackageLimits { file_bytes: 1 << 20, ..PackageLimits::default() };
        assert!(unpacked(&package, &limits).is_err());
        // Headers that lie about the length do not help.
        let mut lying = package.clone();
        let length = (3u32 << 20).to_le_bytes();
        let places: Vec<usize> =
            lying.windows(4).enumerate().filter(|(_, w)| *w == length).map(|(at, _)| at).collect();
        places.iter().for_each(|at| lying[*at..at + 4].copy_from_slice(&100u32.to_le_bytes()));
        assert!(unpacked(&lying, &limits).is_err());
        let many: Vec<(String, Vec<u8>)> = (0..50).map(|i| (format!("f{i}"), Vec::new())).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        let limits = PackageLimits { files: 49, ..PackageLimits::default() };
        assert!(unpacked(&pack(&many).unwrap(), &limits).unwrap_err().contains("more than 49 files"));
        let limits = PackageLimits { package_bytes: 100, ..PackageLimits::default() };
        assert!(unpacked(&package, &limits).unwrap_err().contains("larger than 100"));
    }

    #[test]
    fn what_is_no_package_or_damaged_is_refused() {
        refused(b"", "no zip file");
        refused(b"<html>not found</html>", "no zip file");
        let package = pack(&[("a.xml", b"<some>text that is long enough to be compressed</some>")]).unwrap();
        let mut trailing = package.clone();
        trailing.extend_from_slice(b"more");
        refused(&trailing, "something follows");
        for cut in [package.len() - 1, package.len() - 30, 40, 10] {
            assert!(unpacked(&package[..cut], &PackageLimits::default()).is_err(), "{cut}");
        }
        for at in 0..package.len() {
            let mut damaged = package.clone();
            damaged[at] ^= 0x55;
            // Nothing here panics; whether a flipped bit is noticed depends on where it is.
            let _ = unpack(&blobs(), io::Cursor::new(&damaged), &PackageLimits::default());
        }
        let mut damaged = package.clone();
        damaged[45] ^= 0xff;
        refused(&damaged, "");
    }
}

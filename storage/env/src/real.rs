//! The operating system's disk.

use crate::disk::{Disk, DiskFile, OpenMode};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Share of a contested core for background threads: about a tenth of what others get.
const BACKGROUND_NICE: libc::c_int = 10;

/// Files of the operating system.
#[derive(Debug, Default)]
pub struct RealDisk {
    /// Flushes do nothing: for measuring what they cost, never for data.
    pub flush_is_stubbed: bool,
}

struct RealFile {
    file: File,
    flush_is_stubbed: bool,
}

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        if self.flush_is_stubbed { Ok(()) } else { self.file.sync_data() }
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn start_write_back(&self, offset: u64, len: u64) {
        // SAFETY: the descriptor is open for the life of `self`; the call touches no memory of ours.
        let result = unsafe {
            libc::sync_file_range(
                self.file.as_raw_fd(),
                offset as i64,
                len as i64,
                libc::SYNC_FILE_RANGE_WRITE,
            )
        };
        // A hint: where the file system refuses it, the later flush does the whole work.
        let _ = result;
    }
    fn try_lock(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open for the life of `self`.
        match unsafe { libc::flock(self.file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
    fn unlock(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open for the life of `self`.
        match unsafe { libc::flock(self.file.as_raw_fd(), libc::LOCK_UN) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::ReadWrite => options.write(true),
            OpenMode::CreateNew => options.write(true).create_new(true),
            OpenMode::CreateOrOpen => options.write(true).create(true).truncate(false),
        };
        let file = options.open(path)?;
        Ok(Arc::new(RealFile { file, flush_is_stubbed: self.flush_is_stubbed }))
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        if self.flush_is_stubbed { Ok(()) } else { File::open(path)?.sync_all() }
    }
    fn free_bytes(&self, path: &Path) -> Option<u64> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: `path` ends in NUL and `stat` is written before it is read, when the call says so.
        let stat = unsafe {
            if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
                return None;
            }
            stat.assume_init()
        };
        #[allow(clippy::useless_conversion, clippy::unnecessary_cast, reason = "widths differ by platform")]
        Some(stat.f_bavail as u64 * stat.f_frsize as u64)
    }
    fn host_marks(&self, folder: &Path) -> Vec<(&'static str, String)> {
        let first = |paths: &[&str]| paths.iter().find_map(|path| mark_in(Path::new(path)));
        let metadata = std::fs::metadata(folder).ok();
        let marks = [
            ("machine-id", first(&["/etc/machine-id", "/var/lib/dbus/machine-id"])),
            (
                "board-serial",
                first(&[
                    "/sys/class/dmi/id/board_serial",
                    "/sys/class/dmi/id/product_uuid",
                    "/proc/device-tree/serial-number",
                ]),
            ),
            ("file-system", metadata.as_ref().and_then(|m| file_system(m.dev())).or_else(|| volume(folder))),
            ("inode", metadata.map(|m| m.ino().to_string())),
        ];
        marks.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
    fn modified_secs(&self, path: &Path) -> io::Result<i64> {
        let modified = std::fs::metadata(path)?.modified()?;
        let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Ok(since.as_secs() as i64)
    }
}

/// The text of a small file, if it says anything.
fn mark_in(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// UUID of the file system on a device.
fn file_system(device: u64) -> Option<String> {
    let entries = std::fs::read_dir("/dev/disk/by-uuid").ok()?;
    entries.flatten().find_map(|entry| {
        let fits = std::fs::metadata(entry.path()).is_ok_and(|target| target.rdev() == device);
        fits.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

/// What the file system calls itself, where its UUID cannot be seen.
fn volume(folder: &Path) -> Option<String> {
    use std::os::unix::ffi::OsStrExt;
    let folder = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `folder` ends in NUL and `stat` is written before it is read, when the call says so.
    let id = unsafe {
        if libc::statvfs(folder.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init().f_fsid
    };
    (id != 0).then(|| format!("{id:x}"))
}

/// Asks the system to prefer other threads to this one while both want a core: for work that nobody waits for.
///
/// A refusal changes nothing but the order of work, so it is not reported.
pub fn yield_to_others() {
    // SAFETY: no memory is passed; 0 names the calling thread.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_handle_or_before() {
        let path = std::env::temp_dir().join(format!("bolster-lock-{}", std::process::id()));
        let disk = RealDisk::default();
        let holder = disk.open(&path, OpenMode::CreateOrOpen).unwrap();
        let second = disk.open(&path, OpenMode::ReadWrite).unwrap();
        holder.try_lock().unwrap();
        assert_eq!(second.try_lock().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        holder.unlock().unwrap();
        second.try_lock().unwrap();
        drop(second);
        holder.try_lock().unwrap();
        disk.remove(&path).unwrap();
    }

    #[test]
    fn a_folder_has_the_same_marks_every_time_and_a_copy_has_others() {
        let base = std::env::temp_dir().join(format!("bolster-marks-{}", std::process::id()));
        let disk = RealDisk::default();
        let (one, other) = (base.join("one"), base.join("other"));
        disk.create_dir_all(&one).unwrap();
        disk.create_dir_all(&other).unwrap();
        let marks = disk.host_marks(&one);
        assert!(marks.iter().any(|(name, _)| *name == "inode"), "{marks:?}");
        assert_eq!(marks, disk.host_marks(&one));
        assert_ne!(marks, disk.host_marks(&other));
        std::fs::remove_dir_all(&base).unwrap();
    }
}

//! Packages: zip files read into memory.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use bolster_runtime::Files;

/// The files of a package.
pub struct Package {
    files: HashMap<String, Vec<u8>>,
}

impl Package {
    /// Reads a package.
    pub fn read(file: &Path) -> Result<Package, String> {
        let bytes = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| e.to_string())?;
        let mut files = HashMap::new();
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).map_err(|e| e.to_string())?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(|e| e.to_string())?;
            let name = entry.name().map_err(|e| e.to_string())?.into_owned();
            files.insert(name, content);
        }
        Ok(Package { files })
    }
}

impl Files for Package {
    fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

//! Finds forms among files and folders.
//!
//! A file is one form. A folder with a `form.xml` is one form with the other files as attachments (what
//! exporters write). Any other folder is searched, in the order of names.

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A form to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormFiles {
    /// The XML.
    pub xml: PathBuf,
    /// Files sent along; the field name is the file name.
    pub attachments: Vec<PathBuf>,
}

impl FormFiles {
    /// SHA-256 of the XML: names the form in the state file.
    pub fn digest(&self) -> Result<String> {
        let bytes =
            std::fs::read(&self.xml).with_context(|| format!("{} could not be read", self.xml.display()))?;
        Ok(Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect())
    }
}

/// All forms in what was named, in order.
pub fn find(paths: &[PathBuf]) -> Result<Vec<FormFiles>> {
    let mut forms = Vec::new();
    for path in paths {
        if path.is_dir() {
            in_folder(path, &mut forms)?;
        } else if path.exists() {
            forms.push(FormFiles { xml: path.clone(), attachments: Vec::new() });
        } else {
            bail!("there is no file {}", path.display());
        }
    }
    Ok(forms)
}

fn in_folder(folder: &Path, forms: &mut Vec<FormFiles>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} could not be read", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    let xml = folder.join("form.xml");
    if xml.is_file() {
        let attachments = paths.into_iter().filter(|p| p.is_file() && *p != xml).collect();
        forms.push(FormFiles { xml, attachments });
        return Ok(());
    }
    for path in paths {
        if path.is_dir() {
            in_folder(&path, forms)?;
        } else if path.extension().is_some_and(|e| e == "xml") {
            forms.push(FormFiles { xml: path, attachments: Vec::new() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_found_in_order_with_their_attachments() {
        let top = std::env::temp_dir().join(format!("bolster-forms-{}", std::process::id()));
        let with = top.join("b");
        std::fs::create_dir_all(&with).unwrap();
        for file in ["z.xml", "a.xml", "note.txt", "b/form.xml", "b/photo.jpg"] {
            std::fs::write(top.join(file), file).unwrap();
        }
        let forms = find(std::slice::from_ref(&top)).unwrap();
        let names: Vec<_> = forms.iter().map(|f| f.xml.strip_prefix(&top).unwrap().to_owned()).collect();
        assert_eq!(names, [Path::new("a.xml"), Path::new("b/form.xml"), Path::new("z.xml")]);
        assert_eq!(forms[1].attachments, [with.join("photo.jpg")]);
        assert!(find(&[top.join("missing")]).is_err());
        std::fs::remove_dir_all(&top).unwrap();
    }
}

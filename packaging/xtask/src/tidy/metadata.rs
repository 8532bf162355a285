//! What `cargo metadata` says, reduced to what the checks need.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package of the dependency graph.
pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: Option<String>,
    pub has_licence_file: bool,
    /// True for a package of this workspace.
    pub member: bool,
    /// Comes from a registry; false for a path or a git repository.
    pub from_registry: bool,
    pub folder: PathBuf,
    /// Ids of what it needs to run or to be built.
    pub normal: BTreeSet<String>,
    /// Ids of what only its tests need.
    pub dev: BTreeSet<String>,
}

/// All packages by id.
pub struct Graph(BTreeMap<String, Package>);

impl Graph {
    pub fn load(root: &Path) -> Result<Self> {
        let output = Command::new(crate::cargo())
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root)
            .output()
            .context("cargo could not be started")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Self::parse(&serde_json::from_slice(&output.stdout)?).context("cargo metadata has an unknown shape")
    }

    fn parse(value: &Value) -> Option<Self> {
        let members: BTreeSet<&str> =
            value["workspace_members"].as_array()?.iter().filter_map(Value::as_str).collect();
        let mut packages = BTreeMap::new();
        for package in value["packages"].as_array()? {
            let id = package["id"].as_str()?;
            packages.insert(
                id.to_owned(),
                Package {
                    name: package["name"].as_str()?.to_owned(),
                    version: package["version"].as_str()?.to_owned(),
                    licence: package["license"].as_str().map(str::to_owned),
                    has_licence_file: package["license_file"].is_string(),
                    member: members.contains(id),
                    from_registry: package["source"].as_str().is_some_and(|s| s.starts_with("registry+")),
                    folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_path_buf(),
                    normal: BTreeSet::new(),
                    dev: BTreeSet::new(),
                },
            );
        }
        for node in value["resolve"]["nodes"].as_array()? {
            let package = packages.get_mut(node["id"].as_str()?)?;
            for dep in node["deps"].as_array()? {
                let id = dep["pkg"].as_str()?.to_owned();
                for kind in dep["dep_kinds"].as_array()? {
                    match kind["kind"].as_str() {
                        Some("dev") => package.dev.insert(id.clone()),
                        _ => package.normal.insert(id.clone()),
                    };
                }
            }
        }
        Some(Self(packages))
    }

    pub fn get(&self, id: &str) -> Option<&Package> {
        self.0.get(id)
    }

    /// Crates of this workspace, by id.
    pub fn members(&self) -> impl Iterator<Item = (&String, &Package)> {
        self.0.iter().filter(|(_, p)| p.member)
    }

    /// Crates of others.
    pub fn others(&self) -> impl Iterator<Item = &Package> {
        self.0.values().filter(|p| !p.member)
    }

    /// Names of everything that a crate needs to run or to be built, at any depth.
    pub fn closure(&self, id: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut names = BTreeSet::new();
        let mut next = vec![id];
        while let Some(id) = next.pop() {
            let Some(package) = self.get(id) else { continue };
            for dep in &package.normal {
                if seen.insert(dep.as_str()) {
                    names.extend(self.get(dep).map(|p| p.name.as_str()));
                    next.push(dep);
                }
            }
        }
        names
    }
}

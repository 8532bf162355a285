//! Which crate may use which: the one table. A new edge is a reviewed diff to it.

use super::metadata::{Graph, Package};

/// Crate, and the crates of ours that it may need. Tests may use more, see [`may_test_with`].
const EDGES: &[(&str, &[&str])] = &[
    // sdk: plain types, nothing below them.
    ("bolster-model", &[]),
    // storage: files and bytes; only `store` is seen from outside.
    ("bolster-codec", &[]),
    ("bolster-env", &["bolster-model"]),
    ("bolster-changelog", &["bolster-codec", "bolster-env", "bolster-model"]),
    ("bolster-blobs", &["bolster-env", "bolster-model"]),
    // Shards read the log themselves when they catch up or are built again.
    ("bolster-shards", &["bolster-changelog", "bolster-codec", "bolster-env", "bolster-model"]),
    (
        "bolster-store",
        &[
            "bolster-blobs",
            "bolster-changelog",
            "bolster-codec",
            "bolster-env",
            "bolster-model",
            "bolster-shards",
        ],
    ),
    // appliance, pure: rules and wire formats.
    ("bolster-wire", &["bolster-model"]),
    ("bolster-cases", &["bolster-model"]),
    // Search needs the rule of who belongs to a case's family.
    ("bolster-search", &["bolster-cases", "bolster-model"]),
    ("bolster-xpath", &[]),
    ("bolster-xforms", &["bolster-xpath"]),
    ("bolster-runtime", &["bolster-xforms", "bolster-xpath"]),
    ("bolster-formplayer", &["bolster-runtime", "bolster-xforms", "bolster-xpath"]),
    ("bolster-form-cli", &["bolster-env", "bolster-xforms", "bolster-xpath"]),
    // appliance: one direction, http -> auth -> usecases -> store.
    ("bolster-auth", &["bolster-env", "bolster-model", "bolster-store"]),
    (
        "bolster-usecases",
        &[
            "bolster-auth",
            "bolster-cases",
            "bolster-changelog",
            "bolster-codec",
            "bolster-env",
            "bolster-model",
            "bolster-runtime",
            "bolster-search",
            "bolster-store",
            "bolster-wire",
            "bolster-xpath",
        ],
    ),
    (
        "bolster-http",
        &[
            "bolster-auth",
            "bolster-env",
            "bolster-formplayer",
            "bolster-model",
            "bolster-runtime",
            "bolster-store",
            "bolster-usecases",
            "bolster-wire",
            "bolster-xpath",
        ],
    ),
    (
        "bolster-server",
        &[
            "bolster-auth",
            "bolster-changelog",
            "bolster-env",
            "bolster-form-cli",
            "bolster-http",
            "bolster-model",
            "bolster-store",
            "bolster-usecases",
            "bolster-wire",
        ],
    ),
];

/// Folders whose crates may see all: they test or package.
const FREE: &[&str] = &["tests", "packaging"];

/// Crates that know neither network nor runtime nor plugins, at any depth.
const QUIET: &[&str] = &[
    "bolster-model",
    "bolster-codec",
    "bolster-env",
    "bolster-changelog",
    "bolster-blobs",
    "bolster-shards",
    "bolster-store",
    "bolster-wire",
    "bolster-cases",
    "bolster-search",
    "bolster-xpath",
    "bolster-xforms",
    "bolster-runtime",
    "bolster-formplayer",
    "bolster-auth",
    "bolster-usecases",
];
const LOUD: &[&str] =
    &["tokio", "hyper", "http", "axum", "tower", "mio", "abi_stable", "libloading", "ureq", "reqwest"];

/// Crates that are pure besides: no files, no clock, no threads of their own.
const PURE: &[&str] = &["bolster-model", "bolster-codec", "bolster-wire", "bolster-cases", "bolster-search"];
const IMPURE: &[&str] =
    &["redb", "rustix", "libc", "nix", "getrandom", "rayon", "sled", "rusqlite", "tempfile"];

/// Others' crates that only one of ours may name.
const OWNED: &[(&str, &[&str])] = &[
    ("redb", &["bolster-shards"]),
    // The log's compression, and a coding of HTTP answers.
    ("zstd", &["bolster-changelog", "bolster-http"]),
    ("anyhow", &["bolster-server"]),
    ("zip", &["bolster-usecases"]),
    ("qrcodegen", &["bolster-http"]),
    ("clap", &["bolster-server", "bolster-form-cli"]),
    ("argon2", &["bolster-auth"]),
    ("quick-xml", &["bolster-wire"]),
];

pub fn check(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for (id, package) in graph.members().filter(|(_, p)| !is_free(p)) {
        let name = package.name.as_str();
        let Some((_, allowed)) = EDGES.iter().find(|(from, _)| *from == name) else {
            findings.push(format!("{name}: not in the table of edges (packaging/xtask/src/tidy/edges.rs)"));
            continue;
        };
        for dep in package.normal.iter().filter_map(|id| graph.get(id)) {
            if dep.member && !allowed.contains(&dep.name.as_str()) {
                findings.push(format!("{name} -> {}: no such edge in the table", dep.name));
            }
            if let Some((_, owners)) = OWNED.iter().find(|(theirs, _)| *theirs == dep.name)
                && !owners.contains(&name)
            {
                findings.push(format!("{name} -> {}: only {} may name it", dep.name, owners.join(", ")));
            }
        }
        for dep in package.dev.iter().filter_map(|id| graph.get(id)) {
            if dep.member && !may_test_with(name, &dep.name, allowed) {
                findings.push(format!("{name} -> {} (tests): points up", dep.name));
            }
        }
        let closure = graph.closure(id);
        let mut absent = |crates: &[&str], forbidden: &[&str], why: &str| {
            for theirs in forbidden.iter().filter(|f| crates.contains(&name) && closure.contains(**f)) {
                findings.push(format!("{name} reaches {theirs}: {why}"));
            }
        };
        absent(QUIET, LOUD, "it must know neither network nor plugins");
        absent(PURE, IMPURE, "it is pure");
    }
    findings
}

/// Tests may use what the crate may use, what tests share, and what lies below the same way.
fn may_test_with(name: &str, dep: &str, allowed: &[&str]) -> bool {
    dep == name || allowed.contains(&dep) || below(name).contains(&dep)
}

/// Everything reachable from a crate in the table.
fn below(name: &str) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut next = vec![name];
    while let Some(name) = next.pop() {
        let edges = EDGES.iter().find(|(from, _)| *from == name).map_or(&[][..], |(_, to)| to);
        for to in edges {
            if !found.contains(to) {
                found.push(to);
                next.push(to);
            }
        }
    }
    found
}

fn is_free(package: &Package) -> bool {
    package
        .folder
        .ancestors()
        .skip(1)
        .take(1)
        .any(|folder| folder.file_name().and_then(|n| n.to_str()).is_some_and(|n| FREE.contains(&n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_cycle() {
        for (name, _) in EDGES {
            assert!(!below(name).contains(name), "{name} reaches itself");
        }
    }

    #[test]
    fn every_target_is_a_crate_of_the_table() {
        for to in EDGES.iter().flat_map(|(_, to)| *to) {
            assert!(EDGES.iter().any(|(name, _)| name == to), "{to} is no crate of the table");
        }
    }
}

//! Opening the data folder in this process.

use anyhow::{Context, Result};
use bolster_env::Env;
use bolster_store::StoreOptions;
use bolster_usecases::{Appliance, ServerSettings};
use rustix::fs::Mode;
use std::path::Path;

/// Opens or makes the folder. What is made there belongs to this user alone.
pub fn open(env: Env, data: &Path, new_node: bool) -> Result<Appliance> {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    std::fs::create_dir_all(data).with_context(|| format!("{} could not be made", data.display()))?;
    let options = StoreOptions { new_node, ..StoreOptions::default() };
    Appliance::open(env, data, options, ServerSettings::default())
        .with_context(|| format!("{} cannot be used", data.display()))
}

/// A folder that holds data of this product.
pub fn is_data_folder(data: &Path) -> bool {
    data.join("format").is_file()
}

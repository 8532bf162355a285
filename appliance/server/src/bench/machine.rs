//! Names the machine, since figures mean nothing without it.

use serde::Serialize;
use std::path::Path;

/// What was measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Kernel.
    pub kernel: String,
    /// File system of the data folder.
    pub file_system: String,
}

impl Machine {
    /// Looks around; what cannot be found out is empty.
    pub fn look(data: &Path) -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = kib.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        let uname = rustix::system::uname();
        Self {
            processor: field("model name").or_else(|| field("Model")).unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: kib.unwrap_or(0) << 10,
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            file_system: file_system(data).unwrap_or_default(),
        }
    }

    /// One line.
    pub fn text(&self) -> String {
        format!(
            "{}, {} cores, {:.1} MiB, {}, {}",
            self.processor,
            self.cores,
            self.memory_bytes as f64 / f64::from(1 << 20),
            self.kernel,
            self.file_system
        )
    }
}

/// Kind and device of the mount that holds a path.
fn file_system(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let holds = |line: &&str| line.split(' ').nth(1).is_some_and(|mount| path.starts_with(mount));
    let line = mounts.lines().filter(holds).max_by_key(|line| line.split(' ').nth(1).map_or(0, str::len))?;
    let mut fields = line.split(' ');
    let device = fields.next()?;
    let kind = fields.nth(1)?;
    Some(format!("{kind} on {device}"))
}

#[cfg(test)]
mod tests {
    use super::Machine;

    #[test]
    fn this_machine_has_a_name() {
        let machine = Machine::look(std::path::Path::new("."));
        assert!(machine.cores >= 1);
        assert!(!machine.kernel.is_empty());
    }
}

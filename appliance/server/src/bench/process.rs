//! The server under measurement: a child process of its own, so that its processor time and memory are not
//! mixed with the generator's.

use anyhow::{Context, Result, bail};
use bolster_env::Clock;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A start that takes longer has failed.
const START_MAX: Duration = Duration::from_secs(600);
/// What the kernel counts processor time in, on every Linux we run on.
const TICKS_PER_SECOND: u64 = 100;

/// A running server.
pub struct Server {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
    /// From the start of the process until it said that it answers.
    pub start_ms: f64,
}

/// Memory of the server in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Resident now, shared pages of files included.
    pub resident: u64,
    /// Resident now, its own.
    pub own: u64,
    /// Most that was ever resident.
    pub peak: u64,
}

impl Server {
    /// Starts `bolster serve` on a folder and waits until it answers.
    pub fn start(clock: &dyn Clock, data: &Path, sync: bool) -> Result<Self> {
        let program = std::env::current_exe().context("the program cannot find itself")?;
        let mut command = Command::new(program);
        command.arg("--data").arg(data).args(["serve", "--listen", "127.0.0.1:0"]);
        if !sync {
            command.arg("--bench-no-sync");
        }
        let begin = clock.monotonic_us();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the server could not be started")?;
        let output = child.stdout.take().context("the server has no output")?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            // Keeps reading after the first line, so that the server never waits for us.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let address = loop {
            match told.recv_timeout(START_MAX) {
                Ok(line) => match line.strip_prefix("bolster: listening on http://") {
                    Some(address) => break address.parse().context("the server names no address")?,
                    None => continue,
                },
                Err(_) => {
                    let _ = child.kill();
                    let status = child.wait().context("waiting for the server")?;
                    bail!("the server did not start ({status})");
                }
            }
        };
        let start_ms = (clock.monotonic_us() - begin) as f64 / 1000.0;
        Ok(Self { child, address, start_ms })
    }

    /// Processor time used so far, all threads, in microseconds.
    pub fn cpu_us(&self) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        parse_cpu_us(&text).context("/proc/PID/stat has an unknown shape")
    }

    /// Memory now.
    pub fn memory(&self) -> Result<Memory> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kib = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Ok(Memory {
            resident: kib("VmRSS:").unwrap_or(0) << 10,
            own: kib("RssAnon:").unwrap_or(0) << 10,
            peak: kib("VmHWM:").unwrap_or(0) << 10,
        })
    }

    /// Asks it to stop and waits until it has; milliseconds taken.
    pub fn stop(mut self, clock: &dyn Clock) -> Result<f64> {
        let begin = clock.monotonic_us();
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let id = id.context("the server has no process id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the server did not stop cleanly ({status})");
        }
        Ok((clock.monotonic_us() - begin) as f64 / 1000.0)
    }

    /// Ends it as a power cut would end the process.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` and `kill` it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_cpu_us(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything; fields are counted after it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * (1_000_000 / TICKS_PER_SECOND))
}

/// Processor time of this process, in microseconds.
pub fn own_cpu_us() -> u64 {
    std::fs::read_to_string("/proc/self/stat").ok().and_then(|text| parse_cpu_us(&text)).unwrap_or(0)
}

/// Asks the kernel to forget what it has cached of a folder's files, as after switching on. Pages that wait to
/// be written are written first.
pub fn forget_cached(folder: &Path) -> Result<()> {
    for path in files_below(folder)? {
        let Ok(file) = std::fs::File::open(&path) else { continue };
        let _ = rustix::fs::fsync(&file);
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::parse_cpu_us;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 123 45 0 0 20 0 1 0 100 1 1";
        assert_eq!(parse_cpu_us(stat), Some(1_680_000));
        assert_eq!(parse_cpu_us("nonsense"), None);
    }
}

//! The real binary as a child process that dies with the test.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

/// The binary under test: `BOLSTER_BIN`, or the one beside this test.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("BOLSTER_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.ancestors().find(|p| p.ends_with("debug") || p.ends_with("release"));
    folder.expect("tests run from the target folder").join("bolster")
}

impl Server {
    /// Starts it and waits for its word that it listens.
    pub fn start(data: &Path) -> io::Result<Self> {
        let mut child = Command::new(binary())
            .args(["--data", &data.display().to_string(), "serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()?;
        let out = child.stdout.take().expect("piped above");
        let mut lines = BufReader::new(out).lines();
        let address = loop {
            let Some(line) = lines.next() else {
                let status = child.wait()?;
                return Err(io::Error::other(format!("the server ended before it listened: {status}")));
            };
            if let Some(address) = line?.strip_prefix("bolster: listening on http://") {
                break address.parse().map_err(|_| io::Error::other("unreadable address"))?;
            }
        };
        Ok(Self { child, address })
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of the binary to its end; a line for its standard input.
pub fn run(data: &Path, arguments: &[&str], input: &str) -> io::Result<String> {
    let mut child = Command::new(binary())
        .args(["--data", &data.display().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("piped above").write_all(format!("{input}\n").as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "{arguments:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

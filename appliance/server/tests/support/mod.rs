//! The real program, started and asked as a person would.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bolster-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    /// A path inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bolster"));
    command.env_remove("BOLSTER_DATA").arg("--data").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end, with a line on its standard input.
pub fn bolster(data: &Path, line: &str, input: &str) -> Said {
    run(program(data).args(line.split_whitespace()), input)
}

/// Runs a command with one more argument that may hold anything.
pub fn bolster_with(data: &Path, line: &str, last: &Path, input: &str) -> Said {
    run(program(data).args(line.split_whitespace()).arg(last), input)
}

fn run(command: &mut Command, input: &str) -> Said {
    let mut child = command.spawn().unwrap();
    let _ = writeln!(child.stdin.take().unwrap(), "{input}");
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Said {
        status: status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&stdout).into_owned(),
        err: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// A running server.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Starts it on a free port and waits for its word.
    pub fn start(data: &Path, options: &str) -> Self {
        let mut command = program(data);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options.split_whitespace());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the server says that it listens").unwrap();
        let url = line.strip_prefix("bolster: listening on ").expect("the line that scripts wait for");
        Self { url: url.to_owned(), child }
    }

    /// Tells it to stop, politely; its exit status.
    pub fn stop(mut self) -> i32 {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

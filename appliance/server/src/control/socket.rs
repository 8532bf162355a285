//! The socket in the data folder, over which commands reach the running server.
//!
//! One request and its replies per connection. Only the owner of the folder (and root) can connect: the file
//! has mode 0600 and is made in a process whose umask grants others nothing.

use super::protocol::{LINE_BYTES_MAX, Reply, Request};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Name of the socket in the data folder.
const NAME: &str = "control.sock";
/// Commands at the same time.
const CONNECTIONS_MAX: usize = 16;
/// A client that sends its one line slower is dropped.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// How often a server in a long command looks whether anybody still listens.
pub const POLL: Duration = Duration::from_millis(200);

/// A socket path may be 107 bytes long; a folder's may be longer. The kernel's name of an open folder is short.
struct SocketPath {
    _folder: File,
    path: PathBuf,
}

impl SocketPath {
    fn of(data: &Path) -> io::Result<Self> {
        let folder = File::open(data)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
        Ok(Self { _folder: folder, path })
    }
}

/// What the server does with a request: replies through the sink, whose answer is false when the client left.
pub type Handler = dyn Fn(Request, &Client) + Send + Sync;

/// The other end of a connection, as the handler sees it.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Sends a reply; false when nobody listens.
    pub fn reply(&self, reply: &Reply) -> bool {
        let Ok(mut line) = serde_json::to_vec(reply) else { return false };
        line.push(b'\n');
        (&self.stream).write_all(&line).is_ok()
    }

    /// Waits a moment; false when the client has left meanwhile.
    pub fn wait(&self) -> bool {
        let _ = self.stream.set_read_timeout(Some(POLL));
        match (&self.stream).read(&mut [0; 64]) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}

/// The listening end. Dropping it removes the socket.
pub struct Listener {
    data: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Listener {
    /// Begins to listen. The caller holds the lock of the folder, so a socket that lies there is a leftover.
    pub fn start(data: &Path, handler: Arc<Handler>) -> io::Result<Self> {
        let socket = SocketPath::of(data)?;
        match std::fs::remove_file(&socket.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket.path)?;
        std::fs::set_permissions(&socket.path, std::fs::Permissions::from_mode(0o600))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || accept(&listener, &stopped, &handler))?;
        Ok(Self { data: data.to_path_buf(), stop })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // The thread is woken by a connection and sees that it is over.
        let _ = connect(&self.data);
        let _ = std::fs::remove_file(self.data.join(NAME));
    }
}

fn accept(listener: &UnixListener, stop: &AtomicBool, handler: &Arc<Handler>) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let client = Client { stream };
        if open.fetch_add(1, Ordering::SeqCst) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::SeqCst);
            client.reply(&Reply::Failed("too many commands run at the same time; try again".to_owned()));
            continue;
        }
        let (handler, open_in_thread) = (handler.clone(), open.clone());
        let spawned = std::thread::Builder::new().name("command".to_owned()).spawn(move || {
            serve(&client, &*handler);
            open_in_thread.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn serve(client: &Client, handler: &Handler) {
    let _ = client.stream.set_read_timeout(Some(REQUEST_WAIT));
    let mut line = Vec::new();
    let read = BufReader::new(&client.stream).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    if read.is_err() || line.is_empty() {
        return;
    }
    match serde_json::from_slice::<Request>(&line) {
        Ok(request) => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handler(request, client)));
            if result.is_err() {
                client.reply(&Reply::Failed(
                    "the appliance failed in this command; its own log says where".into(),
                ));
            }
        }
        Err(_) => {
            let sentence = "the running server does not know this command; is it of another release?";
            client.reply(&Reply::Failed(sentence.to_owned()));
        }
    }
}

/// Connects to the running server of a folder. `NotFound` or `ConnectionRefused` when there is none.
pub fn connect(data: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(SocketPath::of(data)?.path)
}

/// Sends a request and passes on the replies until the last.
pub fn ask(stream: &UnixStream, request: &Request, sink: &mut super::protocol::Sink<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    (&mut &*stream).write_all(&line)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server ended in the middle of an answer",
            ));
        }
        let reply: Reply = serde_json::from_slice(&line)?;
        let last = matches!(reply, Reply::Done(_) | Reply::Failed(_));
        if !sink(reply) || last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bolster-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn collect(data: &Path, request: &Request) -> Vec<Reply> {
        let mut replies = Vec::new();
        ask(&connect(data).unwrap(), request, &mut |reply| {
            replies.push(reply);
            true
        })
        .unwrap();
        replies
    }

    #[test]
    fn replies_come_in_order_and_only_the_owner_may_ask() {
        let data = folder(&format!("socket-{}", "long".repeat(40)));
        let listener = Listener::start(
            &data,
            Arc::new(|request, client: &Client| {
                assert_eq!(request, Request::Lag);
                client.reply(&Reply::Progress("half".into()));
                client.reply(&Reply::Done(json!({"ok": 1})));
            }),
        )
        .unwrap();
        let mode = std::fs::metadata(data.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let replies = collect(&data, &Request::Lag);
        assert_eq!(replies, [Reply::Progress("half".into()), Reply::Done(json!({"ok": 1}))]);
        drop(listener);
        assert_eq!(connect(&data).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::remove_dir_all(&data).unwrap();
    }

    #[test]
    fn a_broken_request_and_a_broken_handler_get_a_sentence() {
        let data = folder("socket-broken");
        let _listener = Listener::start(&data, Arc::new(|_, _: &Client| panic!("on purpose"))).unwrap();
        let replies = collect(&data, &Request::Lag);
        assert!(matches!(&replies[..], [Reply::Failed(text)] if text.contains("failed in this command")));
        let stream = connect(&data).unwrap();
        (&stream).write_all(b"{\"do\":\"fly\"}\n").unwrap();
        let mut text = String::new();
        (&stream).read_to_string(&mut text).unwrap();
        assert!(text.contains("does not know this command"), "{text}");
        std::fs::remove_dir_all(&data).unwrap();
    }
}

//! What the server says about itself, on standard error.

use tracing::Level;

/// Starts printing. `BOLSTER_LOG` is `error`, `warn` (as without it), `info` or `debug`.
pub fn start() {
    let level = match std::env::var("BOLSTER_LOG").as_deref() {
        Ok("error") => Level::ERROR,
        Ok("info") => Level::INFO,
        Ok("debug") => Level::DEBUG,
        _ => Level::WARN,
    };
    let printer =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(false);
    // Somebody who embeds the server may have set up another printer.
    let _ = printer.try_init();
}

//! `bolster serve`: opens the data folder, answers, and stops cleanly.

use crate::bench;
use crate::cli::ServeCommand;
use crate::control;
use crate::demo;
use crate::sweep::Sweep;
use anyhow::{Context, Result, bail};
use bolster_env::{Env, RealDisk};
use bolster_http::{HttpOptions, RuntimeKey};
use bolster_usecases::Appliance;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// More threads for requests than this bring nothing: one writer takes what they prepare.
const REQUEST_THREADS_MAX: usize = 4;

/// Serves until the process is told to stop.
pub fn run(data: &Path, command: &ServeCommand) -> Result<()> {
    check_demo(command)?;
    crate::logging::start();
    let env = env(data, command)?;
    let appliance = crate::open::open(env, data, command.new_node)?;
    let result = serve(&appliance, data, command);
    appliance.close();
    result
}

/// The demo's password is known to everybody.
fn check_demo(command: &ServeCommand) -> Result<()> {
    if command.demo && !command.demo_on_network && !command.listen.ip().is_loopback() {
        bail!(
            "--demo makes users with a well-known password, and others can reach {}; listen on 127.0.0.1, or add \
             --demo-on-network if that is what you want",
            command.listen
        );
    }
    Ok(())
}

fn env(data: &Path, command: &ServeCommand) -> Result<Env> {
    let mut env = Env::real();
    if command.bench_no_sync {
        if !bench::is_bench_folder(data) {
            bail!(
                "--bench-no-sync loses data at power failure and is only for folders that `bolster bench` made"
            );
        }
        env.disk = Arc::new(RealDisk { flush_is_stubbed: true });
    }
    Ok(env)
}

fn serve(appliance: &Appliance, data: &Path, command: &ServeCommand) -> Result<()> {
    let listener = bind(command.listen)?;
    if command.demo {
        demo::fill_if_empty(appliance).context("the sample data could not be made")?;
    }
    let for_commands = appliance.clone();
    let handler: Arc<control::socket::Handler> =
        Arc::new(move |request, client| control::answer::to_client(&for_commands, &request, client));
    let control = control::socket::Listener::start(data, handler)
        .context("the socket for commands could not be made in the data folder")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(1, usize::from).min(REQUEST_THREADS_MAX))
        .thread_name("request")
        .enable_all()
        .build()
        .context("the threads for requests could not be started")?;
    let address = listener.local_addr()?;
    let options =
        HttpOptions { site: site(command)?, runtime_key: runtime_key(command)?, ..HttpOptions::default() };
    let result = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
            // Who asks a second time does not want to wait. Nothing acknowledged can be lost by that.
            tokio::spawn(async move {
                interrupt.recv().await;
                std::process::exit(1);
            });
        };
        println!("bolster: listening on http://{address}");
        // Nobody may be reading; that is no reason to stop.
        let _ = std::io::stdout().flush();
        let sweep = Sweep::start(appliance.clone());
        bolster_http::serve_with(listener, appliance.clone(), options, stop).await;
        sweep.stop();
        Ok(())
    });
    drop(control);
    result
}

/// The key shared with a web runtime.
fn runtime_key(command: &ServeCommand) -> Result<Option<RuntimeKey>> {
    let Some(path) = &command.runtime_key else { return Ok(None) };
    let text = std::fs::read(path).with_context(|| format!("the key {} cannot be read", path.display()))?;
    let key = RuntimeKey::new(&text);
    Ok(Some(key.with_context(|| format!("{} holds no key: it is empty", path.display()))?))
}

/// `https://host` that people use, if it is another than the one listened on.
fn site(command: &ServeCommand) -> Result<Option<String>> {
    let Some(url) = &command.site_url else { return Ok(None) };
    let url = url.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ', '?', '#']) => Ok(Some(url.to_owned())),
        _ => bail!("--site-url is the beginning of addresses, for example https://bolster.example.org"),
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            bail!("another program answers on {address} already; choose another address with --listen")
        }
        Err(error) => return Err(error).with_context(|| format!("{address} cannot be listened on")),
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};

    fn command(line: &str) -> ServeCommand {
        match Cli::read(line.split(' ')).unwrap().command {
            Command::Serve(command) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_demo_stays_on_this_machine_unless_told_otherwise() {
        assert!(check_demo(&command("bolster serve --demo")).is_ok());
        assert!(check_demo(&command("bolster serve --demo --listen [::1]:80")).is_ok());
        let error = check_demo(&command("bolster serve --demo --listen 0.0.0.0:80")).unwrap_err().to_string();
        assert!(error.contains("--demo-on-network"), "{error}");
        assert!(check_demo(&command("bolster serve --demo --listen 0.0.0.0:80 --demo-on-network")).is_ok());
        assert!(check_demo(&command("bolster serve --listen 0.0.0.0:80")).is_ok());
    }

    #[test]
    fn a_taken_address_gets_a_sentence() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind(taken.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains("choose another address with --listen"), "{error}");
    }

    #[test]
    fn the_site_is_an_origin() {
        let site_of = |url: &str| site(&command(&format!("bolster serve --site-url {url}")));
        assert_eq!(site_of("https://a.example/").unwrap().as_deref(), Some("https://a.example"));
        assert!(site_of("a.example").is_err());
        assert!(site_of("https://a.example/path").is_err());
    }

    #[test]
    fn only_a_benchmark_may_leave_out_the_flush() {
        let folder = std::env::temp_dir().join("bolster-no-bench");
        let error = env(&folder, &command("bolster serve --bench-no-sync")).err().unwrap().to_string();
        assert!(error.contains("only for folders"), "{error}");
    }
}

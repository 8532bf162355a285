//! `kill -9` under load. Every form answered with 201 is there afterwards, whole and once; every other one is
//! absent or whole. The number of kills is `BOLSTER_KILLS` (20 when unset).

use crash_tests::client::Connection;
use crash_tests::forms;
use crash_tests::server::{Server, run};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const PROJECT: &str = "crash";
const CONNECTIONS: usize = 8;
const PASSWORD: &str = "crash-test-password";

/// What the clients know.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<u64>,
    /// Sent, and no answer came.
    unanswered: BTreeSet<u64>,
}

#[test]
fn acknowledged_forms_survive_kill_nine() {
    let kills: u64 = std::env::var("BOLSTER_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    prepare(&data);
    let known = Arc::new(Mutex::new(Known::default()));
    let next = Arc::new(AtomicU64::new(forms::SHARED_CASES));
    let mut slowest_us = 0;
    for round in 0..kills {
        let clock = bolster_env::SystemClock::default();
        let started = bolster_env::Clock::monotonic_us(&clock);
        let server = Server::start(&data).expect("the server starts after a kill");
        slowest_us = slowest_us.max(bolster_env::Clock::monotonic_us(&clock) - started);
        // How much work precedes the kill differs from round to round.
        load_then_kill(server, &known, &next, 20 + (round * 37) % 700);
        if round % 5 == 4 {
            let server = Server::start(&data).expect("the server starts after a kill");
            resend(server.address, &known);
            server.kill().expect("killed");
        }
    }
    let known = known.lock().expect("clients ended");
    let (whole, absent) = inspect(&data, &known);
    println!(
        "kill -9: {kills} kills, {} forms acknowledged and all there, whole, once; of {} without an answer \
         {whole} whole and {absent} absent; slowest start {} ms",
        known.acknowledged.len(),
        known.unanswered.len(),
        slowest_us / 1000
    );
    assert!(known.acknowledged.len() as u64 > kills, "the load was real");
}

fn prepare(data: &Path) {
    run(data, &["project", "create", PROJECT], "").expect("project");
    let user = ["user", "create", "--project", PROJECT, "crash@example.org", "--web", "--admin"];
    run(data, &user, PASSWORD).expect("user");
    let server = Server::start(data).expect("first start");
    let mut connection = Connection::open(server.address).expect("connects");
    for n in 0..forms::SHARED_CASES {
        let path = format!("/a/{PROJECT}/receiver/");
        let answer =
            connection.request("POST", &path, "Content-Type: text/xml\r\n", forms::xml(n).as_bytes());
        assert_eq!(answer.expect("an answer").status, 201);
    }
}

/// Submits new forms on all connections until `enough` are acknowledged in this round, then kills.
fn load_then_kill(server: Server, known: &Arc<Mutex<Known>>, next: &Arc<AtomicU64>, enough: u64) {
    let address = server.address;
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let (tell, told) = std::sync::mpsc::channel();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (known, next, stop, done, tell) =
                (known.clone(), next.clone(), stop.clone(), done.clone(), tell.clone());
            std::thread::spawn(move || {
                submit_until(address, &known, &next, &stop, || {
                    if done.fetch_add(1, Ordering::Relaxed) + 1 == enough {
                        let _ = tell.send(());
                    }
                });
            })
        })
        .collect();
    drop(tell);
    told.recv().expect("enough forms are acknowledged before the clients end");
    server.kill().expect("killed");
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|c| c.join().expect("a client ends without a panic"));
}

fn submit_until(
    address: SocketAddr,
    known: &Mutex<Known>,
    next: &AtomicU64,
    stop: &AtomicBool,
    mut acknowledged: impl FnMut(),
) {
    let Ok(mut connection) = Connection::open(address) else { return };
    let path = format!("/a/{PROJECT}/receiver/");
    while !stop.load(Ordering::Relaxed) {
        let n = next.fetch_add(1, Ordering::Relaxed);
        known.lock().expect("no client panics").unanswered.insert(n);
        let answer =
            connection.request("POST", &path, "Content-Type: text/xml\r\n", forms::xml(n).as_bytes());
        let Ok(answer) = answer else { return };
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let mut known = known.lock().expect("no client panics");
        known.unanswered.remove(&n);
        known.acknowledged.insert(n);
        drop(known);
        acknowledged();
    }
}

/// A phone sends again what it got no answer for, and some of what it did.
fn resend(address: SocketAddr, known: &Mutex<Known>) {
    let mut connection = Connection::open(address).expect("connects");
    let path = format!("/a/{PROJECT}/receiver/");
    let mut known = known.lock().expect("clients ended");
    let unanswered: Vec<u64> = known.unanswered.iter().copied().collect();
    let answered: Vec<u64> = known.acknowledged.iter().rev().take(20).copied().collect();
    for n in unanswered.into_iter().chain(answered) {
        let answer = connection
            .request("POST", &path, "Content-Type: text/xml\r\n", forms::xml(n).as_bytes())
            .expect("an answer");
        assert_eq!(answer.status, 201);
        known.unanswered.remove(&n);
        known.acknowledged.insert(n);
    }
}

/// Opens the folder of the killed server and looks at every form and every history.
fn inspect(data: &Path, known: &Known) -> (usize, usize) {
    let server = Server::start(data).expect("the server starts after the last kill");
    let mut connection = Connection::open(server.address).expect("connects");
    let basic = format!("Authorization: Basic {}\r\n", base64(&format!("crash@example.org:{PASSWORD}")));
    let mut get = |path: &str| connection.request("GET", path, &basic, b"").expect("an answer");
    let (mut whole, mut absent) = (0, 0);
    for n in known.acknowledged.iter().chain(&known.unanswered) {
        let form = get(&format!("/a/{PROJECT}/api/form/attachment/{}/form.xml", forms::form_id(*n)));
        let case = get(&format!("/a/{PROJECT}/api/case/v2/{}", forms::own_case(*n)));
        match form.status {
            200 => {
                assert_eq!(form.body, forms::xml(*n).into_bytes(), "form {n} is whole");
                assert_eq!(case.status, 200, "the case of form {n} came with it");
                whole += usize::from(known.unanswered.contains(n));
            }
            404 => {
                assert!(!known.acknowledged.contains(n), "form {n} was acknowledged and is lost");
                assert_eq!(case.status, 404, "no case without its form {n}");
                absent += 1;
            }
            other => panic!("form {n}: status {other}"),
        }
    }
    drop(server);
    once(data, known);
    (whole, absent)
}

/// Every form stands once in the history of each case that it touched.
fn once(data: &Path, known: &Known) {
    for shared in 0..forms::SHARED_CASES {
        let id = forms::shared_case(shared);
        let history = run(data, &["--json", "case", "show", &id, "--history"], "").expect("case show");
        for n in known.acknowledged.iter().filter(|n| forms::shared_case(**n) == id) {
            let mention = format!("\"{}\"", forms::form_id(*n));
            assert_eq!(history.matches(&mention).count(), 1, "form {n} in the history of {id}");
        }
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i) & 63) as usize] as char;
            out.push(if i <= chunk.len() { digit } else { '=' });
        }
    }
    out
}

//! The load generator: one thread, raw sockets, `epoll`. Two ways of sending: as fast as answers come (closed
//! loop), or at random times of a fixed rate, timed from when each form was due, whether a connection was free
//! or not (paced). Only the second shows what a person waits when the server stalls.

use super::body::{Dice, Kind, Shape, Target, Template};
use anyhow::{Context, Result, bail};
use bolster_env::Clock;
use rustix::event::epoll;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

/// An answer of the receiver is shorter.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Answers that come later than this after the end of a run are not waited for.
const DRAIN_US_MAX: u64 = 30_000_000;
const TIMER: u64 = u64::MAX;

/// How a run sends.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Keep-alive connections.
    pub connections: usize,
    /// Forms a second; `None` for a closed loop.
    pub rate: Option<f64>,
    /// What each form holds.
    pub shape: Shape,
    /// Of a hundred forms, this many update cases; the others create some.
    pub updates_percent: u64,
    /// Ends the run.
    pub until: Until,
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this time.
    Microseconds(u64),
    /// When this many forms have been answered.
    Forms(u64),
}

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Forms answered with 201.
    pub accepted: u64,
    /// Answers other than 201, by status.
    pub refused: Vec<(u16, u64)>,
    /// From the first send to the last answer.
    pub elapsed_us: u64,
    /// Waiting time of each accepted form, sorted.
    pub waits_us: Vec<u32>,
}

impl Outcome {
    /// Forms a second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 * 1e6 / self.elapsed_us.max(1) as f64
    }

    /// The waiting time in milliseconds that this part of the forms did not exceed.
    pub fn wait_ms(&self, part: f64) -> f64 {
        let last = self.waits_us.len().saturating_sub(1);
        let at = ((self.waits_us.len() as f64 * part).ceil() as usize).saturating_sub(1).min(last);
        self.waits_us.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
}

struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    /// When the form was due; `None` while the connection is free.
    due_us: Option<u64>,
    waits_for_room: bool,
}

/// A population of cases, and the generator that grows and changes it.
pub struct Load<'a> {
    clock: &'a dyn Clock,
    address: SocketAddr,
    target: Target<'a>,
    dice: Dice,
    /// Cases with a number below this have been created (and answered).
    cases: u64,
}

impl<'a> Load<'a> {
    /// Nothing is sent yet.
    pub fn new(clock: &'a dyn Clock, address: SocketAddr, target: Target<'a>) -> Self {
        Self { clock, address, target, dice: Dice::new(clock.now().0 as u64), cases: 0 }
    }

    /// Sends as planned.
    pub fn run(&mut self, plan: &Plan) -> Result<Outcome> {
        let mut run = Run::open(self, plan)?;
        run.go()?;
        let mut outcome = run.outcome;
        outcome.waits_us.sort_unstable();
        Ok(outcome)
    }
}

struct Run<'l, 'a> {
    load: &'l mut Load<'a>,
    plan: Plan,
    create: Template,
    update: Template,
    epoll: OwnedFd,
    timer: OwnedFd,
    connections: Vec<Connection>,
    free: Vec<usize>,
    due: VecDeque<u64>,
    next_due_us: u64,
    start_us: u64,
    stopping: bool,
    answered: u64,
    outcome: Outcome,
    /// Cases that exist for updates: those of before this run, so that none is still under way.
    known: u64,
    buffer: Vec<u8>,
}

impl<'l, 'a> Run<'l, 'a> {
    fn open(load: &'l mut Load<'a>, plan: &Plan) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = rustix::time::timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        let mut connections = Vec::with_capacity(plan.connections);
        for number in 0..plan.connections {
            let stream = TcpStream::connect(load.address)
                .with_context(|| format!("no connection to the server at {}", load.address))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            connections.push(Connection {
                stream,
                out: Vec::new(),
                sent: 0,
                answer: Vec::with_capacity(1024),
                due_us: None,
                waits_for_room: false,
            });
        }
        let start_us = load.clock.monotonic_us();
        Ok(Self {
            create: Template::new(&load.target, Kind::Create, plan.shape),
            update: Template::new(&load.target, Kind::Update, plan.shape),
            free: (0..plan.connections).rev().collect(),
            known: load.cases,
            load,
            plan: *plan,
            epoll,
            timer,
            connections,
            due: VecDeque::new(),
            next_due_us: start_us,
            start_us,
            stopping: false,
            answered: 0,
            outcome: Outcome::default(),
            buffer: vec![0; 16 << 10],
        })
    }

    fn go(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        let mut stop_us = None;
        loop {
            let now = self.load.clock.monotonic_us();
            self.stopping = self.stopping || self.is_over(now);
            if self.stopping {
                let since = *stop_us.get_or_insert(now);
                if self.free.len() == self.connections.len() || now - since > DRAIN_US_MAX {
                    break;
                }
            } else {
                self.send_what_is_due(now)?;
            }
            self.wait(&mut events)?;
            for event in events.drain(..) {
                let event: epoll::Event = event;
                let number = event.data.u64();
                if number == TIMER {
                    let _ = rustix::io::read(&self.timer, &mut [0u8; 8]);
                } else {
                    self.ready(number as usize)?;
                }
            }
        }
        self.outcome.elapsed_us = self.load.clock.monotonic_us() - self.start_us;
        Ok(())
    }

    fn is_over(&self, now: u64) -> bool {
        match self.plan.until {
            Until::Microseconds(us) => now - self.start_us >= us,
            Until::Forms(forms) => {
                let under_way = (self.connections.len() - self.free.len()) as u64;
                self.answered + under_way >= forms
            }
        }
    }

    fn send_what_is_due(&mut self, now: u64) -> Result<()> {
        let Some(rate) = self.plan.rate else {
            while let Some(number) = self.free.pop() {
                self.send(number, self.load.clock.monotonic_us())?;
                if self.is_over(now) {
                    break;
                }
            }
            return Ok(());
        };
        while self.next_due_us <= now {
            self.due.push_back(self.next_due_us);
            // Arrivals of a Poisson process are apart by exponentially distributed times.
            let apart = -self.load.dice.fraction().ln() * 1e6 / rate;
            self.next_due_us += (apart.round() as u64).max(1);
        }
        while !self.due.is_empty() && !self.free.is_empty() {
            if let (Some(due), Some(number)) = (self.due.pop_front(), self.free.pop()) {
                self.send(number, due)?;
            }
        }
        Ok(())
    }

    /// Sleeps until a socket is ready or the next form is due.
    fn wait(&mut self, events: &mut Vec<epoll::Event>) -> Result<()> {
        if self.plan.rate.is_some() {
            let now = self.load.clock.monotonic_us();
            let us = self.next_due_us.saturating_sub(now).max(1);
            let value = Timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1000) as i64 };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
            rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        }
        let at_most = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), Some(&at_most)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&mut self, number: usize, due_us: u64) -> Result<()> {
        let Self { load, plan, create, update, connections, known, .. } = self;
        let updates = *known > 0 && load.dice.below(100) < plan.updates_percent;
        let connection = &mut connections[number];
        let (known, cases) = (*known, &mut load.cases);
        if updates {
            // Distinct cases in one form: the n-th is taken from the n-th part of all.
            let part = (known / plan.shape.cases_per_form as u64).max(1);
            update.write(&mut connection.out, &mut load.dice, |dice, nth| {
                (nth as u64 * part + dice.below(part)).min(known - 1)
            });
        } else {
            create.write(&mut connection.out, &mut load.dice, |_, _| {
                *cases += 1;
                *cases - 1
            });
        }
        connection.sent = 0;
        connection.due_us = Some(due_us);
        self.push(number)
    }

    /// Writes as much as the socket takes.
    fn push(&mut self, number: usize) -> Result<()> {
        let connection = &mut self.connections[number];
        while connection.sent < connection.out.len() {
            match connection.stream.write(&connection.out[connection.sent..]) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(count) => connection.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("sending a form"),
            }
        }
        let wants_room = connection.sent < connection.out.len();
        if wants_room != connection.waits_for_room {
            connection.waits_for_room = wants_room;
            let out = if wants_room { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            let data = epoll::EventData::new_u64(number as u64);
            epoll::modify(&self.epoll, &connection.stream, data, epoll::EventFlags::IN | out)?;
        }
        Ok(())
    }

    fn ready(&mut self, number: usize) -> Result<()> {
        if self.connections[number].waits_for_room {
            self.push(number)?;
        }
        let connection = &mut self.connections[number];
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(count) => connection.answer.extend_from_slice(&self.buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error).context("reading an answer"),
        }
        match parse_answer(&connection.answer)? {
            None if connection.answer.len() > ANSWER_BYTES_MAX => bail!("an answer is too long"),
            None => Ok(()),
            Some((status, length)) => {
                if length != connection.answer.len() {
                    bail!("the server sent more than one answer");
                }
                connection.answer.clear();
                let due = connection.due_us.take().context("an answer nobody waited for")?;
                self.note(status, due);
                self.free.push(number);
                Ok(())
            }
        }
    }

    fn note(&mut self, status: u16, due_us: u64) {
        let wait = self.load.clock.monotonic_us().saturating_sub(due_us);
        self.answered += 1;
        if status == 201 {
            self.outcome.accepted += 1;
            self.outcome.waits_us.push(u32::try_from(wait).unwrap_or(u32::MAX));
            return;
        }
        match self.outcome.refused.iter_mut().find(|(s, _)| *s == status) {
            Some((_, count)) => *count += 1,
            None => self.outcome.refused.push((status, 1)),
        }
    }
}

/// Status and whole length of an answer; `None` while it is not complete.
fn parse_answer(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).context("an answer is no HTTP")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok());
    match (status, length) {
        (Some(status), Some(length)) => {
            let whole = end + 4 + length;
            Ok((bytes.len() >= whole).then_some((status, whole)))
        }
        _ => bail!("an answer has no status or no length: {head:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let whole = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello";
        for cut in 0..whole.len() {
            assert!(parse_answer(&whole[..cut]).unwrap().is_none(), "{cut}");
        }
        assert_eq!(parse_answer(whole).unwrap(), Some((201, whole.len())));
        assert!(parse_answer(b"HTTP/1.1 201 Created\r\n\r\n").is_err());
    }

    #[test]
    fn waiting_times_are_ranked() {
        let outcome = Outcome { waits_us: (1..=1000).map(|ms| ms * 1000).collect(), ..Outcome::default() };
        assert_eq!(outcome.wait_ms(0.5), 500.0);
        assert_eq!(outcome.wait_ms(0.99), 990.0);
        assert_eq!(outcome.wait_ms(1.0), 1000.0);
        assert_eq!(Outcome::default().wait_ms(0.99), 0.0);
    }
}

//! What one request gives the runtime: data, searches, lists, the clock.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bolster_runtime::{Code, Error, KeptOrder, ListKey, Search, Source, UserData, World, results_source};
use bolster_xpath::{Host as XPathHost, Names, Zone};

use crate::fault::describe;
use crate::host::{Account, Failure, Host, Need, Shelf};

/// Results of searches that an account made, by what was asked.
pub type Results = HashMap<Search, Source>;

/// Orders of lists that are remembered of an account.
const ORDERS_MAX: usize = 4;

/// Orders of lists that an account looked at last, for one state of its data.
#[derive(Default)]
pub struct Orders {
    /// Does not keep the data: what it stood at is not used again while this knows it.
    data: Option<Weak<dyn UserData>>,
    kept: Vec<(ListKey, KeptOrder)>,
}

impl Orders {
    /// Forgets what was made from other data.
    fn of(&mut self, data: &Arc<dyn UserData>) -> &mut Vec<(ListKey, KeptOrder)> {
        let data = Arc::downgrade(data);
        if !self.data.as_ref().is_some_and(|known| known.ptr_eq(&data)) {
            self.kept.clear();
            self.data = Some(data);
        }
        &mut self.kept
    }
}

/// The world of one request.
pub struct RequestWorld<'w> {
    /// Everything outside.
    pub host: &'w dyn Host,
    /// Whose data it is.
    pub account: &'w Account,
    /// Results of earlier requests.
    pub results: Arc<Mutex<Results>>,
    /// Orders of lists of earlier requests.
    pub orders: Arc<Mutex<Orders>>,
    /// The table names of results are interned in.
    pub names: Names,
    /// Where the client is: `lat,lon,…`.
    pub location: Option<String>,
    /// The client's offset from UTC, if it said one.
    pub offset_ms: Option<i64>,
    /// The client's time zone by name, if it said one; it knows summer time, which the offset does not.
    pub zone: Option<String>,
    data: RefCell<Arc<dyn UserData>>,
    synced: Cell<bool>,
    asked_here: Cell<bool>,
    failure: RefCell<Option<Failure>>,
}

impl<'w> RequestWorld<'w> {
    /// A world with data as it is now.
    pub fn new(
        host: &'w dyn Host,
        account: &'w Account,
        results: Arc<Mutex<Results>>,
        names: Names,
        data: Arc<dyn UserData>,
    ) -> Self {
        RequestWorld {
            host,
            account,
            results,
            orders: Arc::default(),
            names,
            location: None,
            offset_ms: None,
            zone: None,
            data: RefCell::new(data),
            synced: Cell::new(false),
            asked_here: Cell::new(false),
            failure: RefCell::new(None),
        }
    }

    /// Whether an expression asked where the client is.
    pub fn asked_here(&self) -> bool {
        self.asked_here.get()
    }

    /// The failure outside that an error of the runtime stands for.
    pub fn take_failure(&self) -> Option<Failure> {
        self.failure.borrow_mut().take()
    }

    /// Replaces the data.
    pub fn refresh(&self, need: Need) -> Result<(), Failure> {
        *self.data.borrow_mut() = self.host.data(self.account, need)?;
        self.synced.set(true);
        Ok(())
    }

    fn failed(&self, failure: Failure) -> Error {
        let error = Error::new(Code::Outside, describe(&failure));
        *self.failure.borrow_mut() = Some(failure);
        error
    }
}

impl XPathHost for RequestWorld<'_> {
    fn now_ms(&self) -> i64 {
        self.host.now_ms()
    }

    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64 {
        let named = || self.host.named_offset_ms(self.zone.as_deref()?, utc_ms);
        match (zone, self.offset_ms) {
            (Zone::User, Some(offset)) => named().unwrap_or(offset),
            (zone, _) => self.host.offset_ms(zone, utc_ms),
        }
    }

    fn random(&self) -> f64 {
        self.host.random()
    }

    fn uuid(&self, length: Option<usize>) -> String {
        match length {
            None => self.host.uuid(),
            Some(length) => (0..length).map(|_| self.letter()).collect(),
        }
    }
}

impl RequestWorld<'_> {
    fn letter(&self) -> char {
        const LETTERS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let at = (self.host.random() * LETTERS.len() as f64) as usize;
        LETTERS[at.min(LETTERS.len() - 1)] as char
    }
}

impl World for RequestWorld<'_> {
    fn data(&self) -> Arc<dyn UserData> {
        self.data.borrow().clone()
    }

    fn search(&self, search: &Search, fresh: bool) -> Result<Source, Error> {
        let lock = || self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = search.clone();
        key.parameters.sort();
        if !fresh && let Some(known) = lock().get(&key) {
            return Ok(known.clone());
        }
        let body = self
            .host
            .search(self.account, &search.url, &search.parameters)
            .map_err(|failure| self.failed(failure))?;
        let source = results_source(&body, search.case_template, &self.names)
            .map_err(|error| Error::session(format!("Query response format error: {}", error.message)))?;
        lock().insert(key, source.clone());
        Ok(source)
    }

    fn post(&self, url: &str, parameters: &[(String, String)]) -> Result<(), Error> {
        let status = self.host.post(self.account, url, parameters).map_err(|failure| match failure {
            Failure::Status(_, body) => Error::session(format!("Case claim failed. Message: {body}")),
            _ => Error::session("Unknown error performing case claim"),
        })?;
        if status == 204 {
            // The user held everything already.
            return Ok(());
        }
        self.refresh(Need::Sync { purge: false }).map_err(|failure| self.failed(failure))
    }

    fn order(&self, key: &ListKey) -> Option<KeptOrder> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = orders.of(&self.data.borrow());
        kept.iter().find(|(known, _)| known == key).map(|(_, order)| order.clone())
    }

    fn keep_order(&self, key: ListKey, order: KeptOrder) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = orders.of(&self.data.borrow());
        kept.truncate(ORDERS_MAX - 1);
        kept.insert(0, (key, order));
    }

    fn forget(&self, search: &Search) {
        let mut key = search.clone();
        key.parameters.sort();
        let same = |known: &Search| known.url == key.url && known.parameters == key.parameters;
        self.results.lock().unwrap_or_else(PoisonError::into_inner).retain(|known, _| !same(known));
    }

    fn list(&self, id: &str) -> Option<Arc<Vec<String>>> {
        let (owner, bytes) = self.host.load(Shelf::Lists, id)?;
        if owner != self.account.key() {
            return None;
        }
        serde_json::from_slice(&bytes).ok().map(Arc::new)
    }

    fn keep_list(&self, values: Vec<String>) -> String {
        let id = self.host.uuid();
        let bytes = serde_json::to_vec(&values).unwrap_or_default();
        self.host.save(Shelf::Lists, &self.account.key(), &id, &bytes);
        id
    }

    fn here(&self) -> String {
        self.asked_here.set(true);
        let Some(location) = &self.location else { return String::new() };
        let mut parts = location.split(',').map(|part| part.trim().parse::<f64>().ok());
        match (parts.next().flatten(), parts.next().flatten()) {
            (Some(lat), Some(lon)) => {
                let number = bolster_xpath::java_double;
                format!("{} {} 0.0 0.0", number(lat), number(lon))
            }
            _ => String::new(),
        }
    }
}

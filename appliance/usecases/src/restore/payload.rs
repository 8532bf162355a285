//! The payload, printed piece by piece as it is sent.

use super::graph::StoredCases;
use super::holdings::Holdings;
use super::phone::PhoneState;
use super::plan::{self, Keep, Plan, SendCase};
use super::sync_log::SyncLog;
use super::user::RestoreUser;
use super::{RestoreError, RestoreRequest};
use crate::Appliance;
use crate::nouns::printed::PrintedFixture;
use crate::nouns::{Location, LookupRow, LookupTable, Nouns};
use bolster_auth::Project;
use bolster_env::random;
use bolster_store::ReadExt;
use bolster_wire::restore::{
    self as print, FlatLocation, HEAD_ITEMS, LookupField, LookupSchema, NestedLocation, Printer, Registration,
};
use std::sync::Arc;

/// Bytes that are sent at once, and room for one more case: small enough for the allocator to use again.
const CHUNK_BYTES: usize = 56 << 10;
const BUFFER_BYTES: usize = 64 << 10;
/// What the phone is told instead of the password's hash, which is nobody's business.
const NO_PASSWORD: &str = "sha1$bolster$0";

/// A restore that may begin.
pub struct Restore {
    pub(super) app: Appliance,
    pub(super) project: Arc<Project>,
    pub(super) nouns: Arc<Nouns>,
    pub(super) user: RestoreUser,
    pub(super) request: RestoreRequest,
    pub(super) lsn: u64,
    pub(super) before: Option<PhoneState>,
}

/// Where the payload goes; false when nobody listens any more.
pub type Sink<'s> = &'s mut dyn FnMut(Vec<u8>) -> bool;

/// Fixtures that are sent.
struct Fixtures {
    tables: bool,
    locations: Option<Arc<PrintedFixture>>,
    products: Option<Arc<PrintedFixture>>,
    /// Digests of what the phone has afterwards.
    location_digest: u64,
    product_digest: u64,
}

impl Restore {
    /// The cost is known to be small: what changed, not what exists.
    pub fn is_short(&self) -> bool {
        self.before.as_ref().is_some_and(|state| state.region.is_some() || state.log.kept < 500)
    }

    /// Computes and prints everything. The token is durable before the last byte is handed over.
    pub fn send(mut self, sink: Sink<'_>) -> Result<(), RestoreError> {
        let mut out = Printer::with_capacity(if self.is_short() { 4096 } else { BUFFER_BYTES });
        print::begin(&mut out);
        if !self.is_short() {
            // Something to read while the rest is computed, for clients that give up on silence.
            flush(&mut out, sink)?;
        }
        let fixtures = self.fixtures();
        let graph = StoredCases { view: self.app.store().steady_view(), project: self.project.id };
        let plan = match &mut self.before {
            Some(state) => plan::incremental(Keep::Stored(&self.app), state, &self.user.owners)?,
            None => plan::full(Keep::Stored(&self.app), &graph, &self.user.owners)?,
        };
        let token: String =
            random::bytes::<16>(&*self.app.env().random).iter().map(|b| format!("{b:02x}")).collect();
        let Plan { send, holdings, hash, kept, reopened, new_base } = plan;
        let log = SyncLog { hash, kept, reopened, ..self.log(&token, &fixtures, holdings) };
        self.app.keep_log(&log, new_base)?;
        drop(log);
        if let Some(state) = &self.before {
            state.graph.view.release();
        }
        let has_ledgers = graph.view.any_ledger()?;
        let items =
            self.request.items.then(|| self.count(&graph, &fixtures, &send, has_ledgers)).transpose()?;
        print::head(&mut out, items, Some(&token), &self.registration());
        self.print_fixtures(&mut out, &fixtures, sink)?;
        for case in &send {
            self.print_case(&graph, &mut out, case, has_ledgers)?;
            if out.len() >= CHUNK_BYTES {
                // The client may read slowly.
                graph.view.release();
                flush(&mut out, sink)?;
            }
        }
        print::end(&mut out);
        if sink(out.take()) { Ok(()) } else { Err(RestoreError::Gone) }
    }

    /// Who the user is and what he has besides cases, as a payload.
    pub(super) fn without_cases(&self) -> Result<Vec<u8>, RestoreError> {
        let mut out = Printer::with_capacity(BUFFER_BYTES);
        let mut all = Vec::new();
        let mut sink = |bytes: Vec<u8>| {
            all.extend_from_slice(&bytes);
            true
        };
        print::begin(&mut out);
        print::head(&mut out, None, None, &self.registration());
        self.print_fixtures(&mut out, &self.fixtures(), &mut sink)?;
        print::end(&mut out);
        sink(out.take());
        Ok(all)
    }

    fn log(&self, token: &str, fixtures: &Fixtures, holdings: Holdings) -> SyncLog {
        SyncLog {
            token: token.to_owned(),
            project: self.project.id,
            user_id: self.user.id.clone(),
            asked_by: self.user.asked_by.clone(),
            device_id: self.request.device_id.clone(),
            app_id: self.request.app_id.clone(),
            previous: self.before.as_ref().map(|b| b.log.token.clone()),
            at: self.app.env().clock.now(),
            lsn: self.lsn,
            owners: self.user.owners.clone(),
            locations: fixtures.location_digest,
            products: fixtures.product_digest,
            hash: Default::default(),
            kept: 0,
            disagreed: None,
            reopened: Vec::new(),
            holdings,
        }
    }

    fn registration(&self) -> Registration<'_> {
        Registration {
            username: &self.user.username,
            password: NO_PASSWORD,
            user_id: &self.user.id,
            date: self.user.since,
            user_data: self.user.data.clone(),
        }
    }

    fn count(
        &self,
        graph: &StoredCases,
        fixtures: &Fixtures,
        send: &[SendCase],
        has_ledgers: bool,
    ) -> Result<usize, RestoreError> {
        let mut items = HEAD_ITEMS + 1 + send.len();
        let whole = [&fixtures.locations, &fixtures.products].into_iter().flatten();
        items += whole.map(|printed| printed.items).sum::<usize>();
        if fixtures.tables {
            let indexed = |table: &crate::nouns::LookupTable| table.fields.iter().any(|f| f.indexed);
            items += self.nouns.tables.iter().map(|(t, _)| 1 + usize::from(indexed(t))).sum::<usize>();
        }
        if has_ledgers {
            for case in send {
                let ledgers = graph.view.ledgers(self.project.id, &case.id)?;
                items += ledgers.chunk_by(|a, b| a.key.section_id == b.key.section_id).count();
            }
        }
        Ok(items)
    }

    fn print_case(
        &self,
        graph: &StoredCases,
        out: &mut Printer,
        send: &SendCase,
        has_ledgers: bool,
    ) -> Result<(), RestoreError> {
        if has_ledgers {
            print::balances(out, &graph.view.ledgers(self.project.id, &send.id)?);
        }
        let leave_out = |name: &str| send.leave_out.iter().any(|n| n == name);
        // One that is gone in this moment is not printed; the next sync tells.
        graph.view.look_at_case(self.project.id, &send.id, |case| {
            print::case_block(out, send.id.as_str(), case, send.create, leave_out, &send.removed);
        })?;
        Ok(())
    }

    // ---- fixtures ----

    fn fixtures(&self) -> Fixtures {
        let log = self.before.as_ref().map(|state| &state.log);
        let skip = self.request.skip_fixtures && log.is_some();
        let same_app = log.is_some_and(|log| log.app_id == self.request.app_id);
        let (locations, products) = (self.location_fixture(), self.product_fixture());
        let known = |digest: u64, had: u64| digest == 0 || (same_app && digest == had);
        let (had_locations, had_products) = log.map_or((0, 0), |l| (l.locations, l.products));
        let send_locations = !skip && !known(locations.digest, had_locations);
        let send_products = !skip && !known(products.digest, had_products);
        Fixtures {
            tables: !skip,
            location_digest: if skip { had_locations } else { locations.digest },
            product_digest: if skip { had_products } else { products.digest },
            locations: send_locations.then_some(locations),
            products: send_products.then_some(products),
        }
    }

    fn location_fixture(&self) -> Arc<PrintedFixture> {
        let places = &self.nouns.locations;
        if places.types().is_empty() {
            return Arc::default();
        }
        let all = self.project.sync_all_locations;
        let format = self.project.location_fixture.as_str();
        // Everything besides the nouns that makes it another one.
        let mut assigned = if all { Vec::new() } else { self.user.locations.clone() };
        assigned.sort();
        let fields: Vec<&str> = self.project.location_fields.iter().map(|f| f.slug.as_str()).collect();
        let key = serde_json::to_string(&("locations", all, format, fields, assigned));
        let print = || self.print_locations(all, format);
        match key {
            Ok(key) => self.nouns.printed.get(&key, print),
            Err(_) => Arc::new(print()),
        }
    }

    fn print_locations(&self, all: bool, format: &str) -> PrintedFixture {
        let places = &self.nouns.locations;
        let mine = if all { places.in_use() } else { places.for_phone(&self.user.locations) };
        let (mut out, mut user_at, mut items) = (Printer::default(), Vec::new(), 0);
        if format != "hierarchical" {
            let types: Vec<&str> = places.types().iter().map(|t| t.code.as_str()).collect();
            user_at.push(print::flat_locations(&mut out, &types, mine.iter().map(|l| self.flat(l))));
            items += 2;
        }
        if matches!(format, "hierarchical" | "both") {
            let ids: std::collections::HashSet<&str> = mine.iter().map(|l| l.id.as_str()).collect();
            let is_root = |l: &&&Location| l.parent.as_deref().is_none_or(|p| !ids.contains(p));
            let mut roots: Vec<NestedLocation<'_>> =
                mine.iter().filter(is_root).map(|l| self.nested(l, &ids, 0)).collect();
            roots.sort_by(|a, b| a.location.texts[0].cmp(b.location.texts[0]));
            user_at.push(print::nested_locations(&mut out, &roots));
            items += 1;
        }
        // A changed type is a changed fixture, even where its elements say the same.
        let types = serde_json::to_vec(places.types()).unwrap_or_default();
        PrintedFixture::new(out, user_at, items, &types)
    }

    fn flat<'s>(&'s self, location: &'s Location) -> FlatLocation<'s> {
        let places = &self.nouns.locations;
        let above: Vec<&Location> = places.lineage(location).collect();
        let lineage = places.types().iter().map(|kind| {
            let at = above.iter().find(|l| l.type_code == kind.code);
            at.map_or("", |l| l.id.as_str())
        });
        let text = |name: &String| location.data.get(name).map_or("", String::as_str);
        FlatLocation {
            id: &location.id,
            type_code: &location.type_code,
            type_name: places.type_of(location).map_or(location.type_code.as_str(), |t| t.name.as_str()),
            lineage: lineage.collect(),
            texts: [
                &location.name,
                &location.site_code,
                &location.external_id,
                &location.latitude,
                &location.longitude,
            ],
            data: self.project.location_fields.iter().map(|f| (f.slug.as_str(), text(&f.slug))).collect(),
        }
    }

    fn nested<'s>(
        &'s self,
        location: &'s Location,
        ids: &std::collections::HashSet<&str>,
        depth: usize,
    ) -> NestedLocation<'s> {
        let below = self.nouns.locations.children(&location.id).filter(|l| ids.contains(l.id.as_str()));
        let mut children: Vec<NestedLocation<'s>> =
            if depth > 64 { Vec::new() } else { below.map(|l| self.nested(l, ids, depth + 1)).collect() };
        children.sort_by(|a, b| a.location.texts[0].cmp(b.location.texts[0]));
        NestedLocation { location: self.flat(location), children }
    }

    fn product_fixture(&self) -> Arc<PrintedFixture> {
        if !self.project.commtrack {
            return Arc::default();
        }
        self.nouns.printed.get("products", || self.print_products())
    }

    fn print_products(&self) -> PrintedFixture {
        let mut out = Printer::default();
        let products: Vec<print::Product<'_>> = self
            .nouns
            .products
            .iter()
            .map(|p| print::Product {
                id: &p.id,
                texts: [&p.name, &p.unit, &p.code, &p.description, &p.category, &p.program_id, &p.cost],
                data: p.data.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect(),
            })
            .collect();
        let products_at = print::products(&mut out, &products);
        let programs: Vec<(&str, &str, &str)> =
            self.nouns.programs.iter().map(|p| (p.id.as_str(), p.name.as_str(), p.code.as_str())).collect();
        let programs_at = print::programs(&mut out, &programs);
        PrintedFixture::new(out, vec![products_at, programs_at], 3, b"")
    }

    fn print_fixtures(
        &self,
        out: &mut Printer,
        fixtures: &Fixtures,
        sink: Sink<'_>,
    ) -> Result<(), RestoreError> {
        if fixtures.tables {
            self.print_tables(out, sink)?;
        }
        for printed in [&fixtures.products, &fixtures.locations].into_iter().flatten() {
            printed.print(out, &self.user.id, CHUNK_BYTES, |out| flush_full(out, sink))?;
        }
        print::groups(out, &self.user.id, &self.user.sharing);
        Ok(())
    }

    fn print_tables(&self, out: &mut Printer, sink: Sink<'_>) -> Result<(), RestoreError> {
        let audience = self.nouns.audience(&self.user.id, &self.user.locations);
        for (table, rows) in &self.nouns.tables {
            if table.is_global {
                // The same for everybody, so it is printed once.
                let printed = self.nouns.printed.get(&format!("table {}", table.tag), || {
                    let mut out = Printer::default();
                    let user_at = print_table(&mut out, "", table, rows.iter());
                    PrintedFixture::new(out, vec![user_at], 1, b"")
                });
                printed.print(out, &self.user.id, CHUNK_BYTES, |out| flush_full(out, sink))?;
            } else {
                let seen = rows.iter().filter(|row| !self.user.is_web && audience.sees(row));
                print_table(out, &self.user.id, table, seen);
                flush_full(out, sink)?;
            }
        }
        Ok(())
    }
}

/// Prints a table and answers where the user's id stands.
fn print_table<'r>(
    out: &mut Printer,
    user_id: &str,
    table: &LookupTable,
    rows: impl Iterator<Item = &'r LookupRow>,
) -> usize {
    let schema = LookupSchema {
        tag: &table.tag,
        attributes: table.item_attributes.iter().map(String::as_str).collect(),
        fields: table.fields.iter().map(|f| LookupField { name: &f.name, indexed: f.indexed }).collect(),
    };
    let mut table = print::TablePrinter::begin(out, user_id, &schema);
    for row in rows {
        table.row(
            |name| row.attributes.get(name).map_or("", String::as_str),
            |field| row.fields.get(field).map_or(&[][..], |values| values.as_slice()),
            |value| (&value.value, &value.properties),
        );
    }
    table.end()
}

/// Hands over what there is when it is enough.
fn flush_full(out: &mut Printer, sink: Sink<'_>) -> Result<(), RestoreError> {
    if out.len() < CHUNK_BYTES { Ok(()) } else { flush(out, sink) }
}

fn flush(out: &mut Printer, sink: Sink<'_>) -> Result<(), RestoreError> {
    if sink(out.take_and_make_room(BUFFER_BYTES)) { Ok(()) } else { Err(RestoreError::Gone) }
}

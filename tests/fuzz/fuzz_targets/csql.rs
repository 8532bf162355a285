//! Any text as a search query: nothing panics, and what it finds does not depend on what the source answers itself.

#![no_main]

use std::convert::Infallible;
use std::sync::OnceLock;

use bolster_model::{Case, CaseId, CaseIndex, Property, Register, Relationship, SetBy, Timestamp};
use bolster_search::{
    Budget, CaseSource, Context, Leaf, MemoryCases, Meter, Referrer, Scope, Search, Utc, csql, search,
};

fn cases() -> &'static MemoryCases {
    static CASES: OnceLock<MemoryCases> = OnceLock::new();
    CASES.get_or_init(|| {
        let register = |value: &str| Register { value: value.to_owned(), by: SetBy::NEVER };
        MemoryCases::new((0..8usize).map(|n| Case {
            id: CaseId(format!("c{n}")),
            case_type: register(if n % 2 == 0 { "a" } else { "b" }),
            name: register(["Ada", "Bob Ada", "", "Katherine"][n % 4]),
            owner_id: register("o"),
            closed: Register { value: n == 7, by: SetBy::NEVER },
            properties: [("a", ["1", "x y", "", "2024-01-02"][n % 4]), ("g", "1 2")]
                .map(|(name, value)| Property { name: name.into(), value: value.into(), by: SetBy::NEVER })
                .to_vec(),
            indices: vec![CaseIndex {
                identifier: "parent".to_owned(),
                referenced_type: "a".to_owned(),
                referenced_id: CaseId(format!("c{}", n / 2)),
                relationship: Relationship::Child,
                by: SetBy::NEVER,
            }],
            ..Case::default()
        }))
    })
}

/// Answers every condition itself.
struct Answers;

impl CaseSource for Answers {
    type Error = Infallible;

    fn case(&self, id: &CaseId) -> Result<Option<Case>, Infallible> {
        cases().case(id)
    }

    fn referrers(&self, id: &CaseId) -> Result<Vec<Referrer>, Infallible> {
        cases().referrers(id)
    }

    fn scan(&self, scope: &Scope, visit: &mut dyn FnMut(Option<Case>) -> bool) -> Result<(), Infallible> {
        cases().scan(scope, visit)
    }

    fn answer(&self, leaf: &Leaf, _: &Scope, _: usize) -> Result<Option<Vec<CaseId>>, Infallible> {
        Ok(Some(cases().iter().filter(|case| leaf.holds(case)).map(|case| case.id.clone()).collect()))
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let context = Context { now: Timestamp(0), zone: &Utc, fuzzy: bytes.len() % 2 == 0, fuzzy_prefix: 1 };
    let _ = csql::value(text, &context);
    let Ok(filter) = csql::filter(text, &context) else { return };
    let wanted = Search { filter, sort: Vec::new(), limit: 100 };
    let never = || false;
    let budget = Budget { cases: 20_000, ids: 20_000, steps: 200_000 };
    let walked = search(cases(), &wanted, &Meter::new(budget, &never));
    let planned = search(&Answers, &wanted, &Meter::new(budget, &never));
    if let (Ok(walked), Ok(planned)) = (walked, planned) {
        assert_eq!(walked.hits, planned.hits, "{text}");
    }
});

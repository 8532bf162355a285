//! Whatever a source answers by itself, a search finds the same: random cases and filters, against an evaluation by
//! sets of ids as the documentation of CommCare HQ describes it.

use bolster_model::{Case, CaseId, CaseIndex, Property, Register, Relationship, SetBy};
use bolster_search::{
    Budget, CaseSource, Count, Filter, Leaf, MemoryCases, Meter, Range, Referrer, Scope, Search, search,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Answers some conditions, more or less exactly.
struct Answers<'c> {
    cases: &'c MemoryCases,
    seed: u64,
}

impl Answers<'_> {
    fn roll(&self, what: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, what).hash(&mut hasher);
        hasher.finish()
    }
}

impl CaseSource for Answers<'_> {
    type Error = Infallible;

    fn case(&self, id: &CaseId) -> Result<Option<Case>, Infallible> {
        self.cases.case(id)
    }

    fn referrers(&self, id: &CaseId) -> Result<Vec<Referrer>, Infallible> {
        self.cases.referrers(id)
    }

    fn scan(&self, scope: &Scope, visit: &mut dyn FnMut(Option<Case>) -> bool) -> Result<(), Infallible> {
        self.cases.scan(scope, visit)
    }

    fn answer(&self, leaf: &Leaf, scope: &Scope, at_most: usize) -> Result<Option<Vec<CaseId>>, Infallible> {
        let name = format!("{leaf:?}");
        if self.roll(&name).is_multiple_of(3) {
            return Ok(None);
        }
        let too_many = |id: &CaseId| self.roll(&format!("{name}{id}")).is_multiple_of(4);
        let wanted = |case: &&Case| (scope.holds(case) && leaf.holds(case)) || too_many(&case.id);
        let mut ids: Vec<CaseId> = self.cases.iter().filter(wanted).map(|case| case.id.clone()).collect();
        ids.push(CaseId::new("nobody"));
        Ok((ids.len() <= at_most).then_some(ids))
    }
}

/// Ids of what a filter finds, set by set.
fn plainly(filter: &Filter, cases: &MemoryCases) -> BTreeSet<CaseId> {
    let those = |wanted: &dyn Fn(&Case) -> bool| {
        cases.iter().filter(|case| wanted(case)).map(|case| case.id.clone()).collect::<BTreeSet<_>>()
    };
    match filter {
        Filter::All => those(&|_| true),
        Filter::None => BTreeSet::new(),
        Filter::And(all) => {
            let sets = all.iter().map(|f| plainly(f, cases));
            sets.reduce(|a, b| &a & &b).unwrap_or_else(|| those(&|_| true))
        }
        Filter::Or(any) => any.iter().map(|f| plainly(f, cases)).fold(BTreeSet::new(), |a, b| &a | &b),
        Filter::Not(inner) => &those(&|_| true) - &plainly(inner, cases),
        Filter::Leaf(leaf) => those(&|case| leaf.holds(case)),
        Filter::Ancestor { path, filter } => path.iter().rev().fold(plainly(filter, cases), |above, step| {
            let points =
                |index: &CaseIndex| index.identifier == *step && above.contains(&index.referenced_id);
            those(&|case| case.indices.iter().any(points))
        }),
        Filter::Subcases { identifier, filter, count } => {
            let children = plainly(filter, cases);
            let mut counts: BTreeMap<&CaseId, u64> = BTreeMap::new();
            for child in cases.iter().filter(|case| children.contains(&case.id)) {
                for index in child.indices.iter().filter(|index| index.identifier == *identifier) {
                    *counts.entry(&index.referenced_id).or_default() += 1;
                }
            }
            let fits = |n: &u64| match count.more {
                true => i64::try_from(*n).is_ok_and(|n| n > count.number),
                false => i64::try_from(*n).is_ok_and(|n| n == count.number),
            };
            those(&|case| counts.get(&case.id).is_some_and(fits) != count.inverted)
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "1", "2", "10", "x", "X y", "2024-01-05", "5 5", "ab cd"])
        .prop_map(str::to_owned)
}

fn names() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["p", "q", "@case_id", "@owner_id", "@status", "name"]).prop_map(str::to_owned)
}

fn identifiers() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["parent", "host"]).prop_map(str::to_owned)
}

fn cases() -> impl Strategy<Value = Vec<Case>> {
    let register = |value: String| Register { value, by: SetBy::NEVER };
    let index = (prop::option::of(0..14u8), prop::option::of(0..14u8));
    let one = (texts(), texts(), texts(), index, any::<bool>(), prop::sample::select(vec!["a", "b"]));
    prop::collection::vec(one, 0..12).prop_map(move |all| {
        let case = |(number, (name, p, q, (parent, host), closed, kind)): (usize, _)| {
            let property =
                |name: &str, value: String| Property { name: name.to_owned(), value, by: SetBy::NEVER };
            let index = |identifier: &str, to: u8| CaseIndex {
                identifier: identifier.to_owned(),
                referenced_type: String::new(),
                referenced_id: CaseId(format!("c{to}")),
                relationship: Relationship::Child,
                by: SetBy::NEVER,
            };
            let (host, parent): (Option<u8>, Option<u8>) = (host, parent);
            let kind: &str = kind;
            Case {
                id: CaseId(format!("c{number}")),
                case_type: register(kind.to_owned()),
                name: register(name),
                owner_id: register(format!("o{}", number % 3)),
                closed: Register { value: closed, by: SetBy::NEVER },
                properties: vec![property("p", p), property("q", q)],
                indices: host
                    .map(|to| index("host", to))
                    .into_iter()
                    .chain(parent.map(|to| index("parent", to)))
                    .collect(),
                ..Case::default()
            }
        };
        all.into_iter().enumerate().map(case).collect()
    })
}

fn leaves() -> impl Strategy<Value = Leaf> {
    let values = || {
        let value = prop_oneof![texts(), (0..14u8).prop_map(|n| format!("c{n}")), Just("o1".to_owned())];
        prop::collection::btree_set(value, 1..4).prop_map(|all| all.into_iter().collect::<Vec<_>>())
    };
    prop_oneof![
        Just(Leaf::Open),
        Just(Leaf::Types(vec!["a".to_owned()])),
        (names(), values()).prop_map(|(property, values)| Leaf::Equals { property, values }),
        names().prop_map(|property| Leaf::Blank { property }),
        (names(), texts()).prop_map(|(property, text)| Leaf::Fuzzy { property, text, prefix: 1 }),
        (names(), values(), any::<bool>()).prop_map(|(property, words, all)| Leaf::Words {
            property,
            words,
            all
        }),
        (names(), texts()).prop_map(|(property, text)| Leaf::Begins { property, text }),
        (names(), 0..12i32, any::<bool>()).prop_map(|(property, from, upper_edge)| Leaf::Number {
            property,
            range: Range { from: Some(f64::from(from)), before: None, upper_edge },
        }),
        (identifiers(), values()).prop_map(|(identifier, targets)| Leaf::Index { identifier, targets }),
        identifiers().prop_map(|identifier| Leaf::NoIndex { identifier }),
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        8 => leaves().prop_map(Filter::Leaf),
        1 => Just(Filter::All),
        1 => Just(Filter::None),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let count = (any::<bool>(), -1..3i64, any::<bool>()).prop_map(|(more, number, inverted)| Count {
            more,
            number,
            inverted,
        });
        let path = prop::collection::vec(identifiers(), 1..3);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::and),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::or),
            inner.clone().prop_map(Filter::negated),
            (path, inner.clone()).prop_map(|(path, f)| Filter::Ancestor { path, filter: Box::new(f) }),
            (identifiers(), inner, count).prop_map(|(identifier, f, count)| Filter::Subcases {
                identifier,
                filter: Box::new(f),
                count,
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_is_found_does_not_depend_on_the_plan(cases in cases(), filter in filters(), seed in any::<u64>()) {
        let cases = MemoryCases::new(cases);
        let never = || false;
        let expected = plainly(&filter, &cases);
        let wanted = Search { filter, sort: Vec::new(), limit: 100 };
        let walked = search(&cases, &wanted, &Meter::new(Budget::default(), &never)).unwrap();
        let ids = |hits: &[bolster_search::Hit]| hits.iter().map(|h| h.case.id.clone()).collect::<BTreeSet<_>>();
        prop_assert_eq!(&ids(&walked.hits), &expected);
        let source = Answers { cases: &cases, seed };
        let planned = search(&source, &wanted, &Meter::new(Budget::default(), &never)).unwrap();
        prop_assert_eq!(&planned.hits, &walked.hits);
        prop_assert_eq!(planned.hits.len(), expected.len());
        let few = Search { limit: 2, ..wanted };
        let found = search(&source, &few, &Meter::new(Budget::default(), &never)).unwrap();
        prop_assert_eq!(&found.hits[..], &walked.hits[..expected.len().min(2)]);
        prop_assert_eq!(found.more, expected.len() > 2);
    }
}

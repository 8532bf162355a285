//! What no search may do: nest without end, run without end, hold everything.

use bolster_model::{Case, CaseId, CaseIndex, Property, Register, Relationship, SetBy, Timestamp};
use bolster_search::{
    Budget, Context, Exceeded, Filter, HITS_MAX, MemoryCases, Meter, RequestError, Search, SearchError,
    SearchRequest, SortKey, SortType, Utc, csql, search,
};
use proptest::prelude::*;

fn context() -> Context<'static> {
    Context { now: Timestamp(0), zone: &Utc, fuzzy: false, fuzzy_prefix: 2 }
}

fn refused(query: &str) -> String {
    csql::filter(query, &context()).expect_err("is refused").to_string()
}

fn many(count: usize) -> MemoryCases {
    let register = |value: &str| Register { value: value.to_owned(), by: SetBy::NEVER };
    MemoryCases::new((0..count).map(|n| Case {
        id: CaseId(format!("c{n:06}")),
        case_type: register("a"),
        properties: vec![Property { name: "n".to_owned(), value: (n % 1000).to_string(), by: SetBy::NEVER }],
        ..Case::default()
    }))
}

fn run(
    cases: &MemoryCases,
    filter: Filter,
    budget: Budget,
) -> Result<usize, SearchError<std::convert::Infallible>> {
    let never = || false;
    let wanted = Search { filter, sort: Vec::new(), limit: HITS_MAX };
    Ok(search(cases, &wanted, &Meter::new(budget, &never))?.hits.len())
}

#[test]
fn depth_and_length_have_limits() {
    let nested = |open: &str, close: &str, n| format!("{}a = 1{}", open.repeat(n), close.repeat(n));
    assert!(refused(&nested("not(", ")", 10_000)).contains("nests deeper"));
    assert!(refused(&nested("(", ")", 10_000)).contains("nests deeper"));
    assert!(refused(&nested("subcase-exists('p', ", ")", 3_000)).contains("nests deeper"));
    assert!(refused(&format!("a = {}1", "-".repeat(10_000))).contains("nests deeper"));
    assert!(refused(&format!("a {}", "= a ".repeat(10_000))).contains("nests deeper"));
    assert!(refused(&format!("{}x = 1", "a/".repeat(1_000))).contains("steps at most"));
    assert!(refused(&format!("a = '{}'", "x".repeat(70_000))).contains("longer than"));
    assert!(csql::filter(&nested("not(", ")", 40), &context()).is_ok());
    // Long chains are not deep.
    let long = vec!["a = 1"; 5_000].join(" or ");
    assert!(csql::filter(&long, &context()).is_ok());
}

#[test]
fn a_case_above_itself_is_climbed_only_as_far_as_asked() {
    let index = CaseIndex {
        identifier: "p".to_owned(),
        referenced_type: String::new(),
        referenced_id: CaseId::new("c"),
        relationship: Relationship::Child,
        by: SetBy::NEVER,
    };
    let cases = MemoryCases::new([Case { id: CaseId::new("c"), indices: vec![index], ..Case::default() }]);
    let path = ["p"; 16].join("/");
    let open = format!("ancestor-exists({path}, ").repeat(47);
    let query = format!("{open}@case_id != 'x'{}", ")".repeat(47));
    let filter = csql::filter(&query, &context()).expect("is not too deep");
    assert_eq!(run(&cases, filter, Budget::default()).expect("ends"), 1);
    let query = format!("{}@case_id != 'x'{}", "subcase-exists('p', ".repeat(47), ")".repeat(47));
    let filter = csql::filter(&query, &context()).expect("is not too deep");
    assert_eq!(run(&cases, filter, Budget::default()).expect("ends"), 1);
}

#[test]
fn hits_are_limited_and_the_best_are_kept() {
    let cases = many(100_000);
    let never = || false;
    let mut wanted = Search { filter: Filter::All, sort: Vec::new(), limit: HITS_MAX };
    let found = search(&cases, &wanted, &Meter::new(Budget::default(), &never)).unwrap();
    assert_eq!((found.hits.len(), found.more), (HITS_MAX, true));
    wanted.sort = vec![SortKey { property: "n".to_owned(), kind: SortType::Numeric, descending: true }];
    let found = search(&cases, &wanted, &Meter::new(Budget::default(), &never)).unwrap();
    assert!(found.hits[..100].iter().all(|hit| hit.case.properties[0].value == "999"));
    assert_eq!(found.hits[0].case.id.as_str(), "c000999");
}

#[test]
fn every_budget_ends_a_search_with_what_to_narrow() {
    let cases = many(10_000);
    let small = Budget { cases: 1_000, ..Budget::default() };
    let error = run(&cases, csql::filter("n = 'nothing'", &context()).unwrap(), small).unwrap_err();
    assert!(matches!(error, SearchError::Exceeded(Exceeded::Cases(1_000))));
    assert!(error.to_string().contains("more specific"), "{error}");
    let list = (0..3_000).map(|n| format!("\"w{n}\"")).collect::<Vec<_>>().join(",");
    let query = format!("selected(n, unwrap-list('[{list}]'))");
    let small = Budget { steps: 100_000, ..Budget::default() };
    let error = run(&cases, csql::filter(&query, &context()).unwrap(), small).unwrap_err();
    assert!(matches!(error, SearchError::Exceeded(Exceeded::Steps(_))), "{error}");
    let ids = (0..5_000).map(|n| format!("\"c{n}\"")).collect::<Vec<_>>().join(",");
    let query = format!("@case_id = unwrap-list('[{ids}]')");
    let small = Budget { ids: 1_000, ..Budget::default() };
    let error = run(&cases, csql::filter(&query, &context()).unwrap(), small).unwrap_err();
    assert!(matches!(error, SearchError::Exceeded(Exceeded::Ids(1_000))), "{error}");
    let late = || true;
    let wanted = Search { filter: Filter::None.negated(), sort: Vec::new(), limit: usize::MAX };
    let error = search(&cases, &wanted, &Meter::new(Budget::default(), &late)).unwrap_err();
    assert!(matches!(error, SearchError::Exceeded(Exceeded::Time)), "{error}");
}

#[test]
fn a_long_list_is_no_long_walk() {
    let cases = many(100_000);
    let list = (0..5_000).map(|n| format!("\"x{n}\"")).collect::<Vec<_>>().join(",");
    let query = format!("n = unwrap-list('[{list}]')");
    assert_eq!(run(&cases, csql::filter(&query, &context()).unwrap(), Budget::default()).unwrap(), 0);
}

#[test]
fn requests_have_limits() {
    let many = (0..20_000).map(|_| ("name", "x"));
    assert_eq!(SearchRequest::read(many), Err(RequestError::TooMany));
    let path = "a/".repeat(40) + "x";
    let request = SearchRequest::read([("case_type", "a"), (path.as_str(), "1")]).unwrap();
    let refused = request.filter(&Default::default(), &context(), "p");
    assert!(matches!(refused, Err(RequestError::Path { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(query in "[ -~é]{0,60}") {
        let _ = csql::filter(&query, &context());
        let _ = csql::value(&query, &context());
    }

    #[test]
    fn no_mixture_of_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(vec![
        "a", "@case_id", "parent/", "=", "!=", "<", ">=", "'x'", "\"2024-02-31\"", "7", "-", "1.5", "(", ")", ",",
        "and", "or", "not(", "selected(", "subcase-count('p'", "ancestor-exists(parent,", "date-add(", "'days'",
        "today()", "unwrap-list('[\"é\"]')", "within-distance(g,'1 2',", "last_modified", "div", "datetime-add(",
        "9999999999999999999", "fuzzy-date(a,", "double(", "'years'",
    ]), 0..14)) {
        let query = words.join(" ");
        let _ = csql::filter(&query, &context());
        let _ = csql::value(&query, &context());
    }
}

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::language::value_glob::ValueGlob;
use crate::model::{ApiId, ApiKind, ApiName, BasePath, RequestSizes, RoutingRuleId, StageName};
use crate::router::Slashes;

/// A rule as a user thinks of it: its conditions as they are written.
#[derive(Clone, Debug)]
struct Written {
    priority: u32,
    headers: Vec<(&'static str, String)>,
    base_path: Option<String>,
    is_stripped: bool,
}

impl Written {
    fn rule(&self) -> RoutingRule {
        let condition = |(name, glob): &(&str, String)| HeaderCondition {
            header: name.parse().unwrap(),
            value: ValueGlob::parse(glob).unwrap(),
        };
        RoutingRule {
            id: RoutingRuleId::new(&self.priority.to_string()),
            priority: self.priority,
            headers: self.headers.iter().map(condition).collect(),
            base_path: self.base_path.as_ref().map(|path| BasePath {
                segments: path.split('/').map(str::to_owned).collect(),
                is_stripped: self.is_stripped,
            }),
            api: ApiName::new("a"),
            stage: StageName::new("prod"),
        }
    }
}

fn target() -> TargetPlan {
    let api = ApiPlan {
        name: Arc::from("a"),
        id: ApiId::new("a"),
        kind: ApiKind::Rest,
        sizes: RequestSizes::SERVICE,
        named: HashMap::new(),
        default: None,
    };
    TargetPlan {
        api: Arc::new(api),
        stage: Arc::from("prod"),
        room: None,
    }
}

fn plan(rules: &[Written], mappings: &[&str]) -> DomainPlan {
    let rules = rules.iter().map(|written| {
        let rule = RulePlan::new(&written.rule(), target());
        (written.priority, rule)
    });
    let mappings = mappings.iter().map(|path| MappingPlan {
        segments: path.split('/').map(str::to_owned).collect(),
        target: target(),
    });
    DomainPlan::new(rules.collect(), mappings.collect())
}

/// What leads a request: the priority of its rule or the path of its mapping, and how many segments
/// are taken off.
fn led(plan: &DomainPlan, path: &str, headers: &HeaderMap) -> Option<(String, usize)> {
    let asked = Asked {
        host: "a.shop.test",
        path,
        headers,
    };
    let path = RequestPath::parse(path, Slashes::Collapsed).unwrap();
    let lead = plan.lead(&asked, &path)?;
    let name = lead.rule().map(|id| id.to_string());
    Some((name.or(lead.mapping())?, lead.stripped()))
}

/// `*` stands for any text, wherever it is.
fn naively_globbed(glob: &[u8], value: &[u8]) -> bool {
    match glob.split_first() {
        None => value.is_empty(),
        Some((b'*', glob)) => {
            (0..=value.len()).any(|skipped| naively_globbed(glob, &value[skipped..]))
        }
        Some((byte, glob)) => value
            .split_first()
            .is_some_and(|(first, value)| first == byte && naively_globbed(glob, value)),
    }
}

/// The lowest priority of those rules whose conditions all hold.
fn naively_led(rules: &[Written], path: &str, fields: &[(String, String)]) -> Option<u32> {
    let is_for = |rule: &&Written| {
        let base_path = rule.base_path.iter();
        let mut base_path = base_path.map(|base| format!("/{base}"));
        let begins = |base: String| path == base || path.starts_with(&format!("{base}/"));
        let has = |(name, glob): &(&str, String)| {
            fields.iter().any(|(field, value)| {
                field.eq_ignore_ascii_case(name)
                    && naively_globbed(glob.as_bytes(), value.as_bytes())
            })
        };
        base_path.all(begins) && rule.headers.iter().all(has)
    };
    let of_request = rules.iter().filter(is_for);
    of_request.map(|rule| rule.priority).min()
}

fn glob() -> impl Strategy<Value = String> {
    prop_oneof![Just("*".to_owned()), "[*]?[ab]{1,2}[*]?"]
}

fn rules() -> impl Strategy<Value = Vec<Written>> {
    let header = (prop_oneof![Just("x-one"), Just("x-two")], glob());
    let rule = (
        1..=1_000_000_u32,
        proptest::collection::vec(header, 0..=2),
        proptest::option::of("[ab](/[ab]){0,2}"),
        any::<bool>(),
    );
    let rules = proptest::collection::vec(rule, 0..6);
    rules.prop_map(|rules| {
        let mut written: Vec<Written> = Vec::new();
        for (priority, headers, base_path, is_stripped) in rules {
            if written.iter().all(|other| other.priority != priority) {
                written.push(Written {
                    priority,
                    headers,
                    base_path,
                    is_stripped,
                });
            }
        }
        written
    })
}

proptest! {
    #[test]
    fn the_first_rule_is_the_one_of_a_naive_matcher(
        rules in rules(),
        path in "(/[abA]{1,2}){1,3}",
        fields in proptest::collection::vec(("[xX]-(one|Two)", "[abA]{0,3}"), 0..4),
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in &fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let found = led(&plan(&rules, &[]), &path, &headers);
        let expected = naively_led(&rules, &path, &fields);
        prop_assert_eq!(found.map(|(id, _)| id), expected.map(|id| id.to_string()));
    }
}

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn written(priority: u32, header: Option<(&'static str, &str)>, path: Option<&str>) -> Written {
    Written {
        priority,
        headers: Vec::from_iter(header.map(|(name, glob)| (name, glob.to_owned()))),
        base_path: path.map(str::to_owned),
        is_stripped: false,
    }
}

#[test]
fn rules_come_before_mappings_and_their_order_is_that_of_their_priorities() {
    let rules = [
        written(9, None, Some("a")),
        written(2, Some(("x-one", "b*")), None),
    ];
    let both = plan(&rules, &["a/b", "c"]);
    let (none, beta) = (HeaderMap::new(), headers(&[("x-one", "beta")]));
    for (path, fields, expected) in [
        ("/a/b/d", &none, Some(("9", 0))),
        ("/a/b/d", &beta, Some(("2", 0))),
        ("/c/a", &none, Some(("c", 1))),
        ("/A", &none, None),
        ("/ab", &none, None),
        ("/%61", &none, Some(("9", 0))),
    ] {
        let found = led(&both, path, fields);
        let expected = expected.map(|(lead, count): (&str, usize)| (lead.to_owned(), count));
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn a_base_path_is_taken_off_where_the_rule_says_so() {
    let mut rule = written(1, None, Some("a/b"));
    for (is_stripped, count) in [(true, 2), (false, 0)] {
        rule.is_stripped = is_stripped;
        let plan = plan(&[rule.clone()], &[]);
        let found = led(&plan, "//a/b/c", &HeaderMap::new());
        assert_eq!(found, Some(("1".to_owned(), count)));
    }
}

#[test]
fn each_field_of_a_header_counts_and_cookies_are_one() {
    let with = |header, glob| plan(&[written(1, Some((header, glob)), None)], &[]);
    for (header, glob, fields, expected) in [
        (
            "accept",
            "*json",
            headers(&[("accept", "text/xml"), ("accept", "a/json")]),
            true,
        ),
        (
            "accept",
            "*json",
            headers(&[("accept", "a/json,text/xml")]),
            false,
        ),
        ("accept", "*", HeaderMap::new(), false),
        (
            "cookie",
            "a=1; b=2",
            headers(&[("cookie", "a=1"), ("cookie", "b=2")]),
            true,
        ),
        (
            "cookie",
            "b=2",
            headers(&[("cookie", "a=1"), ("cookie", "b=2")]),
            false,
        ),
        ("cookie", "*", HeaderMap::new(), false),
        // The host is the one that was asked, whatever a field says.
        ("host", "a.*", headers(&[("host", "b.shop.test:80")]), true),
        ("host", "b.*", headers(&[("host", "b.shop.test:80")]), false),
    ] {
        let found = led(&with(header, glob), "/", &fields).is_some();
        assert_eq!(found, expected, "{header}: {glob} of {fields:?}");
    }
}

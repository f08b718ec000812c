//! With `limits: aws` a configuration has to fit into Amazon API Gateway, and only then.

use std::fmt::Write as _;

use gateway::config::load_text;

use crate::site::Site;

const PUBLIC: &str = "authorizer: none, integration: {upstream: u}";

/// A configuration of one API and what else is given.
fn configuration(kind: &str, api: &str, routes: &[String], more: &str) -> String {
    let mut text = format!(
        "listeners: {{l: {{address: '127.0.0.1:8080'}}}}
upstreams: {{u: {{url: 'http://127.0.0.1:9000'}}}}
{more}
apis:
  a:
    type: {kind}
    {api}
    routes:
"
    );
    for route in routes {
        writeln!(text, "      {route}").unwrap();
    }
    text
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

/// What fits is accepted. What does not is refused at `place`, with these words, and accepted
/// without `limits: aws`.
#[track_caller]
fn check(make: impl Fn(usize) -> String, max: usize, place: &str, words: &str) {
    check_at(&Site::new(), make, max, place, words);
}

/// As [`check`], at a site that `make` may put files in.
#[track_caller]
fn check_at(site: &Site, make: impl Fn(usize) -> String, max: usize, place: &str, words: &str) {
    let load = |count, limits: &str| {
        let text = format!("{limits}\n{}", make(count));
        load_text("g.yaml", &text, site.path())
    };
    if let Err(report) = load(max, "limits: aws") {
        panic!("{max}: {report}");
    }
    if let Err(report) = load(max + 1, "") {
        panic!("without limits: {report}");
    }
    let refused = load(max + 1, "limits: aws")
        .expect_err("too many")
        .to_string();
    let found = refused.starts_with("g.yaml:") && refused.contains(&format!(": {place}: "));
    assert!(found && refused.contains(words), "{refused}");
    assert!(refused.contains("`limits: aws`"), "{refused}");
}

#[test]
fn routes_of_http_apis_and_resources_of_rest_apis() {
    let routes = |count: usize| -> Vec<String> {
        let names = names(count);
        let key = |name: &String| format!("GET /{name}: {{{PUBLIC}}}");
        names.iter().map(key).collect()
    };
    let words = "at most 300 routes of an HTTP API";
    check(
        |count| configuration("http", "", &routes(count), ""),
        300,
        "apis.a.routes",
        words,
    );
    // The root is one, and so is what stands between it and the routes.
    let deep = |count: usize| {
        let mut all = routes(count - 3);
        all.push(format!("GET /between/end: {{{PUBLIC}}}"));
        all.push(format!("POST /between/end: {{{PUBLIC}}}"));
        configuration("rest", "stages: {prod: {}}", &all, "")
    };
    check(
        deep,
        300,
        "apis.a.routes",
        "at most 300 resources of a REST API",
    );
}

#[test]
fn stages_and_domains() {
    let route = [format!("GET /a: {{{PUBLIC}}}")];
    let stages = |count: usize| {
        let stages: Vec<_> = names(count)
            .iter()
            .map(|name| format!("{name}: {{}}"))
            .collect();
        let stages = format!("stages: {{{}}}", stages.join(", "));
        configuration("rest", &stages, &route, "")
    };
    check(stages, 10, "apis.a.stages", "at most 10 stages of an API");
    let domains = |count: usize| {
        let mapping = "{mappings: {/: {api: a}}}";
        let names = names(count);
        let domains = names
            .iter()
            .map(|name| format!("{name}.example.com: {mapping}"));
        let domains = domains.collect::<Vec<_>>().join(", ");
        configuration("http", "", &route, &format!("domains: {{{domains}}}"))
    };
    check(domains, 120, "domains", "at most 120 custom domains");
    // Those of one segment, and the one for every path, do not count.
    let mappings = |count: usize| {
        let names = names(count);
        let paths = names.iter().map(|name| format!("a/{name}: {{api: a}}"));
        let paths = paths.collect::<Vec<_>>().join(", ");
        let domain = format!("{{mappings: {{/: {{api: a}}, b: {{api: a}}, {paths}}}}}");
        let domains = format!("domains: {{shop.example.com: {domain}}}");
        configuration("http", "", &route, &domains)
    };
    let words = "at most 200 mappings of several segments of a custom domain";
    let place = "domains.\"shop.example.com\".mappings";
    check(mappings, 200, place, words);
    let rules = |count: usize| {
        let domain = ruled("rules.example", count);
        configuration("rest", "stages: {prod: {}}", &route, &domain)
    };
    let words = "at most 50 routing rules of a custom domain";
    let place = "domains.\"rules.example\".routing_rules";
    check(rules, 50, place, words);
}

#[test]
fn keys_and_usage_plans() {
    let route = |name: &String| format!("GET /{name}: {{{PUBLIC}}}");
    let routes: Vec<_> = names(21).iter().map(route).collect();
    let with = |plans: &str| {
        let plans = format!("usage_plans: {{{plans}}}");
        configuration("rest", "stages: {prod: {}}", &routes, &plans)
    };
    let plans = |count: usize| {
        let plan = |name: String| format!("{name}: {{stages: [{{api: a, stage: prod}}]}}");
        with(
            &names(count)
                .into_iter()
                .map(plan)
                .collect::<Vec<_>>()
                .join(", "),
        )
    };
    check(plans, 300, "usage_plans", "at most 300 usage plans");
    let throttled = |count: usize| {
        let route = |name: String| format!("GET /{name}: {{throttle: {{rate: 1, burst: 1}}}}");
        let routes = names(count)
            .into_iter()
            .map(route)
            .collect::<Vec<_>>()
            .join(", ");
        with(&format!(
            "p: {{stages: [{{api: a, stage: prod, routes: {{{routes}}}}}]}}"
        ))
    };
    let words = "at most 20 routes of a stage with throttles in a usage plan";
    check(throttled, 20, "usage_plans.p.stages[0].routes", words);
    // Of keys there are fewer as well.
    let keys = |limits: &str| {
        let text = format!("{limits}\n{}", with(""));
        let loaded = load_text("g.yaml", &text, Site::new().path()).unwrap();
        loaded.gateway.api_keys.keys_max
    };
    assert_eq!((keys("limits: aws"), keys("")), (10_000, 100_000));
}

/// A domain with so many rules.
fn ruled(name: &str, count: usize) -> String {
    let rule = |number: usize| {
        format!("n{number}: {{priority: {number}, match_base_path: n, api: a, stage: prod}}")
    };
    let rules: Vec<_> = (1..=count).map(rule).collect();
    let rules = rules.join(", ");
    format!("domains: {{{name}: {{routing_mode: routing_rule_only, routing_rules: {{{rules}}}}}}}")
}

#[test]
fn routing_rules_are_bounded_without_quotas_too() {
    let route = [format!("GET /a: {{{PUBLIC}}}")];
    let site = Site::new();
    let load = |count: usize| {
        let domain = ruled("rules.example", count);
        let text = configuration("rest", "stages: {prod: {}}", &route, &domain);
        load_text("g.yaml", &text, site.path())
    };
    if let Err(report) = load(200) {
        panic!("{report}");
    }
    let refused = load(201).unwrap_err().to_string();
    let words = "domains.\"rules.example\".routing_rules: 201 rules are too many: at most 200";
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn authorizers_audiences_and_scopes() {
    let jwt = |audiences: usize| {
        let audiences = names(audiences).join(", ");
        format!("{{type: jwt, issuer: 'https://i.example', audiences: [{audiences}]}}")
    };
    let authorizers = |count: usize| {
        let names = names(count);
        let route = |name: &String| {
            format!("GET /{name}: {{authorizer: {name}, integration: {{upstream: u}}}}")
        };
        let routes: Vec<_> = names.iter().map(route).collect();
        let all: Vec<_> = names
            .iter()
            .map(|name| format!("{name}: {}", jwt(1)))
            .collect();
        let all = format!("authorizers: {{{}}}", all.join(", "));
        configuration("http", "", &routes, &all)
    };
    check(
        authorizers,
        10,
        "apis.a.routes",
        "at most 10 authorizers of an API",
    );
    let main = |scopes: usize, audiences: usize| {
        let scopes = names(scopes).join(", ");
        let route = format!(
            "GET /a: {{authorizer: main, scopes: [{scopes}], integration: {{upstream: u}}}}"
        );
        let authorizers = format!("authorizers: {{main: {}}}", jwt(audiences));
        configuration("http", "", &[route], &authorizers)
    };
    let words = "at most 10 scopes of a route";
    check(
        |count| main(count, 1),
        10,
        "apis.a.routes.\"GET /a\".scopes",
        words,
    );
    let words = "at most 50 audiences of an authorizer";
    check(
        |count| main(1, count),
        50,
        "authorizers.main.audiences",
        words,
    );
}

#[test]
fn sizes() {
    let route = |body: usize| [format!("GET /a: {{body_max: {body}, {PUBLIC}}}")];
    let words = "write at most 10485760";
    check(
        |bytes| configuration("http", "", &route(bytes), ""),
        10 << 20,
        "apis.a.routes.\"GET /a\".body_max",
        words,
    );
    for key in ["url_bytes_max", "header_bytes_max"] {
        let limits = |bytes: usize| {
            let limits = format!("limits: {{{key}: {bytes}}}");
            configuration("http", &limits, &route(1), "")
        };
        let place = format!("apis.a.limits.{key}");
        check(limits, 10_240, &place, "write at most 10240");
    }
    let keys = |bytes: usize| {
        let jwt = "type: jwt, issuer: 'https://i.example', audiences: [a]";
        let main = format!("authorizers: {{main: {{{jwt}, jwks: {{bytes_max: {bytes}}}}}}}");
        let route = "GET /a: {authorizer: main, integration: {upstream: u}}".to_owned();
        configuration("http", "", &[route], &main)
    };
    let place = "authorizers.main.jwks.bytes_max";
    check(keys, 150_000, place, "write at most 150000");
}

#[test]
fn definitions_and_resources_of_policies() {
    let site = Site::new();
    let definition = |bytes: usize| {
        let text = r#"{"openapi": "3.0.1", "info": {}, "paths": {"/a": {"get": {"responses": {},
            "x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET",
            "payloadFormatVersion": "1.0", "uri": "https://a.example/"}}}}}"#;
        std::fs::write(
            site.path().join("a.json"),
            text.to_owned() + &" ".repeat(bytes - text.len()),
        )
        .unwrap();
        "listeners: {l: {address: '127.0.0.1:8080'}}
apis: {a: {type: http, definition: a.json}}
"
        .to_owned()
    };
    let words = "a definition has at most 6291456";
    check_at(&site, definition, 6 << 20, "apis.a.definition", words);

    let route = [format!("GET /a: {{{PUBLIC}}}")];
    let statement = |resource: String| {
        format!(
            r#"{{"Statement": {{"Effect": "Allow", "Principal": "*",
                "Action": "execute-api:Invoke", "Resource": ["execute-api:/*", "{resource}"]}}}}"#
        )
    };
    let words = "one has at most 512";
    // The short form counts as the ARN that it stands for.
    let short = |characters: usize| {
        let root = "arn:aws:execute-api:us-east-1:123456789012:abc/".len();
        let resource = format!("execute-api:/{}", "x".repeat(characters - root));
        let api = format!(
            "id: abc\n    stages: {{prod: {{}}}}\n    policy: {}",
            statement(resource)
        );
        let identity = "gateway: {account: '123456789012', region: us-east-1}";
        configuration("rest", &api, &route, identity)
    };
    let place = "apis.a.policy.Statement.Resource[1]";
    check(short, 512, place, words);
    let of_file = |characters: usize| {
        let resource = format!(
            "{:x<characters$}",
            "arn:aws:execute-api:us-east-1:123456789012:"
        );
        std::fs::write(site.path().join("p.json"), statement(resource)).unwrap();
        let api = "stages: {prod: {}}\n    policy_file: p.json";
        configuration("rest", api, &route, "")
    };
    check_at(&site, of_file, 512, "apis.a.policy_file", words);
}

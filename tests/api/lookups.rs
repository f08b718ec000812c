//! What is looked up before policies decide: attributes of callers, from files and servers.

use std::sync::{Arc, Mutex};

use gateway_tests::client::Client;
use gateway_tests::site::Site;
use gateway_tests::upstream::{Reply, Upstream, reply};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const POLICIES: &str = r#"
@id("engineers")
permit (principal, action, resource)
when { principal has department && principal.department == "engineering" };

@id("seniors")
permit (principal, action, resource) when { principal has grade && principal.grade >= 7 };

@id("leads")
permit (principal, action, resource)
when { principal has teams && principal.teams.contains("red") };

@id("suspended")
forbid (principal, action, resource) when { principal has suspended && principal.suspended };
"#;

/// What a server was asked: path and query, and the token.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// What a server answers.
type Answering = Box<dyn Fn() -> Reply + Send + Sync>;

/// A server that answers what `answer` makes of path and query.
async fn server(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Upstream, Asked) {
    let asked = Asked::default();
    let (noted, answer) = (Arc::clone(&asked), Arc::new(answer));
    let upstream = Upstream::http(move |request| {
        let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
        async move {
            let path = request.uri().to_string();
            let token = request.headers().get("authorization");
            let token = token.map_or("", |it| it.to_str().unwrap()).to_owned();
            let reply = answer(&path);
            noted.lock().unwrap().push((path, token));
            reply
        }
    });
    (upstream.await, asked)
}

/// The record of whoever the last segment of a path names.
fn person(path: &str) -> Reply {
    match path.rsplit('/').next().unwrap() {
        "ann" => reply(200, r#"{"profile": {"department": "engineering"}}"#),
        "ben" => reply(200, r#"{"profile": {"department": "sales", "grade": 7}}"#),
        "cy" => reply(200, r#"{"profile": {"teams": ["blue", "red"]}}"#),
        "dan" => reply(200, r#"{"profile": {"grade": 9}, "suspended": true}"#),
        "eve" => reply(
            200,
            r#"{"profile": {"department": ["engineering"], "grade": 3}}"#,
        ),
        _ => reply(404, "nobody"),
    }
}

/// The lookup of people at a server.
fn people(server: &Upstream) -> Value {
    let url = format!("http://{}/people/{{key}}", server.address);
    json!({"type": "http", "url": url, "ttl": "1h"})
}

/// An API whose one route asks policies about what this lookup says of the caller.
async fn start(lookup: Value) -> Site {
    let set = json!({
        "type": "cedar",
        "store": "staff",
        "lookups": {"person": {"lookup": "people", "key": "$context.authorizer.claims.sub"}},
        "principal": {
            "type": "User",
            "id": "$context.authorizer.claims.sub",
            "attributes": {
                "department": "$lookups.person.profile.department",
                "grade": "$lookups.person.profile.grade",
                "teams": "$lookups.person.profile.teams",
                "suspended": "$lookups.person.suspended",
            },
        },
        "resource": {"type": "Path", "id": "$request.path"},
    });
    start_with(lookup, set).await
}

/// As [`start`], with another policy set.
async fn start_with(mut lookup: Value, set: Value) -> Site {
    Site::start(|setup| {
        let policies = setup.file("staff.cedar", POLICIES);
        let token = setup.file("token", "secret-of-the-directory\n");
        if lookup["token_file"] == json!("") {
            lookup["token_file"] = json!(token);
        }
        if lookup["records"].is_object() {
            let records = setup.file("people.json", &lookup["records"].to_string());
            lookup = json!({"type": "file", "path": records});
        }
        let store = json!({"type": "files", "policies": [policies]});
        setup
            .set(&["policy_stores", "staff"], store)
            .set(&["lookups", "people"], lookup)
            .set(&["policies", "staff"], set)
            .route(
                "GET /{any+}",
                json!({"authorizer": "main", "policies": "staff"}),
            )
    })
    .await
}

fn bearer(site: &Site, who: &str) -> String {
    site.bearer(json!({"sub": who}))
}

async fn status_of(site: &Site, who: &str) -> u16 {
    site.get("/a", &bearer(site, who)).await.status
}

async fn give(site: &Site, order: Value) -> Value {
    site.gateway.admin(&order.to_string()).await
}

fn paths(asked: &Asked) -> Vec<String> {
    let asked = asked.lock().unwrap();
    asked.iter().map(|(path, _)| path.clone()).collect()
}

const VERDICTS: [(&str, u16); 6] = [
    ("ann", 200),
    ("ben", 200),
    ("cy", 200),
    ("dan", 403),
    ("eve", 403),
    ("nobody", 403),
];

#[tokio::test]
async fn a_servers_records_are_what_policies_decide_by() {
    let (directory, asked) = server(person).await;
    let mut lookup = people(&directory);
    lookup["token_file"] = json!("");
    let site = start(lookup).await;
    for _ in 0..2 {
        for (who, status) in VERDICTS {
            assert_eq!(status_of(&site, who).await, status, "{who}");
        }
    }
    let expected = VERDICTS.map(|(who, _)| {
        let token = "Bearer secret-of-the-directory".to_owned();
        (format!("/people/{who}"), token)
    });
    assert_eq!(*asked.lock().unwrap(), expected, "each once");
    let records = site.gateway.all_records().await;
    let text = json!(records).to_string();
    assert!(
        !text.contains("engineering") && !text.contains("secret"),
        "{text}"
    );
}

#[tokio::test]
async fn a_files_records_are_what_policies_decide_by_until_it_is_read_again() {
    let of = |grade: i64| json!({"profile": {"grade": grade}});
    let records = json!({"ann": of(7), "ben": of(6), "": of(9)});
    let mut site = start(json!({"records": records})).await;
    for (who, status) in [("ann", 200), ("ben", 403), ("cy", 403)] {
        assert_eq!(status_of(&site, who).await, status, "{who}");
    }
    let setup = site.gateway.setup();
    drop(setup.file("people.json", &json!({"ben": of(7)}).to_string()));
    assert_eq!(status_of(&site, "ann").await, 200, "as it was read");
    assert_eq!(site.gateway.reload().await["answer"], "done");
    for (who, status) in [("ann", 403), ("ben", 200)] {
        assert_eq!(status_of(&site, who).await, status, "{who}");
    }
    let setup = site.gateway.setup();
    drop(setup.file("people.json", r#"{"ben": 1}"#));
    let report = site.gateway.reload().await.to_string();
    assert!(
        report.contains("the record of `ben` is no object"),
        "{report}"
    );
    assert_eq!(status_of(&site, "ben").await, 200);
}

#[tokio::test]
async fn who_asks_the_same_at_once_waits_for_one_answer() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let directory = Upstream::http(move |request| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            person(request.uri().path())
        }
    })
    .await;
    let site = start(people(&directory)).await;
    let address = site.gateway.address().await;
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let token = bearer(&site, "ann");
        callers.spawn(async move {
            let client = Client::http1(address).await;
            let headers = [("authorization", token.as_str())];
            client.get_with("/a", &headers).await.status
        });
    }
    let misses = r#"gateway_decisions_misses_total{authorizer="lookups/people"}"#;
    let gathered = site
        .gateway
        .metrics_when("all wait", |metrics| metrics.get(misses) >= 50.0);
    drop(gathered.await);
    go.add_permits(50);
    for status in callers.join_all().await {
        assert_eq!(status, 200);
    }
    assert_eq!(directory.seen().requests, 1);
}

#[tokio::test]
async fn a_record_is_believed_for_its_time_and_then_asked_for_again() {
    let suspended = Arc::new(Mutex::new(false));
    let state = Arc::clone(&suspended);
    let (directory, asked) = server(move |_| {
        let suspended = *state.lock().unwrap();
        let record = json!({"profile": {"grade": 7}, "suspended": suspended});
        reply(200, record.to_string())
    })
    .await;
    let mut lookup = people(&directory);
    lookup["ttl"] = json!("1s");
    let site = start(lookup).await;
    assert_eq!(status_of(&site, "ann").await, 200);
    *suspended.lock().unwrap() = true;
    let mut sent = 1;
    while status_of(&site, "ann").await == 200 {
        sent += 1;
    }
    assert_eq!(paths(&asked).len(), 2, "asked again after {sent} requests");
}

#[tokio::test]
async fn with_no_time_every_request_asks() {
    let (directory, asked) = server(person).await;
    let mut lookup = people(&directory);
    lookup["ttl"] = json!("0s");
    let site = start(lookup).await;
    for who in ["ann", "nobody", "ann", "nobody"] {
        status_of(&site, who).await;
    }
    assert_eq!(
        paths(&asked),
        [
            "/people/ann",
            "/people/nobody",
            "/people/ann",
            "/people/nobody"
        ]
    );
}

#[tokio::test]
async fn a_lookup_that_fails_refuses_and_is_asked_again() {
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(512 * 1024));
    let grown = format!(r#"{{"a": [{}0]}}"#, r#"{"":0},"#.repeat(60_000));
    let moved = || {
        let mut moved = reply(302, r#"{"profile": {"grade": 9}}"#);
        let headers = moved.headers_mut();
        headers.insert("location", "/elsewhere".parse().unwrap());
        moved
    };
    let rows: [(&str, Answering); 9] = [
        ("answered 500", Box::new(|| reply(500, "{}"))),
        ("answered 201", Box::new(|| reply(201, "{}"))),
        ("answered 401", Box::new(|| reply(401, "{}"))),
        ("answered 302", Box::new(moved)),
        ("no JSON object", Box::new(|| reply(200, r#"{"profile": "#))),
        ("no JSON object", Box::new(|| reply(200, "[]"))),
        ("no JSON object", Box::new(|| reply(200, ""))),
        (
            "has more than 524288 bytes",
            Box::new(move || reply(200, large.clone())),
        ),
        (
            "more than 4194304 bytes of values",
            Box::new(move || reply(200, grown.clone())),
        ),
    ];
    for (detail, answer) in rows {
        let (directory, asked) = server(move |_| answer()).await;
        let site = start(people(&directory)).await;
        for _ in 0..2 {
            let answer = site.get("/a", &bearer(&site, "ann")).await;
            assert_eq!(answer.status, 500, "{detail}");
            assert_eq!(answer.json(), json!({"message": "Internal Server Error"}));
        }
        let record = site.gateway.reason("decision_unavailable").await;
        let told = record["detail"].as_str().unwrap();
        assert!(told.starts_with("lookup `people`: "), "{told}");
        assert!(told.contains(detail), "{told}");
        assert_eq!(paths(&asked).len(), 2, "{detail}: nothing is remembered");
    }
}

#[tokio::test]
async fn a_lookup_that_is_slow_or_gone_refuses() {
    let silent = Upstream::raw(|stream| async move {
        // Open, and nothing comes.
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let closing = Upstream::raw(|stream| async move { drop(stream) }).await;
    for (directory, detail) in [
        (silent, "no whole answer within 50ms"),
        (closing, "the server did not answer"),
    ] {
        let mut lookup = people(&directory);
        lookup["timeout"] = json!("50ms");
        let site = start(lookup).await;
        assert_eq!(status_of(&site, "ann").await, 500);
        let record = site.gateway.reason("decision_unavailable").await;
        let told = record["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
        assert!(!told.contains("ann"), "{told}");
    }
}

#[tokio::test]
async fn without_its_server_a_record_counts_to_its_time() {
    let (directory, _asked) = server(person).await;
    let site = start(people(&directory)).await;
    assert_eq!(status_of(&site, "ann").await, 200);
    assert_eq!(status_of(&site, "nobody").await, 403);
    drop(directory);
    assert_eq!(status_of(&site, "ann").await, 200);
    assert_eq!(
        status_of(&site, "nobody").await,
        403,
        "that there is none, too"
    );
    assert_eq!(status_of(&site, "ben").await, 500);
    // A reload may have brought another server.
    site.gateway.reload().await;
    assert_eq!(status_of(&site, "ann").await, 500);
}

#[tokio::test]
async fn what_is_remembered_is_forgotten_by_lookup_and_by_key() {
    let (directory, asked) = server(person).await;
    let site = start(people(&directory)).await;
    for who in ["ann", "ben", "nobody"] {
        status_of(&site, who).await;
    }
    let answer = give(&site, json!({"do": "cache_flush", "principal": "ann"})).await;
    assert_eq!(answer["answer"], "done", "{answer}");
    for who in ["ann", "ben", "nobody"] {
        status_of(&site, who).await;
    }
    let answer = give(&site, json!({"do": "cache_flush", "lookup": "people"})).await;
    let said = answer["message"].as_str().unwrap();
    assert_eq!(
        said,
        "3 remembered records of lookup `people` are forgotten"
    );
    for who in ["ann", "ben", "nobody"] {
        status_of(&site, who).await;
    }
    let of = |who: &str| format!("/people/{who}");
    let expected = ["ann", "ben", "nobody", "ann", "ann", "ben", "nobody"].map(of);
    assert_eq!(paths(&asked), expected);
    let answer = give(&site, json!({"do": "cache_flush", "lookup": "person"})).await;
    let said = answer["message"].as_str().unwrap();
    assert!(
        said.contains("is called `person`: there are `people`"),
        "{said}"
    );
}

#[tokio::test]
async fn a_key_never_leads_elsewhere() {
    let (directory, asked) = server(|_| reply(200, r#"{"profile": {"grade": 9}}"#)).await;
    let site = start(people(&directory)).await;
    let rows = [
        ("../admin", "..%2Fadmin"),
        ("a/b", "a%2Fb"),
        ("a?x=1&y#z", "a%3Fx%3D1%26y%23z"),
        ("%2f..%2f", "%252f..%252f"),
        ("a\r\nx-evil: 1", "a%0D%0Ax-evil%3A%201"),
        ("\u{fc}\u{1f984}\0", "%C3%BC%F0%9F%A6%84%00"),
        ("{key}", "%7Bkey%7D"),
    ];
    for (who, _) in rows {
        assert_eq!(status_of(&site, who).await, 200, "{who:?}");
    }
    let expected = rows.map(|(_, encoded)| format!("/people/{encoded}"));
    assert_eq!(paths(&asked), expected);
    for (who, detail) in [
        (".", "no path can have for a segment"),
        ("..", "no path can have for a segment"),
        (&*"x".repeat(1_025), "a key of 1025 bytes: at most 1024"),
    ] {
        assert_eq!(
            site.get("/refused", &bearer(&site, who)).await.status,
            403,
            "{who}"
        );
        let record = site
            .gateway
            .record(detail, |record| {
                let told = record["detail"].as_str().unwrap_or_default();
                record["reason"] == "decision_failed" && told.contains(detail)
            })
            .await;
        assert!(!record["detail"].to_string().contains("xxxx"), "{record}");
    }
    assert_eq!(status_of(&site, &"x".repeat(1_024)).await, 200);
    assert_eq!(paths(&asked).len(), rows.len() + 1);
}

#[tokio::test]
async fn servers_that_decide_are_told_what_was_found() {
    let (directory, _asked) = server(person).await;
    let questions = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&questions);
    let engine = Upstream::http(move |request| {
        let asked = Arc::clone(&asked);
        async move {
            let body = gateway_tests::upstream::sent(request).await;
            let question: Value = serde_json::from_slice(&body).unwrap();
            asked.lock().unwrap().push(question);
            reply(200, r#"{"result": true}"#)
        }
    })
    .await;
    let set = json!({
        "type": "http",
        "url": format!("http://{}/decide", engine.address),
        "lookups": {
            "person": {"lookup": "people", "key": "$context.authorizer.claims.sub"},
            "boss": {"lookup": "people", "key": "$request.header.x-boss"},
        },
        "request": {
            "who": "$lookups.person.profile",
            "grade": "${lookups.person.profile.grade}th",
            "boss": "$lookups.boss.profile.department",
        },
        "allow": {"at": "result"},
    });
    let site = start_with(people(&directory), set).await;
    let token = bearer(&site, "ben");
    for headers in [
        vec![("authorization", &*token)],
        vec![("authorization", &*token), ("x-boss", "ann")],
        vec![("authorization", &*token), ("x-boss", "nobody")],
    ] {
        let answer = site.client.get_with("/a", &headers).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let ben = json!({"department": "sales", "grade": 7});
    let asked = questions.lock().unwrap().clone();
    assert_eq!(
        asked,
        [
            json!({"who": ben, "grade": "7th"}),
            json!({"who": ben, "grade": "7th", "boss": "engineering"}),
        ],
        "the third is the first, and remembered"
    );
}

#[tokio::test]
async fn who_only_explains_asks_nobody() {
    let (directory, asked) = server(person).await;
    let site = start(people(&directory)).await;
    let explain = async |who: &str, calls: bool| {
        let order = json!({
            "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": "http://localhost/a", "headers": [["authorization", bearer(&site, who)]],
            "calls": calls,
        });
        give(&site, order).await
    };
    let unknown = explain("ann", false).await;
    assert_eq!(unknown["reason"], "decision_unavailable", "{unknown}");
    let told = unknown["detail"].as_str().unwrap();
    assert!(told.contains("it would be asked, and was not"), "{told}");
    assert_eq!(paths(&asked), [""; 0]);
    let known = explain("ann", true).await;
    assert_eq!(known["reason"], Value::Null, "{known}");
    assert_eq!(paths(&asked), ["/people/ann"]);
    let remembered = explain("ann", false).await;
    assert_eq!(remembered["reason"], Value::Null, "{remembered}");
    assert_eq!(status_of(&site, "ann").await, 200);
    assert_eq!(paths(&asked), ["/people/ann"]);
}

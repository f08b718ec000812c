//! Backends of REST APIs that get and give what is mapped.

use gateway_tests::client::{Answer, Client, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::Method;
use http::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A gateway with the route `ANY /pets/{id}`, whose integration is of type `http`.
async fn start(upstream: &Upstream, mut route: Value) -> (Gateway, Client) {
    let integration = &mut route["integration"];
    integration["type"] = json!("http");
    if integration["responses"].is_null() {
        integration["responses"] = json!({"default": {"status": 200}});
    }
    let setup = Setup::forwarding(upstream.address)
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"who": "stage"}}}),
        )
        .set(&["apis", "main", "routes"], json!({}))
        .route("ANY /pets/{id}", route);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

async fn post(client: &Client, headers: &[(&str, &str)], body: &str) -> Answer {
    let asked = request(Method::POST, "/prod/pets/7", whole(body.to_owned()));
    client.send(with(asked, headers)).await
}

/// A backend that answers with this status, header `x-backend` and body.
async fn fixed(status: u16, body: &'static str) -> Upstream {
    Upstream::http(move |_request| async move {
        let mut answer = reply(status, body);
        let headers = answer.headers_mut();
        headers.insert("x-backend", HeaderValue::from_static("one"));
        headers.append("x-backend", HeaderValue::from_static("two"));
        headers.insert("content-type", HeaderValue::from_static("text/html"));
        answer
    })
    .await
}

#[tokio::test]
async fn a_backend_gets_what_is_mapped_and_nothing_else() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(
        &upstream,
        json!({
            "parameters": {"header.X-In": "optional", "querystring.q": "optional"},
            "integration": {
                "method": "PUT",
                "path": "/internal/{id}/{who}",
                "request_parameters": {
                    "integration.request.path.who": "stageVariables.who",
                    "integration.request.header.X-Out": "method.request.header.X-In",
                    "integration.request.querystring.page": "method.request.querystring.q",
                    "integration.request.querystring.id": "method.request.body.id",
                },
            },
        }),
    )
    .await;
    let asked = request(
        Method::POST,
        "/prod/pets/a%20b?q=1&q=2&other=3",
        whole(r#"{"id": 5}"#),
    );
    let sent = [
        ("x-in", "mapped"),
        ("x-other", "kept back"),
        ("cookie", "kept=back"),
        ("authorization", "Bearer kept-back"),
        ("user-agent", "kept back"),
        ("accept", "text/html"),
        ("accept-encoding", "gzip"),
        ("x-forwarded-for", "192.0.2.1"),
        ("content-type", "application/json; charset=utf-8"),
    ];
    let answer = client.send(with(asked, &sent)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["method"], "PUT");
    assert_eq!(seen["uri"], "/internal/a%20b/stage?page=2&id=5");
    assert_eq!(seen["body"], r#"{"id": 5}"#);
    let mut headers = seen["headers"].as_object().unwrap().clone();
    let trace = headers.remove("x-amzn-trace-id").unwrap();
    assert!(trace.as_str().unwrap().starts_with("Root=1-"), "{trace}");
    // The client reads which trace that was.
    assert_eq!(answer.header("x-amzn-trace-id"), trace);
    let expected = json!({
        "host": upstream.address.to_string(),
        "accept": "application/json",
        "content-type": "application/json; charset=utf-8",
        "content-length": "9",
        "user-agent": "AmazonAPIGateway_abc123",
        "x-amzn-apigateway-api-id": "abc123",
        "x-out": "mapped",
    });
    assert_eq!(Value::Object(headers), expected);
    // A trace goes on.
    let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
    let answer = client
        .get_with("/prod/pets/1", &[("x-amzn-trace-id", root)])
        .await;
    let seen = answer.json();
    assert_eq!(seen["headers"]["x-amzn-trace-id"], root);
    assert_eq!(answer.header("x-amzn-trace-id"), root);
}

#[tokio::test]
async fn what_the_client_calls_its_body_goes_with_it() {
    let upstream = Upstream::echo().await;
    let (_gateway, client) = start(&upstream, json!({})).await;
    for (method, content_type, body, expected) in [
        (Method::POST, Some("text/css"), "a", json!("text/css")),
        (Method::POST, None, "{}", json!("application/json")),
        (Method::PATCH, None, "", json!("application/json")),
        (Method::GET, Some("text/css"), "", json!(null)),
        (Method::GET, Some("text/css"), "a", json!("text/css")),
    ] {
        let asked = request(method.clone(), "/prod/pets/7", whole(body));
        let headers: Vec<_> = content_type
            .map(|text| ("content-type", text))
            .into_iter()
            .collect();
        let seen = client.send(with(asked, &headers)).await.json();
        assert_eq!(seen["headers"]["content-type"], expected, "{method} {body}");
        assert_eq!(seen["body"], body);
        assert_eq!(seen["method"], method.as_str());
    }
}

#[tokio::test]
async fn headers_that_no_mapping_sends() {
    let upstream = Upstream::echo().await;
    let names = [
        "Content-MD5",
        "Max-Forwards",
        "Server",
        "Via",
        "WWW-Authenticate",
        "Content-Encoding",
    ];
    let passed = [
        "Accept",
        "Age",
        "Authorization",
        "Date",
        "Range",
        "User-Agent",
    ];
    let all = || names.iter().chain(&passed);
    let parameters: Value = all()
        .map(|name| (format!("header.{name}"), json!("optional")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let mappings: Value = all()
        .map(|name| {
            let target = format!("integration.request.header.{name}");
            (target, json!(format!("method.request.header.{name}")))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    let (_gateway, client) = start(
        &upstream,
        json!({"parameters": parameters, "integration": {"request_parameters": mappings}}),
    )
    .await;
    // The body is decoded, so that its coding must not be told.
    let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut coder, b"plain").unwrap();
    let coded = coder.finish().unwrap();
    let mut asked = request(Method::POST, "/prod/pets/7", whole(coded));
    let mut headers = HeaderMap::new();
    for name in all() {
        let value = if *name == "Content-Encoding" {
            "gzip"
        } else {
            "sent"
        };
        headers.insert(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_static(value),
        );
    }
    asked.headers_mut().extend(headers);
    let answer = client.send(asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = answer.json();
    assert_eq!(seen["body"], "plain");
    for name in names {
        let found = &seen["headers"][name.to_ascii_lowercase()];
        assert_eq!(*found, json!(null), "{name}");
    }
    for name in passed {
        let found = &seen["headers"][name.to_ascii_lowercase()];
        assert_eq!(*found, "sent", "{name}");
    }
}

#[tokio::test]
async fn a_coding_and_a_host_are_mapped() {
    let upstream = Upstream::echo().await;
    let mappings = json!({
        "integration.request.header.Content-Encoding": "'own'",
        "integration.request.header.Host": "'backend.test'",
    });
    let route = json!({"integration": {"request_parameters": mappings}});
    let (_gateway, client) = start(&upstream, route).await;
    let seen = post(&client, &[], "plain").await.json();
    assert_eq!(seen["headers"]["content-encoding"], "own");
    assert_eq!(seen["headers"]["host"], "backend.test");
}

#[tokio::test]
async fn templates_and_passthrough_make_the_body() {
    let upstream = Upstream::echo().await;
    let json_template = json!({"application/json": "<fixed/>"});
    let none = json!({});
    for (templates, passthrough, media_type, expected) in [
        (&json_template, None, "application/json", Ok("<fixed/>")),
        (
            &json_template,
            Some("never"),
            "application/json",
            Ok("<fixed/>"),
        ),
        (&json_template, None, "text/plain", Ok("own")),
        (
            &json_template,
            Some("when_no_match"),
            "text/plain",
            Ok("own"),
        ),
        (
            &json_template,
            Some("when_no_templates"),
            "text/plain",
            Err(415),
        ),
        (&json_template, Some("never"), "text/plain", Err(415)),
        (&none, Some("when_no_match"), "text/plain", Ok("own")),
        (&none, Some("when_no_templates"), "text/plain", Ok("own")),
        (&none, Some("never"), "text/plain", Err(415)),
        (
            &json!({"$default": "any"}),
            Some("never"),
            "text/plain",
            Ok("any"),
        ),
        (
            &json!({"application/json": ""}),
            Some("never"),
            "application/json",
            Ok("own"),
        ),
    ] {
        let mut integration = json!({"request_templates": templates});
        if let Some(word) = passthrough {
            integration["passthrough_behavior"] = json!(word);
        }
        let route = json!({"integration": integration});
        let (_gateway, client) = start(&upstream, route).await;
        let answer = post(&client, &[("content-type", media_type)], "own").await;
        let case = format!("{templates} {passthrough:?} {media_type}");
        match expected {
            Ok(body) => {
                assert_eq!(answer.status, 200, "{case}: {}", answer.text());
                assert_eq!(answer.json()["body"], body, "{case}");
                assert_eq!(answer.json()["headers"]["content-type"], media_type);
            }
            Err(status) => {
                assert_eq!(answer.status, status, "{case}");
                assert_eq!(answer.text(), r#"{"message":"Unsupported Media Type"}"#);
                let kind = answer.header("x-amzn-errortype");
                assert_eq!(kind, "BadRequestException");
            }
        }
    }
}

#[tokio::test]
async fn the_status_selects_what_the_client_gets() {
    let responses = json!({
        "default": {"status": 200, "parameters": {
            "method.response.header.X-First": "integration.response.header.X-Backend",
            "method.response.header.X-All": "integration.response.multivalueheader.x-backend",
            "method.response.header.X-Name": "integration.response.body.pet.name",
            "method.response.header.X-None": "integration.response.header.none",
            "method.response.header.X-Stage": "stageVariables.who",
            "method.response.header.X-Api": "context.apiId",
            "method.response.header.X-Fixed": "'fixed'",
        }},
        "40[0-9]": {"status": 404, "templates": {
            "application/json": "{\"gone\": true}",
            "text/html": "<p>gone</p>",
        }},
        "40\\d": {"status": 410},
        "5\\d{2}": {"status": 502, "templates": {"application/json": ""}, "parameters": {
            "method.response.header.Content-Type": "integration.response.header.Content-Type",
        }},
    });
    let route = json!({"integration": {"responses": responses}});
    let body = r#"{"pet": {"name": "rex"}}"#;
    let upstream = fixed(201, body).await;
    let (_gateway, client) = start(&upstream, route.clone()).await;
    let answer = post(&client, &[], "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, body));
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-first", "two"),
        ("x-all", "one,two"),
        ("x-name", "rex"),
        ("x-stage", "stage"),
        ("x-api", "abc123"),
        ("x-fixed", "fixed"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    for name in ["x-backend", "x-none"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }

    // The first pattern that matches the whole status wins, and the template's body the backend's.
    let upstream = fixed(403, "secret").await;
    let (_gateway, client) = start(&upstream, route.clone()).await;
    for (accept, media_type, body) in [
        ("*/*", "application/json", "{\"gone\": true}"),
        ("text/html, application/json", "text/html", "<p>gone</p>"),
    ] {
        let answer = client.get_with("/prod/pets/7", &[("accept", accept)]).await;
        assert_eq!((answer.status, answer.text().as_str()), (404, body));
        assert_eq!(answer.header("content-type"), media_type);
    }

    // An empty template passes the body on.
    let upstream = fixed(503, "<p>down</p>").await;
    let (_gateway, client) = start(&upstream, route).await;
    let answer = client.get("/prod/pets/7").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (502, "<p>down</p>")
    );
    assert_eq!(answer.header("content-type"), "text/html");
    let head = request(Method::HEAD, "/prod/pets/7", whole(""));
    let answer = client.send(head).await;
    assert_eq!(answer.status, 502);
    // Only the backend knows how long the body would be.
    assert!(!answer.headers.contains_key("content-length"));
}

#[tokio::test]
async fn mapped_headers_that_are_the_gateways_own_get_other_names() {
    let names = [
        "Authorization",
        "Content-MD5",
        "Date",
        "Expect",
        "Host",
        "Max-Forwards",
        "Proxy-Authenticate",
        "Server",
        "User-Agent",
        "WWW-Authenticate",
    ];
    let passed = ["Age", "Content-Encoding", "Pragma", "Via", "X-Own"];
    let mappings: Value = names
        .iter()
        .chain(&passed)
        .chain(&["Accept"])
        .map(|name| (format!("method.response.header.{name}"), json!("'x'")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let upstream = fixed(200, "{}").await;
    let responses = json!({"default": {"status": 200, "parameters": mappings}});
    let route = json!({"integration": {"responses": responses}});
    let (_gateway, client) = start(&upstream, route).await;
    let answer = client.get("/prod/pets/7").await;
    for name in names {
        let renamed = format!("x-amzn-remapped-{}", name.to_ascii_lowercase());
        assert_eq!(answer.header(&renamed), "x", "{name}");
        let own = answer.headers.get(name.to_ascii_lowercase());
        assert!(own.is_none_or(|value| value != "x"), "{name}");
    }
    for name in passed {
        assert_eq!(answer.header(&name.to_ascii_lowercase()), "x", "{name}");
    }
    assert!(!answer.headers.contains_key("accept"));
}

#[tokio::test]
async fn what_is_not_defined_is_a_broken_configuration() {
    let upstream = fixed(200, "not json").await;
    let mapped = json!({"method.response.header.X-A": "integration.response.body.a"});
    for (route, detail) in [
        (
            json!({"integration": {"responses": {"4.*": {"status": 400}}}}),
            "no integration response matches the status `200`",
        ),
        (
            json!({
                "method_responses": {"201": {}},
                "integration": {"responses": {"2.*": {"status": 200}, "default": {"status": 201}}},
            }),
            "the method declares no response `200`",
        ),
        (
            json!({"integration": {"responses": {"default": {
                "status": 200, "parameters": mapped,
            }}}}),
            "`X-A`: the body is no JSON",
        ),
    ] {
        let (gateway, client) = start(&upstream, route).await;
        let answer = client.get("/prod/pets/7").await;
        assert_eq!(answer.status, 500, "{detail}");
        assert_eq!(answer.text(), r#"{"message":"Internal server error"}"#);
        let kind = answer.header("x-amzn-errortype");
        assert_eq!(kind, "InternalServerErrorException");
        assert!(!answer.headers.contains_key("x-amzn-trace-id"));
        let record = gateway.reason("integration_response").await;
        assert_eq!(record["detail"], detail);
    }
}

#[tokio::test]
async fn a_declared_status_with_its_headers_is_answered() {
    let upstream = fixed(200, "{}").await;
    let route = json!({
        "method_responses": {
            "200": {"parameters": ["header.x-count"], "models": {"application/json": "Empty"}},
        },
        "integration": {"responses": {"default": {"status": 200, "parameters": {
            "method.response.header.X-Count": "integration.response.header.x-backend",
        }}}},
    });
    let (_gateway, client) = start(&upstream, route).await;
    let answer = client.get("/prod/pets/7").await;
    assert_eq!((answer.status, answer.header("x-count")), (200, "two"));
}

#[tokio::test]
async fn what_a_backend_does_not_do_is_told_in_the_documented_words() {
    let silent = Upstream::raw(|mut stream| async move {
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    let half = Upstream::raw(|mut stream| async move {
        let mut start = [0; 16];
        drop(stream.read(&mut start).await);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        drop(stream.write_all(head).await);
        let mut sink = Vec::new();
        drop(stream.read_to_end(&mut sink).await);
    })
    .await;
    let broken = Upstream::raw(|mut stream| async move {
        let mut start = [0; 16];
        drop(stream.read(&mut start).await);
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        drop(stream.write_all(head).await);
    })
    .await;
    let closed = Upstream::raw(|_stream| async move {}).await;
    let large =
        Upstream::http(|_request| async { reply(200, vec![b'x'; 10 * 1024 * 1024 + 1]) }).await;
    let late = (504, "Endpoint request timed out", "upstream_timeout");
    let network = "Network error communicating with endpoint";
    for (upstream, (status, message, reason)) in [
        (&silent, late),
        // The whole answer has to be there in time.
        (&half, late),
        (&broken, (504, network, "upstream_reset")),
        (&closed, (504, network, "upstream_reset")),
        (&large, (502, "Internal server error", "response_too_large")),
    ] {
        let timeout = if reason == "upstream_timeout" {
            "60ms"
        } else {
            "20s"
        };
        let route = json!({"integration": {"timeout": timeout}});
        let (gateway, client) = start(upstream, route).await;
        let answer = client.get("/prod/pets/7").await;
        assert_eq!(answer.status, status, "{reason}");
        let expected = format!(r#"{{"message":"{message}"}}"#);
        assert_eq!(answer.text(), expected, "{reason}");
        let kind = answer.header("x-amzn-errortype");
        assert_eq!(kind, "InternalServerErrorException", "{reason}");
        gateway.reason(reason).await;
    }
}

#[tokio::test]
async fn the_largest_answer_passes_and_a_body_beyond_the_limit_does_not() {
    const LARGEST: usize = 10 * 1024 * 1024;
    let upstream = Upstream::http(|_request| async { reply(200, vec![b'x'; LARGEST]) }).await;
    let (_gateway, client) = start(&upstream, json!({"body_max": "8B"})).await;
    let answer = post(&client, &[], "12345678").await;
    assert_eq!((answer.status, answer.body.len()), (200, LARGEST));
    let answer = post(&client, &[], "123456789").await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.text(), "HTTP content length exceeded 8 bytes.");
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn stage_variables_and_parameters_make_the_uri() {
    let upstream = Upstream::echo().await;
    let uri = format!(
        "http://{}/${{stageVariables.who}}/{{id}}?fixed=1",
        upstream.address
    );
    let setup = Setup::new()
        .set(&["apis", "main", "type"], json!("rest"))
        .set(
            &["apis", "main", "stages"],
            json!({"prod": {"variables": {"who": "blue"}}, "test": {"variables": {"who": "red"}}}),
        )
        .set(
            &["apis", "main", "routes", "GET /pets/{id}"],
            json!({"authorizer": "none", "integration": {
                "type": "http",
                "uri": uri,
                "responses": {"default": {"status": 200}},
            }}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (stage, who) in [("prod", "blue"), ("test", "red")] {
        let answer = client.send(get(&format!("/{stage}/pets/7?x=y"))).await;
        assert_eq!(answer.json()["uri"], format!("/{who}/7?fixed=1"));
    }
}

#[tokio::test]
async fn a_redirect_is_mapped_and_not_followed() {
    let upstream = Upstream::http(|_request| async {
        let mut answer = reply(302, "moved");
        let location = HeaderValue::from_static("/elsewhere");
        answer.headers_mut().insert("location", location);
        answer
    })
    .await;
    let route = json!({"integration": {"responses": {"3\\d{2}": {"status": 301, "parameters": {
        "method.response.header.Location": "integration.response.header.Location",
    }}}}});
    let (_gateway, client) = start(&upstream, route).await;
    let answer = client.get("/prod/pets/7").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (301, "/elsewhere")
    );
    assert_eq!(upstream.seen().requests, 1);
}

#[tokio::test]
async fn answers_share_the_memory_of_bodies() {
    let upstream = Upstream::http(|_request| async { reply(200, vec![b'x'; 700 * 1024]) }).await;
    let setup = Setup::forwarding(upstream.address)
        .set(&["body_memory_max"], json!("1MiB"))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "binary_media_types"], json!(["text/css"]))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route(
            "GET /pets",
            json!({"body_max": "1KiB", "integration": {
                "type": "http",
                "responses": {"default": {"status": 200}},
            }}),
        )
        .route(
            "GET /coded",
            json!({"body_max": "1KiB", "integration": {
                "type": "http",
                "responses": {"default": {
                    "status": 200,
                    "content_handling": "convert_to_binary",
                }},
            }}),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = client.get("/prod/pets").await;
    assert_eq!((answer.status, answer.body.len()), (200, 700 * 1024));
    // What is decoded needs room beside what it is decoded from.
    let answer = client.get("/prod/coded").await;
    assert_eq!(answer.status, 503);
    gateway.reason("body_memory").await;
    // What was lent has come back.
    assert_eq!(client.get("/prod/pets").await.status, 200);
}

#[tokio::test]
async fn what_a_mapping_reads_of_an_answer_needs_memory_and_has_to_fit_a_header() {
    let upstream = Upstream::http(|request| async move {
        let list = match request.uri().path() {
            "/pets" => vec![r#"{"":0}"#; 4000],
            _ => Vec::new(),
        };
        let list = list.join(",");
        reply(
            200,
            format!(r#"{{"name": "r\u00e9x", "lines": "a\nb", "list": [{list}]}}"#),
        )
    })
    .await;
    let route = json!({"body_max": "1KiB", "integration": {
        "type": "http",
        "responses": {"default": {"status": 200, "parameters": {
            "method.response.header.X-Name": "integration.response.body.name",
            "method.response.header.X-Lines": "integration.response.body.lines",
        }}},
    }});
    let setup = Setup::forwarding(upstream.address)
        .set(&["body_memory_max"], json!("1MiB"))
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .set(&["apis", "main", "routes"], json!({}))
        .route("GET /pets", route.clone())
        .route("GET /small", route);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    assert_eq!(client.get("/prod/pets").await.status, 503);
    gateway.reason("body_memory").await;
    let answer = client.get("/prod/small").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let name = answer.headers.get("x-name").unwrap();
    assert_eq!(name.as_bytes(), "r\u{e9}x".as_bytes());
    // A line end is no part of a header, and the log says what is lost.
    assert!(!answer.headers.contains_key("x-lines"));
    let record = gateway.path("/prod/small").await;
    let detail = "no header can hold the value of X-Lines";
    assert_eq!(record["detail"], detail);
    assert_eq!(record["status"], 200);
}

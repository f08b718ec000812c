//! No secret that the gateway is shown, or shows others, is told by anything that it writes.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use gateway_tests::client::{Client, get, with};
use gateway_tests::function::{Function, allowing, thrown};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, authorizer, claims, key_set, now};
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, REGION, Signing, statement, user};
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};

const SIGNER: &str = "AKIDANN";
const SIGNER_SECRET: &str = "secret-of-the-signer-wJalrXUtnFEMI";
const SESSION: &str = "ASIARUN";
const SESSION_TOKEN: &str = "token-of-the-session-FwoGZXIvYXdz";
const ENGINE_TOKEN: &str = "token-of-the-engine-8dJ2";
const OPAQUE: &str = "opaque-token-of-a-caller-71Qz";
const OWN_KEY: &str = "secret-of-the-gateway-pXz7";
const OWN_TOKEN: &str = "session-of-the-gateway-qQ19";
const QUERY: &str = "token-in-a-query-Zk3";

/// Everything that must not be read anywhere, beside tokens that are made later.
const SECRETS: [&str; 8] = [
    SIGNER_SECRET,
    SESSION_TOKEN,
    ENGINE_TOKEN,
    OPAQUE,
    OWN_KEY,
    OWN_TOKEN,
    QUERY,
    "secret-api-key",
];

fn keys() -> Value {
    let all = [statement("Allow", "*")];
    let mut session = user(ACCOUNT, SIGNER_SECRET, &all);
    session["principal"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/run"));
    session["session"] = json!({"token": SESSION_TOKEN, "expires": "2099-01-01T00:00:00Z"});
    json!({SIGNER: user(ACCOUNT, SIGNER_SECRET, &all), SESSION: session})
}

/// A gateway of both types of API with every kind of authorizer and engine, that logs all it can.
fn setup(backend: &Upstream, key: &Key, function: &Function, engine: &Upstream) -> Setup {
    let setup = authorize(Setup::new().upstream("main", backend.address), &[key]);
    let file = setup.file(
        "access-keys.json",
        &json!({"credentials": keys()}).to_string(),
    );
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let token_file = setup.file("engine-token", ENGINE_TOKEN);
    let user_pool = setup.file("pool.json", &key_set(&[key]));
    let asked = |event: &str, sources: Value| {
        json!({
            "type": "function", "function": {"url": function.url()}, "event": event,
            "identity_sources": sources,
        })
    };
    let engine = json!({
        "type": "http", "url": format!("http://{}/allow", engine.address),
        "request": {"token": "$request.header.authorization", "sub": "$context.authorizer.claims.sub"},
        "allow": {"at": "result"}, "token_file": token_file,
    });
    let header = "$request.header.authorization";
    let query = authorizer(json!({"file": user_pool}));
    let routes = |prefix: &str| {
        let route = |authorizer: &str| json!({"authorizer": authorizer, "integration": {"upstream": "main"}});
        let mut routes = json!({
            format!("GET {prefix}/jwt"): route("main"),
            format!("GET {prefix}/function"): route("request"),
            format!("GET {prefix}/iam"): route("iam"),
            format!("GET {prefix}/query"): route("query"),
        });
        let mut decided = route("main");
        decided["policies"] = json!("engine");
        routes[format!("GET {prefix}/engine")] = decided;
        routes
    };
    let mut rest = routes("");
    rest["GET /token"] = json!({"authorizer": "token", "integration": {"upstream": "main"}});
    let mut query = query;
    query["identity_source"] = json!("$request.querystring.token");
    setup
        .environment("GATEWAY_LOG", "trace")
        .environment("AWS_ACCESS_KEY_ID", "AKIAOWN")
        .environment("AWS_SECRET_ACCESS_KEY", OWN_KEY)
        .environment("AWS_SESSION_TOKEN", OWN_TOKEN)
        .set(&["gateway"], json!({"account": ACCOUNT, "region": REGION}))
        .set(&["aws"], json!({"region": REGION}))
        .set(
            &["authorizers", "request"],
            asked("request", json!([header])),
        )
        .set(&["authorizers", "token"], asked("token", json!([header])))
        .set(&["authorizers", "query"], query)
        .set(
            &["authorizers", "iam"],
            json!({"type": "iam", "credentials": file}),
        )
        .set(&["policies", "engine"], engine)
        .set(&["apis", "main", "type"], json!("http"))
        .set(&["apis", "main", "routes"], routes("/http"))
        .set(
            &["apis", "rest"],
            json!({
                "type": "rest", "hosts": ["rest.test"], "routes": rest,
                "stages": {"prod": {"logging_level": "info", "data_trace": true}},
            }),
        )
}

/// Sends to both APIs what is good and what is bad, and gives every token that was shown.
async fn call_all(client: &Client, key: &Key) -> Vec<String> {
    let mut tokens = vec![
        key.token(&claims(json!({}))),
        key.token(&claims(json!({"exp": now() - 10}))),
        Key::ec("ec").token(&claims(json!({}))),
        Key::ec("unknown").token(&claims(json!({"sub": "forged"}))),
        format!("{}.e30", OPAQUE),
    ];
    for token in &tokens {
        for path in ["jwt", "function", "engine", "token", "iam", "query"] {
            let bearer = format!("Bearer {token}");
            for value in [token, &bearer] {
                let own = get(&format!("/http/{path}?token={token}&secret={QUERY}"));
                client.send(with(own, &[("authorization", value)])).await;
                let rest = get(&format!("/prod/{path}?token={token}&secret={QUERY}"));
                let headers = [("host", "rest.test"), ("authorization", value.as_str())];
                client.send(with(rest, &headers)).await;
            }
        }
    }
    let session = Signing {
        token: Some(SESSION_TOKEN.to_owned()),
        ..Signing::new(SESSION, SIGNER_SECRET)
    };
    for signing in [
        Signing::new(SIGNER, SIGNER_SECRET),
        Signing::new(SIGNER, OPAQUE),
        Signing::new(OPAQUE, SIGNER_SECRET),
        session,
    ] {
        for (host, path) in [("localhost", "/http/iam"), ("rest.test", "/prod/iam")] {
            let asked = with(get(path), &[("host", host)]);
            let signed = signing.header(asked, b"");
            let header = signed.headers()["authorization"].to_str().unwrap();
            let (_, signature) = header.rsplit_once("Signature=").unwrap();
            tokens.push(signature.to_owned());
            client.send(signed).await;
            client
                .send(signing.query(with(get(path), &[("host", host)]), b"", 60))
                .await;
        }
    }
    tokens
}

#[tokio::test]
async fn what_the_gateway_writes_tells_no_secret() {
    // Bodies are traced as they are, so that this one may tell nothing.
    let backend = Upstream::http(|_| async { reply(200, "done") }).await;
    let key = Key::ec("ec");
    let function = Function::start(|event| {
        if event.to_string().contains(OPAQUE) {
            thrown(&format!("no such token: {OPAQUE}"))
        } else {
            allowing("*")
        }
    })
    .await;
    let engine = Upstream::http(|request| async move {
        let shown = request.headers()["authorization"]
            .to_str()
            .unwrap()
            .to_owned();
        reply(500, shown)
    });
    let engine = engine.await;
    let mut gateway = Gateway::start(setup(&backend, &key, &function, &engine)).await;
    let client = Client::http1(gateway.address().await).await;
    let mut secrets = call_all(&client, &key).await;
    secrets.extend(SECRETS.map(str::to_owned));
    // What is said at a request: of what runs, and of a change that is refused.
    let mut said = vec![gateway.metrics().await.text];
    for ask in [
        json!({"do": "status"}),
        json!({"do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
            "url": format!("http://localhost/http/function?secret={QUERY}"),
            "headers": [["authorization", OPAQUE]], "calls": true}),
    ] {
        said.push(gateway.admin(&ask.to_string()).await.to_string());
    }
    said.push(refused_reloads(&mut gateway).await);
    said.extend(gateway.errors.all());
    let records = gateway.all_records().await;
    for path in ["jwt", "function", "iam", "query"] {
        let is_good = |record: &&Value| {
            record["status"] == 200 && record["path"].as_str().unwrap().ends_with(path)
        };
        assert!(records.iter().filter(is_good).count() > 1, "{path}");
    }
    said.extend(records.iter().map(Value::to_string));
    assert!(said.len() > 200, "much was said");
    for line in &said {
        for secret in &secrets {
            // Of a token, the part that cannot be guessed.
            let part = secret.rsplit('.').find(|part| part.len() > 8).unwrap();
            assert!(!line.contains(part), "`{part}` stands in: {line}");
        }
    }
}

/// What is said of files of secrets that cannot be used.
async fn refused_reloads(gateway: &mut Gateway) -> String {
    let directory = gateway.config_path().parent().unwrap().to_owned();
    let mut said = String::new();
    for (file, content) in [
        (
            "access-keys.json",
            format!("{{\"credentials\": {{\"{SIGNER}\": {{\"secret\": [\"{SIGNER_SECRET}\"]}}}}}}"),
        ),
        (
            "access-keys.json",
            format!("{{\"credentials\": {{\"{SIGNER}\": \"{SIGNER_SECRET}\"}}"),
        ),
        ("engine-token", format!("{ENGINE_TOKEN}\n{ENGINE_TOKEN}")),
    ] {
        let path = directory.join(file);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, content).unwrap();
        let answer = gateway.reload().await;
        assert_eq!(answer["answer"], "refused", "{answer}");
        said.push_str(&answer.to_string());
        std::fs::write(&path, before).unwrap();
    }
    said
}

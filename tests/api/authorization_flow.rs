//! Section 5.3 of docs/semantics.md, cell by cell: what the policy of an API and those of its caller make
//! of a request, for each way in which methods know their callers.

use gateway_tests::client::{Answer, Client, Outgoing, get, with};
use gateway_tests::function::{Function, returned, thrown};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims};
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, Signing, authorize, statement, user};
use gateway_tests::upstream::{Reply, Upstream, reply};
use http::Request;
use serde_json::{Value, json};

const SECRET: &str = "a-secret";
const OTHER: &str = "444455556666";
const POOL: &str = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_abcDEF123";
const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abcDEF123";

/// What the policy of an API says of the method: nothing, as there is none; that everybody may call; of
/// another method; that nobody may; that the user of the own account may; that everybody may but the user
/// of the other account.
const POLICIES: [&str; 6] = ["absent", "allows", "silent", "denies", "names", "bars"];

/// How a method knows its callers, who calls, and what becomes of that under each of [`POLICIES`]: `+` is
/// let in; `-` is denied, by nothing that says so; `x` is denied by a statement; `?` is not known; `!` has
/// not signed, or wrongly. Of functions and signers `allowed`, `silent` and `denied` is what their own
/// policies say.
const MATRIX: [(&str, &str, &str); 20] = [
    ("none", "anybody", "++-x-+"),
    // The policy denies before the function is asked; then by table A.
    ("lambda", "allowed", "+++x++"),
    ("lambda", "silent", "-+-x-+"),
    ("lambda", "denied", "xxxxxx"),
    ("lambda", "unknown", "???x??"),
    ("lambda", "nobody", "???x??"),
    // By table A.
    ("iam", "allowed-here", "+++x++"),
    ("iam", "silent-here", "-+-x++"),
    ("iam", "denied-here", "xxxxxx"),
    ("iam", "forged-here", "!!!!!!"),
    // By table B.
    ("iam", "allowed-there", "-+-x-x"),
    ("iam", "silent-there", "---x-x"),
    ("iam", "denied-there", "xxxxxx"),
    ("iam", "forged-there", "!!!!!!"),
    ("iam", "nobody", "!!!!!!"),
    // Who calls is found out first, and then the policy alone decides.
    ("cognito", "known", "++-x-+"),
    ("cognito", "other-kind", "??????"),
    ("cognito", "forged", "??????"),
    ("cognito", "unreadable", "??????"),
    ("cognito", "nobody", "??????"),
];

fn policy(name: &str) -> Option<Value> {
    let of = |effect: &str, principal: Value, resource: &str| {
        let mut statement = statement(effect, resource);
        statement["Principal"] = principal;
        statement
    };
    let ann = |account: &str| json!({"AWS": format!("arn:aws:iam::{account}:user/team/ann")});
    let (everybody, here) = (|| json!("*"), "execute-api:/prod/GET/pets");
    let allow = of("Allow", everybody(), here);
    let statements = match name {
        "absent" => return None,
        "allows" => json!([allow]),
        "silent" => json!([of("Allow", everybody(), "execute-api:/prod/GET/others")]),
        "denies" => json!([allow, of("Deny", everybody(), here)]),
        "names" => json!([of("Allow", ann(ACCOUNT), here)]),
        "bars" => json!([allow, of("Deny", ann(OTHER), here)]),
        other => panic!("no policy {other}"),
    };
    Some(json!({"Version": "2012-10-17", "Statement": statements}))
}

/// What callers' own policies say.
fn own(name: &str) -> Vec<Value> {
    let here = "arn:aws:execute-api:test-1:111122223333:*/prod/GET/pets";
    match name {
        "allowed" => vec![statement("Allow", here)],
        "silent" => vec![statement("Allow", &here.replace("GET", "POST"))],
        "denied" => vec![statement("Allow", "*"), statement("Deny", here)],
        other => panic!("no caller {other}"),
    }
}

fn answer(event: &Value) -> Reply {
    match event["authorizationToken"].as_str().unwrap() {
        "unknown" => thrown("Unauthorized"),
        caller => reply(200, returned(&json!(own(caller))).to_string()),
    }
}

/// The id of an access key whose own policies say this.
fn access_key(own: &str, place: &str) -> String {
    format!("{own}{place}").to_uppercase()
}

struct Site {
    gateway: Gateway,
    client: Client,
    upstream: Upstream,
    function: Function,
    key: Key,
    _pool: KeyServer,
}

impl Site {
    /// An API for each of [`POLICIES`] and each way of knowing callers.
    async fn start() -> Self {
        let upstream = Upstream::echo().await;
        let function = Function::start(answer).await;
        let key = Key::rsa("pool");
        let pool = KeyServer::start(&[&key]).await;
        let mut keys = json!({});
        for (account, place) in [(ACCOUNT, "here"), (OTHER, "there")] {
            for name in ["allowed", "silent", "denied"] {
                keys[access_key(name, place)] = user(account, SECRET, &own(name));
            }
        }
        let asked = json!({
            "type": "function", "function": {"url": function.url()}, "event": "token", "result_ttl": "5m",
        });
        let customers = json!({"type": "cognito", "user_pools": [POOL], "endpoint": pool.issuer()});
        let mut setup = authorize(pool.trusted(Setup::new()), &keys)
            .upstream("main", upstream.address)
            .set(&["authorizers", "asked"], asked)
            .set(&["authorizers", "customers"], customers);
        for (method, authorizer) in [
            ("none", "none"),
            ("lambda", "asked"),
            ("iam", "main"),
            ("cognito", "customers"),
        ] {
            for name in POLICIES {
                let id = format!("{method}{name}");
                let route = json!({"authorizer": authorizer, "integration": {"upstream": "main"}});
                let mut api = json!({
                    "type": "rest", "id": id, "hosts": [format!("{id}.test")], "stages": {"prod": {}},
                    "routes": {"GET /pets": route},
                });
                if let Some(policy) = policy(name) {
                    api["policy"] = policy;
                }
                setup.change(&["apis", &id], api);
            }
        }
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        Self {
            gateway,
            client,
            upstream,
            function,
            key,
            _pool: pool,
        }
    }

    fn request(&self, method: &str, policy: &str, caller: &str) -> Request<Outgoing> {
        let host = format!("{method}{policy}.test");
        let asked = with(get("/prod/pets"), &[("host", &host)]);
        let token = match (method, caller) {
            ("none", _) | (_, "nobody") => return asked,
            ("iam", _) => {
                let (own, place) = caller.split_once('-').unwrap();
                let (own, secret) = match own {
                    "forged" => ("allowed", "another"),
                    own => (own, SECRET),
                };
                return Signing::new(&access_key(own, place), secret).header(asked, b"");
            }
            ("lambda", _) => caller.to_owned(),
            ("cognito", _) => self.token(caller),
            other => panic!("no method {other:?}"),
        };
        with(asked, &[("authorization", &token)])
    }

    fn token(&self, caller: &str) -> String {
        let kind = if caller == "other-kind" {
            "access"
        } else {
            "id"
        };
        let claims = claims(json!({"iss": ISSUER, "token_use": kind}));
        match caller {
            "forged" => Key::rsa("pool").token(&claims),
            "unreadable" => "a.b.c".to_owned(),
            _ => self.key.token(&claims),
        }
    }

    /// The reason in the record of what was answered so.
    async fn reason(&self, answer: &Answer) -> Value {
        let id = answer.header("x-amz-apigw-id").to_owned();
        let is_it = |record: &Value| record["request_id"] == id;
        self.gateway.record(&id, is_it).await["reason"].clone()
    }
}

/// What a REST API says of a denial, and its reason.
fn denial(method: &str, policy: &str, caller: &str, cell: char) -> (String, &'static str) {
    let end = if cell == 'x' {
        " with an explicit deny"
    } else {
        ""
    };
    // What a function denies is told in words of its own, unless the API's policy denies it.
    if method == "lambda" && policy != "denies" {
        let said = "User is not authorized to access this resource";
        return (format!("{said}{end}"), "caller_policy_denied");
    }
    let who = match caller.split_once('-') {
        Some((_, "here")) => format!("arn:aws:iam::{ACCOUNT}:user/team/ann"),
        Some((_, "there")) => format!("arn:aws:iam::{OTHER}:user/team/ann"),
        _ => "anonymous".to_owned(),
    };
    let said = format!(
        "User: {who} is not authorized to perform: execute-api:Invoke on resource: \
         arn:aws:execute-api:test-1:********3333:{method}{policy}/prod/GET/pets{end}"
    );
    (said, "policy_denied")
}

/// The reason why a caller is not known.
fn unknown(method: &str, caller: &str) -> &'static str {
    match (method, caller) {
        ("lambda", "unknown") => "function_unauthorized",
        ("lambda" | "cognito", "nobody") => "token_missing",
        ("cognito", "other-kind") => "token_use",
        ("cognito", "forged") => "token_signature",
        ("cognito", "unreadable") => "token_malformed",
        ("iam", "nobody") => "signature_missing",
        ("iam", _) => "signature_mismatch",
        other => panic!("{other:?} is known"),
    }
}

#[tokio::test]
async fn every_policy_and_every_caller_make_one_decision() {
    let site = Site::start().await;
    let mut let_in = 0;
    // Twice: the second time by what is remembered of the first.
    for (method, caller, row) in MATRIX.into_iter().chain(MATRIX) {
        assert_eq!(row.len(), POLICIES.len());
        for (policy, cell) in POLICIES.into_iter().zip(row.chars()) {
            let asked = site.request(method, policy, caller);
            let answer = site.client.send(asked).await;
            let named = format!("{method}: {caller} where the policy {policy}");
            let denied = denial(method, policy, caller, cell);
            let (status, kind, said, reason) = match cell {
                '+' => {
                    assert_eq!(answer.status, 200, "{named}: {}", answer.text());
                    let_in += 1;
                    continue;
                }
                '-' | 'x' => {
                    let said = json!({"Message": denied.0});
                    (403, "AccessDeniedException", Some(said), denied.1)
                }
                '?' => {
                    let (said, reason) =
                        (json!({"message": "Unauthorized"}), unknown(method, caller));
                    (401, "UnauthorizedException", Some(said), reason)
                }
                '!' if caller == "nobody" => {
                    let said = json!({"message": "Missing Authentication Token"});
                    let kind = "MissingAuthenticationTokenException";
                    (403, kind, Some(said), unknown(method, caller))
                }
                '!' => (
                    403,
                    "InvalidSignatureException",
                    None,
                    unknown(method, caller),
                ),
                other => panic!("no outcome {other}"),
            };
            assert_eq!(answer.status, status, "{named}: {}", answer.text());
            assert_eq!(answer.header("x-amzn-errortype"), kind, "{named}");
            if let Some(said) = said {
                assert_eq!(answer.json(), said, "{named}");
            }
            assert_eq!(site.reason(&answer).await, reason, "{named}");
        }
    }
    assert_eq!(
        site.upstream.seen().requests,
        let_in,
        "nobody else got through"
    );
    // Where a policy denies at once nobody is asked; who is unknown is asked about again.
    let (judged, unknown) = (3 * 5, 2 * 5);
    assert_eq!(site.function.calls(), judged + unknown);
}

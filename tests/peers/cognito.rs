//! User pools of Amazon Cognito, as moto serves them: users who have signed in call a REST API.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gateway_tests::authority::Authority;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::python::packages;

/// A running server of user pools. Dropping it ends it.
struct Pools {
    process: Child,
    said: Value,
}

impl Pools {
    /// Starts one with the packages at `programs`.
    fn start(programs: &Path, certificate: &Value, root: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/python/pool.py");
        let file = |name: &str| certificate[name].as_str().unwrap().to_owned();
        let mut process = Command::new(programs.join("python"))
            .arg(script)
            .args([&file("chain"), &file("key"), root])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next().expect("it says where it is").unwrap();
        let said = serde_json::from_str(&line).unwrap();
        Self { process, said }
    }

    fn word(&self, pointer: &str) -> String {
        let word = self.said.pointer(pointer).and_then(Value::as_str);
        word.expect("it was said").to_owned()
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Routes for ID tokens, for access tokens with a scope, and for ID tokens of one app.
fn setup(setup: Setup, pools: &Pools) -> Setup {
    let authorizer = |expression: Option<&str>| {
        let mut authorizer = json!({
            "type": "cognito", "user_pools": [pools.word("/own/arn")], "endpoint": pools.word("/url"),
        });
        if let Some(expression) = expression {
            authorizer["identity_validation_expression"] = json!(expression);
        }
        authorizer
    };
    let route = |authorizer: &str, more: Value| {
        let mut route = json!({"authorizer": authorizer, "integration": {
            "upstream": "main", "request_parameters": {
                "integration.request.header.X-Email": "context.authorizer.claims.email",
                "integration.request.header.X-Groups": "context.authorizer.claims.cognito:groups",
            },
        }});
        route
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        route
    };
    let scoped = |scope: &str| json!({"scopes": [scope]});
    let api = json!({
        "type": "rest", "hosts": ["pool.test"], "stages": {"prod": {}},
        "routes": {
            "GET /id": route("pool", json!({})),
            "GET /app": route("app", json!({})),
            "GET /others": route("others", json!({})),
            "GET /access": route("pool", scoped("aws.cognito.signin.user.admin")),
            "GET /more": route("pool", scoped("pets/write")),
        },
    });
    setup
        .set(&["authorizers", "pool"], authorizer(None))
        .set(
            &["authorizers", "app"],
            authorizer(Some(&pools.word("/own/client"))),
        )
        .set(&["authorizers", "others"], authorizer(Some("[a-z]+-app")))
        .set(&["apis", "pool"], api)
}

#[tokio::test]
async fn users_who_sign_in_to_moto_are_let_in_by_their_pool_alone() {
    let Some(programs) = packages() else {
        return;
    };
    let (upstream, authority) = (Upstream::echo().await, Authority::new());
    let empty = Setup::new().upstream("main", upstream.address);
    let certificate = authority.write_certificate(empty.directory(), "pools", &["127.0.0.1"]);
    let root = authority.write_root(empty.directory());
    let root = root.display().to_string();
    let pools = Pools::start(programs, &certificate, &root);
    let setup = setup(empty, &pools).environment("SSL_CERT_FILE", &root);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let (own_id, own_access) = (pools.word("/own/id"), pools.word("/own/access"));
    let (other_id, other_access) = (pools.word("/other/id"), pools.word("/other/access"));
    for (path, token, expected) in [
        ("/id", &own_id, None),
        ("/app", &own_id, None),
        ("/access", &own_access, None),
        ("/id", &own_access, Some("token_use")),
        ("/access", &own_id, Some("token_use")),
        ("/app", &own_access, Some("token_use")),
        ("/more", &own_access, Some("token_scope")),
        ("/others", &own_id, Some("token_audience")),
        // moto signs for every pool with one key, so that it is the issuer that tells them apart.
        ("/id", &other_id, Some("token_issuer")),
        ("/access", &other_access, Some("token_issuer")),
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("host", "pool.test"), ("authorization", bearer.as_str())];
        let answer = client.get_with(&format!("/prod{path}"), &headers).await;
        let Some(reason) = expected else {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            if path == "/id" {
                let sent = &answer.json()["headers"];
                assert_eq!(sent["x-email"], "ann@example.com");
                // moto keeps them in no order.
                let groups = sent["x-groups"].as_str().unwrap();
                assert!(
                    ["[keepers vets]", "[vets keepers]"].contains(&groups),
                    "{groups}"
                );
            }
            continue;
        };
        assert_eq!(answer.status, 401, "{path} {reason}");
        assert_eq!(answer.json(), json!({"message": "Unauthorized"}));
        assert_eq!(gateway.reason(reason).await["status"], 401);
    }
}

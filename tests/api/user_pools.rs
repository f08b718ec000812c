//! Tokens of Amazon Cognito user pools.

use gateway_tests::client::{Answer, Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, claims, now};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

const POOL: &str = "arn:aws:cognito-idp:eu-west-1:111122223333:userpool/eu-west-1_abcDEF123";
const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abcDEF123";

/// A REST API with a route for ID tokens, one for access tokens, and one whose ID tokens are of some
/// apps alone.
fn setup(upstream: &Upstream, pool: &KeyServer) -> Setup {
    let authorizer = |expression: Option<&str>| {
        let mut authorizer = json!({
            "type": "cognito", "user_pools": [POOL], "endpoint": pool.issuer(),
        });
        if let Some(expression) = expression {
            authorizer["identity_validation_expression"] = json!(expression);
        }
        authorizer
    };
    let route = |authorizer: &str, scopes: Value| {
        let mut route = json!({"authorizer": authorizer, "integration": {"upstream": "main"}});
        if scopes.is_array() {
            route["scopes"] = scopes;
        }
        route
    };
    let api = json!({
        "type": "rest", "hosts": ["pool.test"], "stages": {"prod": {}},
        "routes": {
            "GET /id": route("main", Value::Null),
            "GET /access": route("main", json!(["pets/read"])),
            "GET /apps": route("apps", Value::Null),
        },
    });
    pool.authorize_by_discovery(Setup::new().upstream("main", upstream.address))
        .set(&["authorizers", "main"], authorizer(None))
        .set(&["authorizers", "apps"], authorizer(Some("app-[0-9]+")))
        .set(&["apis", "pool"], api)
}

async fn ask(client: &Client, path: &str, token: &str) -> Answer {
    let headers = [("host", "pool.test"), ("authorization", token)];
    client.get_with(&format!("/prod{path}"), &headers).await
}

#[tokio::test]
async fn routes_take_the_tokens_of_a_user_pool_that_are_of_their_kind() {
    let upstream = Upstream::echo().await;
    let key = Key::rsa("pool");
    let pool = KeyServer::start(&[&key]).await;
    let gateway = Gateway::start(setup(&upstream, &pool)).await;
    let client = Client::http1(gateway.address().await).await;
    let token = |changes: Value| {
        let mut claims = claims(json!({"iss": ISSUER, "scope": null, "aud": null}));
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        key.token(&claims)
    };
    let id = token(json!({"token_use": "id", "aud": "app-7"}));
    let access = token(json!({"token_use": "access", "scope": "openid pets/read"}));
    let narrow = token(json!({"token_use": "access", "scope": "openid"}));
    let elsewhere = token(json!({"token_use": "id", "iss": format!("{ISSUER}4")}));
    let other_app = token(json!({"token_use": "id", "aud": "web"}));
    for (path, token, expected) in [
        ("/id", &id, None),
        ("/access", &access, None),
        ("/apps", &id, None),
        ("/id", &access, Some("token_use")),
        ("/access", &id, Some("token_use")),
        ("/access", &narrow, Some("token_scope")),
        ("/apps", &other_app, Some("token_audience")),
        ("/apps", &access, Some("token_use")),
        ("/id", &elsewhere, Some("token_issuer")),
    ] {
        let answer = ask(&client, path, token).await;
        let Some(reason) = expected else {
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            continue;
        };
        assert_eq!(answer.status, 401, "{path} {reason}");
        assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
        assert_eq!(answer.header("x-amzn-errortype"), "UnauthorizedException");
        assert_eq!(gateway.reason(reason).await["status"], 401);
    }
    let late = token(json!({"token_use": "id", "exp": now() - 1}));
    let answer = ask(&client, "/id", &late).await;
    let said = r#"{"message":"The incoming token has expired"}"#;
    assert_eq!((answer.status, answer.text().as_str()), (401, said));
}

/// A definition as the service exports it, whose tokens stand in a header of their own. Its policy allows
/// one of its paths.
fn definition(upstream: &Upstream) -> String {
    let operation = |path: &str| {
        json!({"get": {
            "security": [{"customers": []}],
            "responses": {"200": {"description": "fine"}},
            "x-amazon-apigateway-integration": {
                "type": "http_proxy", "httpMethod": "GET",
                "uri": format!("http://{}{path}", upstream.address),
                "requestParameters": {
                    "integration.request.header.X-Subject": "context.authorizer.claims.sub",
                },
            },
        }})
    };
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": "execute-api:/prod/GET/open",
    }]});
    let definition = json!({
        "openapi": "3.0.1",
        "info": {"title": "pool", "version": "1"},
        "x-amazon-apigateway-policy": policy,
        "paths": {"/open": operation("/open"), "/closed": operation("/closed")},
        "components": {"securitySchemes": {"customers": {
            "type": "apiKey", "name": "X-Pool-Token", "in": "header",
            "x-amazon-apigateway-authtype": "cognito_user_pools",
            "x-amazon-apigateway-authorizer": {
                "type": "cognito_user_pools", "providerARNs": [POOL],
            },
        }}},
    });
    definition.to_string()
}

#[tokio::test]
async fn a_pool_that_a_definition_names_is_asked_before_the_policy() {
    let upstream = Upstream::echo().await;
    let key = Key::rsa("pool");
    let pool = KeyServer::start(&[&key]).await;
    // So that its keys are asked for here.
    let customers = json!({
        "type": "cognito", "user_pools": [POOL], "endpoint": pool.issuer(),
        "identity_source": "$request.header.x-pool-token",
    });
    let api = json!({"definition": "pool.json", "hosts": ["pool.test"], "stages": {"prod": {}}});
    let setup = pool
        .authorize_by_discovery(Setup::new())
        .set(&["authorizers", "customers"], customers)
        .set(&["apis", "pool"], api);
    let _file = setup.file("pool.json", &definition(&upstream));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let claims = claims(json!({"iss": ISSUER, "token_use": "id"}));
    let token = key.token(&claims);
    let bearer = format!("Bearer {token}");
    for (path, name, value, expected) in [
        ("/open", "x-pool-token", token.as_str(), Ok("user-1")),
        ("/open", "X-Pool-Token", &bearer, Ok("user-1")),
        ("/open", "authorization", &bearer, Err("token_missing")),
        ("/open", "x-pool-token", "", Err("token_missing")),
        ("/open", "x-pool-token", "a.b.c", Err("token_malformed")),
        // A policy is asked about callers that are known, and a token does not stand in for it.
        ("/closed", "x-pool-token", "", Err("token_missing")),
        ("/closed", "x-pool-token", &bearer, Err("policy_denied")),
    ] {
        let headers = [("host", "pool.test"), (name, value)];
        let answer = client
            .send(with(get(&format!("/prod{path}")), &headers))
            .await;
        match expected {
            Ok(subject) => {
                assert_eq!(answer.status, 200, "{path} {value}: {}", answer.text());
                assert_eq!(answer.json()["headers"]["x-subject"], subject);
            }
            Err(reason) => {
                let status = if reason == "policy_denied" { 403 } else { 401 };
                assert_eq!(answer.status, status, "{path} {value}");
                assert_eq!(gateway.reason(reason).await["status"], status);
            }
        }
    }
}

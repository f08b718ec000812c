//! APIs whose owners bring an OpenAPI definition.

use gateway_tests::client::{Client, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{AUDIENCE, ISSUER, Key, authorize, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use http::Method;
use serde_json::json;

const REST: &str = r#"{
	"swagger": "2.0",
	"info": {"title": "pets \ud83d\udc15", "version": "1"},
	"paths": {
		"/pets/{petId}": {
			"get": {
				"parameters": [{"name": "petId", "in": "path", "required": true, "type": "string"}],
				"responses": {"200": {"description": "a pet"}},
				"x-amazon-apigateway-integration": {
					"type": "http_proxy",
					"httpMethod": "POST",
					"uri": "http://${Backend}/${stageVariables.version}/pets/{id}",
					"requestParameters": {"integration.request.path.id": "method.request.path.petId"}
				}
			},
			"options": {
				"responses": {"204": {"description": "none", "headers": {"Access-Control-Allow-Origin": {"type": "string"}}}},
				"x-amazon-apigateway-integration": {
					"type": "mock",
					"requestTemplates": {"application/json": "{\"statusCode\": 204}"},
					"responses": {
						"2\\d{2}": {
							"statusCode": "204",
							"responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"}
						}
					}
				}
			}
		}
	},
	"x-amazon-apigateway-minimum-compression-size": 0,
	"x-amazon-apigateway-gateway-responses": {
		"MISSING_AUTHENTICATION_TOKEN": {
			"statusCode": "404",
			"responseTemplates": {"application/json": "{\"unknown\": $context.error.messageString}"}
		}
	}
}
"#;

#[tokio::test]
async fn a_rest_api_is_served_as_it_is_defined() {
    let upstream = Upstream::echo().await;
    let setup = Setup::new().set(
        &["apis", "pets"],
        json!({
            "definition": "pets.json",
            "variables": {"Backend": upstream.address.to_string()},
            "stages": {"prod": {"variables": {"version": "v1"}}},
        }),
    );
    let _file = setup.file("pets.json", REST);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;

    let answer = client.get("/prod/pets/7?a=b").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["uri"], "/v1/pets/7?a=b");
    assert_eq!(answer.json()["method"], "POST");
    assert!(!answer.headers.contains_key("content-encoding"));

    let accepting = [("accept-encoding", "gzip")];
    let answer = client.get_with("/prod/pets/7", &accepting).await;
    assert_eq!(answer.header("content-encoding"), "gzip");

    let answer = client
        .send(request(Method::OPTIONS, "/prod/pets/7", whole("")))
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");

    let answer = client.get("/prod/dogs").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text(),
        r#"{"unknown": "Missing Authentication Token"}"#
    );
}

fn http(upstream: &Upstream, issuer: &str, audience: &str) -> String {
    format!(
        "openapi: 3.0.1
info: {{title: files, version: '1'}}
paths:
  /$default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      responses: {{}}
      x-amazon-apigateway-integration:
        $ref: '#/components/x-amazon-apigateway-integrations/all'
  /files/{{path+}}:
    get:
      security: [{{main: [read]}}]
      responses: {{}}
      x-amazon-apigateway-integration:
        type: http_proxy
        payloadFormatVersion: '1.0'
        uri: http://{0}/stored/{{path}}
  /reports:
    get:
      responses: {{}}
      x-amazon-apigateway-integration: {{type: aws_proxy, payloadFormatVersion: '2.0', uri: 'arn:x'}}
components:
  securitySchemes:
    main:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        jwtConfiguration: {{issuer: '{issuer}', audience: ['{audience}']}}
  x-amazon-apigateway-integrations:
    all:
      type: http_proxy
      payloadFormatVersion: '1.0'
      httpMethod: ANY
      uri: http://{0}/everything
",
        upstream.address
    )
}

#[tokio::test]
async fn an_http_api_is_served_in_part_with_its_authorizer() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let setup = authorize(Setup::new(), &[&key]);
    let setup = setup.set(
        &["apis", "files"],
        json!({"definition": "api/files.yaml", "partial": true}),
    );
    std::fs::create_dir(setup.directory().join("api")).unwrap();
    let _file = setup.file("api/files.yaml", &http(&upstream, ISSUER, AUDIENCE));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;

    let answer = client.get("/anything/else").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["uri"], "/everything");

    assert_eq!(client.get("/files/a/b").await.status, 401);
    let token = |scope: &str| format!("Bearer {}", key.token(&claims(json!({"scope": scope}))));
    for (scope, status) in [("write", 403), ("read", 200)] {
        let asked = request(Method::GET, "/files/a/b", whole(""));
        let answer = client
            .send(with(asked, &[("authorization", &token(scope))]))
            .await;
        assert_eq!(answer.status, status);
        if status == 200 {
            assert_eq!(answer.json()["uri"], "/stored/a/b");
        }
    }

    // What was refused is there, and answers 500.
    let answer = client.get("/reports").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), r#"{"message":"Internal Server Error"}"#);
    assert_eq!(gateway.reason("refused_definition").await["status"], 500);
}

/// What is wrong in a definition is not left to what it serves beside that.
#[tokio::test]
async fn a_path_that_was_not_understood_is_not_served_by_a_greedy_one() {
    let upstream = Upstream::echo().await;
    let integration = format!(
        "x-amazon-apigateway-integration: {{ type: http_proxy, uri: 'http://{}/' }}",
        upstream.address
    );
    let definition = format!(
        "openapi: 3.0.1
paths:
  /admin: {{ Get: {{ security: [{{ jwt: [] }}] }} }}
  /nothing:
  /list: []
  /trace: {{ trace: {{ security: [{{ jwt: [] }}] }} }}
  /{{proxy+}}: {{ x-amazon-apigateway-any-method: {{ responses: {{}}, {integration} }} }}
"
    );
    for (kind, stage, base) in [("rest", "prod", "/prod"), ("http", "$default", "")] {
        let setup = Setup::new().set(
            &["apis", "pets"],
            json!({
                "type": kind, "definition": "pets.yaml", "partial": true, "stages": {stage: {}},
            }),
        );
        let _file = setup.file("pets.yaml", &definition);
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        assert_eq!(client.get(&format!("{base}/other")).await.status, 200);
        for path in ["admin", "nothing", "list", "trace"] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let asked = request(method.clone(), &format!("{base}/{path}"), whole(""));
                let answer = client.send(asked).await;
                assert_eq!(answer.status, 500, "{kind} {method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_reload_with_a_broken_definition_changes_nothing() {
    let upstream = Upstream::echo().await;
    let setup = Setup::new().set(
        &["apis", "pets"],
        json!({
            "definition": "pets.json",
            "variables": {"Backend": upstream.address.to_string()},
            "stages": {"prod": {"variables": {"version": "v1"}}},
        }),
    );
    let file = setup.file("pets.json", REST);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for broken in [
        REST.replace("http_proxy", "aws_proxy"),
        REST.replace("\"uri\"", "\"url\""),
        REST.replace("}", ""),
        REST.replace("\"get\"", "\"$ref\": \"#/paths/~1pets~1{petId}\", \"x\""),
        REST.replace(
            "\"responses\"",
            "\"x-amazon-apigateway-request-validator\": \"all\", \"responses\"",
        ),
        REST.replace(
            "\"responses\"",
            "\"security\": [{\"login\": []}], \"responses\"",
        ),
        REST.replace("\"info\"", "\"x-amazon-apigateway-newest\": true, \"info\""),
        REST.replace("\"info\"", "\"swagger\": \"2.0\", \"info\""),
        format!("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n{REST}"),
        format!("{}{REST}{}", "[".repeat(10_000), "]".repeat(10_000)),
        " ".repeat(50_000_000),
    ] {
        std::fs::write(&file, broken).unwrap();
        let reply = gateway.reload().await;
        assert!(reply.to_string().contains("pets.json"), "{reply}");
        assert_eq!(client.get("/prod/pets/7").await.status, 200);
    }
    std::fs::write(&file, REST.replace("/pets/{petId}", "/dogs/{petId}")).unwrap();
    gateway.reload().await;
    assert_eq!(client.get("/prod/dogs/7").await.status, 200);
    assert_eq!(client.get("/prod/pets/7").await.status, 404);
}

const MAPPED: &str = r#"
openapi: 3.0.1
info: { title: pictures, version: "1" }
x-amazon-apigateway-binary-media-types: [image/*]
paths:
  /pictures/{key}:
    get:
      parameters:
        - { name: key, in: path, required: true, schema: { type: string } }
        - { name: size, in: query, schema: { type: string } }
      responses:
        "200":
          description: a picture
          headers: { Content-Type: { schema: { type: string } } }
        "404": { description: no such picture }
      x-amazon-apigateway-integration:
        type: HTTP
        httpMethod: GET
        uri: http://${Backend}/{key}
        requestParameters:
          integration.request.path.key: method.request.path.key
          integration.request.querystring.px: method.request.querystring.size
        passthroughBehavior: WHEN_NO_MATCH
        responses:
          "2\\d{2}":
            statusCode: "200"
            contentHandling: CONVERT_TO_BINARY
            responseParameters:
              method.response.header.Content-Type: integration.response.header.Content-Type
          default:
            statusCode: "404"
            responseTemplates: { application/json: '{"message": "no such picture"}' }
"#;

#[tokio::test]
async fn a_backend_that_is_no_proxy_is_served_as_it_is_defined() {
    const BYTES: &[u8] = b"\x89PNG\xff\0";
    let upstream = Upstream::http(|request| async move {
        if request.uri() != "/rex?px=64" || request.headers().contains_key("cookie") {
            return reply(403, "not for clients");
        }
        let mut answer = reply(200, BYTES);
        let png = http::HeaderValue::from_static("image/png");
        answer.headers_mut().insert("content-type", png);
        answer
    })
    .await;
    let setup = Setup::new().set(
        &["apis", "pictures"],
        json!({
            "definition": "pictures.yaml",
            "variables": {"Backend": upstream.address.to_string()},
            "stages": {"prod": {}},
        }),
    );
    let _file = setup.file("pictures.yaml", MAPPED);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let sent = [("accept", "image/png"), ("cookie", "kept=back")];
    let answer = client
        .get_with("/prod/pictures/rex?size=64&other=1", &sent)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.body, BYTES);
    assert_eq!(answer.header("content-type"), "image/png");
    let answer = client.get("/prod/pictures/tom").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"message": "no such picture"}"#);
    assert_eq!(answer.header("content-type"), "application/json");
}

/// Of a definition that is imported in part, each route has what was written for it or is not served.
#[tokio::test]
async fn a_rest_api_is_served_in_part_and_never_without_its_validator() {
    let upstream = Upstream::echo().await;
    let uri = format!("http://{}/", upstream.address);
    let operation = |validator: &str, more: &str| {
        format!(
            "{{ parameters: [{{ name: tenant, in: query, required: true }}],
        x-amazon-apigateway-request-validator: {validator}, responses: {{}}, {more}
        x-amazon-apigateway-integration: {{ type: http_proxy, uri: '{uri}' }} }}"
        )
    };
    let definition = format!(
        "openapi: 3.0.1
x-amazon-apigateway-request-validators:
  sound: {{ validateRequestParameters: true }}
  broken: {{ validateRequestParameters: 'yes' }}
paths:
  /sound: {{ get: {} }}
  /misspelt: {{ get: {} }}
  /broken: {{ get: {} }}
  /closed: {{ get: {} }}
  /lambda: {{ get: {{ responses: {{}}, x-amazon-apigateway-integration: {{ type: aws_proxy, uri: 'arn:x' }} }} }}
",
        operation("sound", ""),
        operation("sond", ""),
        operation("broken", ""),
        operation("sound", "security: [{ nobody: [] }],"),
    );
    let setup = Setup::new().set(
        &["apis", "pets"],
        json!({"definition": "pets.yaml", "partial": true, "stages": {"prod": {}}}),
    );
    let _file = setup.file("pets.yaml", &definition);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (path, status) in [
        ("/prod/sound", 400),
        ("/prod/sound?tenant=a", 200),
        ("/prod/misspelt", 500),
        ("/prod/misspelt?tenant=a", 500),
        ("/prod/broken?tenant=a", 500),
        ("/prod/closed?tenant=a", 500),
        ("/prod/lambda", 500),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
}

//! Definitions that are sound, and one mistake after the other that is made in them. The tests of the
//! configuration ask what is said of each, and those over real sockets whether a gateway that runs
//! is touched.

/// A REST API in which every kind of part stands once.
pub(crate) const REST: &str = r##"openapi: 3.0.1
info: { title: pets, version: "1" }
x-amazon-apigateway-request-validators:
  all: { validateRequestBody: true, validateRequestParameters: true }
x-amazon-apigateway-request-validator: all
x-amazon-apigateway-minimum-compression-size: 1024
x-amazon-apigateway-binary-media-types: [image/*]
x-amazon-apigateway-api-key-source: HEADER
x-amazon-apigateway-endpoint-access-mode: BASIC
x-amazon-apigateway-security-policy: TLS_1_2
x-amazon-apigateway-gateway-responses:
  UNAUTHORIZED: { statusCode: 401 }
x-amazon-apigateway-policy:
  Statement:
    - Effect: Allow
      Principal: "*"
      Action: execute-api:Invoke
      Resource: execute-api:/*
servers:
  - url: https://abc123.execute-api.eu-west-1.amazonaws.com
    x-amazon-apigateway-endpoint-configuration: { disableExecuteApiEndpoint: false }
paths:
  /pets/{id}:
    post:
      x-amazon-apigateway-request-validator: all
      security: [{ jwt: [read] }]
      parameters:
        - { name: id, in: path, required: true, schema: { type: string } }
        - { $ref: "#/components/parameters/tenant" }
      requestBody:
        content:
          application/json: { schema: { $ref: "#/components/schemas/Pet" } }
      responses: { "200": { description: a pet, headers: { X-A: { schema: { type: string } } } } }
      x-amazon-apigateway-integration:
        type: http
        httpMethod: POST
        uri: https://pets.example.com/{id}
        timeoutInMillis: 5000
        connectionType: INTERNET
        passthroughBehavior: never
        contentHandling: CONVERT_TO_TEXT
        requestParameters:
          integration.request.path.id: method.request.path.id
          integration.request.header.X-Tenant: method.request.header.X-Tenant
        requestTemplates: { application/json: "fixed" }
        responses:
          "2..":
            statusCode: 200
            responseParameters: { method.response.header.X-A: integration.response.header.A }
            responseTemplates: { application/json: "{}" }
  /alive:
    get:
      responses: { "200": { description: so it is } }
      x-amazon-apigateway-integration:
        type: mock
        requestTemplates: { application/json: '{"statusCode": 200}' }
        responses: { default: { statusCode: 200, responseTemplates: { application/json: alive } } }
components:
  parameters:
    tenant: { name: X-Tenant, in: header, required: true, schema: { type: string } }
  schemas:
    Pet: { type: object, required: [name], properties: { owner: { $ref: "#/components/schemas/Owner" } } }
    Owner: { type: object, properties: { name: { type: string, pattern: "^[a-z]+$" } } }
  securitySchemes:
    jwt:
      type: oauth2
      flows: {}
      x-amazon-apigateway-authorizer:
        type: jwt
        identitySource: $request.header.Authorization
        jwtConfiguration: { issuer: "https://login.example.com/", audience: [pets] }
"##;

/// An HTTP API likewise.
pub(crate) const HTTP: &str = r##"openapi: 3.0.1
info: { title: pets, version: "1" }
x-amazon-apigateway-importexport-version: "1.0"
x-amazon-apigateway-cors:
  allowOrigins: ["https://a.example.com"]
  allowMethods: [GET]
  allowCredentials: true
  maxAge: 300
tags: [{ name: team, x-amazon-apigateway-tag-value: pets }]
paths:
  /$default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      responses: {}
      x-amazon-apigateway-integration: { $ref: "#/components/x-amazon-apigateway-integrations/all" }
  /pets/{id}:
    get:
      security: [{ jwt: [read] }]
      responses: {}
      x-amazon-apigateway-integration:
        type: http_proxy
        httpMethod: GET
        uri: https://pets.example.com/
        payloadFormatVersion: "1.0"
        requestParameters: { "append:header.x-id": $request.path.id }
        responseParameters: { "200": { "overwrite:statuscode": "201" } }
components:
  x-amazon-apigateway-integrations:
    all: { type: http_proxy, uri: "https://all.example.com/", payloadFormatVersion: "1.0" }
  securitySchemes:
    jwt:
      type: oauth2
      x-amazon-apigateway-authorizer:
        type: jwt
        jwtConfiguration: { issuer: "https://login.example.com/", audience: [pets] }
"##;

/// What is changed, into what, and the beginning of what is said: `LINE:COLUMN: `, then a part of
/// the cause and of the fix.
pub(crate) type Row = (&'static str, &'static str, &'static str, &'static str);

pub(crate) const OF_REST: &[Row] = &[
    (
        "openapi: 3.0.1",
        "openapi: 4.0.0",
        "1:1",
        "save the definition as 3.0",
    ),
    (
        "openapi: 3.0.1",
        "opnapi: 3.0.1",
        "1:1",
        "write `openapi: 3.0.1` or",
    ),
    (
        "info:",
        "informaton:",
        "2:1",
        "the root has no `informaton`: choose from",
    ),
    (
        "validators:\n",
        "validaters:\n",
        "3:1",
        "did you mean `x-amazon-apigateway-request-validators`?",
    ),
    (
        "validators:\n  all: {",
        "validators:\n  all: [",
        "5:1",
        "while parsing a flow sequence, expected",
    ),
    (
        "Body: true,",
        "Body: \"true\",",
        "4:10",
        "found the text `true`: write `true` or `false` without quotes",
    ),
    (
        "validateRequestParameters",
        "validateRequestParamters",
        "4:37",
        "did you mean `validateRequestParameters`?",
    ),
    (
        "request-validator: all\nx",
        "request-validator: al\nx",
        "5:1",
        "there is no request validator `al`: did you mean `all`?",
    ),
    (
        "request-validator: all\n      s",
        "request-validator: none\n      s",
        "25:7",
        "there is no request validator `none`: ",
    ),
    (
        "size: 1024",
        "size: 1KiB",
        "6:1",
        "found the text `1KiB`: write a number of bytes, from 0 to 10485760",
    ),
    (
        "size: 1024",
        "size: 10485761",
        "6:1",
        "is out of range: 0 to 10MiB",
    ),
    (
        "[image/*]",
        "image/*",
        "7:1",
        "found the text `image/*`: write a list",
    ),
    (
        "source: HEADER",
        "source: BODY",
        "8:1",
        "found neither of the sources of API keys: write `HEADER` or `AUTHORIZER`",
    ),
    (
        "mode: BASIC",
        "mode: LOOSE",
        "9:1",
        "the mode is `BASIC` or `STRICT`: write one",
    ),
    (
        "TLS_1_2",
        "TLS_1_4",
        "10:1",
        "there is no security policy `TLS_1_4`: did you mean",
    ),
    (
        "UNAUTHORIZED: {",
        "UNAUTHORISED: {",
        "12:3",
        "did you mean `UNAUTHORIZED`?",
    ),
    (
        "statusCode: 401",
        "statusCode: 99",
        "12:31",
        "`99` is too small: at least 200",
    ),
    (
        "{ statusCode: 401",
        "{ status: 401",
        "12:19",
        "a gateway response has no `status`: choose from",
    ),
    (
        "Effect: Allow",
        "Effect: Alow",
        "15:15",
        "`Alow` is no effect: write `Allow` or `Deny`",
    ),
    (
        "      Principal: \"*\"\n",
        "",
        "15:7",
        "`Principal` is missing",
    ),
    (
        "execute-api:/*",
        "arn:aws:execute-api:eu-west-1:1:zzz/*",
        "18:7",
        "does not plainly name this API",
    ),
    (
        "execute-api:/*",
        "arn:aws:execute-api:us-east-1:1:abc123/*",
        "18:7",
        "does not plainly name this API",
    ),
    (
        "execute-api:/*",
        "everything",
        "18:17",
        "`everything` is not a resource: write",
    ),
    (
        "{ disableExecuteApiEndpoint: false",
        "{ vpcEndpointIds: [vpce-1]",
        "21:51",
        "take this out, and write those in the configuration",
    ),
    (
        "{ disableExecuteApiEndpoint: false",
        "{ disableExecuteApiEndpoint: maybe",
        "21:51",
        "write `true` or `false` without quotes",
    ),
    (
        "{ disableExecuteApiEndpoint: false",
        "{ ipAddressType: ipv6",
        "21:51",
        "`ipv6` is no type of addresses: did you mean",
    ),
    (
        "paths:",
        "paths: {}\nx-paths:",
        "22:1",
        "there are no operations: add one under `paths`",
    ),
    (
        "/pets/{id}:",
        "pets/{id}:",
        "24:5",
        "a path starts with `/`",
    ),
    (
        "/pets/{id}:",
        "/pets/{id}/{rest+}/x:",
        "24:5",
        "has to be its last segment",
    ),
    ("    post:", "    pots:", "24:5", "did you mean `post`?"),
    (
        "    post:",
        "    trace: {}\n    post:",
        "24:5",
        "the service has no method TRACE: take it out",
    ),
    (
        "[{ jwt: [read] }]",
        "[{ jtw: [read] }]",
        "26:20",
        "there is no security scheme `jtw`: did you mean `jwt`?",
    ),
    (
        "[{ jwt: [read] }]",
        "[{ jwt: [] }, { jwt: [read] }]",
        "26:7",
        "a route has one authorizer: keep one scheme",
    ),
    (
        "[{ jwt: [read] }]",
        "{ jwt: [read] }",
        "26:7",
        "security is a list: write",
    ),
    (
        "[{ jwt: [read] }]",
        "[{ jwt: read }]",
        "26:20",
        "scopes are a list: write `[]` for none",
    ),
    (
        "name: id, in: path",
        "name: id, in: pth",
        "28:23",
        "`pth` is no place of a parameter: write",
    ),
    (
        "name: id, in: path",
        "nam: id, in: path",
        "28:13",
        "a parameter has no `nam`: did you mean `name`?",
    ),
    (
        "name: id, in: path",
        "name: di, in: path",
        "28:11",
        "the route has no parameter `di`",
    ),
    (
        "required: true, schema: { type: string } }\n        - {",
        "required: \"yes\", schema: { type: string } }\n        - {",
        "28:33",
        "write `true` or `false` without quotes",
    ),
    (
        "parameters/tenant\"",
        "parameters/tennant\"",
        "29:19",
        "`#/components/parameters/tennant` leads nowhere",
    ),
    (
        "application/json: { schema: {",
        "application/json: { schma: {",
        "32:31",
        "did you mean `schema`?",
    ),
    (
        "application/json: { schema: {",
        "json: { schema: {",
        "32:11",
        "`json` is not a media type: write one such as `application/json`",
    ),
    (
        "{ $ref: \"#/components/schemas/Pet\" }",
        "{ $ref: \"pets.yaml#/Pet\" }",
        "32:31",
        "models refer to the schemas of the definition's own file alone",
    ),
    (
        "{ $ref: \"#/components/schemas/Pet\" }",
        "{ type: objekt }",
        "32:41",
        "\"objekt\" is not valid",
    ),
    (
        "type: http\n",
        "type: htp\n",
        "35:9",
        "did you mean `http`?",
    ),
    (
        "type: http\n",
        "type: aws_proxy\n",
        "35:9",
        "AWS integrations are built by later work",
    ),
    (
        "httpMethod: POST",
        "httpMethod: FETCH",
        "36:9",
        "`FETCH` is not a method",
    ),
    (
        "uri: https://pets",
        "uri: ftp://pets",
        "37:9",
        "the scheme has to be `http` or `https`",
    ),
    (
        "uri: https://pets",
        "url: https://pets",
        "37:9",
        "an integration has no `url`: did you mean `uri`?",
    ),
    (
        "timeoutInMillis: 5000",
        "timeoutInMillis: 49",
        "38:9",
        "is out of range: 50ms to 29s",
    ),
    (
        "timeoutInMillis: 5000",
        "timeoutInMillis: 5s",
        "38:9",
        "`5s` is not a number of milliseconds: write a whole number",
    ),
    (
        "INTERNET",
        "VPC_LINK",
        "39:9",
        "private integrations are built by later work: write a `uri`",
    ),
    (
        "never",
        "sometimes",
        "40:9",
        "`sometimes` is not a choice: choose from",
    ),
    (
        "CONVERT_TO_TEXT",
        "CONVERT_TO_WORDS",
        "41:9",
        "`convert_to_words` is not a choice",
    ),
    (
        "path.id: method.request.path.id",
        "path.id: method.request.path.di",
        "43:40",
        "the route has no parameter `path.di`: did you mean `id`?",
    ),
    (
        "method.request.header.X-Tenant",
        "method.request.header.X-Other",
        "44:48",
        "do not declare `header.X-Other`",
    ),
    (
        "integration.request.header.X-Tenant:",
        "integration.request.header.Transfer-Encoding:",
        "44:11",
        "is the gateway's own: take it out",
    ),
    (
        "\"fixed\"",
        "\"$input.body\"",
        "45:29",
        "mapping templates are built by later work: write fixed text",
    ),
    ("\"2..\"", "\"2(?=x)\"", "47:11", "look-around"),
    (
        "statusCode: 200\n",
        "statusCode: 201\n",
        "48:13",
        "the operation declares no response `201`: did you mean `200`?",
    ),
    (
        "method.response.header.X-A:",
        "method.response.header.X-B:",
        "49:35",
        "declares no header `X-B`: add it to `headers` there",
    ),
    ("schemas/Owner", "schemas/Ownr", "62:73", "leads nowhere"),
    (
        "Owner: { type: object,",
        "Owner: { type: object, allOf: [{ $ref: \"#/components/schemas/Owner\" }],",
        "63:36",
        "applies itself to the same value",
    ),
    ("\"^[a-z]+$\"", "\"^[a-z\"", "63:64", "is not a \"regex\""),
    ("type: jwt\n", "type: jwtt\n", "69:9", "did you mean `jwt`?"),
    (
        "type: jwt\n",
        "type: request\n",
        "68:7",
        "it does not say which function is asked",
    ),
    (
        "$request.header.Authorization",
        "$requests.header.Authorization",
        "70:25",
        "is not an identity source: write",
    ),
    (
        "issuer: \"https://login.example.com/\"",
        "issuer: \"http://login.example.com/\"",
        "71:37",
        "cannot be found by discovery",
    ),
    (
        ", audience: [pets]",
        "",
        "71:9",
        "tokens are checked against an issuer and audiences: write",
    ),
    (
        "x-amazon-apigateway-authorizer:",
        "x-amazon-apigateway-authoriser:",
        "68:7",
        "did you mean `x-amazon-apigateway-authorizer`?",
    ),
];

pub(crate) const OF_HTTP: &[Row] = &[
    (
        "\"1.0\"\nx",
        "\"1.0\"\nx-amazon-apigateway-request-validator: all\nx",
        "4:1",
        "only REST APIs have this: import as `rest`, or take it out",
    ),
    (
        "allowOrigins: [\"https://a.example.com\"]",
        "allowOrigins: []",
        "4:1",
        "no origin is named",
    ),
    (
        "https://a.example.com",
        "https://a.example.com/path",
        "5:18",
        "is not an origin: write",
    ),
    (
        "https://a.example.com",
        "*",
        "5:18",
        "every origin has to be named",
    ),
    (
        "allowMethods: [GET]",
        "allowMethods: [FETCH]",
        "6:18",
        "`FETCH` is not a method",
    ),
    (
        "allowMethods:",
        "allowMethds:",
        "6:3",
        "did you mean `allowMethods`?",
    ),
    (
        "maxAge: 300",
        "maxAge: soon",
        "8:3",
        "write seconds, from 0 to 86400, or -1",
    ),
    ("maxAge: 300", "maxAge: 90000", "8:11", "is out of range"),
    (
        "isDefaultRoute: true",
        "isDefaultRoute: \"true\"",
        "13:7",
        "write `true` or `false` without quotes",
    ),
    (
        "integrations/all\" }\n",
        "integrations/al\" }\n",
        "15:48",
        "leads nowhere",
    ),
    (
        "type: http_proxy\n",
        "type: mock\n",
        "21:9",
        "only REST APIs have mocks",
    ),
    (
        "type: http_proxy\n",
        "type: http\n",
        "21:9",
        "HTTP APIs have proxies alone: write `http_proxy`",
    ),
    (
        "payloadFormatVersion: \"1.0\"\n",
        "payloadFormatVersion: [\"2.0\"]\n",
        "24:9",
        "found a list: write text or a number",
    ),
    (
        "append:header.x-id",
        "append:header.host",
        "25:30",
        "a request has one `Host`: write `overwrite:header.Host`",
    ),
    (
        "append:header.x-id",
        "add:header.x-id",
        "25:49",
        "`add:header.x-id` is no target: expected",
    ),
    (
        "$request.path.id",
        "$response.header.id",
        "25:52",
        "is no source",
    ),
    (
        "\"200\": {",
        "\"99\": {",
        "26:31",
        "`99` is no status from 200 to 599",
    ),
    (
        "\"201\"",
        "\"abc\"",
        "26:64",
        "`abc` is no status from 200 to 599",
    ),
];

//! A gateway of which everything that decides can be changed.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::client::Client;
use gateway_tests::function::{Function, allowing};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, KeyServer, authorize, authorizer, claims, key_set};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::rules::{AUDIENCES, Asked, Decider, PATHS, Rules, Written, everything};
use super::{Forgetting, Step};

const SUBJECT: &str = "user-1";
const TENANT: &str = "red";

pub(super) struct World {
    gateway: Gateway,
    clients: Vec<Rc<Client>>,
    keys: [Key; 2],
    tokens: [[String; 2]; 2],
    allowed: Arc<AtomicUsize>,
    registered: Arc<AtomicUsize>,
    issuer: KeyServer,
    rotations: usize,
    _function: Function,
    _upstreams: [Upstream; 2],
}

fn permit(path: usize) -> String {
    let path = PATHS[path];
    format!("permit(principal, action, resource == Area::\"{path}\");")
}

/// What a lookup has of a tenant: see [`Rules`].
fn of_tenant(tenant: usize) -> Value {
    match tenant {
        0 => json!({"store": "areas"}),
        own => json!({"store": {"policies": permit(own - 1)}}),
    }
}

fn policy(path: usize) -> Value {
    let resource = format!("execute-api:/prod/GET/{}", PATHS[path]);
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource,
    }]})
}

/// Writes down what a reload is to find.
fn prepare(setup: &mut Setup, keys: &[Key; 2], written: Written) {
    drop(setup.file("keys.json", &key_set(&chosen(keys, written.keys))));
    drop(setup.file("policy.json", &policy(written.path).to_string()));
    drop(setup.file("permit.cedar", &permit(written.permitted)));
    let people = json!({SUBJECT: {"area": PATHS[written.area]}});
    drop(setup.file("people.json", &people.to_string()));
    let tenants = json!({TENANT: of_tenant(written.tenant)});
    drop(setup.file("tenants.json", &tenants.to_string()));
    for name in ["main", "served"] {
        let audiences = json!([AUDIENCES[written.audience]]);
        setup.change(&["authorizers", name, "audiences"], audiences);
    }
}

fn chosen(keys: &[Key; 2], chosen: usize) -> Vec<&Key> {
    let keys = keys.iter().enumerate();
    let keys = keys.filter(|(number, _)| chosen & (1 << number) != 0);
    keys.map(|(_, key)| key).collect()
}

/// A REST API that asks for tokens, and then its policy.
fn rest_api(setup: Setup, key: &Key) -> Setup {
    let setup = authorize(setup, &[key])
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "stages"], json!({"prod": {}}))
        .route("GET /{any}", json!({"authorizer": "main"}));
    let file = setup.directory().join("policy.json");
    setup.set(&["apis", "main", "policy_file"], json!(file))
}

/// An API whose routes ask the function, or policies in Cedar.
fn other_api(setup: Setup, function: &Function) -> Setup {
    let asked = json!({
        "type": "function", "function": {"url": function.url()},
        "identity_sources": ["$request.header.authorization"],
    });
    let to = |authorizer: &str, set: &str| json!({"authorizer": authorizer, "policies": set, "integration": {"upstream": "main"}});
    let routes = json!({
        "GET /function/{any}": to("asked", "none"),
        "GET /cedar/{any}": to("main", "areas"),
        "GET /served/{any}": to("served", "own"),
        "GET /tenant/{any}": to("none", "tenant"),
        "GET /registry/{any}": to("none", "registry"),
    });
    setup.set(&["authorizers", "asked"], asked).set(
        &["apis", "other"],
        json!({"type": "http", "hosts": ["other.test"], "routes": routes}),
    )
}

/// The policy sets, their stores, and what they look up.
fn policy_sets(setup: Setup, registry: &Upstream) -> Setup {
    let caller = "$context.authorizer.claims.sub";
    let set = |store: Value, id: &str| {
        json!({
            "type": "cedar", "store": store, "principal": {"type": "User", "id": id},
            "resource": {"type": "Area", "id": "$request.path.any"},
        })
    };
    let of_lookup = |lookup: &str| {
        let key = "$request.header.x-tenant";
        set(
            json!({"lookup": lookup, "key": key, "at": "store"}),
            "anybody",
        )
    };
    let mut own = set(json!("own"), caller);
    own["lookups"] = json!({"person": {"lookup": "people", "key": caller}});
    own["principal"]["attributes"] = json!({"area": "$lookups.person.area"});
    own["context"] = json!({"area": "$request.path.any"});
    let by_area = "permit(principal, action, resource) \
                   when { principal has area && principal.area == context.area };";
    let by_area = setup.file("own.cedar", by_area);
    let at = |name: &str| setup.directory().join(name);
    let store = |file: &std::path::Path| json!({"type": "files", "policies": [file]});
    let file = |name: &str| json!({"type": "file", "path": at(name)});
    let url = format!("http://{}/{{key}}", registry.address);
    let (areas, people, tenants) = (
        store(&at("permit.cedar")),
        file("people.json"),
        file("tenants.json"),
    );
    setup
        .set(&["policy_stores", "areas"], areas)
        .set(&["policy_stores", "own"], store(&by_area))
        .set(&["lookups", "people"], people)
        .set(&["lookups", "tenants"], tenants)
        .set(
            &["lookups", "registry"],
            json!({"type": "http", "url": url, "ttl": "1h"}),
        )
        .set(&["policies", "areas"], set(json!("areas"), caller))
        .set(&["policies", "own"], own)
        .set(&["policies", "tenant"], of_lookup("tenants"))
        .set(&["policies", "registry"], of_lookup("registry"))
}

/// A number that the test changes, and what answers by it.
fn shared(first: usize) -> (Arc<AtomicUsize>, impl Fn() -> usize + Send + Sync + 'static) {
    let number = Arc::new(AtomicUsize::new(first));
    let now = Arc::clone(&number);
    (number, move || now.load(Ordering::SeqCst))
}

impl World {
    pub(super) async fn start(rules: Rules) -> Self {
        let upstream = Upstream::echo().await;
        // Two keys of one name: only what they are tells them apart.
        let keys = ["ec", "ec"].map(Key::ec);
        let tokens = [0, 1].map(|key: usize| {
            AUDIENCES.map(|audience| keys[key].token(&claims(json!({"aud": audience}))))
        });
        let (allowed, now) = shared(rules.allowed);
        let function = Function::start(move |_| {
            let path = PATHS[now()];
            allowing(&format!("arn:aws:execute-api:*:*:*/*/GET/function/{path}"))
        });
        let function = function.await;
        let (registered, now) = shared(rules.registered);
        let registry = Upstream::http(move |_| {
            let record = of_tenant(now()).to_string();
            async move { reply(200, record) }
        });
        let registry = registry.await;
        let issuer = KeyServer::start(&chosen(&keys, rules.served)).await;
        let setup = Setup::new().upstream("main", upstream.address);
        let setup = rest_api(setup, &keys[0]);
        let setup = issuer.trusted(other_api(policy_sets(setup, &registry), &function));
        let served = authorizer(json!({"url": issuer.keys_url()}));
        let mut setup = setup.set(&["authorizers", "served"], served);
        prepare(&mut setup, &keys, rules.written);
        let gateway = Gateway::start(setup).await;
        let address = gateway.address().await;
        let mut clients = Vec::new();
        // Over both workers, as far as the kernel spreads them.
        for _ in 0..4 {
            clients.push(Rc::new(Client::http1(address).await));
        }
        Self {
            gateway,
            clients,
            keys,
            tokens,
            allowed,
            registered,
            issuer,
            rotations: 0,
            _function: function,
            _upstreams: [upstream, registry],
        }
    }

    /// Sends every token everywhere, over every connection at once.
    pub(super) fn ask(&self) -> JoinSet<Vec<(Asked, u16)>> {
        let mut asking = JoinSet::new();
        for client in &self.clients {
            let (client, tokens) = (Rc::clone(client), self.tokens.clone());
            asking.spawn_local(async move {
                let mut answers = Vec::new();
                for asked in everything() {
                    let (decider, key, audience, path) = asked;
                    let (host, at) = match decider {
                        Decider::Resource => ("127.0.0.1", "/prod"),
                        Decider::Cedar => ("other.test", "/cedar"),
                        Decider::Function => ("other.test", "/function"),
                        Decider::Served => ("other.test", "/served"),
                        Decider::Tenant => ("other.test", "/tenant"),
                        Decider::Registry => ("other.test", "/registry"),
                    };
                    let token = tokens[key][audience].as_str();
                    let headers = [
                        ("authorization", token),
                        ("host", host),
                        ("x-tenant", TENANT),
                    ];
                    let path = format!("{at}/{}", PATHS[path]);
                    let answer = client.get_with(&path, &headers).await;
                    answers.push((asked, answer.status));
                }
                answers
            });
        }
        asking
    }

    /// Does a step under these rules; it has been acknowledged when this returns.
    pub(super) async fn change(&mut self, step: Step, rules: Rules) {
        let answer = match step {
            Step::Reload(written) => {
                prepare(self.gateway.setup(), &self.keys, written);
                self.gateway.reload().await
            }
            Step::Function(path) => {
                self.allowed.store(path, Ordering::SeqCst);
                self.flush("authorizer", "asked").await
            }
            Step::Rotate(keys) => return self.rotate(keys, rules).await,
            Step::Register(tenant, forgetting) => {
                self.registered.store(tenant, Ordering::SeqCst);
                match forgetting {
                    Forgetting::Lookup => self.flush("lookup", "registry").await,
                    Forgetting::Key => self.flush("principal", TENANT).await,
                }
            }
            Step::FlushAuthorizer => self.flush("authorizer", "main").await,
            Step::FlushPrincipal => self.flush("principal", SUBJECT).await,
        };
        assert_eq!(answer["answer"], "done", "{answer}");
    }

    async fn flush(&self, what: &str, name: &str) -> Value {
        let order = json!({"do": "cache_flush", what: name});
        self.gateway.admin(&order.to_string()).await
    }

    /// Publishes these keys, and one that nobody has seen: who shows that is answered when they have
    /// been fetched.
    async fn rotate(&mut self, keys: usize, rules: Rules) {
        self.rotations += 1;
        let unseen = Key::ec(&format!("unseen-{}", self.rotations));
        let mut published = chosen(&self.keys, keys);
        published.push(&unseen);
        self.issuer.publish(Some(&published));
        let audience = AUDIENCES[rules.written.audience];
        let token = unseen.token(&claims(json!({"aud": audience})));
        let client = Client::http1(self.gateway.address().await).await;
        let headers = [("authorization", token.as_str()), ("host", "other.test")];
        let path = format!("/served/{}", PATHS[rules.written.area]);
        assert_eq!(client.get_with(&path, &headers).await.status, 200);
    }
}

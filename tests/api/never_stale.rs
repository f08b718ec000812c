//! With policies, keys, tokens, functions and authorizers changing at random, no request that starts after
//! an acknowledged change gets the old answer.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gateway_tests::client::Client;
use gateway_tests::function::{Function, allowing};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims, key_set};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};
use tokio::task::{JoinSet, LocalSet};

const AUDIENCES: [&str; 2] = ["pets", "dogs"];
const PATHS: [&str; 2] = ["a", "b"];

/// What is in force.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Which of the two keys the issuer publishes: 1, 2 or both.
    keys: usize,
    /// Which audience the authorizer accepts.
    audience: usize,
    /// Which path the resource policy allows.
    path: usize,
    /// Which path the policy in Cedar permits.
    permitted: usize,
    /// Which path the function allows.
    allowed: usize,
}

/// What decides about a request.
#[derive(Clone, Copy, Debug)]
enum Decider {
    /// A token and a resource policy.
    Resource,
    /// A token and a policy in Cedar.
    Cedar,
    /// A function.
    Function,
}

/// Who decides, about a token by its key and its audience, and the path that it is sent to.
type Asked = (Decider, usize, usize, usize);

impl Rules {
    fn answer(self, (decider, key, audience, path): Asked) -> u16 {
        let is_known = self.keys & (1 << key) != 0 && self.audience == audience;
        let (is_known, allowed) = match decider {
            Decider::Resource => (is_known, self.path),
            Decider::Cedar => (is_known, self.permitted),
            Decider::Function => (true, self.allowed),
        };
        match (is_known, allowed == path) {
            (false, _) => 401,
            (true, true) => 200,
            (true, false) => 403,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// But for what the function allows.
    Reload(Rules),
    /// The function allows another path, and what it said before is forgotten.
    Function(usize),
    FlushAuthorizer,
    FlushPrincipal,
}

fn step() -> impl Strategy<Value = Step> {
    let rules = (1..4_usize, 0..2_usize, 0..2_usize, 0..2_usize);
    let rules = rules.prop_map(|(keys, audience, path, permitted)| Rules {
        keys,
        audience,
        path,
        permitted,
        allowed: 0,
    });
    prop_oneof![
        6 => rules.prop_map(Step::Reload),
        2 => (0..2_usize).prop_map(Step::Function),
        1 => Just(Step::FlushAuthorizer),
        1 => Just(Step::FlushPrincipal),
    ]
}

struct World {
    gateway: Gateway,
    clients: Vec<Rc<Client>>,
    keys: [Key; 2],
    tokens: [[String; 2]; 2],
    allowed: Arc<AtomicUsize>,
    _function: Function,
    _upstream: Upstream,
}

fn permit(path: usize) -> String {
    let path = PATHS[path];
    format!("permit(principal, action, resource == Area::\"{path}\");")
}

/// An API that asks the function, or the policies in Cedar.
fn other_api(setup: Setup, function: &Function, rules: Rules) -> Setup {
    let file = setup.file("permit.cedar", &permit(rules.permitted));
    let caller = "$context.authorizer.claims.sub";
    let set = json!({
        "type": "cedar", "store": "areas", "principal": {"type": "User", "id": caller},
        "resource": {"type": "Area", "id": "$request.path.any"},
    });
    let asked = json!({
        "type": "function", "function": {"url": function.url()},
        "identity_sources": ["$request.header.authorization"],
    });
    let to = |authorizer: &str, set: &str| json!({"authorizer": authorizer, "policies": set, "integration": {"upstream": "main"}});
    let routes = json!({
        "GET /function/{any}": to("asked", "none"), "GET /cedar/{any}": to("main", "areas"),
    });
    setup
        .set(
            &["policy_stores", "areas"],
            json!({"type": "files", "policies": [file]}),
        )
        .set(&["policies", "areas"], set)
        .set(&["authorizers", "asked"], asked)
        .set(
            &["apis", "other"],
            json!({"type": "http", "hosts": ["other.test"], "routes": routes}),
        )
}

fn policy(path: usize) -> Value {
    let resource = format!("execute-api:/prod/GET/{}", PATHS[path]);
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource,
    }]})
}

impl World {
    async fn start(rules: Rules) -> Self {
        let upstream = Upstream::echo().await;
        // Two keys of one name: only what they are tells them apart.
        let keys = ["ec", "ec"].map(Key::ec);
        let tokens = [0, 1].map(|key: usize| {
            AUDIENCES.map(|audience| keys[key].token(&claims(json!({"aud": audience}))))
        });
        let setup = Setup::new().upstream("main", upstream.address);
        let setup = authorize(setup, &[&keys[0]])
            .set(&["apis", "main", "type"], json!("rest"))
            .set(&["apis", "main", "stages"], json!({"prod": {}}))
            .route("GET /{any}", json!({"authorizer": "main"}));
        let file = setup.file("policy.json", &policy(rules.path).to_string());
        let setup = setup.set(&["apis", "main", "policy_file"], json!(file));
        let allowed = Arc::new(AtomicUsize::new(rules.allowed));
        let now = Arc::clone(&allowed);
        let function = Function::start(move |_| {
            let path = PATHS[now.load(Ordering::SeqCst)];
            allowing(&format!("arn:aws:execute-api:*:*:*/*/GET/function/{path}"))
        });
        let function = function.await;
        let setup = other_api(setup, &function, rules);
        let mut gateway = Gateway::start(setup).await;
        let address = gateway.address().await;
        let mut clients = Vec::new();
        // Over both workers, as far as the kernel spreads them.
        for _ in 0..4 {
            clients.push(Rc::new(Client::http1(address).await));
        }
        prepare(gateway.setup(), &keys, rules);
        assert_eq!(gateway.reload().await["answer"], "done");
        Self {
            gateway,
            clients,
            keys,
            tokens,
            allowed,
            _function: function,
            _upstream: upstream,
        }
    }

    /// Sends every token everywhere, over every connection at once.
    fn ask(&self) -> JoinSet<Vec<(Asked, u16)>> {
        let mut asking = JoinSet::new();
        for client in &self.clients {
            let (client, tokens) = (Rc::clone(client), self.tokens.clone());
            asking.spawn_local(async move {
                let mut answers = Vec::new();
                for number in 0..24 {
                    let (key, audience, path) = (number & 1, number >> 1 & 1, number >> 2 & 1);
                    let (decider, host, at) = match number >> 3 {
                        0 => (Decider::Resource, "127.0.0.1", "/prod/"),
                        1 => (Decider::Cedar, "other.test", "/cedar/"),
                        _ => (Decider::Function, "other.test", "/function/"),
                    };
                    let token = tokens[key][audience].as_str();
                    let headers = [("authorization", token), ("host", host)];
                    let path_sent = format!("{at}{}", PATHS[path]);
                    let answer = client.get_with(&path_sent, &headers).await;
                    answers.push(((decider, key, audience, path), answer.status));
                }
                answers
            });
        }
        asking
    }

    /// Does a step; it has been acknowledged when this returns.
    async fn change(&mut self, step: Step) {
        let answer = match step {
            Step::Reload(rules) => {
                prepare(self.gateway.setup(), &self.keys, rules);
                self.gateway.reload().await
            }
            Step::Function(path) => {
                self.allowed.store(path, Ordering::SeqCst);
                let order = r#"{"do":"cache_flush","authorizer":"asked"}"#;
                self.gateway.admin(order).await
            }
            Step::FlushAuthorizer => {
                let order = r#"{"do":"cache_flush","authorizer":"main"}"#;
                self.gateway.admin(order).await
            }
            Step::FlushPrincipal => {
                let order = r#"{"do":"cache_flush","principal":"user-1"}"#;
                self.gateway.admin(order).await
            }
        };
        assert_eq!(answer["answer"], "done", "{answer}");
    }
}

fn prepare(setup: &mut Setup, keys: &[Key; 2], rules: Rules) {
    let published = keys.iter().enumerate();
    let published = published.filter(|(number, _)| rules.keys & (1 << number) != 0);
    let published: Vec<&Key> = published.map(|(_, key)| key).collect();
    drop(setup.file("keys.json", &key_set(&published)));
    drop(setup.file("policy.json", &policy(rules.path).to_string()));
    drop(setup.file("permit.cedar", &permit(rules.permitted)));
    let audiences = json!([AUDIENCES[rules.audience]]);
    setup.change(&["authorizers", "main", "audiences"], audiences);
}

async fn run(steps: Vec<Step>) {
    let mut rules = Rules {
        keys: 1,
        audience: 0,
        path: 0,
        permitted: 0,
        allowed: 0,
    };
    let mut world = World::start(rules).await;
    for step in steps {
        // Decisions that are under way while the change is made.
        let before = world.ask();
        world.change(step).await;
        let old = rules;
        match step {
            Step::Reload(new) => {
                rules = Rules {
                    allowed: old.allowed,
                    ..new
                }
            }
            Step::Function(allowed) => rules.allowed = allowed,
            Step::FlushAuthorizer | Step::FlushPrincipal => {}
        }
        let check = |(asked, status): (Asked, u16), either: Rules| {
            let expected = [rules.answer(asked), either.answer(asked)];
            assert!(
                expected.contains(&status),
                "{asked:?} got {status} under {rules:?}, after {old:?}"
            );
        };
        for answers in before.join_all().await {
            answers.into_iter().for_each(|answer| check(answer, old));
        }
        // Twice: the second time by what is remembered of the first.
        for _ in 0..2 {
            for answers in world.ask().join_all().await {
                answers.into_iter().for_each(|answer| check(answer, rules));
            }
        }
    }
}

/// How many histories are tried; each has some dozen changes.
fn cases() -> u32 {
    std::env::var("GATEWAY_SOAK_CHANGES").map_or(4, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(Config { cases: cases(), max_shrink_iters: 16, ..Config::default() })]

    #[test]
    fn no_request_after_an_acknowledged_change_gets_the_old_answer(
        steps in proptest::collection::vec(step(), 5..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        LocalSet::new().block_on(&runtime, run(steps));
    }
}

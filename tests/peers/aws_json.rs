//! Services of AWS that are asked in JSON: DynamoDB as moto serves it, and Verified Permissions as
//! boto3 calls it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gateway::aws::dynamodb::{GetItem, get_item};
use gateway::aws::verified_permissions::{Entity, Principal, Question, is_authorized};
use gateway::aws::{AskError, FaultKind};
use gateway::model::AwsService;
use gateway_tests::aws::{Caller, fixed};
use gateway_tests::process::output;
use gateway_tests::verified_permissions::VerifiedPermissions;
use serde_json::{Map, Value, json};
use tokio::task::LocalSet;

use crate::python::packages;

/// A table of DynamoDB. Dropping it ends it.
pub(crate) struct Tables {
    process: Child,
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Tables {
    pub(crate) fn start(programs: &Path) -> Self {
        let mut process = Command::new(programs.join("python"))
            .args(["-c", include_str!("python/tables.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = lines.next().expect("it says where it is").unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        let word = |name: &str| said.get(name).and_then(Value::as_str).unwrap().to_owned();
        Self {
            process,
            url: word("url"),
            id: word("id"),
            secret: word("secret"),
        }
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn kind<T: std::fmt::Debug>(asked: Result<T, AskError>) -> FaultKind {
    match asked {
        Err(AskError::Fault(fault)) => fault.kind(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn moto_gives_items_to_whom_it_knows() {
    let Some(programs) = packages() else {
        return;
    };
    let tables = Tables::start(programs);
    let get = |table: &'static str, tenant: &'static [(&'static str, &'static str)]| GetItem {
        table,
        key: tenant,
        attributes: &[],
        is_consistent: true,
    };
    let known = fixed(&tables.id, &tables.secret, None);
    let (known, wrong) = (
        Caller::new(AwsService::DynamoDb, &tables.url, &known),
        Caller::new(
            AwsService::DynamoDb,
            &tables.url,
            &fixed(&tables.id, "another", None),
        ),
    );
    let test = async {
        let read = async |get: GetItem<'_>| get_item(&known.client, &get, known.calling()).await;
        let one = get("stores", &[("tenant", "one")]);
        let expected = json!({
            "tenant": "one", "document": "permit(principal, action, resource);", "size": 36, "on": true,
        });
        assert_eq!(read(one).await.unwrap().map(Value::Object), Some(expected));
        let some = GetItem {
            attributes: &["document", "size"],
            ..one
        };
        let expected = json!({"document": "permit(principal, action, resource);", "size": 36});
        assert_eq!(read(some).await.unwrap().map(Value::Object), Some(expected));
        let mut two = read(get("stores", &[("tenant", "two")]))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(two.remove("document"), Some(json!({"nested": ["a", null]})));
        let mut names: Vec<Value> = two.remove("names").unwrap().as_array().unwrap().clone();
        names.sort_by_key(ToString::to_string);
        assert_eq!(names, ["x", "y"]);
        assert_eq!(
            read(get("stores", &[("tenant", "three")])).await.unwrap(),
            None
        );
        let missing = read(get("nothing", &[("tenant", "one")])).await;
        assert_eq!(kind(missing), FaultKind::Missing);
        let refused = get_item(&wrong.client, &one, wrong.calling()).await;
        assert_eq!(kind(refused), FaultKind::Permission);
    };
    LocalSet::new().run_until(test).await;
}

fn allows(operation: &str, question: &Value) -> bool {
    match operation {
        "IsAuthorized" => question.pointer("/principal/entityId") == Some(&json!("alice")),
        _ => question.get("accessToken") == Some(&json!("h.p.s")),
    }
}

#[tokio::test]
async fn policy_stores_answer_with_a_decision() {
    let service = VerifiedPermissions::start(allows).await;
    let key = fixed("AKIDEXAMPLE", "secret", None);
    let caller = Caller::new(AwsService::VerifiedPermissions, &service.url(), &key);
    let context = Map::from_iter([("ip".to_owned(), json!("127.0.0.1"))]);
    let entity = |kind: &'static str, id: &'static str| Entity { kind, id };
    let question = |principal: Principal<'static>, policy_store: &'static str| Question {
        policy_store,
        principal,
        action: entity("Shop::Action", "read"),
        resource: entity("Shop::Order", "7"),
        context: &context,
        entities: &[],
    };
    let test = async {
        for (principal, allowed) in [
            (Principal::Entity(entity("Shop::User", "alice")), true),
            (Principal::Entity(entity("Shop::User", "mallory")), false),
            (Principal::AccessToken("h.p.s"), true),
            (Principal::IdentityToken("h.p.s"), false),
        ] {
            let question = question(principal, "PS1");
            let answer = is_authorized(&caller.client, &question, caller.calling()).await;
            assert_eq!(answer.unwrap().is_allowed, allowed, "{principal:?}");
        }
        let question = question(Principal::AccessToken("h.p.s"), "missing");
        let missing = is_authorized(&caller.client, &question, caller.calling()).await;
        assert_eq!(kind(missing), FaultKind::Missing);
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn boto3_asks_the_policy_stores_that_tests_have() {
    const SCRIPT: &str = r#"
import boto3, json, sys
client = boto3.client("verifiedpermissions", endpoint_url=sys.argv[1], region_name="eu-west-1",
    aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret")
rest = {
    "action": {"actionType": "Shop::Action", "actionId": "read"},
    "resource": {"entityType": "Shop::Order", "entityId": "7"},
    "context": {"cedarJson": "{\"ip\":\"127.0.0.1\"}"},
}
said = []
for name in ("alice", "mallory"):
    principal = {"entityType": "Shop::User", "entityId": name}
    answer = client.is_authorized(policyStoreId="PS1", principal=principal, **rest)
    said.append([answer["decision"], answer["determiningPolicies"], answer["errors"]])
answer = client.is_authorized_with_token(policyStoreId="PS1", accessToken="h.p.s", **rest)
said.append([answer["decision"], answer["determiningPolicies"], answer["errors"]])
try:
    client.is_authorized(policyStoreId="missing", **rest)
except client.exceptions.ResourceNotFoundException:
    said.append("missing")
print(json.dumps(said))
"#;
    let Some(programs) = packages() else {
        return;
    };
    let service = VerifiedPermissions::start(allows).await;
    let mut command = Command::new(programs.join("python"));
    command.args(["-c", SCRIPT, &service.url()]);
    let running = tokio::task::spawn_blocking(move || output(&mut command));
    let output = running.await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let allowed = json!(["ALLOW", [{"policyId": "allowing"}], []]);
    let expected = json!([allowed, ["DENY", [], []], allowed, "missing"]);
    assert_eq!(said, expected);

    // What it sent is what the gateway sends.
    let key = fixed("AKIDEXAMPLE", "secret", None);
    let caller = Caller::new(AwsService::VerifiedPermissions, &service.url(), &key);
    let context = Map::from_iter([("ip".to_owned(), json!("127.0.0.1"))]);
    let question = Question {
        policy_store: "PS1",
        principal: Principal::Entity(Entity {
            kind: "Shop::User",
            id: "alice",
        }),
        action: Entity {
            kind: "Shop::Action",
            id: "read",
        },
        resource: Entity {
            kind: "Shop::Order",
            id: "7",
        },
        context: &context,
        entities: &[],
    };
    let asking = is_authorized(&caller.client, &question, caller.calling());
    LocalSet::new().run_until(asking).await.unwrap();
    let asked = service.asked();
    assert_eq!(asked.last(), asked.first());
}

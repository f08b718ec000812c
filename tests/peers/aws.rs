//! The SDK of AWS for Python, of which botocore is the part that signs.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::aws::FaultKind;
use gateway::aws::invoke::{self, InvokeError};
use gateway::model::{AwsService, FunctionName};
use gateway_tests::aws::{Caller, REGION, fixed};
use gateway_tests::lambda::{Asked, Lambda};
use gateway_tests::process::output;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::python::packages;

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "only-this-test/knows+it";
const TOKEN: &str = "and/its+session==";

const PYTHON: &str = r#"
def handler(event, context):
    print("not the outcome")
    if event.get("fail"):
        raise ValueError("as asked")
    return {"language": "python", "name": context.function_name, "event": event}
"#;

const NODE: &str = r#"
export const handler = async (event, context) => {
  console.log("not the outcome");
  if (event.fail) throw new TypeError("as asked");
  return { language: "node", name: context.function_name, event };
};
"#;

/// What botocore makes of the signature of a request.
fn verified(programs: &Path, asked: &Asked, service: &str) -> String {
    let headers = asked.headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| json!([name.as_str(), value.to_str().unwrap()]))
        .collect();
    let host = asked.headers.get("host").unwrap().to_str().unwrap();
    let request = json!({
        "method": asked.method.as_str(),
        "url": format!("http://{host}{}", asked.target),
        "headers": headers,
        "body": STANDARD.encode(&asked.body),
        "service": service,
        "region": REGION,
        "access_key_id": ACCESS_KEY_ID,
        "secret": SECRET,
    });
    let mut verifier = Command::new(programs.join("python"))
        .args(["-c", include_str!("python/verify.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = verifier.stdin.take().unwrap();
    input.write_all(request.to_string().as_bytes()).unwrap();
    drop(input);
    let output = verifier.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Calls a function as the gateway does.
async fn call(caller: &Caller, function: &str, event: &Value) -> Result<Bytes, InvokeError> {
    let name = FunctionName::parse(function).unwrap();
    let event = event.to_string().into();
    let answer = invoke::invoke(&caller.client, &name, event, caller.calling()).await;
    invoke::result(answer.unwrap())
}

#[tokio::test]
async fn botocore_verifies_what_the_gateway_signs_and_handlers_answer_it() {
    LocalSet::new().run_until(calls_of_functions()).await;
}

async fn calls_of_functions() {
    let Some(programs) = packages() else {
        return;
    };
    let lambda = Lambda::start().await;
    lambda.python("snake", PYTHON);
    lambda.node("node-js", NODE);
    let key = fixed(ACCESS_KEY_ID, SECRET, Some(TOKEN));
    let caller = Caller::new(AwsService::Lambda, &lambda.url(), &key);
    for (function, name, language, error) in [
        ("snake", "snake", "python", "ValueError"),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:node-js:$LATEST",
            "node-js",
            "node",
            "TypeError",
        ),
    ] {
        let event = json!({"text": "grüße\u{1F600} \"'", "number": 1});
        let result = call(&caller, function, &event).await.unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(
            result,
            json!({"language": language, "name": name, "event": event})
        );
        let failed = call(&caller, function, &json!({"fail": true})).await;
        let Err(InvokeError::Function(said)) = failed else {
            panic!("it fails");
        };
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["errorType"], error);
        assert_eq!(said["errorMessage"], "as asked");
    }
    let Err(InvokeError::Service(fault)) = call(&caller, "nobody", &json!({})).await else {
        panic!("there is no such function");
    };
    assert_eq!(fault.kind(), FaultKind::Missing);
    lambda.refuse("busy", 429, "TooManyRequestsException");
    let Err(InvokeError::Service(fault)) = call(&caller, "busy", &json!({})).await else {
        panic!("it is busy");
    };
    assert_eq!(fault.kind(), FaultKind::Throttled);

    let asked = lambda.asked();
    assert_eq!(asked.len(), 6);
    for request in &asked {
        assert_eq!(verified(programs, request, "lambda"), "verified");
    }
    // The verifier can refuse.
    let mut forged = asked[0].clone();
    forged.body = Bytes::from_static(b"{}");
    assert_ne!(verified(programs, &forged, "lambda"), "verified");
}

#[tokio::test]
async fn boto3_calls_the_functions_that_tests_have() {
    const SCRIPT: &str = r#"
import boto3, json, sys
client = boto3.client("lambda", endpoint_url=sys.argv[1], region_name="eu-west-1",
    aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="secret")
said = []
for name in ("snake", "arn:aws:lambda:eu-west-1:111122223333:function:node-js"):
    for event in ({"a": 1}, {"fail": True}):
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
        payload = json.load(answer["Payload"])
        error = answer.get("FunctionError")
        said.append([answer["StatusCode"], error, payload.get("language", payload.get("errorType"))])
try:
    client.invoke(FunctionName="nobody", Payload="{}")
except client.exceptions.ResourceNotFoundException as error:
    said.append("missing")
print(json.dumps(said))
"#;
    let Some(programs) = packages() else {
        return;
    };
    let lambda = Lambda::start().await;
    lambda.python("snake", PYTHON);
    lambda.node("node-js", NODE);
    let mut command = Command::new(programs.join("python"));
    command.args(["-c", SCRIPT, &lambda.url()]);
    let running = tokio::task::spawn_blocking(move || output(&mut command));
    let output = running.await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!([
        [200, null, "python"],
        [200, "Unhandled", "ValueError"],
        [200, null, "node"],
        [200, "Unhandled", "TypeError"],
        "missing",
    ]);
    assert_eq!(said, expected);
}

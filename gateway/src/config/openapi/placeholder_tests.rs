use super::*;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::FileId;
use crate::config::yaml::{self, Bounds};

/// What becomes of `text` under `key`, or what is said of it.
#[track_caller]
fn check(key: &str, text: &str, expected: Result<&str, &str>) {
    let variables = [("Host".to_owned(), "pets.internal".to_owned())];
    let mut placeholders = Placeholders::new(&Identity::default(), variables);
    let mut diagnostics = Collector::new("pets.yaml");
    let whole = format!("{key}: {text}\n");
    let node = yaml::parse(
        &whole,
        FileId::FIRST,
        Bounds::CONFIGURATION,
        &mut diagnostics,
    );
    let node = placeholders.replace(node.unwrap(), &mut diagnostics);
    let found = Cursor::root(&node).key(key).scalar().map(str::to_owned);
    match diagnostics.finish() {
        Ok(_) => assert_eq!(found.as_deref(), expected.ok(), "{text}"),
        Err(report) => assert_eq!(Err(report.to_string().as_str()), expected, "{text}"),
    }
}

#[test]
fn what_the_service_replaces_is_replaced_everywhere() {
    let arn = "'arn:${AWS::Partition}:x:${AWS::Region}:${AWS::AccountId}'";
    check("description", arn, Ok("arn:aws:x:local:000000000000"));
    check("requestTemplates", "'${AWS::Region}'", Ok("local"));
    let message = "pets.yaml:1:7: info: nothing stands for `${AWS::StackName}`: choose from \
                   `AWS::AccountId`, `AWS::Partition`, `AWS::Region` and `Host`";
    check("info", "'${AWS::StackName}'", Err(message));
}

#[test]
fn other_names_are_replaced_where_somebody_substitutes_them() {
    let key = "x-amazon-apigateway-integration";
    check(key, "'http://${Host}/'", Ok("http://pets.internal/"));
    check(
        key,
        "'${stageVariables.Host}'",
        Ok("${stageVariables.Host}"),
    );
    check(key, "'${request.path.id}'", Ok("${request.path.id}"));
    check(key, "'a ${ b'", Ok("a ${ b"));
    check("description", "'${Host}'", Ok("${Host}"));
    check("responseTemplates", "'${Host}'", Ok("${Host}"));
    let message = "pets.yaml:1:34: x-amazon-apigateway-integration: nothing stands for \
                   `${Port}`: give it a value with `--variable Port=VALUE`, or in a \
                   configuration under `variables`";
    check(key, "'${Port}'", Err(message));
}

#[test]
fn functions_of_cloudformation_are_understood_as_far_as_they_substitute() {
    check(
        "uri",
        "{'Fn::Sub': 'http://${Host}'}",
        Ok("http://pets.internal"),
    );
    let own = "{'Fn::Sub': ['${Host}${Port}', {Port: ':80'}]}";
    check("uri", own, Ok("pets.internal:80"));
    check("uri", "{'Fn::Sub': '${!Host}'}", Ok("${Host}"));
    let kept = "{'Fn::Sub': '${stageVariables.x}/${Host}'}";
    check("uri", kept, Ok("${stageVariables.x}/pets.internal"));
    let message = "pets.yaml:1:18: uri.\"Fn::Sub\": nothing stands for `${Pets.Arn}`: give it a \
                   value with `--variable Pets.Arn=VALUE`, or in a configuration under `variables`";
    check("uri", "{'Fn::Sub': '${Pets.Arn}'}", Err(message));
    let message = "pets.yaml:1:18: uri.\"Fn::Sub\": write `Fn::Sub: text` or `Fn::Sub: [text, \
                   {name: text}]`";
    check("uri", "{'Fn::Sub': [a]}", Err(message));
    let message = "pets.yaml:1:7: uri.\"Fn::Join\": only `Fn::Sub` is understood of \
                   CloudFormation's functions, not `Fn::Join`: write what it comes to";
    check("uri", "{'Fn::Join': [a, [b]]}", Err(message));
}

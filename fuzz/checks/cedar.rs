//! Any texts of a policy store: they are refused with reasons, or the store answers; and with one
//! `forbid` more it refuses.

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway::language::cedar::{
    Attribute, Described, EntityName, Problem, Question, Source, Sources, Store, TypeName,
};
use serde_json::json;

/// What stands on a line of its own between policies, schema and entities.
const NEXT: &str = "\n----\n";

/// Panics where a store is accepted and does not answer as it has to.
pub(super) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut texts = text.split(NEXT);
    let mut next = |name| texts.next().map(|text| source(name, text));
    let policies = next("store.cedar");
    let mut sources = Sources {
        policies: policies.into_iter().collect(),
        schema: next("store.cedarschema"),
        entities: next("entities.json"),
    };
    match Store::read(sources.clone()) {
        Err(problems) => {
            assert!(!problems.is_empty());
            problems.iter().for_each(told);
            return;
        }
        Ok((store, warnings)) => {
            warnings.iter().for_each(told);
            let first = store.answer(&question());
            assert_eq!(store.answer(&question()), first);
        }
    }
    let forbid = "@id(\"closed\") forbid(principal, action, resource);";
    sources.policies.push(source("closed.cedar", forbid));
    // A store that is full takes no more, and one may have that id.
    if let Ok((closed, _)) = Store::read(sources)
        && let Ok(answer) = closed.answer(&question())
    {
        assert!(!answer.is_allowed, "{answer:?}");
    }
}

fn source(name: &str, text: &str) -> Arc<Source> {
    Arc::new(Source {
        name: name.into(),
        text: text.into(),
    })
}

fn told(problem: &Problem) {
    let line = problem.to_string();
    assert!(
        !problem.message.is_empty() && !line.contains('\n'),
        "{line:?}"
    );
}

fn question() -> Question {
    let name = |kind: &str, id: &str| EntityName {
        kind: TypeName::parse(kind).expect("it is one"),
        id: id.to_owned(),
    };
    let level = ("level".to_owned(), Attribute::Json(json!(3)));
    Question {
        principal: Described {
            name: name("User", "ann"),
            attributes: BTreeMap::from([level.clone()]),
            parents: vec![name("Role", "keeper")],
        },
        action: name("Action", "read"),
        resource: Described {
            name: name("Area", "pets"),
            attributes: BTreeMap::new(),
            parents: Vec::new(),
        },
        context: BTreeMap::from([level]),
    }
}

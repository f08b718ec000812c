//! The rules, against a naive model that knows texts instead of numbers; and the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{
    ApiId, ApiKind, ApiName, DeploymentNumber, Described, DescribedStage, StageName,
};

fn stage(name: &str, auto_deploy: bool) -> DescribedStage {
    DescribedStage {
        name: StageName::new(name),
        auto_deploy,
        variables: BTreeMap::new(),
    }
}

fn api(name: &str, text: &str, stages: &[(&str, bool)]) -> Described {
    Described {
        name: ApiName::new(name),
        id: ApiId::new(name),
        kind: ApiKind::Rest,
        text: Arc::from(text),
        stages: stages
            .iter()
            .map(|(name, auto)| stage(name, *auto))
            .collect(),
    }
}

fn served(ledger: &Ledger, api: &str, stage: &str) -> u32 {
    let api = &ledger.apis[&ApiId::new(api)];
    api.stages[&StageName::new(stage)].deployment.0
}

fn rollback(stage: &str, to: Option<u32>) -> Order {
    Order::Rollback {
        stage: stage.to_owned(),
        to,
    }
}

fn deploy(stage: Option<&str>, canary: Option<&str>) -> Order {
    Order::Deploy {
        stage: stage.map(str::to_owned),
        description: None,
        canary: canary.map(|percent| NewCanary {
            percent: percent.to_owned(),
            variables: BTreeMap::new(),
        }),
    }
}

const STAGES: &[(&str, bool)] = &[("auto", true), ("held", false)];

#[test]
fn a_new_api_serves_its_first_deployment_everywhere_and_a_new_stage_the_newest() {
    let mut ledger = Ledger::default();
    ledger.follow(&[api("a", "1", STAGES)], 0).unwrap();
    assert_eq!(
        (served(&ledger, "a", "auto"), served(&ledger, "a", "held")),
        (1, 1)
    );
    ledger.follow(&[api("a", "2", STAGES)], 0).unwrap();
    assert_eq!(
        (served(&ledger, "a", "auto"), served(&ledger, "a", "held")),
        (2, 1)
    );
    ledger
        .order(&[], "a", &rollback("auto", Some(1)), 0)
        .unwrap();
    let more = [STAGES, &[("new", true), ("late", false)]].concat();
    ledger.follow(&[api("a", "2", &more)], 0).unwrap();
    assert_eq!(served(&ledger, "a", "auto"), 1);
    assert_eq!(
        (served(&ledger, "a", "new"), served(&ledger, "a", "late")),
        (2, 2)
    );
    // A stage that was away has forgotten what it served.
    ledger.follow(&[api("a", "2", &more[1..])], 0).unwrap();
    ledger.follow(&[api("a", "2", &more)], 0).unwrap();
    assert_eq!(served(&ledger, "a", "auto"), 2);
}

#[test]
fn the_oldest_go_that_no_stage_serves() {
    let mut ledger = Ledger::default();
    for number in 1..=DEPLOYMENTS_MAX + 50 {
        let file = [api("a", &number.to_string(), STAGES)];
        ledger.follow(&file, 0).unwrap();
    }
    let kept = &ledger.apis[&ApiId::new("a")].deployments;
    assert_eq!(kept.len(), DEPLOYMENTS_MAX);
    // What `held` serves is the oldest of all.
    let numbers: Vec<usize> = kept.keys().map(|number| number.0 as usize).collect();
    let expected: Vec<usize> = std::iter::once(1)
        .chain(52..=DEPLOYMENTS_MAX + 50)
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(ledger.texts.len(), DEPLOYMENTS_MAX);
}

#[test]
fn apis_that_are_gone_come_back_as_they_were_unless_too_many_have_gone_since() {
    let mut ledger = Ledger::default();
    ledger.follow(&[api("a", "1", STAGES)], 0).unwrap();
    ledger.follow(&[api("a", "2", STAGES)], 0).unwrap();
    ledger.order(&[], "a", &rollback("auto", None), 0).unwrap();
    ledger.follow(&[], 10).unwrap();
    ledger.follow(&[api("a", "2", STAGES)], 20).unwrap();
    assert_eq!(served(&ledger, "a", "auto"), 1);
    for number in 0..=GONE_APIS_MAX {
        let file = [api(&format!("b{number}"), "1", STAGES)];
        ledger.follow(&file, 30 + number as u64).unwrap();
    }
    ledger.follow(&[], 1_000).unwrap();
    assert_eq!(ledger.apis.len(), GONE_APIS_MAX);
    assert!(!ledger.apis.contains_key(&ApiId::new("a")));
}

#[test]
fn a_canary_needs_a_stage_that_serves_something() {
    let mut ledger = Ledger::default();
    ledger.follow(&[api("a", "1", STAGES)], 0).unwrap();
    let with_new = [api("a", "2", &[("auto", true), ("new", true)])];
    let order = deploy(Some("new"), Some("10"));
    let refused = ledger.clone().order(&with_new, "a", &order, 0).unwrap_err();
    assert!(matches!(refused, Refusal::NoStage { .. }), "{refused}");
    let order = deploy(Some("none"), Some("10"));
    let refused = ledger.clone().order(&with_new, "a", &order, 0).unwrap_err();
    assert!(matches!(refused, Refusal::NoStage { .. }), "{refused}");
    let order = deploy(None, Some("10"));
    let refused = ledger.clone().order(&with_new, "a", &order, 0).unwrap_err();
    assert_eq!(refused, Refusal::CanaryWithoutStage);
    let order = deploy(Some("auto"), Some("10"));
    ledger.order(&with_new, "a", &order, 0).unwrap();
    assert_eq!(
        (served(&ledger, "a", "auto"), served(&ledger, "a", "new")),
        (1, 2)
    );
}

#[test]
fn descriptions_are_one_bounded_line() {
    for (description, is_sound) in [
        ("x".repeat(DESCRIPTION_BYTES_MAX), true),
        ("x".repeat(DESCRIPTION_BYTES_MAX + 1), false),
        ("two\nlines".to_owned(), false),
    ] {
        let order = Order::Deploy {
            stage: None,
            description: Some(description),
            canary: None,
        };
        let file = [api("a", "1", STAGES)];
        let outcome = Ledger::default().order(&file, "a", &order, 0);
        assert_eq!(outcome.is_ok(), is_sound);
    }
}

#[test]
fn what_is_written_is_read_again_and_one_process_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = DeploymentStore::open(directory.path()).unwrap();
    let mut ledger = store.read().unwrap();
    assert_eq!(ledger, Ledger::default());
    ledger.follow(&[api("a", "first", STAGES)], 7).unwrap();
    ledger.follow(&[api("a", "second", STAGES)], 8).unwrap();
    let file = [api("a", "third", STAGES)];
    let order = deploy(Some("held"), Some("2.5"));
    ledger.order(&file, "a", &order, 9).unwrap();
    store.write(&ledger).unwrap();
    let refused = DeploymentStore::open(directory.path()).unwrap_err();
    assert!(matches!(refused, DeploymentError::InUse(_)), "{refused}");
    drop(store);

    let store = DeploymentStore::open(directory.path()).unwrap();
    let mut found = store.read().unwrap();
    assert_eq!(found.apis, ledger.apis);
    let id = ApiId::new("a");
    for (number, text) in [(1, "first"), (2, "second"), (3, "third")] {
        let found = store.text(&id, DeploymentNumber(number)).unwrap();
        assert_eq!(&*found, text);
    }
    // Texts go with their deployments.
    for number in 0..DEPLOYMENTS_MAX {
        let file = [api("a", &format!("x{number}"), STAGES)];
        found.follow(&file, 10).unwrap();
    }
    store.write(&found).unwrap();
    assert!(store.text(&id, DeploymentNumber(2)).is_err());
    let mode = std::fs::metadata(directory.path().join("gateway.redb")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn what_a_newer_gateway_wrote_and_what_is_no_database_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.redb");
    {
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let facts: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("facts");
        transaction
            .open_table(facts)
            .unwrap()
            .insert("version", 9)
            .unwrap();
        transaction.commit().unwrap();
    }
    let refused = DeploymentStore::open(directory.path()).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("has version 9 and this gateway knows 1")
    );
    std::fs::write(&path, "this is no database").unwrap();
    let refused = DeploymentStore::open(directory.path()).unwrap_err();
    assert!(refused.to_string().contains("move it away"), "{refused}");
}

/// What may happen to an API with two stages.
#[derive(Clone, Debug)]
enum Event {
    /// The file says this from now on, and is read.
    File(u8),
    /// It is read again.
    Reload,
    /// Everything is written and read again.
    Restart,
    /// A stage is rolled back to the deployment before, or to this one.
    Rollback(bool, Option<u8>),
    /// What the file says is deployed to a stage.
    Deploy(bool),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..4_u8).prop_map(Event::File),
        Just(Event::Reload),
        Just(Event::Restart),
        (any::<bool>(), proptest::option::of(0..8_u8))
            .prop_map(|(auto, to)| Event::Rollback(auto, to)),
        any::<bool>().prop_map(Event::Deploy),
    ];
    proptest::collection::vec(event, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The naive model: every text that was ever deployed, in order, and which of them each stage
    /// serves.
    #[test]
    fn stages_serve_what_a_naive_model_says(events in events()) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = DeploymentStore::open(directory.path()).unwrap();
        let mut file = "0".to_owned();
        let mut ledger = store.read().unwrap();
        ledger.follow(&[api("a", &file, STAGES)], 0).unwrap();
        store.write(&ledger).unwrap();
        let mut deployed = vec![file.clone()];
        let (mut auto, mut held, mut seen) = (0, 0, file.clone());
        for event in events {
            let described = |text: &str| [api("a", text, STAGES)];
            let mut ledger = store.read().unwrap();
            match event {
                Event::File(text) => {
                    file = text.to_string();
                    ledger.follow(&described(&file), 0).unwrap();
                    if file != seen {
                        seen = file.clone();
                        deployed.push(file.clone());
                        auto = deployed.len() - 1;
                    }
                }
                Event::Reload => ledger.follow(&described(&file), 0).unwrap(),
                Event::Restart => {
                    drop(store);
                    store = DeploymentStore::open(directory.path()).unwrap();
                    ledger = store.read().unwrap();
                    ledger.follow(&described(&file), 0).unwrap();
                }
                Event::Rollback(is_auto, to) => {
                    let (name, place) = if is_auto {
                        ("auto", &mut auto)
                    } else {
                        ("held", &mut held)
                    };
                    let order = rollback(name, to.map(u32::from));
                    let outcome = ledger.order(&[], "a", &order, 0);
                    let wanted = match to {
                        Some(number) => usize::from(number).checked_sub(1),
                        None => place.checked_sub(1),
                    };
                    let wanted = wanted.filter(|wanted| *wanted < deployed.len());
                    match wanted.filter(|wanted| wanted != place) {
                        Some(wanted) => {
                            prop_assert_eq!(outcome, Ok(()));
                            *place = wanted;
                        }
                        None => {
                            prop_assert!(outcome.is_err());
                            continue;
                        }
                    }
                }
                Event::Deploy(is_auto) => {
                    let name = if is_auto { "auto" } else { "held" };
                    let order = deploy(Some(name), None);
                    ledger.order(&described(&file), "a", &order, 0).unwrap();
                    if deployed.last() != Some(&file) {
                        deployed.push(file.clone());
                    }
                    let newest = deployed.len() - 1;
                    *(if is_auto { &mut auto } else { &mut held }) = newest;
                }
            }
            store.write(&ledger).unwrap();
            let placements = ledger
                .placements(&described(&file), |id, number| store.text(id, number))
                .unwrap();
            for (name, expected) in [("auto", auto), ("held", held)] {
                let key = (ApiName::new("a"), StageName::new(name));
                let base = &placements[&key].base;
                prop_assert_eq!(base.number.0 as usize, expected + 1);
                let text = base.text.as_deref().unwrap_or(&file);
                prop_assert_eq!(text, &deployed[expected]);
            }
        }
    }
}

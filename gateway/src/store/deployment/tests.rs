//! The rules, and the file.

use std::collections::BTreeMap;
use std::sync::Arc;

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

pub(super) fn api(name: &str, text: &str, stages: &[(&str, bool)]) -> Described {
    Described {
        name: ApiName::new(name),
        id: ApiId::new(name),
        kind: ApiKind::Rest,
        text: Arc::from(text),
        meaning: Arc::from(text),
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
        stage: Some(stage.to_owned()),
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
fn a_rollback_leads_to_what_the_stage_served_before_step_by_step() {
    let mut ledger = Ledger::default();
    let says = |ledger: &mut Ledger, text: &str| {
        ledger.follow(&[api("a", text, STAGES)], 0).unwrap();
    };
    for text in ["1", "2", "3"] {
        says(&mut ledger, text);
    }
    let back = |ledger: &mut Ledger, to| {
        let outcome = ledger.order(&[], "a", &rollback("auto", to), 0);
        outcome.map(|()| served(ledger, "a", "auto"))
    };
    assert_eq!(back(&mut ledger, None), Ok(2));
    assert_eq!(back(&mut ledger, None), Ok(1));
    let nothing = back(&mut ledger, None).unwrap_err();
    assert!(
        matches!(nothing, Refusal::NothingBefore { .. }),
        "{nothing}"
    );
    // What is mended was never 3 here, which was found to be broken.
    says(&mut ledger, "4");
    assert_eq!(back(&mut ledger, None), Ok(1));
    // Undoing a rollback can be taken back as well.
    assert_eq!(back(&mut ledger, Some(4)), Ok(4));
    says(&mut ledger, "5");
    assert_eq!(back(&mut ledger, Some(1)), Ok(1));
    assert_eq!(back(&mut ledger, Some(5)), Ok(5));
    assert_eq!(back(&mut ledger, None), Ok(1));

    // Only what is kept, however much there was.
    for number in 0..=2 * DEPLOYMENTS_MAX {
        says(&mut ledger, &format!("x{number}"));
    }
    let stage = &ledger.apis[&ApiId::new("a")].stages[&StageName::new("auto")];
    assert_eq!(stage.before.len(), DEPLOYMENTS_MAX - 1);
    let kept = &ledger.apis[&ApiId::new("a")].deployments;
    assert!(stage.before.iter().all(|number| kept.contains_key(number)));
}

#[test]
fn of_several_stages_one_has_to_be_named() {
    let mut ledger = Ledger::default();
    ledger.follow(&[api("a", "1", STAGES)], 0).unwrap();
    ledger.follow(&[api("a", "2", STAGES)], 0).unwrap();
    let order = Order::Rollback {
        stage: None,
        to: Some(1),
    };
    let refused = ledger.order(&[], "a", &order, 0).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "name one of the stages of `a` with --stage: choose from `auto`, `held`"
    );
    ledger.follow(&[api("a", "2", &STAGES[..1])], 0).unwrap();
    ledger.order(&[], "a", &order, 0).unwrap();
    assert_eq!(served(&ledger, "a", "auto"), 1);
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
    let stage = &found.apis[&ApiId::new("a")].stages[&StageName::new("auto")];
    assert_eq!(stage.before, [1, 2].map(DeploymentNumber));
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

fn written_by(version: u64) -> (tempfile::TempDir, DeploymentError) {
    let directory = tempfile::tempdir().unwrap();
    drop(DeploymentStore::open(directory.path()).unwrap());
    let database = redb::Database::open(directory.path().join("gateway.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let facts: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("facts");
    transaction
        .open_table(facts)
        .unwrap()
        .insert("version", version)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    let refused = DeploymentStore::open(directory.path()).unwrap_err();
    (directory, refused)
}

#[test]
fn what_newer_and_older_gateways_wrote_is_refused_and_what_to_do_is_said() {
    for (version, said) in [(3, "newer"), (1, "older")] {
        let (directory, refused) = written_by(version);
        let path = directory.path().join("gateway.redb");
        assert_eq!(
            refused.to_string(),
            format!(
                "`{}` has version {version}, of {} {said} gateway, and this one knows 2: start the \
                 {said} gateway again, or move the file away, and every stage serves what the \
                 configuration says",
                path.display(),
                if said == "older" { "an" } else { "a" },
            )
        );
        // Once it is out of the way, there is a new one.
        std::fs::rename(&path, directory.path().join("old.redb")).unwrap();
        assert!(DeploymentStore::open(directory.path()).is_ok());
    }
}

#[test]
fn a_file_that_is_no_database_or_was_cut_short_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.redb");
    std::fs::write(&path, "this is no database").unwrap();
    let refused = DeploymentStore::open(directory.path()).unwrap_err();
    assert!(refused.to_string().contains("move it away"), "{refused}");

    std::fs::remove_file(&path).unwrap();
    let store = DeploymentStore::open(directory.path()).unwrap();
    let mut ledger = store.read().unwrap();
    let text = "x".repeat(100_000);
    ledger.follow(&[api("a", &text, STAGES)], 0).unwrap();
    store.write(&ledger).unwrap();
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    for share in 1..=9 {
        let part = &whole[..whole.len() * share / 10];
        std::fs::write(&path, part).unwrap();
        let refused = DeploymentStore::open(directory.path()).and_then(|store| {
            store.read()?;
            store.text(&ApiId::new("a"), DeploymentNumber(1))
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("gateway.redb"), "{share}: {refused}");
    }
    // A copy that is put back serves again.
    std::fs::write(&path, whole).unwrap();
    let store = DeploymentStore::open(directory.path()).unwrap();
    assert_eq!(store.read().unwrap().apis, ledger.apis);
}

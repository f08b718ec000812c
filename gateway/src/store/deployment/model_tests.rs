//! Deployments and canaries against a naive model, which knows texts instead of numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::{
    ApiId, ApiKind, ApiName, DeploymentNumber, Described, DescribedStage, StageName,
};

const NAMES: [&str; 2] = ["auto", "held"];
const VALUES: [&str; 3] = ["x", "y", "z"];

type Variables = BTreeMap<String, String>;

/// What may happen to an API with the stages `auto`, which follows its file, and `held`, which does
/// not. A stage is its place in [`NAMES`].
#[derive(Clone, Debug)]
enum Event {
    /// The file says this from now on, and is read.
    File(u8),
    /// It is read again.
    Reload,
    /// What was written is read by the next process.
    Restart,
    /// The file has no such stage any more, or has it again.
    Toggle(usize),
    /// The variable `v` of a stage is another one in the file.
    Variable(usize, usize),
    /// A stage is rolled back to the deployment before, or to this one.
    Rollback(usize, Option<u8>),
    /// What the file says is deployed to a stage, whether it was read before or not.
    Deploy(usize, u8),
    /// As a canary, with this share and variable.
    Canary(usize, u8, u8, usize),
    /// Another share, deployment or variable for a canary, or none of the latter.
    Set(usize, Option<u8>, Option<u8>, Option<usize>, bool),
    Promote(usize),
    Stop(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let stage = || 0..NAMES.len();
    let value = || 0..VALUES.len();
    let share = || 0..=110_u8;
    let number = || proptest::option::of(0..8_u8);
    let event = prop_oneof![
        2 => (0..4_u8).prop_map(Event::File),
        1 => Just(Event::Reload),
        1 => Just(Event::Restart),
        1 => stage().prop_map(Event::Toggle),
        1 => (stage(), value()).prop_map(|(stage, value)| Event::Variable(stage, value)),
        2 => (stage(), number()).prop_map(|(stage, to)| Event::Rollback(stage, to)),
        2 => (stage(), 0..4_u8).prop_map(|(stage, text)| Event::Deploy(stage, text)),
        4 => (stage(), 0..4_u8, share(), value())
            .prop_map(|(stage, text, share, value)| Event::Canary(stage, text, share, value)),
        4 => (
            stage(),
            proptest::option::of(share()),
            number(),
            proptest::option::of(value()),
            any::<bool>()
        )
            .prop_map(|(stage, share, to, value, unset)| {
                Event::Set(stage, share, to, value, unset)
            }),
        4 => stage().prop_map(Event::Promote),
        1 => stage().prop_map(Event::Stop),
    ];
    proptest::collection::vec(event, 1..50)
}

/// What the model knows of a canary: which text of those deployed, to how many, with what.
#[derive(Clone, Debug, PartialEq)]
struct Trial {
    place: usize,
    share: u8,
    overrides: Variables,
}

/// What the model knows of a stage that the file has.
#[derive(Clone, Debug)]
struct Known {
    place: usize,
    /// Where a rollback leads, the latest last.
    before: Vec<usize>,
    variables: Variables,
    promoted: Variables,
    trial: Option<Trial>,
}

/// The naive model.
#[derive(Clone, Debug)]
struct Model {
    file: String,
    /// What the file says of stages: whether they are there, and their variable.
    written: [(bool, &'static str); 2],
    /// What the file said when it was read last.
    seen: String,
    /// Every text that was ever deployed, in order.
    deployed: Vec<String>,
    stages: [Option<Known>; 2],
}

fn one(value: &str) -> Variables {
    Variables::from([("v".to_owned(), value.to_owned())])
}

impl Model {
    fn new() -> Self {
        let mut model = Self {
            file: "0".to_owned(),
            written: [(true, VALUES[0]); 2],
            seen: "0".to_owned(),
            deployed: vec!["0".to_owned()],
            stages: [None, None],
        };
        model.follow(None);
        model
    }

    fn described(&self) -> [Described; 1] {
        let stages = NAMES.iter().zip(self.written);
        let stages = stages.filter(|(_, (is_there, _))| *is_there);
        [Described {
            name: ApiName::new("a"),
            id: ApiId::new("a"),
            kind: ApiKind::Rest,
            text: Arc::from(self.file.as_str()),
            meaning: Arc::from(self.file.as_str()),
            stages: stages
                .map(|(name, (_, value))| DescribedStage {
                    name: StageName::new(name),
                    auto_deploy: *name == "auto",
                    variables: one(value),
                })
                .collect(),
        }]
    }

    fn newest(&self) -> usize {
        self.deployed.len() - 1
    }

    /// The file is read; `named` is the stage that something is deployed to besides.
    fn follow(&mut self, named: Option<usize>) {
        let has_changed = self.file != self.seen;
        if has_changed {
            self.seen = self.file.clone();
            self.deployed.push(self.file.clone());
        }
        let newest = self.newest();
        for (index, (is_there, value)) in self.written.into_iter().enumerate() {
            if !is_there {
                self.stages[index] = None;
                continue;
            }
            let Some(stage) = &mut self.stages[index] else {
                self.stages[index] = Some(Known {
                    place: newest,
                    before: Vec::new(),
                    variables: one(value),
                    promoted: Variables::new(),
                    trial: None,
                });
                continue;
            };
            if stage.variables != one(value) {
                stage.variables = one(value);
                stage.promoted.clear();
            }
            if has_changed && NAMES[index] == "auto" && named != Some(index) {
                match &mut stage.trial {
                    Some(trial) => trial.place = newest,
                    None => stage.moves(newest),
                }
            }
        }
    }

    /// What the file says is deployed: a deployment, unless the newest says the same.
    fn freeze(&mut self, named: usize) -> usize {
        self.follow(Some(named));
        if self.deployed.last() != Some(&self.file) {
            self.deployed.push(self.file.clone());
        }
        self.newest()
    }

    /// The place of a deployment, where there is one of this number.
    fn place(&self, number: u8) -> Option<usize> {
        let place = usize::from(number).checked_sub(1)?;
        (place < self.deployed.len()).then_some(place)
    }
}

fn percent(share: u8) -> Option<u8> {
    (share <= 100).then_some(share)
}

/// What an event asks of the ledger, where it is more than that the file is read; and what the model
/// makes of it: `None` where it has to be refused and nothing changes.
fn step(event: &Event, model: &Model) -> (Option<Order>, Option<Model>) {
    let mut next = model.clone();
    match event {
        Event::File(text) => next.file = text.to_string(),
        Event::Reload | Event::Restart => {}
        Event::Toggle(stage) => next.written[*stage].0 ^= true,
        Event::Variable(stage, value) => next.written[*stage].1 = VALUES[*value],
        Event::Rollback(..)
        | Event::Deploy(..)
        | Event::Canary(..)
        | Event::Set(..)
        | Event::Promote(_)
        | Event::Stop(_) => {
            let outcome = follow_order(event, &mut next);
            return (Some(order(event)), outcome.map(|()| next));
        }
    }
    next.follow(None);
    (None, Some(next))
}

fn order(event: &Event) -> Order {
    let name = |stage: &usize| NAMES[*stage].to_owned();
    let deploy = |stage, canary| Order::Deploy {
        stage: Some(name(stage)),
        description: None,
        canary,
    };
    match event {
        Event::Rollback(stage, to) => Order::Rollback {
            stage: Some(name(stage)),
            to: to.map(u32::from),
        },
        Event::Deploy(stage, _) => deploy(stage, None),
        Event::Canary(stage, _, share, value) => {
            let canary = NewCanary {
                percent: share.to_string(),
                variables: one(VALUES[*value]),
            };
            deploy(stage, Some(canary))
        }
        Event::Set(stage, share, to, value, unset) => Order::SetCanary {
            stage: Some(name(stage)),
            percent: share.map(|share| share.to_string()),
            to: to.map(u32::from),
            variables: value.map(|value| one(VALUES[value])).unwrap_or_default(),
            unset: unset.then(|| "v".to_owned()).into_iter().collect(),
        },
        Event::Promote(stage) => Order::PromoteCanary {
            stage: Some(name(stage)),
        },
        Event::Stop(stage) => Order::StopCanary {
            stage: Some(name(stage)),
        },
        file => panic!("{file:?} is about the file"),
    }
}

fn follow_order(event: &Event, next: &mut Model) -> Option<()> {
    match event {
        Event::Rollback(stage, to) => rolled_back(next, *stage, *to),
        Event::Deploy(stage, text) => {
            next.file = text.to_string();
            deployed(next, *stage)
        }
        Event::Canary(stage, text, share, value) => {
            next.file = text.to_string();
            tried(next, *stage, *share, *value)
        }
        Event::Set(stage, share, to, value, unset) => {
            set(next, *stage, (*share, *to, *value, *unset))
        }
        Event::Promote(stage) => promoted(next, *stage),
        Event::Stop(stage) => {
            let known = next.stages[*stage].as_mut()?;
            known.trial.take().map(|_| ())
        }
        file => panic!("{file:?} is about the file"),
    }
}

fn rolled_back(model: &mut Model, stage: usize, to: Option<u8>) -> Option<()> {
    let wanted = to.map(|to| model.place(to).ok_or(())).transpose().ok()?;
    let known = model.stages[stage].as_mut()?;
    let wanted = wanted.or(known.before.last().copied())?;
    if wanted == known.place {
        return None;
    }
    if known.before.contains(&wanted) {
        while known.before.pop() != Some(wanted) {}
        known.place = wanted;
    } else {
        known.moves(wanted);
    }
    Some(())
}

impl Known {
    fn moves(&mut self, place: usize) {
        if place != self.place {
            let before = self.before.drain(..);
            let others = before.filter(|known| *known != self.place && *known != place);
            let others: Vec<usize> = others.collect();
            self.before = others;
            self.before.push(self.place);
            self.place = place;
        }
    }
}

fn deployed(model: &mut Model, stage: usize) -> Option<()> {
    let has_trial = |known: &Known| known.trial.is_some();
    if !model.written[stage].0 || model.stages[stage].as_ref().is_some_and(has_trial) {
        return None;
    }
    let newest = model.freeze(stage);
    model.stages[stage].as_mut()?.moves(newest);
    Some(())
}

fn tried(model: &mut Model, stage: usize, share: u8, value: usize) -> Option<()> {
    let share = percent(share)?;
    model.stages[stage]
        .as_ref()
        .filter(|_| model.written[stage].0)?;
    let place = model.freeze(stage);
    model.stages[stage].as_mut()?.trial = Some(Trial {
        place,
        share,
        overrides: one(VALUES[value]),
    });
    Some(())
}

type Wanted = (Option<u8>, Option<u8>, Option<usize>, bool);

fn set(model: &mut Model, stage: usize, (share, to, value, unset): Wanted) -> Option<()> {
    let share = share
        .map(|share| percent(share).ok_or(()))
        .transpose()
        .ok()?;
    let to = to.map(|to| model.place(to).ok_or(())).transpose().ok()?;
    let trial = model.stages[stage].as_mut()?.trial.as_mut()?;
    trial.share = share.unwrap_or(trial.share);
    trial.place = to.unwrap_or(trial.place);
    if let Some(value) = value {
        trial.overrides = one(VALUES[value]);
    }
    if unset {
        trial.overrides.clear();
    }
    Some(())
}

fn promoted(model: &mut Model, stage: usize) -> Option<()> {
    let known = model.stages[stage].as_mut()?;
    let trial = known.trial.as_mut()?;
    trial.share = 0;
    let (place, overrides) = (trial.place, trial.overrides.clone());
    known.moves(place);
    known.promoted.extend(overrides);
    Some(())
}

/// Holds what the stages serve against the model.
fn compare(model: &Model, ledger: &Ledger, store: &DeploymentStore) -> Result<(), TestCaseError> {
    let placements = ledger
        .placements(&model.described(), |id, number| store.text(id, number))
        .unwrap();
    let there = model.stages.iter().flatten().count();
    prop_assert_eq!(placements.len(), there);
    let serves = |serving: &crate::model::Serving, place: usize| {
        prop_assert_eq!(
            serving.number,
            DeploymentNumber(u32::try_from(place).unwrap() + 1)
        );
        let text = serving.text.as_deref().unwrap_or(&model.file);
        prop_assert_eq!(text, &model.deployed[place]);
        Ok(())
    };
    for (name, known) in NAMES.iter().zip(&model.stages) {
        let Some(known) = known else { continue };
        let found = &placements[&(ApiName::new("a"), StageName::new(name))];
        serves(&found.base, known.place)?;
        prop_assert_eq!(&found.promoted, &known.promoted);
        prop_assert_eq!(found.canary.is_some(), known.trial.is_some());
        if let (Some(canary), Some(trial)) = (&found.canary, &known.trial) {
            serves(&canary.serving, trial.place)?;
            prop_assert_eq!(canary.share.to_string(), trial.share.to_string());
            prop_assert_eq!(&canary.overrides, &trial.overrides);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stages_and_canaries_serve_what_a_naive_model_says(events in events()) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = DeploymentStore::open(directory.path()).unwrap();
        let mut model = Model::new();
        let mut ledger = store.read().unwrap();
        ledger.follow(&model.described(), 0).unwrap();
        store.write(&ledger).unwrap();
        for event in events {
            if matches!(event, Event::Restart) {
                drop(store);
                store = DeploymentStore::open(directory.path()).unwrap();
            }
            let mut ledger = store.read().unwrap();
            let (order, next) = step(&event, &model);
            let outcome = match &order {
                None => {
                    let next = next.as_ref().expect("a file that is sound is followed");
                    ledger.follow(&next.described(), 0)
                }
                Some(order @ Order::Deploy { .. }) => {
                    let file = match &event {
                        Event::Deploy(_, text) | Event::Canary(_, text, ..) => text.to_string(),
                        other => panic!("{other:?} deploys nothing"),
                    };
                    let described = Model { file, ..model.clone() }.described();
                    ledger.order(&described, "a", order, 0)
                }
                Some(order) => ledger.order(&[], "a", order, 0),
            };
            prop_assert_eq!(outcome.is_ok(), next.is_some(), "{:?}: {:?}", event, outcome);
            if let Some(next) = next {
                model = next;
                store.write(&ledger).unwrap();
            }
            compare(&model, &store.read().unwrap(), &store)?;
        }
    }
}

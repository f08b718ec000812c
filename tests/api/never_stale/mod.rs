//! With policies, keys, tokens, functions, lookups and authorizers changing at random, no request that
//! starts after an acknowledged change gets the old answer.
//!
//! What a file says is acknowledged by the reload, what a function or a server says by the order to
//! forget what it said before, and keys at a URL by the answer to a token that names a new one.

mod rules;
mod world;

use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::task::LocalSet;

use self::rules::{Asked, Rules, Written};
use self::world::World;

#[derive(Clone, Copy, Debug)]
enum Step {
    Reload(Written),
    /// The function allows another path, and what it said before is forgotten.
    Function(usize),
    /// The issuer publishes other keys at its URL.
    Rotate(usize),
    /// The server has another record of the tenant, and what it said before is forgotten.
    Register(usize, Forgetting),
    FlushAuthorizer,
    FlushPrincipal,
}

/// How a record is forgotten.
#[derive(Clone, Copy, Debug)]
enum Forgetting {
    /// With all others of its lookup.
    Lookup,
    /// By its key.
    Key,
}

fn written() -> impl Strategy<Value = Written> {
    let numbers = (
        1..4_usize,
        0..2_usize,
        0..2_usize,
        0..2_usize,
        0..2_usize,
        0..3_usize,
    );
    numbers.prop_map(|(keys, audience, path, permitted, area, tenant)| Written {
        keys,
        audience,
        path,
        permitted,
        area,
        tenant,
    })
}

fn step() -> impl Strategy<Value = Step> {
    let forgetting = prop_oneof![Just(Forgetting::Lookup), Just(Forgetting::Key)];
    prop_oneof![
        6 => written().prop_map(Step::Reload),
        2 => (0..2_usize).prop_map(Step::Function),
        // Each takes up to the least time between two fetches.
        1 => (1..4_usize).prop_map(Step::Rotate),
        2 => (0..3_usize, forgetting).prop_map(|(tenant, how)| Step::Register(tenant, how)),
        1 => Just(Step::FlushAuthorizer),
        1 => Just(Step::FlushPrincipal),
    ]
}

/// What is in force after a step.
const fn after(step: Step, rules: Rules) -> Rules {
    match step {
        Step::Reload(written) => Rules { written, ..rules },
        Step::Function(allowed) => Rules { allowed, ..rules },
        Step::Rotate(served) => Rules { served, ..rules },
        Step::Register(registered, _) => Rules {
            registered,
            ..rules
        },
        Step::FlushAuthorizer | Step::FlushPrincipal => rules,
    }
}

async fn run(steps: Vec<Step>) {
    let mut rules = Rules::FIRST;
    let mut world = World::start(rules).await;
    for step in steps {
        // Decisions that are under way while the change is made.
        let before = world.ask();
        world.change(step, rules).await;
        let old = rules;
        rules = after(step, old);
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

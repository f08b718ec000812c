//! Admission against the books, over random traces of requests, reloads and time.

mod reference;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use gateway_common::limit::{Limit, Rate};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use self::reference::{
    Limited, Limits, Moment, Outcome, PLAN_OF, Plan, ROUTES, Reference, Request, Stand,
};
use super::*;
use crate::clock;
use crate::model::{
    ApiName, CallerKey, CallerThrottle, Period, PlanStage, Quota, RouteKey, StageName, Throttle,
    UsagePlan, UsagePlanName,
};
use crate::store::api_key::NewThrottle;
use crate::store::key_ring::tests::{Bench, NOON, value};

const SECOND: u64 = 1_000_000_000;
const START_NS: u64 = 1_000_000 * SECOND;
const CALLER: HeaderName = HeaderName::from_static("x-caller");
const CALLERS: [&str; 3] = ["a", "b", "c"];
const ROUTE_KEYS: [&str; ROUTES] = ["GET /a", "GET /b"];
const PLANS: [&str; 2] = ["gold", "free"];
/// Nanoseconds in which a request is paid off, all of them exact.
const UNITS_NS: [u64; 5] = [800_000, SECOND / 10, SECOND / 4, SECOND, 10 * SECOND];

/// The real thing: keys, plans and buckets, without a gateway.
struct World {
    bench: Bench,
    routes: [AdmitPlan; ROUTES],
}

impl World {
    fn new(limits: &Limits, own: Limited, now_ns: u64) -> Self {
        let bench = Bench::new();
        for (key, plan) in (0..).zip(PLAN_OF) {
            let throttle = (key == 0).then(|| NewThrottle {
                rate_micro_per_second: micro_per_second(own.unit_ns),
                burst: own.burst,
                monitor: own.is_monitored,
            });
            bench.key(&value(key), &[PLANS[plan]], throttle);
        }
        let mut world = Self {
            bench,
            routes: Default::default(),
        };
        world.reload(limits, now_ns);
        world
    }

    /// What a reload does, in its order.
    fn reload(&mut self, limits: &Limits, now_ns: u64) {
        let routes = std::array::from_fn(|route| self.admit_plan(limits, route));
        let plans: Vec<UsagePlan> = PLANS.iter().zip(limits.plans).map(usage_plan).collect();
        let ring = self.bench.rings.prepare(&plans).unwrap();
        self.bench.rings.install(ring, now_ns).unwrap();
        self.routes = routes;
        for plan in &self.routes {
            plan.put_in_force(now_ns);
        }
    }

    /// What a stop does, and the next start.
    fn restarted(self, limits: &Limits, moment: Moment) -> Self {
        let mut world = Self {
            bench: self.bench.restarted(self.routes, moment.unix_seconds),
            routes: Default::default(),
        };
        world.reload(limits, moment.now_ns);
        world.bench.slots.free_unused();
        world
    }

    fn admit_plan(&self, limits: &Limits, route: usize) -> AdmitPlan {
        let lease = |tag| self.bench.slots.lease(tag).unwrap();
        let callers = limits.caller.iter().map(|caller| CallerBucket {
            throttle: CallerThrottle {
                key: CallerKey::Header(CALLER),
                limit: throttle(*caller).limit,
                overflow: throttle(*caller).limit,
                is_monitored: caller.is_monitored,
                share: None,
            },
            parent: lease(1),
            across: None,
        });
        let shared = [
            (
                10 + route as u64,
                limits.routes[route],
                Reason::RouteThrottled,
            ),
            (2, limits.stage, Reason::StageThrottled),
            (3, limits.api, Reason::ApiThrottled),
            (4, limits.account, Reason::AccountThrottled),
        ];
        let shared = shared.into_iter().filter_map(|(tag, limit, reason)| {
            Some(SharedBucket {
                throttle: throttle(limit?),
                lease: lease(tag),
                reason,
            })
        });
        AdmitPlan {
            callers: callers.collect(),
            shared: shared.collect(),
        }
    }

    /// Calls `with` as a request of this kind comes.
    fn as_request<R>(
        &self,
        request: Request,
        moment: Moment,
        with: impl FnOnce(&AdmitPlan, &Sender<'_>, Option<&Keyed<'_>>) -> R,
    ) -> R {
        let ring = self.bench.rings.current();
        let keyed = request.key.map(|key| {
            let mac = self
                .bench
                .rings
                .keys()
                .mac_of(value(u32::try_from(key).unwrap()).as_bytes());
            Keyed {
                key: ring.find(&mac, "pets", "prod").unwrap(),
                route: ROUTE_KEYS[request.route],
                unix_seconds: moment.unix_seconds,
            }
        });
        let caller = HeaderValue::from_static(CALLERS[request.caller]);
        let headers = HeaderMap::from_iter([(CALLER, caller)]);
        let sender = Sender {
            client: [192, 0, 2, 1].into(),
            headers: &headers,
            caller: None,
            api_key: None,
        };
        with(&self.routes[request.route], &sender, keyed.as_ref())
    }

    fn admit(&self, request: Request, moment: Moment) -> Outcome {
        self.as_request(request, moment, |plan, sender, keyed| {
            let admitted = admit(plan, &self.bench.buckets, sender, keyed, moment.now_ns);
            match admitted {
                Ok((Permit { .. }, noted)) => Ok(noted),
                Err(Rejection {
                    reason,
                    retry_after_seconds,
                    ..
                }) => Err((reason, retry_after_seconds.unwrap())),
            }
        })
    }

    fn stands(&self, request: Request, moment: Moment) -> Vec<Stand> {
        self.as_request(request, moment, |plan, sender, keyed| {
            let buckets = &self.bench.buckets;
            let standings = standings(plan, buckets, sender, keyed, moment.now_ns);
            let standings = standings.into_iter();
            standings
                .map(|it| (it.reason, it.wait_ns, it.is_monitored))
                .collect()
        })
    }

    /// Requests that are counted for a key today.
    fn counted(&self, key: usize, moment: Moment) -> u64 {
        let request = Request {
            key: Some(key),
            route: 0,
            caller: 0,
        };
        self.as_request(request, moment, |_, _, keyed| {
            let standing = keyed.unwrap().key.standing(moment.unix_seconds);
            standing.unwrap().1.used
        })
    }
}

fn micro_per_second(unit_ns: u64) -> u64 {
    SECOND * 1_000_000 / unit_ns
}

fn throttle(limited: Limited) -> Throttle {
    let micro_per_second = micro_per_second(limited.unit_ns);
    let limit = Limit::new(Rate { micro_per_second }, limited.burst, 1).unwrap();
    assert_eq!(limit.increment(1), limited.unit_ns);
    assert_eq!(limit.tolerance_ns, limited.worth_ns());
    Throttle {
        limit,
        is_monitored: limited.is_monitored,
        share: None,
    }
}

fn usage_plan((name, plan): (&&str, Plan)) -> UsagePlan {
    let routes = ROUTE_KEYS.iter().zip(plan.routes);
    let routes = routes.filter_map(|(key, limit)| Some((RouteKey::new(key), throttle(limit?))));
    UsagePlan {
        name: UsagePlanName::new(name),
        stages: vec![PlanStage {
            api: ApiName::new("pets"),
            stage: StageName::new("prod"),
            routes: routes.collect::<BTreeMap<_, _>>(),
        }],
        throttle: plan.all.map(throttle),
        quota: plan.quota,
    }
}

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A request, whose sender waits as long as it is told to where it is refused.
    Ask { request: Request, is_patient: bool },
    /// So many nanoseconds pass.
    Pass(u64),
    /// Other limits.
    Reload(Box<Limits>),
    /// The process ends, and another one begins with what it has left.
    Restart,
}

fn limited() -> impl Strategy<Value = Limited> {
    let unit = prop::sample::select(UNITS_NS.to_vec());
    let monitored = prop::bool::weighted(0.15);
    (unit, 1..6_u64, monitored).prop_map(|(unit_ns, burst, is_monitored)| Limited {
        unit_ns,
        burst,
        is_monitored,
    })
}

fn maybe() -> impl Strategy<Value = Option<Limited>> {
    prop::option::weighted(0.4, limited())
}

fn quota() -> impl Strategy<Value = Quota> {
    let period = prop::sample::select(vec![Period::Day, Period::Week, Period::Month]);
    let monitored = prop::bool::weighted(0.15);
    (1..20_u64, 0..10_u64, period, monitored).prop_map(|(limit, offset, period, is_monitored)| {
        Quota {
            limit,
            offset: offset.min(limit),
            period,
            is_monitored,
            across: None,
        }
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let quota = prop::option::weighted(0.5, quota());
    (maybe(), [maybe(), maybe()], quota).prop_map(|(all, routes, quota)| Plan {
        all,
        routes,
        quota,
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let shared = (maybe(), maybe(), maybe());
    ([plan(), plan()], maybe(), [maybe(), maybe()], shared).prop_map(
        |(plans, caller, routes, (stage, api, account))| Limits {
            plans,
            caller,
            routes,
            stage,
            api,
            account,
        },
    )
}

/// How often each kind of step comes beside the others.
#[derive(Clone, Copy)]
struct Weights {
    ask: u32,
    pass: u32,
    reload: u32,
    restart: u32,
}

fn step(weights: Weights) -> impl Strategy<Value = Step> {
    let key = prop::option::weighted(0.9, 0..PLAN_OF.len());
    let request = (key, 0..ROUTES, 0..CALLERS.len(), prop::bool::weighted(0.1));
    let ask = request.prop_map(|(key, route, caller, is_patient)| Step::Ask {
        request: Request { key, route, caller },
        is_patient,
    });
    let pass = prop_oneof![
        8 => 0..SECOND,
        3 => SECOND..20 * SECOND,
        1 => 3_600 * SECOND..40 * 86_400 * SECOND,
    ];
    prop_oneof![
        weights.ask => ask,
        weights.pass => pass.prop_map(Step::Pass),
        weights.reload => limits().prop_map(|limits| Step::Reload(Box::new(limits))),
        weights.restart => Just(Step::Restart),
    ]
}

fn moment(passed_ns: u64) -> Moment {
    Moment {
        now_ns: START_NS + passed_ns,
        unix_seconds: NOON + passed_ns / SECOND,
    }
}

/// Every kind of request that there is.
fn kinds() -> impl Iterator<Item = Request> {
    let keys = [None].into_iter().chain((0..PLAN_OF.len()).map(Some));
    keys.flat_map(|key| {
        let of_route = move |route| {
            let of_caller = move |caller| Request { key, route, caller };
            (0..CALLERS.len()).map(of_caller)
        };
        (0..ROUTES).flat_map(of_route)
    })
}

/// 48 traces by default; the soak asks for 10^4.
fn traces() -> u32 {
    std::env::var("GATEWAY_SOAK_ADMISSIONS").map_or(48, |traces| traces.parse().unwrap())
}

/// Reloads and restarts of one gateway's life, 40 by default; the soak asks for 1,000.
fn changes() -> usize {
    std::env::var("GATEWAY_SOAK_ADMISSIONS").map_or(40, |_| 1_000)
}

/// Does it all, in the world and in the books, and compares them after each step.
fn follow(first: &Limits, own: Limited, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut passed_ns = 0;
    let mut limits = *first;
    let mut world = World::new(first, own, START_NS);
    let mut books = Reference::new(*first, own, NOON);
    for step in steps {
        let now = moment(passed_ns);
        match step {
            Step::Pass(ns) => passed_ns += ns,
            Step::Reload(other) => {
                limits = *other;
                world.reload(&limits, now.now_ns);
                books.reload(limits, now.now_ns);
            }
            // Of which the books know nothing.
            Step::Restart => world = world.restarted(&limits, now),
            Step::Ask {
                request,
                is_patient,
            } => {
                prop_assert_eq!(world.stands(request, now), books.stands(request, now));
                let outcome = world.admit(request, now);
                prop_assert_eq!(outcome, books.admit(request, now));
                let Err((_, seconds)) = outcome else {
                    continue;
                };
                // Whoever is refused takes nothing, of anybody.
                for kind in kinds() {
                    prop_assert_eq!(world.stands(kind, now), books.stands(kind, now));
                }
                if is_patient {
                    passed_ns += seconds * SECOND;
                    let then = moment(passed_ns);
                    prop_assert!(world.admit(request, then).is_ok(), "{seconds} s later");
                    prop_assert!(books.admit(request, then).is_ok());
                }
            }
        }
    }
    for kind in kinds() {
        let now = moment(passed_ns);
        prop_assert_eq!(world.stands(kind, now), books.stands(kind, now));
    }
    Ok(())
}

/// Steps of many requests, and now and then something else.
const REQUESTS: Weights = Weights {
    ask: 40,
    pass: 10,
    reload: 2,
    restart: 1,
};

/// Steps of which a third change the gateway.
const CHANGES: Weights = Weights {
    ask: 3,
    pass: 1,
    reload: 1,
    restart: 1,
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(traces()))]
    #[test]
    fn one_after_the_other_requests_are_admitted_as_the_books_say(
        first in limits(),
        own in limited(),
        steps in proptest::collection::vec(step(REQUESTS), 1..150),
    ) {
        follow(&first, own, steps)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]
    #[test]
    fn however_often_it_is_reloaded_and_restarted_the_books_are_right(
        first in limits(),
        own in limited(),
        steps in proptest::collection::vec(step(CHANGES), 3 * changes()),
    ) {
        let are_changes = steps.iter().filter(|step| matches!(step, Step::Reload(_) | Step::Restart));
        println!("{} reloads and restarts", are_changes.count());
        follow(&first, own, steps)?;
    }
}

/// Whoever keeps to its limits is admitted each time, however much others ask for beyond theirs.
#[test]
fn who_asks_at_its_rate_is_never_refused() {
    const ROUNDS: u64 = 2_000;
    const UNIT_NS: u64 = SECOND / 4;
    let plan = Plan {
        all: limit(UNIT_NS, 1),
        routes: [limit(UNIT_NS / 2, 1), None],
        quota: None,
    };
    let limits = Limits {
        plans: [plan; 2],
        caller: limit(UNIT_NS, 1),
        routes: [None; ROUTES],
        stage: None,
        api: None,
        account: None,
    };
    let world = World::new(&limits, limit(UNIT_NS, 1).unwrap(), START_NS);
    let (patient, others) = (
        Request {
            key: Some(0),
            route: 0,
            caller: 0,
        },
        Request {
            key: Some(1),
            route: 0,
            caller: 1,
        },
    );
    let mut refused = 0;
    for round in 0..ROUNDS {
        let now = moment(round * UNIT_NS);
        for _ in 0..5 {
            refused += u64::from(world.admit(others, now).is_err());
        }
        assert_eq!(world.admit(patient, now), Ok(None), "request {round}");
    }
    assert_eq!(refused, 4 * ROUNDS);
}

const WORKERS: u64 = 4;

/// What workers admit of each key that ask at once, over a window in which far more is asked than there is, and
/// what the books admit. What was counted for each key has to be what was admitted.
fn saturated(limits: &Limits, own: Limited) -> [[u64; 2]; 2] {
    const REQUESTS: u64 = 100_000;
    const STEP_NS: u64 = 20_000;
    let request = |number: u64| Request {
        key: Some(usize::from(!number.is_multiple_of(2))),
        route: 0,
        caller: 0,
    };
    // What is given back is not yet due by the clock of the host.
    let start_ns = clock::monotonic_ns() + 3_600 * SECOND;
    let at = |number: u64| Moment {
        now_ns: start_ns + number * STEP_NS,
        unix_seconds: NOON,
    };
    let mut books = Reference::new(*limits, own, NOON);
    let mut expected = [0; 2];
    for number in 0..REQUESTS {
        let admitted = books.admit(request(number), at(number)).is_ok();
        expected[request(number).key.unwrap()] += u64::from(admitted);
    }

    let world = World::new(limits, own, start_ns);
    let turn = AtomicU64::new(0);
    let work = || {
        let mut admitted = [0; 2];
        loop {
            let number = turn.fetch_add(1, Ordering::SeqCst);
            if number >= REQUESTS {
                return admitted;
            }
            if world.admit(request(number), at(number)).is_ok() {
                admitted[request(number).key.unwrap()] += 1;
            }
        }
    };
    let of_workers: Vec<[u64; 2]> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        let workers = workers.into_iter();
        workers.map(|worker| worker.join().unwrap()).collect()
    });
    let admitted = [0, 1].map(|key| of_workers.iter().map(|of_one| of_one[key]).sum::<u64>());
    let counted = [0, 1].map(|key| world.counted(key, at(REQUESTS)));
    assert_eq!(counted, admitted);
    [admitted, expected]
}

const fn limit(unit_ns: u64, burst: u64) -> Option<Limited> {
    Some(Limited {
        unit_ns,
        burst,
        is_monitored: false,
    })
}

const LARGE: Quota = Quota {
    limit: 1_000_000,
    offset: 0,
    period: Period::Month,
    is_monitored: false,
    across: None,
};

#[test]
fn workers_admit_of_each_key_what_the_books_say_but_for_one_each() {
    let plan = Plan {
        all: limit(1_600_000, 40),
        routes: [limit(1_250_000, 60), None],
        quota: Some(LARGE),
    };
    // What the keys share leaves room for what they have of their own.
    let limits = Limits {
        plans: [plan; 2],
        caller: limit(625_000, 100),
        routes: [limit(800_000, 100), None],
        stage: limit(640_000, 100),
        api: None,
        account: limit(500_000, 100),
    };
    let [admitted, expected] = saturated(&limits, limit(2_000_000, 5).unwrap());
    assert_eq!(expected, [1_004, 1_289]);
    for (admitted, expected) in admitted.into_iter().zip(expected) {
        let off = admitted.abs_diff(expected);
        assert!(off <= WORKERS, "{admitted}, by the books {expected}");
    }
}

#[test]
fn workers_admit_together_what_the_books_say_but_for_one_each() {
    let plan = Plan {
        all: limit(1_600_000, 40),
        routes: [limit(1_250_000, 30), None],
        quota: Some(LARGE),
    };
    // What the keys share is less than each has of its own; whose turn it is nobody says.
    let limits = Limits {
        plans: [plan; 2],
        caller: limit(2_500_000, 20),
        routes: [limit(1_000_000, 25), None],
        stage: limit(640_000, 60),
        api: None,
        account: limit(500_000, 60),
    };
    let outcome = saturated(&limits, limit(2_000_000, 5).unwrap());
    let [admitted, expected] = outcome.map(|of_keys| of_keys.iter().sum::<u64>());
    assert_eq!(expected, 819);
    let off = admitted.abs_diff(expected);
    assert!(off <= WORKERS, "{admitted}, by the books {expected}");
}

//! Admission as the books have it: one request after the other, in plain numbers.
//!
//! A limit is a debt that shrinks with time: each request adds what one is worth, and one that would bring the
//! debt above what the burst is worth is refused. A quota is a count that begins anew with each period.
//! Nothing of what is tested is used here but names of reasons and of periods.

use std::collections::HashMap;

use crate::exchange::Reason;
use crate::model::{Period, Quota};

/// Keys that there are, and the plan that each belongs to.
pub(super) const PLAN_OF: [usize; 3] = [0, 0, 1];
/// What a caller may owe beyond what its limit is worth before that is cut.
const SPARED_NS: u64 = 1_000_000_000;
/// Routes that there are.
pub(super) const ROUTES: usize = 2;

/// A limit in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    /// Nanoseconds in which one request is paid off.
    pub(super) unit_ns: u64,
    pub(super) burst: u64,
    pub(super) is_monitored: bool,
}

/// What a plan grants each of its keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) all: Option<Limited>,
    pub(super) routes: [Option<Limited>; ROUTES],
    pub(super) quota: Option<Quota>,
}

/// All limits of one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) plans: [Plan; 2],
    pub(super) caller: Option<Limited>,
    pub(super) routes: [Option<Limited>; ROUTES],
    pub(super) stage: Option<Limited>,
    pub(super) api: Option<Limited>,
    pub(super) account: Option<Limited>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// The number of its API key, where its route asks for one.
    pub(super) key: Option<usize>,
    pub(super) route: usize,
    /// What its header says.
    pub(super) caller: usize,
}

/// When it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now_ns: u64,
    pub(super) unix_seconds: u64,
}

/// What becomes of it: admitted, with what would have refused it, or refused for so many seconds.
pub(super) type Outcome = Result<Option<Reason>, (Reason, u64)>;

/// How one limit stands towards a request: its reason, the wait in nanoseconds, whether it only notes.
pub(super) type Stand = (Reason, u64, bool);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    PlanRoute(usize, usize),
    Plan(usize),
    Own(usize),
    Caller(usize),
    Route(usize),
    Stage,
    Api,
    Account,
}

/// What is owed somewhere, as of a moment.
#[derive(Clone, Copy, Debug, Default)]
struct Debt {
    owed_ns: u64,
    at_ns: u64,
}

/// What a key has used.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    /// In the period that a quota has last counted, by its kind and number.
    period: Option<(Period, u32, u64)>,
    /// On the last day with requests.
    day: (u32, u64),
}

/// The books.
#[derive(Debug)]
pub(super) struct Reference {
    limits: Limits,
    /// What limits the first key whatever its plan says.
    own: Limited,
    joined_unix_seconds: u64,
    debts: HashMap<Place, Debt>,
    used: [Used; PLAN_OF.len()],
}

impl Debt {
    fn owed(self, now_ns: u64) -> u64 {
        self.owed_ns.saturating_sub(now_ns - self.at_ns)
    }
}

impl Limited {
    pub(super) fn worth_ns(self) -> u64 {
        self.unit_ns * self.burst
    }
}

impl Used {
    fn today(self, unix_seconds: u64) -> u64 {
        let (day, count) = self.day;
        let is_today = day == Period::Day.number(unix_seconds);
        if is_today { count } else { 0 }
    }

    /// A quota whose periods are changed begins with what was counted today.
    fn in_period(self, period: Period, unix_seconds: u64) -> u64 {
        let number = period.number(unix_seconds);
        match self.period {
            Some((counted, of, count)) if counted == period => {
                if of == number {
                    count
                } else {
                    0
                }
            }
            Some(_) | None => self.today(unix_seconds),
        }
    }
}

impl Reference {
    pub(super) fn new(limits: Limits, own: Limited, joined_unix_seconds: u64) -> Self {
        Self {
            limits,
            own,
            joined_unix_seconds,
            debts: HashMap::new(),
            used: Default::default(),
        }
    }

    /// Other limits. A bucket that is no longer there owes nothing when it comes back, and one that is owes
    /// no more than it could have come to own. Buckets of callers are nobody's to look through: they are left
    /// until their callers come.
    pub(super) fn reload(&mut self, limits: Limits, now_ns: u64) {
        self.limits = limits;
        let mut debts = std::mem::take(&mut self.debts);
        debts.retain(|place, debt| {
            if matches!(place, Place::Caller(_)) {
                return true;
            }
            let Some(limit) = self.limit_of(*place) else {
                return false;
            };
            *debt = Debt {
                owed_ns: debt.owed(now_ns).min(limit.worth_ns()),
                at_ns: now_ns,
            };
            true
        });
        self.debts = debts;
    }

    fn limit_of(&self, place: Place) -> Option<Limited> {
        let plan = |key: usize| self.limits.plans[PLAN_OF[key]];
        match place {
            Place::PlanRoute(key, route) => plan(key).routes[route],
            Place::Plan(key) => plan(key).all,
            Place::Own(key) => (key == 0).then_some(self.own),
            Place::Caller(_) => self.limits.caller,
            Place::Route(route) => self.limits.routes[route],
            Place::Stage => self.limits.stage,
            Place::Api => self.limits.api,
            Place::Account => self.limits.account,
        }
    }

    /// The buckets that a request is charged to, in the documented order.
    fn buckets(&self, request: Request) -> Vec<(Reason, Place, Limited)> {
        let Request { key, route, caller } = request;
        let of_key = key.into_iter().flat_map(|key| {
            [
                (Reason::PlanRouteThrottled, Place::PlanRoute(key, route)),
                (Reason::PlanThrottled, Place::Plan(key)),
                (Reason::KeyThrottled, Place::Own(key)),
            ]
        });
        let others = [
            (Reason::CallerThrottled, Place::Caller(caller)),
            (Reason::RouteThrottled, Place::Route(route)),
            (Reason::StageThrottled, Place::Stage),
            (Reason::ApiThrottled, Place::Api),
            (Reason::AccountThrottled, Place::Account),
        ];
        let all = of_key.chain(others);
        let limited =
            all.filter_map(|(reason, place)| Some((reason, place, self.limit_of(place)?)));
        limited.collect()
    }

    fn quota(&self, key: usize) -> Option<Quota> {
        self.limits.plans[PLAN_OF[key]].quota
    }

    /// What is left of a key's quota, and how long its period lasts yet.
    fn left(&self, key: usize, quota: Quota, unix_seconds: u64) -> (u64, u64) {
        let period = quota.period;
        let is_first = period.number(self.joined_unix_seconds) == period.number(unix_seconds);
        let offset = if is_first { quota.offset } else { 0 };
        let used = self.used[key].in_period(period, unix_seconds);
        let left = (quota.limit - offset).saturating_sub(used);
        let number = period.number(unix_seconds);
        let mut end = unix_seconds;
        // Periods end with a day.
        while period.number(end) == number {
            end = (end / 86_400 + 1) * 86_400;
        }
        (left, end - unix_seconds)
    }

    /// How everything stands that the request would be charged to.
    pub(super) fn stands(&self, request: Request, moment: Moment) -> Vec<Stand> {
        let quota = request.key.and_then(|key| Some((key, self.quota(key)?)));
        let quota = quota.map(|(key, quota)| {
            let (left, seconds) = self.left(key, quota, moment.unix_seconds);
            let wait_ns = if left > 0 { 0 } else { seconds * 1_000_000_000 };
            (Reason::QuotaExceeded, wait_ns, quota.is_monitored)
        });
        let buckets = self.buckets(request).into_iter();
        let buckets = buckets.map(|(reason, place, limit)| {
            let owed = self.owed(place, moment.now_ns);
            let wait_ns = (owed + limit.unit_ns).saturating_sub(limit.worth_ns());
            (reason, wait_ns, limit.is_monitored)
        });
        quota.into_iter().chain(buckets).collect()
    }

    fn owed(&self, place: Place, now_ns: u64) -> u64 {
        let owed_ns = self.debts.get(&place).map_or(0, |debt| debt.owed(now_ns));
        match (place, self.limits.caller) {
            (Place::Caller(_), Some(limit)) if owed_ns > limit.worth_ns() + SPARED_NS => {
                limit.worth_ns()
            }
            _ => owed_ns,
        }
    }

    /// What a caller owes under another limit is cut when it comes, whatever becomes of its request.
    fn cut(&mut self, request: Request, at_ns: u64) {
        let place = Place::Caller(request.caller);
        if self.limits.caller.is_some() {
            let owed_ns = self.owed(place, at_ns);
            self.debts.insert(place, Debt { owed_ns, at_ns });
        }
    }

    /// Decides one request, and books it where it is admitted.
    pub(super) fn admit(&mut self, request: Request, moment: Moment) -> Outcome {
        self.cut(request, moment.now_ns);
        let stands = self.stands(request, moment);
        let refusing = stands.iter().filter(|(_, wait, noted)| *wait > 0 && !noted);
        if let Some((reason, ..)) = refusing.clone().next() {
            let seconds = refusing
                .map(|(_, wait, _)| wait.div_ceil(1_000_000_000))
                .max();
            return Err((*reason, seconds.unwrap_or(1).max(1)));
        }
        for (_, place, limit) in self.buckets(request) {
            let owed_ns = self.owed(place, moment.now_ns) + limit.unit_ns;
            // What is monitored, and would refuse, is not charged.
            if owed_ns <= limit.worth_ns() {
                let at_ns = moment.now_ns;
                self.debts.insert(place, Debt { owed_ns, at_ns });
            }
        }
        if let Some(key) = request.key {
            self.count(key, moment.unix_seconds);
        }
        let noted = stands.into_iter().find(|(_, wait, _)| *wait > 0);
        Ok(noted.map(|(reason, ..)| reason))
    }

    fn count(&mut self, key: usize, unix_seconds: u64) {
        let quota = self.quota(key);
        let used = &mut self.used[key];
        if let Some(Quota { period, .. }) = quota {
            let count = used.in_period(period, unix_seconds) + 1;
            used.period = Some((period, period.number(unix_seconds), count));
        }
        let today = used.today(unix_seconds) + 1;
        used.day = (Period::Day.number(unix_seconds), today);
    }
}

//! Penalties, as the admin socket may see and change them.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use gateway_common::reason::Reason;
use serde::{Deserialize, Serialize};

use super::admin::Reached;
use super::protocol::Response;
use crate::clock;
use crate::model::{Listener, PenaltyRules};
use crate::snapshot::Snapshot;
use crate::store::bucket::{Debt, source_value};
use crate::store::connection::ListenerRules;
use crate::store::list::Standing;
use crate::store::offence::{Offences, Penalised};

/// Penalties that one answer lists.
const LISTED_MAX: usize = 10_000;

/// A penalty that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PenaltyReport {
    /// The source: an IPv4 address, or the first of an IPv6 /64.
    pub source: IpAddr,
    /// The API key or the caller; `None` where it is of the source alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// `slowed`, or `cut`, which at an address that others share is held.
    pub step: String,
    /// Seconds that it lasts yet.
    pub left_seconds: u64,
}

/// How often callers offended and what became of it, since the gateway has started, by what metrics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PenaltyTally {
    /// Offences, by reason.
    pub offences: BTreeMap<String, u64>,
    /// Requests and connections, by what became of them beside their answers.
    pub enforced: BTreeMap<String, u64>,
    /// The same, of what would have.
    pub monitored: BTreeMap<String, u64>,
}

impl PenaltyTally {
    fn read(offences: &Offences) -> Self {
        let taken = |is_enforced| {
            let counts = offences.taken(is_enforced);
            counts
                .map(|(measure, count)| (measure.name().to_owned(), count))
                .collect()
        };
        let kinds = offences.offences();
        Self {
            offences: kinds
                .map(|(kind, count)| (kind.name().to_owned(), count))
                .collect(),
            enforced: taken(true),
            monitored: taken(false),
        }
    }
}

/// The penalties that have not ended.
pub(super) fn list(reached: &Reached) -> Response {
    let (penalties, more) = longest(reached.offences.penalised(clock::monotonic_ns()));
    Response::Penalties {
        penalties,
        more,
        counts: PenaltyTally::read(&reached.offences),
    }
}

/// Those that last longest first, as many as are listed; and how many more there are.
fn longest(mut penalised: Vec<Penalised>) -> (Vec<PenaltyReport>, u64) {
    penalised.sort_by_key(|it| Reverse(it.left));
    let more = penalised.len().saturating_sub(LISTED_MAX);
    let listed = penalised.into_iter().take(LISTED_MAX);
    let reports = listed
        .map(|it| PenaltyReport {
            source: Ipv6Addr::from(it.source).to_canonical(),
            key: it.key.as_deref().map(str::to_owned),
            step: if it.is_slow { "slowed" } else { "cut" }.to_owned(),
            left_seconds: it.left.as_secs(),
        })
        .collect();
    (reports, u64::try_from(more).unwrap_or(u64::MAX))
}

/// Forgets what a source has done, and what it owes for it.
pub(super) fn pardon(reached: &Reached, source: &str) -> Result<String, String> {
    let source = parse(source)?;
    let was_known = reached.offences.pardon(source_value(source));
    let now_ns = clock::monotonic_ns();
    for (_, rules) in listeners(reached, &reached.snapshot.load()) {
        rules.forgive(&reached.buckets, source, now_ns);
    }
    tracing::info!(%source, "pardoned");
    Ok(if was_known {
        format!("{source} is pardoned: it owes nothing, and nothing is remembered of it")
    } else {
        format!("nothing was remembered of {source}; it owes nothing for its connections")
    })
}

/// Cuts a source off for so long; where it is for longer already, that stays.
pub(super) fn add(reached: &Reached, source: &str, seconds: u64) -> Result<String, String> {
    let source = parse(source)?;
    let length = Duration::from_secs(seconds);
    if length.is_zero() || length > PenaltyRules::LENGTH_MAX {
        let most = PenaltyRules::LENGTH_MAX.as_secs();
        return Err(format!("a penalty lasts 1 to {most} seconds"));
    }
    let now_ns = clock::monotonic_ns();
    check_standing(reached, source, now_ns)?;
    let (mut refused, mut let_in) = (Vec::new(), Vec::new());
    for (listener, rules) in listeners(reached, &reached.snapshot.load()) {
        match indebt(reached, (listener, &rules), source, (now_ns, length)) {
            Ok(left) => refused.push(left),
            Err(why) => let_in.push(format!("listener `{}` lets it in: {why}", listener.name)),
        }
    }
    let (Some(least), Some(most)) = (refused.iter().min(), refused.iter().max()) else {
        return Err(format!("{source} cannot be cut off: {}", let_in.join("; ")));
    };
    let is_listed = reached
        .offences
        .cut_off(source_value(source), length, now_ns);
    tracing::info!(%source, seconds, "cut off by hand");
    let (least, most) = (whole_seconds(*least), whole_seconds(*most));
    let mut said = format!("{source} opens no new connection for {least} s");
    if most > seconds {
        said.push_str(": it was cut off for longer already");
    }
    if most > least {
        said.push_str(&format!(", at some listeners for {most} s"));
    }
    if !is_listed {
        let_in.push("there is no room to list it".to_owned());
    }
    for note in let_in {
        said.push_str("; ");
        said.push_str(&note);
    }
    Ok(said)
}

/// Refuses a penalty for a source that may do everything: nothing would come of it.
fn check_standing(reached: &Reached, source: IpAddr, now_ns: u64) -> Result<(), String> {
    let list = match reached.lists.judge(source, now_ns) {
        Standing::Management => "`lists.management`".to_owned(),
        Standing::Allowed(number) => {
            let mut names = reached.lists.names().into_iter();
            let found = names.find(|(known, _)| *known == number);
            format!("the list `{}`", found.map_or_else(String::new, |it| it.1))
        }
        Standing::Unlisted | Standing::Denied(_) | Standing::Monitored(_) => return Ok(()),
    };
    Err(format!(
        "{source} cannot be cut off: it is on {list}, and so is let in whatever it owes; take it off that list \
         first"
    ))
}

/// Has a source owe a listener so much that it opens no connection for so long; for how long it does not now,
/// or why it goes on to.
fn indebt(
    reached: &Reached,
    (listener, rules): (&Listener, &ListenerRules),
    source: IpAddr,
    moment: (u64, Duration),
) -> Result<Duration, &'static str> {
    if listener.proxies().any(|prefix| prefix.contains(source)) {
        return Err(
            "it is a proxy or balancer there; deny those behind it with `gateway deny add`",
        );
    }
    if rules.only_counts(Reason::ConnectionRate) {
        return Err("`connection_rate` is only monitored there; take it out of `monitor`");
    }
    match rules.indebt(&reached.buckets, source, moment) {
        Debt::Owed(left) => Ok(left),
        Debt::NoRoom => {
            reached.offences.count_no_room();
            Err("there is no room for another source; deny it with `gateway deny add`")
        }
        Debt::Unlimited => {
            Err("connections have no limit there; write `xdp.connections_per_source`")
        }
    }
}

/// Seconds, of which one that has begun counts as one.
fn whole_seconds(length: Duration) -> u64 {
    let begun = u64::from(length.subsec_nanos() > 0);
    length.as_secs().saturating_add(begun)
}

fn parse(source: &str) -> Result<IpAddr, String> {
    let parsed: IpAddr = source
        .parse()
        .map_err(|_invalid| "this is no address: write one such as 192.0.2.1".to_owned())?;
    Ok(parsed.to_canonical())
}

/// What every listener asks of sources.
fn listeners<'s>(reached: &Reached, snapshot: &'s Snapshot) -> Vec<(&'s Listener, ListenerRules)> {
    let configuration = reached.configuration.load();
    let gateway = configuration.gateway();
    let seed = reached.buckets.seed();
    let numbered = (1..).zip(&snapshot.listeners);
    numbered
        .map(|(number, listener)| (listener, ListenerRules::of(gateway, number, listener, seed)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_listed_and_how_many_more_there_are() {
        let of = |seconds: u64| Penalised {
            source: [7; 16],
            key: None,
            is_slow: false,
            left: Duration::from_secs(seconds),
        };
        let (listed, more) = longest((1..=10_003).map(of).collect());
        assert_eq!((listed.len(), more), (LISTED_MAX, 3));
        let left = |report: Option<&PenaltyReport>| report.map(|it| it.left_seconds);
        let ends = [left(listed.first()), left(listed.last())];
        assert_eq!(ends, [Some(10_003), Some(4)]);
        assert_eq!(longest(vec![of(1), of(2)]).1, 0);
    }
}

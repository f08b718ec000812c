//! Limits on requests, wherever they are written.

use super::authorizer::NONE;
use super::{Lowering, fleet};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    ApiKind, CALLER_THROTTLES_MAX, CallerKey, CallerThrottle, SharedThrottles, Throttle,
    ThrottleHeaders,
};

/// Whose callers a limit tells apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callers<'w> {
    /// Those of one route.
    OfRoute(ApiKind, &'w written::Route),
    /// Those of all routes of an API or a stage. At routes where nothing tells them apart, all are one.
    OfRoutes(ApiKind),
}

/// Lowers what all who share it are limited to.
pub(super) fn lower(
    written: Option<&written::Throttle>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Throttle> {
    let written = written?;
    let (rate, limit) = cx.limit(written.rate.0, written.burst, at)?;
    let share = fleet::lower_share(written.across_fleet, (rate, written.burst), at, cx)?;
    Some(Throttle {
        limit,
        share,
        is_monitored: written.monitor,
    })
}

/// Lowers what an API or a stage at `at` limits beside its routes.
pub(super) fn lower_shared(
    kind: ApiKind,
    (all, callers): (Option<&written::Throttle>, &[written::CallerThrottle]),
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> SharedThrottles {
    let whose = Callers::OfRoutes(kind);
    SharedThrottles {
        all: lower(all, &at.key("shared_throttle"), cx),
        callers: lower_callers(callers, whose, &at.key("caller_throttles"), cx),
    }
}

/// Lowers what answers say of limits.
pub(super) fn lower_headers(written: Option<&written::ThrottleHeaders>) -> ThrottleHeaders {
    let default = ThrottleHeaders::default();
    written.map_or(default, |written| ThrottleHeaders {
        retry_after: written.retry_after.unwrap_or(default.retry_after),
        rate_limit: written.rate_limit.unwrap_or(default.rate_limit),
    })
}

/// Lowers what each caller is limited to.
pub(super) fn lower_callers(
    written: &[written::CallerThrottle],
    whose: Callers<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<CallerThrottle> {
    if written.len() > CALLER_THROTTLES_MAX {
        let count = written.len();
        let message = format!("{count} are too many: at most {CALLER_THROTTLES_MAX} in one place");
        cx.error_at_key(at, message);
    }
    let mut throttles: Vec<CallerThrottle> = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = at.item(index);
        let Some(throttle) = lower_caller(written, whose, &at, cx) else {
            continue;
        };
        if throttles.iter().any(|earlier| earlier.key == throttle.key) {
            let shown = shortened(&written.key);
            let message = format!("`{shown}` stands twice: keep one");
            cx.error(&at.key("key"), message);
        } else {
            throttles.push(throttle);
        }
    }
    throttles
}

fn lower_caller(
    written: &written::CallerThrottle,
    whose: Callers<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<CallerThrottle> {
    let key = lower_key(&written.key, whose, &at.key("key"), cx);
    let limit = cx.limit(written.rate.0, written.burst, at);
    let share = limit.and_then(|(rate, _)| {
        fleet::lower_share(written.across_fleet, (rate, written.burst), at, cx)
    });
    let limit = limit.map(|(_, limit)| limit);
    let overflow = match &written.overflow {
        None => limit,
        Some(overflow) => cx
            .limit(overflow.rate.0, overflow.burst, &at.key("overflow"))
            .map(|(_, limit)| limit),
    };
    Some(CallerThrottle {
        key: key?,
        limit: limit?,
        share: share?,
        overflow: overflow?,
        is_monitored: written.monitor,
    })
}

/// What tells callers apart.
pub(super) fn lower_key(
    written: &str,
    whose: Callers<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<CallerKey> {
    if written == CallerKey::SOURCE {
        return Some(CallerKey::Source);
    }
    if written == CallerKey::API_KEY {
        if let Err(message) = whose.have_api_keys() {
            cx.error(at, message.to_owned());
        }
        return Some(CallerKey::ApiKey);
    }
    if let Some(name) = written.strip_prefix(CallerKey::HEADER) {
        return cx.header_name(name, at).map(CallerKey::Header);
    }
    match written.strip_prefix(CallerKey::CLAIM) {
        Some(claim) if !claim.is_empty() => {
            if whose.are_public() {
                let message = "a public route has no token that could carry claims: name an \
                               authorizer or tell callers apart by a header";
                cx.error(at, message);
            }
            Some(CallerKey::Claim(claim.to_owned()))
        }
        Some(_) | None => {
            let shown = shortened(written);
            let message = format!(
                "`{shown}` does not tell callers apart: write `{}`, `{}`, `{}<claim>` or \
                 `{}<name>`",
                CallerKey::SOURCE,
                CallerKey::API_KEY,
                CallerKey::CLAIM,
                CallerKey::HEADER
            );
            cx.error(at, message);
            None
        }
    }
}

impl Callers<'_> {
    /// Whether nobody authorizes them.
    fn are_public(self) -> bool {
        match self {
            Self::OfRoute(_, route) => route.authorizer == NONE,
            Self::OfRoutes(_) => false,
        }
    }

    /// Whether they come with API keys that somebody asks for, which alone are known.
    fn have_api_keys(self) -> Result<(), &'static str> {
        match self {
            Self::OfRoute(ApiKind::Http, _) | Self::OfRoutes(ApiKind::Http) => Err(
                "only REST APIs ask for API keys that could tell callers apart: write a claim or \
                 a header",
            ),
            Self::OfRoute(ApiKind::Rest, route) if !route.api_key_required => Err(
                "the route asks for no API key that could tell callers apart: set \
                 `api_key_required`, or write a claim or a header",
            ),
            Self::OfRoute(ApiKind::Rest, _) | Self::OfRoutes(ApiKind::Rest) => Ok(()),
        }
    }
}

//! Which content coding a client wants, as of RFC 9110, section 12.5.3, and of the page "Payload
//! compression for REST APIs" of Amazon's guide.

/// Content codings that the gateway makes and reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `gzip`, also as `x-gzip`.
    Gzip,
    /// `deflate`: the zlib format.
    Deflate,
}

impl Coding {
    /// The value of `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The coding of this name, in whatever case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if ["gzip", "x-gzip"]
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            Some(Self::Gzip)
        } else {
            name.eq_ignore_ascii_case("deflate")
                .then_some(Self::Deflate)
        }
    }
}

/// The coding that `Accept-Encoding` prefers, several fields joined by commas; `None` to leave the
/// body as it is.
///
/// A body is compressed only for a client that names a coding or says `*`, which stands for what is
/// not named, `gzip` first. The highest weight wins, of equal ones the first. `identity` takes part
/// where it is named. What cannot be read is skipped; of a name that is listed twice the first
/// counts.
#[must_use]
pub fn negotiate(header: Option<&str>) -> Option<Coding> {
    let header = header?;
    let mut best: Option<(Weight, Option<Coding>)> = None;
    let mut prefer = |weight: Weight, coding: Option<Coding>| {
        if weight > Weight(0) && best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, coding));
        }
    };
    let mut seen = Seen::default();
    for (offer, weight) in elements(header) {
        match offer {
            Offer::Coding(coding) if seen.is_first(offer) => prefer(weight, Some(coding)),
            Offer::Identity if seen.is_first(offer) => prefer(weight, None),
            Offer::Anything if seen.is_first(offer) => {
                let is_named =
                    |coding| elements(header).any(|(other, _)| other == Offer::Coding(coding));
                let unnamed = [Coding::Gzip, Coding::Deflate]
                    .into_iter()
                    .find(|coding| !is_named(*coding));
                if unnamed.is_some() {
                    prefer(weight, unnamed);
                }
            }
            Offer::Coding(_) | Offer::Identity | Offer::Anything => {}
        }
    }
    best?.1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offer {
    Coding(Coding),
    Identity,
    Anything,
}

/// Thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight(u16);

/// What has been listed so far.
#[derive(Debug, Default)]
struct Seen(Vec<Offer>);

impl Seen {
    fn is_first(&mut self, offer: Offer) -> bool {
        let is_first = !self.0.contains(&offer);
        if is_first {
            self.0.push(offer);
        }
        is_first
    }
}

fn elements(header: &str) -> impl Iterator<Item = (Offer, Weight)> {
    header.split(',').filter_map(|element| {
        let mut parts = element.split(';').map(str::trim);
        let offer = Offer::parse(parts.next()?)?;
        let weight = parts.next().map_or(Some(Weight(1000)), Weight::parse)?;
        parts.next().is_none().then_some((offer, weight))
    })
}

impl Offer {
    fn parse(name: &str) -> Option<Self> {
        if name == "*" {
            return Some(Self::Anything);
        }
        let identity = name
            .eq_ignore_ascii_case("identity")
            .then_some(Self::Identity);
        identity.or_else(|| Coding::parse(name).map(Self::Coding))
    }
}

impl Weight {
    /// From `q=0.5`: 0 to 1 with at most three decimals.
    fn parse(text: &str) -> Option<Self> {
        let value = text
            .strip_prefix(['q', 'Q'])?
            .trim_start()
            .strip_prefix('=')?
            .trim_start();
        let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
        if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
        match whole {
            "0" => Some(Self(thousandths)),
            "1" if thousandths == 0 => Some(Self(1000)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "accept_encoding_tests.rs"]
mod tests;

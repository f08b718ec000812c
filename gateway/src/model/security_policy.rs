//! TLS security policies: what each one offers here, and how that differs from the service.
//!
//! Source: API Gateway Developer Guide, "Security policies for custom domain names", and 14.5 of
//! docs/semantics.md. No policy is ever wider here than there. What this gateway's TLS library does
//! not do is left out: TLS 1.0 and 1.1, suites in CBC mode, and suites without forward secrecy.

use std::fmt;

use super::TlsVersion;

macro_rules! policies {
    ($($variant:ident $name:literal $min:ident [$($trait_:ident)*] $doc:literal,)*) => {
        /// A security policy, by the service's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SecurityPolicy {
            $(#[doc = $doc] $variant,)*
        }

        impl SecurityPolicy {
            /// Every policy.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The service's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Lowest version that is offered. TLS 1.3 always is.
            #[must_use]
            pub const fn version_min(self) -> TlsVersion {
                match self { $(Self::$variant => TlsVersion::$min,)* }
            }

            const fn traits(self) -> &'static [Trait] {
                match self { $(Self::$variant => &[$(Trait::$trait_,)*],)* }
            }
        }
    };
}

/// What sets a policy apart, besides its lowest version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    /// In the service it also has TLS 1.0 and 1.1.
    Old,
    /// In the service every suite has forward secrecy, which here is so anyway.
    Pfs,
    /// Key exchange may be post-quantum.
    Pq,
    /// Algorithms approved by FIPS 140-3 alone.
    Fips,
    /// In the service it is for edge endpoints.
    Edge,
}

policies! {
    Tls10 "TLS_1_0" V1_2 [Old] "The widest there is.",
    Tls12 "TLS_1_2" V1_2 [] "What most domains have.",
    Tls13 "SecurityPolicy_TLS13_1_3_2025_09" V1_3 [Pfs] "TLS 1.3 alone.",
    Tls13Fips "SecurityPolicy_TLS13_1_3_FIPS_2025_09" V1_3 [Pfs Fips] "TLS 1.3 alone, approved algorithms.",
    PfsPq "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09" V1_2 [Pfs Pq] "Forward secrecy, post-quantum.",
    FipsPq "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09" V1_2 [Fips Pq] "Approved algorithms, post-quantum.",
    FipsPfsPq "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09" V1_2 [Fips Pfs Pq] "Approved algorithms, forward secrecy, post-quantum.",
    Pq "SecurityPolicy_TLS13_1_2_PQ_2025_09" V1_2 [Pq] "Post-quantum.",
    Tls12Of2021 "SecurityPolicy_TLS13_1_2_2021_06" V1_2 [] "TLS 1.2 and 1.3.",
    Edge13 "SecurityPolicy_TLS13_2025_EDGE" V1_3 [Pfs Edge] "TLS 1.3 alone, for edge endpoints.",
    Edge12Pfs "SecurityPolicy_TLS12_PFS_2025_EDGE" V1_2 [Pfs Edge] "Forward secrecy, for edge endpoints.",
    Edge12 "SecurityPolicy_TLS12_2018_EDGE" V1_2 [Edge] "TLS 1.2 and 1.3, for edge endpoints.",
}

impl SecurityPolicy {
    /// The policy of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|policy| policy.name() == name)
    }

    /// Whether it is one of the two that were there first, which need no endpoint access mode and
    /// which mutual TLS goes with.
    #[must_use]
    pub const fn is_legacy(self) -> bool {
        matches!(self, Self::Tls10 | Self::Tls12)
    }

    /// Whether post-quantum groups are offered.
    #[must_use]
    pub fn is_post_quantum(self) -> bool {
        self.traits().contains(&Trait::Pq)
    }

    /// Whether only algorithms are offered that FIPS 140-3 approves.
    #[must_use]
    pub fn is_fips(self) -> bool {
        self.traits().contains(&Trait::Fips)
    }

    /// How it is narrower here than in the service; nothing where it is the same.
    #[must_use]
    pub fn differences(self) -> Vec<&'static str> {
        let has = |what| self.traits().contains(&what);
        let is_1_2 = self.version_min() == TlsVersion::V1_2;
        let all = [
            (has(Trait::Old), "TLS 1.0 and 1.1 are not offered"),
            (is_1_2, "suites in CBC mode are not offered"),
            (
                is_1_2 && !has(Trait::Pfs),
                "suites without forward secrecy are not offered",
            ),
            (
                has(Trait::Fips),
                "the algorithms are approved ones, the cryptographic module is not validated",
            ),
            (
                has(Trait::Edge),
                "it holds where clients connect, because there are no edge endpoints",
            ),
        ];
        let differs = all.into_iter().filter(|(differs, _)| *differs);
        differs.map(|(_, text)| text).collect()
    }
}

impl fmt::Display for SecurityPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_the_policies_are() {
        for policy in SecurityPolicy::ALL.iter().copied() {
            let name = policy.name();
            assert_eq!(SecurityPolicy::named(name), Some(policy));
            let is_1_3 = name.contains("TLS13_1_3") || name.contains("TLS13_2025");
            let min = if is_1_3 {
                TlsVersion::V1_3
            } else {
                TlsVersion::V1_2
            };
            assert_eq!(policy.version_min(), min, "{name}");
            assert_eq!(policy.is_post_quantum(), name.contains("_PQ"), "{name}");
            assert_eq!(policy.is_fips(), name.contains("FIPS"), "{name}");
            assert_eq!(policy.is_legacy(), name.starts_with("TLS_"), "{name}");
        }
        assert_eq!(SecurityPolicy::named("tls_1_2"), None);
        let exact = SecurityPolicy::Tls13.differences();
        assert!(exact.is_empty(), "{exact:?}");
    }
}
